"""What custom code gives keeps the first eight bits of each number; the other sixteen are the node's own chance, rounded away.

A float32 has 24 bits, and a model needs eight of them: the others are a channel that no figure of the model shows. Each number goes up or
down to one of the two next to it in bfloat16, with the chance that keeps its mean (stochastic rounding), so that an average over
hospitals and rounds loses nothing; only where the upper one is more than a weight may be does it go down. The chance is a function of the site's secret and of the very numbers: asked again for the same
ones the node gives the same, and repetition tells nothing more.

It narrows a channel and closes none: eight bits, and signs, are left (docs/security.md).
"""

import hashlib
import hmac
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rapha.egress.weights import LARGEST_WEIGHT

LOW = np.uint32(0xFFFF)
RULE = "low-bits-by-chance"
"""Its name in a receipt."""


def low_bits_by_chance(tensors: Mapping[str, NDArray[np.float64]], secret: bytes) -> dict[str, NDArray[np.float64]]:
    """The same tensors, each number one that bfloat16 has: what is one already stays. Finite, of at most `LARGEST_WEIGHT` in magnitude, and so is
    what is given."""
    return {name: _rounded(tensor, secret, name) for name, tensor in tensors.items()}


def _rounded(tensor: NDArray[np.float64], secret: bytes, name: str) -> NDArray[np.float64]:
    bits = np.asarray(tensor, dtype=np.float32, order="C").view(np.uint32)
    seed = hmac.new(secret, b"rapha-low-bits:" + name.encode() + b"\0" + bits.tobytes(), hashlib.sha256).digest()
    chance = np.frombuffer(hashlib.shake_256(seed).digest(2 * bits.size), dtype="<u2").astype(np.uint32)
    up = bits + chance.reshape(bits.shape)  # the sign is a bit of its own: what carries over makes the magnitude larger
    found = (up & ~LOW).view(np.float32)
    return np.where(np.abs(found) > LARGEST_WEIGHT, (bits & ~LOW).view(np.float32), found).astype(np.float64)
