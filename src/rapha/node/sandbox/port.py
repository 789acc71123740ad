"""The sandbox port: what every backend promises.

Start state: a `RunFolder` whose `input/` and `weights/` the node filled. `start` returns only after the self-test ran
inside and the workload said it is ready. End state after `close`: no process of the run is alive; `output/` stays.
`close` may be called twice. A sandbox serves one dispatch and is never shared.
"""

import os
import shutil
from pathlib import Path
from typing import NamedTuple, Protocol

from rapha.node.configuration import SandboxLimits
from rapha.records.outputs import OUTPUTS, Command, Reply
from rapha.records.release import Numerics, SandboxReport


class RunFolder(NamedTuple):
    """The only three places of the host that a run can see. `input` and `weights` are read-only inside."""

    input: Path
    weights: Path
    output: Path
    log: Path
    self_test: Path

    @classmethod
    def under(cls, folder: Path) -> "RunFolder":
        """The folder of one dispatch; what is missing is made."""
        run = cls(
            folder / "input", folder / "weights", folder / "output", folder / "workload.log", folder / "self-test.json"
        )
        for place in run[:3]:
            place.mkdir(parents=True, exist_ok=True)
        run.lay_outputs()
        return run

    def lay_outputs(self) -> None:
        """Lay the files that the workload may fill, empty, and take away all else: it can make no other.

        Those that are there are cut to nothing, not replaced, so that a workload which keeps one open gains no room.
        """
        self.output.mkdir(parents=True, exist_ok=True)
        for found in self.output.iterdir():
            if found.name not in OUTPUTS or found.is_symlink() or not found.is_file():
                shutil.rmtree(found) if found.is_dir() and not found.is_symlink() else found.unlink()
        for name in OUTPUTS:
            os.close(os.open(self.output / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600))


class Sandbox(Protocol):
    """One run's workload, isolated, warm between commands."""

    report: SandboxReport
    numerics: Numerics

    def begin(self) -> None:
        """Tell a sandbox that waits that `input/` is filled; it is ready when this returns.

        Raises:
            SandboxError: it died, cannot read its input, or is not ready within two minutes. The sandbox is then closed.
        """

    def alive(self) -> bool:
        """Whether its process still runs."""

    def run(self, command: Command, deadline_seconds: float) -> Reply:
        """Do one command; the outputs are in the run's `output/` when the reply comes.

        Raises:
            SandboxError: the workload died, broke the protocol, or passed the deadline. The sandbox is then closed.
        """

    def close(self) -> None:
        """End every process of the run."""


class Backend(Protocol):
    """`isolated` is False for the one backend that does not isolate."""

    name: str
    isolated: bool

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers it gives on this machine, by the names of `layers.py`. Each is measured at every start."""

    def check(self) -> None:
        """Try to isolate nothing at all.

        Raises:
            SandboxError: this machine cannot; says what to install or allow.
        """

    def start(
        self, run: RunFolder, limits: SandboxLimits, module: str | None = None, *, waits: bool = False
    ) -> Sandbox:
        """Start the workload, `module` or else the trainer, and test its walls. `waits`: on empty folders, which are filled before
        `begin`; where the backend isolates, they may be renamed until then and after.

        Raises:
            SandboxError: it could not start, or an attempt of the self-test got through.
        """

    def give_up(self, run: Path) -> None:
        """End what another thread is starting under this folder: that then raises SandboxError. Nothing where nothing starts."""


class Walls(Backend, Protocol):
    """A backend that isolates, on the machine where it is asked."""

    def entrance(self, run: RunFolder) -> tuple[list[str], dict[str, str]]:
        """The command, and its environment, that runs `inside.py` behind the walls; its arguments come after."""
