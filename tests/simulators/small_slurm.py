"""A real Slurm of one compute node on this machine: munged, slurmctld and slurmd, of their own key, ports and folders.

It needs Debian's `slurm-wlm` and `munge`. Processes are followed by their parents, not by cgroups: a job is held to its time and to its
place in the queue, and not to its memory.
"""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from patience import until

PROGRAMS = ("srun", "squeue", "scancel", "scontrol", "slurmctld", "slurmd", "munged")
SETTINGS = """
ClusterName=small
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={controller}
SlurmdPort={compute}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=200000 State=UNKNOWN
PartitionName=clinical Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=closed Nodes={host} MaxTime=INFINITE State=DOWN
"""


def missing() -> str | None:
    """What keeps such a cluster from being started here; None where nothing does."""
    lacking = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    return f"not installed: {', '.join(lacking)} (apt-get install slurm-wlm munge)" if lacking else None


@contextlib.contextmanager
def small_slurm(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which `srun` and the rest speak to it. All its processes are ended after."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    folder.chmod(0o755)
    configuration = folder / "slurm.conf"
    controller, compute = _free_ports()
    configuration.write_text(
        SETTINGS.format(
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            controller=controller,
            compute=compute,
            folder=folder,
        )
    )
    environment = {"PATH": _path(), "SLURM_CONF": str(configuration)}
    with contextlib.ExitStack() as started:
        for words in (_munged(folder), ["slurmctld", "-D", "-i"], ["slurmd", "-D"]):
            started.enter_context(_daemon(words, environment, folder))
            if words[0] == "munged":
                until((folder / "munge.socket").exists)
        until(lambda: _says(["sinfo", "-h", "-p", "clinical", "-o", "%t"], environment) in ("idle", "mix"))
        yield environment


def jobs(environment: dict[str, str]) -> list[str]:
    """The names of the jobs that wait or run."""
    return _says(["squeue", "-h", "-o", "%j"], environment).splitlines()


def _says(words: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, timeout=60
    ).stdout.strip()


def _munged(folder: Path) -> list[str]:
    files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid", "seed-file": "munged.seed"}
    return ["munged", "--foreground", "--force", *(f"--{option}={folder / name}" for option, name in files.items())]


@contextlib.contextmanager
def _daemon(words: list[str], environment: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{words[0]}.out").open("wb") as said:
        process = subprocess.Popen(words, env=environment, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


def _path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
