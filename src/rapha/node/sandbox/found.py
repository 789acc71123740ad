"""What the home's agent found its backend to give, kept for the commands of its stewards.

A steward's shell lies in another control group than the agent, and shares it: the layer `control group` is not found there. What is decided in
a shell is decided of the walls that the agent has; no run begins by it, for the agent asks again, of what it has itself, before every task.
"""

from pathlib import Path

from rapha.durable import sync_folder, write_synced
from rapha.errors import SandboxError
from rapha.node.configuration import BackendName, Home, SandboxLimits
from rapha.node.sandbox.control_group import LAYER
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.records.record import Record


class Found(Record):
    """By which backend, and what it gave where the agent ran."""

    backend: BackendName
    layers: tuple[str, ...]


class AsTheAgentHasIt:
    """See `port.Backend`: one that a steward's command decides by, and starts nothing with."""

    def __init__(self, backend: Backend, layers: tuple[str, ...]) -> None:
        self.name, self.isolated, self._backend, self._layers = backend.name, backend.isolated, backend, layers

    @property
    def layers(self) -> tuple[str, ...]:
        """See `port.Backend.layers`: on this machine, and where the agent ran."""
        return self._layers

    def check(self) -> None:
        """See `port.Backend.check`."""
        self._backend.check()

    def start(
        self, run: RunFolder, limits: SandboxLimits, module: str | None = None, *, waits: bool = False
    ) -> Sandbox:
        """Raises SandboxError, always."""
        raise SandboxError("a steward's command starts no sandbox: the layers are the agent's, and are not tried here")

    def give_up(self, run: Path) -> None:
        """See `port.Backend.give_up`: nothing is started."""


def forget(home: Home) -> None:
    """For the home's one agent, when it begins: until it has looked, nothing is known."""
    _kept(home).unlink(missing_ok=True)


def keep(home: Home, backend: Backend) -> None:
    """For the home's one agent, when it begins."""
    found = Found(backend=home.configuration.sandbox, layers=backend.layers)
    beside = _kept(home).with_suffix(".new")
    write_synced(beside, found.as_bytes())
    beside.replace(_kept(home))
    sync_folder(home.folder)


def as_the_agent_has_it(home: Home, backend: Backend) -> Backend:
    """The backend as a steward's command decides by it: where this process has no control group, with the layers that the agent was found
    to have. As it is, where the agent never began, or began with another backend."""
    found = _found(home, backend)
    return backend if found is None else AsTheAgentHasIt(backend, found.layers)


def not_tried_here(home: Home, backend: Backend) -> bool:
    """Whether the agent has a control group, and this process has none."""
    found = _found(home, backend)
    return found is not None and LAYER in found.layers


def _found(home: Home, backend: Backend) -> Found | None:
    """What the agent of this backend found, where this process itself does not have the control group."""
    if LAYER in backend.layers or home.configuration.placement:
        return None
    try:
        found = Found.from_bytes(_kept(home).read_bytes())
    except (OSError, ValueError):
        return None
    return found if found.backend == home.configuration.sandbox else None


def _kept(home: Home) -> Path:
    return home.folder / "sandbox.json"
