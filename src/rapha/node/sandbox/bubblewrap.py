"""The backend: bubblewrap. Namespaces of every kind, read-only mounts, no environment, no capability, limits.

What the workload can see: the interpreter and its libraries (read-only), this package (read-only), `/in` and `/weights`
(read-only), `/out`, an empty `/tmp` in memory. Not the network, not a key, not the timeline, not another run.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import rapha
from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import Workload
from rapha.node.sandbox.started import start_workload
from rapha.training.profile import ENVIRONMENT

LAYERS = (
    "user namespace", "mount namespace", "pid namespace", "network namespace", "ipc namespace", "uts namespace",
    "cgroup namespace", "read-only mounts", "no capabilities", "no new privileges", "empty environment", "rlimits",
)  # fmt: skip
_INSTALL = "install it with `apt-get install bubblewrap`, or see `rapha doctor`"
TMP_BYTES = 256 * 1024 * 1024


class Bubblewrap:
    """See `port.Backend`. Needs `bwrap` 0.8 or newer and unprivileged user namespaces."""

    name = "bubblewrap"
    isolated = True

    def check(self) -> None:
        """See `port.Backend.check`."""
        tried = subprocess.run(
            [_bwrap(), *_NAMESPACES, "--ro-bind", "/", "/", "/bin/true"], capture_output=True, check=False
        )
        if tried.returncode != 0:
            raise SandboxError(
                "bubblewrap is installed but may not make namespaces here: allow unprivileged user namespaces "
                "(sysctl user.max_user_namespaces), or run the node where they are allowed"
            )

    def start(self, run: RunFolder, limits: SandboxLimits) -> Workload:
        """See `port.Backend.start`."""
        command = [_bwrap(), *_NAMESPACES, *_program(), *_places(run), *_environment(), *_interpreter()]
        return start_workload(command, run, limits, backend=self.name, layers=LAYERS, isolated=True)


_NAMESPACES = [
    "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv",
    "--cap-drop", "ALL", "--hostname", "sandbox", "--uid", "65534", "--gid", "65534",
]  # fmt: skip


def _bwrap() -> str:
    found = shutil.which("bwrap")
    if not found:
        raise SandboxError(f"bubblewrap (bwrap) is not installed: {_INSTALL}")
    return found


def _program() -> list[str]:
    """Interpreter, shared libraries, installed packages and this package, read-only, under neutral names."""
    options: list[str] = []
    for library in ("/usr/lib", "/usr/lib64", "/lib", "/lib64"):
        place = Path(library)
        if place.is_symlink():
            options += ["--symlink", str(place.readlink()), library]
        elif place.is_dir():
            options += ["--ro-bind", library, library]
    options += ["--ro-bind", sys.base_prefix, "/python"]
    options += ["--ro-bind", sysconfig.get_path("purelib"), "/site"]
    return [*options, "--ro-bind", str(Path(rapha.__file__).parent), "/code/rapha"]


def _places(run: RunFolder) -> list[str]:
    return [
        "--proc", "/proc", "--dev", "/dev",
        "--size", str(TMP_BYTES), "--tmpfs", "/tmp",  # noqa: S108
        "--ro-bind", str(run.input), "/in", "--ro-bind", str(run.weights), "/weights",
        "--bind", str(run.output), "/out",
        "--remount-ro", "/", "--remount-ro", "/dev", "--chdir", "/tmp",  # noqa: S108
    ]  # fmt: skip


def _environment() -> list[str]:
    """The allow-list: nothing is inherited."""
    fixed = {
        "PATH": "/usr/bin",
        "HOME": "/tmp",  # noqa: S108
        "PYTHONPATH": "/code:/site",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_LIBRARY_PATH": "/python/lib",
        **ENVIRONMENT,
    }
    return [word for key, value in fixed.items() for word in ("--setenv", key, value)]


def _interpreter() -> list[str]:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return [f"/python/bin/{version}", "-s", "-P", "/code/rapha/node/sandbox/inside.py"]
