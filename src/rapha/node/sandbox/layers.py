"""The layers that a sandbox can have, by name, and what is locked from inside once the outer ones stand.

A backend states the layers that it gives on this machine; the self-test measures each of them at every start; a site's
rules may demand some by name. Standard library only: it is read inside as well.
"""

import base64
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from rapha.node.sandbox import control_group, landlock, seccomp

NAMESPACES = {
    "user namespace": "user", "mount namespace": "mnt", "pid namespace": "pid", "network namespace": "net",
    "ipc namespace": "ipc", "uts namespace": "uts", "cgroup namespace": "cgroup",
}  # fmt: skip
OUTER = (
    *NAMESPACES,
    "read-only mounts",
    "no capabilities",
    "no new privileges",
    "empty environment",
    "sized memory disk",
)
PLACES = {
    "/usr": "read", "/lib": "read", "/lib64": "read", "/python": "read", "/site": "read", "/code": "read",
    "/in": "read", "/weights": "read", "/out": "lay into", "/tmp": "work in",  # noqa: S108
    "/dev/null": "use", "/dev/zero": "use", "/dev/full": "use", "/dev/random": "use", "/dev/urandom": "use",
}  # fmt: skip
_ONE_MORE = """
import os, resource
resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
try:
    child = os.fork()
except OSError:
    os._exit(1)
if child:
    os.waitpid(child, 0)
"""
TMP_BYTES = 256 * 1024 * 1024


def given_layers() -> tuple[str, ...]:
    """What a backend with namespaces gives on this machine."""
    layers = [*OUTER, "rlimits"]
    if process_limit_holds():
        layers.append("process limit")
    if control_group.groups_of_this_machine() is not None:
        layers.append(control_group.LAYER)
    if landlock.is_given():
        layers.append("landlock")
    if seccomp.is_given():
        layers.append("seccomp")
    return tuple(layers)


@cache
def process_limit_holds() -> bool:
    """Whether the kernel holds this user to a number of processes, tried: it does not hold root to one."""
    return subprocess.run([sys.executable, "-I", "-S", "-c", _ONE_MORE], check=False).returncode != 0


def plan_of(layers: tuple[str, ...]) -> dict[str, Any]:
    """What `inside.py` has to lock and to measure, as JSON takes it."""
    plan: dict[str, Any] = {"layers": list(layers), "tmp_bytes": TMP_BYTES}
    if "user namespace" in layers:
        plan["namespaces"] = {kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in NAMESPACES.values()}
    if "landlock" in layers:
        plan["landlock"] = {
            place: grant for place, grant in PLACES.items() if place != "/lib64" or Path(place).exists()
        }
    if "seccomp" in layers:
        plan["seccomp"] = base64.b64encode(seccomp.assembled(platform.machine())).decode()
    return plan
