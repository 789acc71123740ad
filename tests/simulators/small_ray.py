"""A real Ray of one machine, this one: `ray start --head`, with a token, ports and a folder of its own.

Ray is installed into an environment of its own. `RAPHA_RAY` names a Python that has `ray[default]`.
"""

import contextlib
import functools
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kept_environments import python_with
from patience import until

from rapha.errors import SandboxError
from rapha.node.configuration import RayPlacement
from rapha.node.sandbox.ray_jobs import RayJobs

RAY = "ray[default]==2.60.0"
BEGINS_SECONDS = 180.0
PORTS = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")


class Cluster(NamedTuple):
    """How it is reached. `ports`: those of its head that are known before it begins, its Jobs API's first."""

    address: str
    token_file: Path
    ports: tuple[int, ...]

    def settings(self, shared: Path, **more: str | int) -> RayPlacement:
        named = {"shared_folder": str(shared), "address": self.address, "token_file": str(self.token_file)}
        return RayPlacement(by="ray", **named, **more)  # type: ignore[arg-type]

    def jobs(self) -> list[str]:
        """The names of the jobs that wait or run."""
        seen = RayJobs(self.settings(Path("/"))).every()
        return [job.submission_id or "" for job in seen if job.status in ("PENDING", "RUNNING")]


@functools.cache
def python_with_ray() -> str | None:
    """None: it cannot be installed here."""
    if "RAPHA_RAY" in os.environ:
        return os.environ["RAPHA_RAY"]
    python = python_with(RAY)
    return str(python) if python else None


@contextlib.contextmanager
def second_machine(cluster: Cluster, folder: Path, resource: str) -> Iterator[int]:
    """Another machine of the cluster, as Ray sees it: a second raylet on this one, which alone has the resource. Its process."""
    (agent,) = _free_ports(1)
    command = [
        _ray(),
        "start",
        f"--address=127.0.0.1:{cluster.ports[1]}",
        "--block",
        f"--dashboard-agent-listen-port={agent}",
    ]
    command += [
        "--num-cpus=2",
        "--memory=100000000000",
        "--object-store-memory=80000000",
        "--min-worker-port=0",
        "--max-worker-port=0",
    ]
    command += [f'--resources={{"{resource}": 1}}', "--disable-usage-stats"]
    environment = _environment(folder, cluster.token_file)
    with (folder / "second.out").open("wb") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said, start_new_session=True)
        try:
            until(
                lambda: b"Ray runtime started" in (folder / "second.out").read_bytes(),
                seconds=BEGINS_SECONDS,
                every=0.2,
            )
            (raylet,) = [
                pid for pid in _children_of(process.pid) if b"/raylet" in Path(f"/proc/{pid}/cmdline").read_bytes()
            ]
            yield raylet
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def _children_of(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


@contextlib.contextmanager
def small_ray(folder: Path) -> Iterator[Cluster]:
    """All its processes are ended after. Sockets of Ray's have long names: its own folder has a short one."""
    folder.mkdir(parents=True, exist_ok=True)
    token = folder / "token"
    with os.fdopen(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(os.urandom(32).hex())
    ports = _free_ports(len(PORTS))
    cluster = Cluster(f"http://127.0.0.1:{ports[1]}", token, (ports[1], ports[0], *ports[2:]))
    with (
        tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as own,
        (folder / "ray.out").open("wb") as said,
    ):
        process = subprocess.Popen(
            _command(own, ports), env=_environment(folder, token), stdout=said, stderr=said, start_new_session=True
        )
        try:
            until(lambda: _answers(cluster, process), (folder / "ray.out").read_text, BEGINS_SECONDS, 0.2)
            yield cluster
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            until(lambda: not _ended(own), lambda: "processes of Ray are left", every=0.1)
            process.wait()


def _command(own: str, ports: tuple[int, ...]) -> list[str]:
    named = [f"--{name}={port}" for name, port in zip(PORTS, ports, strict=True)]
    room = ["--num-cpus=16", "--memory=200000000000", "--object-store-memory=80000000"]
    quiet = ["--min-worker-port=0", "--max-worker-port=0", "--disable-usage-stats", "--dashboard-host=127.0.0.1"]
    return [_ray(), "start", "--head", "--block", f"--temp-dir={own}", *named, *room, *quiet]


def _ray() -> str:
    return str(Path(python_with_ray() or "").parent / "ray")


def _environment(folder: Path, token: Path) -> dict[str, str]:
    return {"PATH": os.defpath, "HOME": str(folder), "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}


def _answers(cluster: Cluster, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "Ray did not begin"
    try:
        RayJobs(cluster.settings(Path("/"))).check()
    except SandboxError:
        return False
    return True


def _ended(own: str) -> list[int]:
    """Kill those that name the cluster's own folder; whom there was still to kill."""
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if own.encode() in (place / "cmdline").read_bytes() + (place / "environ").read_bytes():
                found.append(int(place.name))
                os.kill(found[-1], signal.SIGKILL)
    return found


def _free_ports(number: int) -> tuple[int, ...]:
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return tuple(one.getsockname()[1] for one in sockets)
