"""The backend with the ugly name, for machines that cannot isolate: the workload runs as an ordinary process.

It can reach the network and every file of this user. Node rules refuse it unless they say the ugly name too, and every
receipt made with it says `isolated: false`.
"""

import os
import sys
from pathlib import Path

import rapha
from rapha.node.configuration import UGLY, SandboxLimits
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import Workload
from rapha.node.sandbox.started import give_up_start, start_workload
from rapha.training.profile import ENVIRONMENT, PLACING


class Unisolated:
    """See `port.Backend`; limits and an almost empty environment are all it gives."""

    name: str = UGLY
    isolated = False
    layers: tuple[str, ...] = ("rlimits",)

    def check(self) -> None:
        """Nothing to check: nothing is promised."""

    def give_up(self, run: Path) -> None:
        """See `port.Backend.give_up`."""
        give_up_start(run)

    def start(
        self, run: RunFolder, limits: SandboxLimits, module: str | None = None, *, waits: bool = False
    ) -> Workload:
        """See `port.Backend.start`."""
        package = Path(rapha.__file__).parent
        places = ("--input", str(run.input), "--weights", str(run.weights), "--output", str(run.output))
        environment = {
            "PATH": os.defpath,
            "PYTHONPATH": str(package.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            **ENVIRONMENT,
            **PLACING,
        }
        return start_workload(
            [sys.executable, "-s", "-P", str(package / "node" / "sandbox" / "inside.py")],
            run,
            limits,
            backend=self.name,
            layers=self.layers,
            isolated=False,
            waits=waits,
            arguments=places,
            environment=environment,
            module=module,
        )
