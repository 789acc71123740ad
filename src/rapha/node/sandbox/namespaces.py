"""The second backend: the same walls by system calls, for machines on which no program may be installed.

Needs Linux 5.12 or newer (mount_setattr) and unprivileged user namespaces. `enter.py` does the work.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import rapha
from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox import places, syscalls
from rapha.node.sandbox.layers import TMP_BYTES, given_layers
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import Workload
from rapha.node.sandbox.started import give_up_start, start_workload

_ENVIRONMENT = {"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}


class Namespaces:
    """See `port.Backend`. Needs no installed program."""

    name = "namespaces"
    isolated = True

    @property
    def layers(self) -> tuple[str, ...]:
        """See `port.Backend.layers`."""
        return given_layers()

    def check(self) -> None:
        """See `port.Backend.check`."""
        if not sys.platform.startswith("linux") or not syscalls.is_known():
            raise SandboxError("namespaces need Linux on x86-64 or aarch64: run the node on such a machine")
        plan = _plan([(str(Path(rapha.__file__).parent), "/in")], str(Path(rapha.__file__).parent))
        command = [*_entrance(), json.dumps(plan), places.interpreter()[0], "-S", "-c", "0"]
        tried = subprocess.run(command, capture_output=True, check=False, env=_environment())
        if tried.returncode != 0:
            raise SandboxError(
                "this user may not make namespaces and mount /proc in them here: allow unprivileged user namespaces "
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
        plan = _plan(places.readable(run), str(run.output))
        return [*_entrance(), json.dumps(plan), *places.interpreter()], _environment()


def _entrance() -> list[str]:
    """The host's interpreter with our own `enter.py`: no site packages, none of the caller's settings."""
    return [sys.executable, "-S", "-s", "-P", str(Path(__file__).with_name("enter.py"))]


def _environment() -> dict[str, str]:
    return {**_ENVIRONMENT, "PYTHONPATH": str(Path(rapha.__file__).parent.parent)}


def _plan(readable: list[tuple[str, str]], output: str) -> dict[str, Any]:
    found = places.libraries()
    folders = [(path, path) for kind, path in found if kind == "folder"]
    return {
        "read_only": [*folders, *places.program(), *readable],
        "links": [(places.target(path), path) for kind, path in found if kind == "link"],
        "output": output,
        "tmp_bytes": TMP_BYTES,
        "environment": places.environment(),
    }
