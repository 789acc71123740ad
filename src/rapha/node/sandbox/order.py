"""What the agent and the launcher on another machine say to each other: one line each, before any code of a study runs."""

import os
from pathlib import Path

from pydantic import Field

from rapha.node.configuration import BackendName, SandboxLimits
from rapha.node.sandbox.port import RunFolder
from rapha.records.record import Digest, Record

MODULE = "rapha.node.sandbox.launch"
MAX_ORDER_BYTES = 64 * 1024


class Places(Record):
    """Of a run, by the paths that the agent and this machine share. `mark` is a file that holds `token`."""

    input: str
    weights: str
    output: str
    mark: str
    token: str

    def run(self) -> RunFolder:
        """The agent keeps log and self-test, and nobody writes them here."""
        nowhere = Path(os.devnull)
        return RunFolder(Path(self.input), Path(self.weights), Path(self.output), nowhere, nowhere)


class Order(Record):
    """What is to be started. `places` None: nothing; only look at the machine. `layers`: those that were promised for it."""

    backend: BackendName
    code: Digest
    limits: SandboxLimits
    places: Places | None = None
    layers: tuple[str, ...] = ()
    module: str | None = None
    arguments: tuple[str, ...] = ()
    waits: bool = False


class Launched(Record):
    """`trouble`: in words, why nothing is started. `layers`: what the backend gives on this machine."""

    trouble: str | None = Field(default=None, max_length=2000)
    layers: tuple[str, ...] = ()
