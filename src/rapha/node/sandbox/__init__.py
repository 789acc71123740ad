"""Where foreign work runs: the process that talks to the network never runs it; the one that runs it has no network.

port.py         what every backend promises
process.py      one isolated process: commands in, bounded replies out
started.py      start it, judge its walls, wait until it is ready
choose.py       which backend a configuration names
bubblewrap.py   the backend: namespaces, read-only mounts, no environment, limits
unisolated.py   the backend with the ugly name, for machines that cannot isolate
inside.py       the first code that runs inside: limits, the self-test, then the workload
"""
