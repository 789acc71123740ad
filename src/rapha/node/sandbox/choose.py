"""Which backend a configuration names. No fallback: what cannot isolate refuses."""

from typing import Literal

from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.port import Backend
from rapha.node.sandbox.unisolated import Unisolated


def choose_backend(name: Literal["bubblewrap", "i-accept-that-code-can-reach-this-machine"]) -> Backend:
    """The backend of that name."""
    return Bubblewrap() if name == "bubblewrap" else Unisolated()
