"""Where foreign work runs: the process that talks to the network never runs it; the one that runs it has no network.

port.py         what every backend promises
layers.py       the layers by name: what a backend gives here, what is locked from inside
places.py       what a run sees of the host, the same for every backend
process.py      one isolated process: commands in, bounded replies out
started.py      start it, judge its walls, wait until it is ready
starting.py     a start that another thread may give up
waiting.py      sandboxes started before anybody asks, each for one dispatch
elsewhere.py, order.py, launch.py    sandboxes on another machine: the agent's side, what is said, the side there
placement.py, slurm.py, shared_folder.py   where that is, by what it is started there, and the folder that both see
ray.py, ray_jobs.py   the same by Ray: the placement, and Ray's Jobs API
ray_here.py, ray_there.py, ray_line.py   a Ray job's three pipes: the agent's end, the job's end, what both have in common
kubernetes.py, kubernetes_here.py   the same by Kubernetes: the placement, and the agent's end of a Pod's three pipes
kubernetes_objects.py, kubernetes_api.py, kubernetes_attach.py   what is asked for and demanded, the API server's questions, its WebSocket
cluster_http.py   HTTP with Ray's or Kubernetes's door: a token, limits, no redirect
choose.py       which backend a configuration names
found.py        what the agent found it to give, for the commands of stewards
bubblewrap.py   the first backend: the walls are made by bubblewrap
namespaces.py   the second backend: the walls are made by enter.py, by system calls, with nothing installed
unisolated.py   the backend with the ugly name, for machines that cannot isolate
inside.py       the first code that runs inside: limits, locks, the self-test, then the workload
selftest.py     what the attempts came to, layer by layer
escapes.py      the attempts to get out, each with the layer that has to stop it
landlock.py, seccomp.py, syscalls.py   the two locks, and the kernel's numbers
"""
