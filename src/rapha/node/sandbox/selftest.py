"""What the attempts to get out came to, layer by layer, and one way to make them on nothing.

The record holds names and yes or no, so the same walls give the same bytes: the digest in a receipt is the one that
`rapha node selftest` shows on that machine, as long as the same attempts were made and held.
"""

import contextlib
import tempfile
from pathlib import Path

from pydantic import Field

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox.port import Backend, RunFolder
from rapha.records.record import Record


class Attempt(Record):
    """`layer` is the one that had to stop it."""

    attempt: str = Field(max_length=80)
    layer: str = Field(max_length=40)
    held: bool


class SelfTest(Record):
    """The line that `inside.py` writes."""

    attempts: tuple[Attempt, ...] = Field(min_length=1, max_length=200)

    def layers(self) -> tuple[str, ...]:
        """The layers that were tried, in the order of the attempts."""
        return tuple(dict.fromkeys(one.layer for one in self.attempts))

    def tried(self, layer: str) -> int:
        """How many attempts this layer had to stop."""
        return sum(one.layer == layer for one in self.attempts)

    def fell(self, layer: str | None = None) -> list[str]:
        """The attempts that got through, of one layer or of all."""
        return [one.attempt for one in self.attempts if not one.held and layer in (None, one.layer)]


def run_self_test(backend: Backend, limits: SandboxLimits, runs: Path | None = None) -> SelfTest:
    """Start a sandbox on empty folders, for its self-test alone: the workload finds nothing to read and ends. `runs`: where they lie.

    Raises:
        SandboxError: it did not even come to its self-test.
    """
    if runs is not None:
        runs.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rapha-selftest-", dir=runs) as folder:
        run = RunFolder.under(Path(folder))
        try:
            with contextlib.closing(backend.start(run, limits)):
                pass
        except SandboxError:
            if not run.self_test.is_file():
                raise
        return SelfTest.from_bytes(run.self_test.read_bytes())
