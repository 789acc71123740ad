"""Which backend a configuration names, and where it starts. No fallback: what cannot isolate refuses."""

import shutil
from typing import TYPE_CHECKING, assert_never

from rapha.errors import SandboxError
from rapha.node.configuration import BackendName, Home, KubernetesPlacement, RayPlacement, SlurmPlacement
from rapha.node.sandbox import found
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.namespaces import Namespaces
from rapha.node.sandbox.port import Backend, Walls
from rapha.node.sandbox.unisolated import Unisolated

if TYPE_CHECKING:
    from rapha.node.sandbox.elsewhere import Elsewhere
    from rapha.node.sandbox.placement import Placement

ISOLATING: tuple[type[Bubblewrap] | type[Namespaces], ...] = (Bubblewrap, Namespaces)
_BY_NAME: dict[BackendName, type[Backend]] = {
    "bubblewrap": Bubblewrap,
    "namespaces": Namespaces,
    "i-accept-that-code-can-reach-this-machine": Unisolated,
}


def choose_backend(name: BackendName) -> Backend:
    """The backend of that name, on this machine."""
    return _BY_NAME[name]()


def choose_walls(name: BackendName) -> Walls:
    """The backend of that name, on this machine, where it isolates.

    Raises:
        SandboxError: it does not.
    """
    for backend in ISOLATING:
        if backend.name == name:
            return backend()
    raise SandboxError(f"{name}: walls are not built by it")


def backend_of(home: Home, *, afresh: bool = False) -> Backend:
    """The backend of a home's configuration, where its placement says, checked. `afresh`: for the home's one agent, which begins.

    Raises:
        SandboxError: it cannot isolate, here or there.
    """
    if afresh:
        found.forget(home)
    if home.configuration.placement:
        placed = _placed(home)
        if afresh:
            placed.begin_afresh()
        placed.check()
        return placed
    backend = choose_backend(home.configuration.sandbox)
    backend.check()
    if afresh:
        found.keep(home, backend)
    return backend


def stewards_backend(home: Home) -> Backend:
    """That of `backend_of` as a steward's command decides by it: with the layers that the agent has.

    Raises:
        SandboxError: it cannot isolate, here or there.
    """
    return found.as_the_agent_has_it(home, backend_of(home))


def _placed(home: Home) -> "Elsewhere":
    from rapha.node.sandbox.elsewhere import Elsewhere

    settings = home.configuration
    return Elsewhere(settings.sandbox, _placement_of(home), home.folder, home.runs, settings.limits)


def _placement_of(home: Home) -> "Placement":
    from rapha.node.sandbox.kubernetes import Kubernetes
    from rapha.node.sandbox.ray import Ray
    from rapha.node.sandbox.slurm import Slurm

    match home.configuration.placement:
        case SlurmPlacement() as settings:
            return Slurm(settings)
        case RayPlacement() as settings:
            return Ray(settings, home.jobs)
        case KubernetesPlacement() as settings:
            return Kubernetes(settings, home.runs)
        case None:
            raise AssertionError("asked only where there is one")
        case unreachable:
            assert_never(unreachable)


def name_for_this_machine() -> BackendName:
    """The name that a new home gets: both isolate alike, so bubblewrap where it is installed, else namespaces."""
    return "bubblewrap" if shutil.which("bwrap") else "namespaces"
