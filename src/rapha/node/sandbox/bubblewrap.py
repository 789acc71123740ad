"""The first backend: bubblewrap makes the namespaces and mounts; limits, Landlock and the filter come from inside.

What the workload can see: the interpreter and its libraries (read-only), this package (read-only), `/in` and `/weights`
(read-only), `/out`, an empty `/tmp` in memory. Not the network, not a key, not the timeline, not another run.
"""

import shutil
import subprocess
from pathlib import Path

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox import places
from rapha.node.sandbox.layers import TMP_BYTES, given_layers
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import Workload
from rapha.node.sandbox.started import give_up_start, start_workload

_INSTALL = "install it with `apt-get install bubblewrap`, or set `sandbox: namespaces` in node.yaml"


class Bubblewrap:
    """See `port.Backend`. Needs `bwrap` 0.8 or newer and unprivileged user namespaces."""

    name = "bubblewrap"
    isolated = True

    @property
    def layers(self) -> tuple[str, ...]:
        """See `port.Backend.layers`."""
        return given_layers()

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

    def give_up(self, run: Path) -> None:
        """See `port.Backend.give_up`."""
        give_up_start(run)

    def start(
        self, run: RunFolder, limits: SandboxLimits, module: str | None = None, *, waits: bool = False
    ) -> Workload:
        """See `port.Backend.start`."""
        command, environment = self.entrance(run)
        return start_workload(
            command,
            run,
            limits,
            backend=self.name,
            layers=self.layers,
            isolated=True,
            waits=waits,
            environment=environment,
            module=module,
        )

    def entrance(self, run: RunFolder) -> tuple[list[str], dict[str, str]]:
        """See `port.Walls.entrance`."""
        return [_bwrap(), *_NAMESPACES, *_mounts(run), *_environment(), *places.interpreter()], {}


_NAMESPACES = [
    "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--clearenv",
    "--cap-drop", "ALL", "--hostname", "sandbox", "--uid", "65534", "--gid", "65534",
]  # fmt: skip


def _bwrap() -> str:
    found = shutil.which("bwrap")
    if not found:
        raise SandboxError(f"bubblewrap (bwrap) is not installed: {_INSTALL}")
    return found


def _mounts(run: RunFolder) -> list[str]:
    options: list[str] = []
    for kind, path in places.libraries():
        options += ["--ro-bind", path, path] if kind == "folder" else ["--symlink", places.target(path), path]
    for host, inside in [*places.program(), *places.readable(run)]:
        options += ["--ro-bind", host, inside]
    return [
        *options, "--proc", "/proc", "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp",  # noqa: S108
        "--bind", str(run.output), "/out", "--remount-ro", "/", "--remount-ro", "/dev", "--chdir", "/tmp",  # noqa: S108
    ]  # fmt: skip


def _environment() -> list[str]:
    return [word for key, value in places.environment().items() for word in ("--setenv", key, value)]
