"""Which backend a configuration names. No fallback: what cannot isolate refuses."""

import shutil

from rapha.node.configuration import BackendName
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.namespaces import Namespaces
from rapha.node.sandbox.port import Backend
from rapha.node.sandbox.unisolated import Unisolated

ISOLATING: tuple[type[Backend], ...] = (Bubblewrap, Namespaces)
_BY_NAME: dict[BackendName, type[Backend]] = {
    "bubblewrap": Bubblewrap,
    "namespaces": Namespaces,
    "i-accept-that-code-can-reach-this-machine": Unisolated,
}


def choose_backend(name: BackendName) -> Backend:
    """The backend of that name."""
    return _BY_NAME[name]()


def name_for_this_machine() -> BackendName:
    """The name that a new home gets: both isolate alike, so bubblewrap where it is installed, else namespaces."""
    return "bubblewrap" if shutil.which("bwrap") else "namespaces"
