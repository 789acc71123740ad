"""A sum that is seen, of parts that are not: fixed point, modulo 2^32, under masks that cancel out.

Each pair of neighbours on a ring shares a secret (X25519), from which each makes the same stream of words; one adds it, the
other takes it away. So what a device sends is uniform to whoever does not hold its neighbours' keys, and the sum of all is the sum of the
parts. After Bonawitz et al. 2017, https://doi.org/10.1145/3133956.3133982, with the ring of Bell et al. 2020,
https://doi.org/10.1145/3372297.3417885, and without their second masks: a round in which one device does not answer is begun
again with new keys, by those who are there; nothing is ever unmasked.

1. Fixed point: floor(x * 2^16 + 1/2) modulo 2^32. The sum must lie within +-2^15.
2. The ring: devices in the order of SHA-256(context, device); neighbours are the NEIGHBOURS / 2 before and behind.
3. The stream: HMAC-SHA256 in counter mode (NIST SP 800-108) under HKDF-SHA256 of the shared secret, both of which every phone has;
   four bytes a word, most significant first.
"""

import hashlib
import hmac
import math
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from rapha.canonical import canonical_bytes

MODULUS, POINT = 1 << 32, 1 << 16
LARGEST_SUM = 1 << 15
NEIGHBOURS = 10
INFO = b"rapha masked sum v1"


def fixed_point(values: Iterable[float]) -> list[int]:
    """Words of numbers. Raises ValueError: one is not finite, or cannot be a part of a sum."""
    words = []
    for value in values:
        if not math.isfinite(value) or abs(value) >= LARGEST_SUM:
            raise ValueError("a part of a masked sum is not finite, or too large")
        words.append(math.floor(value * POINT + 0.5) % MODULUS)
    return words


def real_numbers(words: Iterable[int]) -> list[float]:
    """Numbers of the words of a sum."""
    return [(word - MODULUS if word >= MODULUS // 2 else word) / POINT for word in words]


def round_context(study_digest: str, number: int, attempt: int) -> bytes:
    """What the masks of one attempt at one round are bound to."""
    return canonical_bytes({"attempt": attempt, "round": number, "study": study_digest})


def neighbours(devices: Iterable[str], mine: str, context: bytes) -> list[str]:
    """Those on the ring whose streams this device adds or takes away, in no order that means anything.

    Raises:
        ValueError: `mine` is not among them, or one is there twice.
    """
    listed = list(devices)
    ring = sorted(listed, key=lambda device: hashlib.sha256(context + device.encode()).digest())
    if len(set(ring)) != len(ring) or mine not in ring:
        raise ValueError("a device is missing from its own round, or there twice")
    at, size = ring.index(mine), len(ring)
    reach = min(NEIGHBOURS // 2, (size - 1) // 2)
    return [ring[(at + step) % size] for step in (*range(-reach, 0), *range(1, reach + 1))]


def stream(secret: X25519PrivateKey, public: bytes, context: bytes, words: int) -> list[int]:
    """The words that two neighbours share; the same for both."""
    shared = secret.exchange(X25519PublicKey.from_public_bytes(public))
    key = HKDF(algorithm=SHA256(), length=32, salt=hashlib.sha256(context).digest(), info=INFO).derive(shared)
    blocks = (hmac.digest(key, block.to_bytes(8, "big"), "sha256") for block in range((words + 7) // 8))
    made = b"".join(blocks)
    return [int.from_bytes(made[at : at + 4], "big") for at in range(0, 4 * words, 4)]


def masked(
    words: Sequence[int], mine: str, secret: X25519PrivateKey, mask_keys: dict[str, bytes], context: bytes
) -> list[int]:
    """What a device sends. `mask_keys`: of all devices of the round, by device. The lesser name adds, the greater subtracts.

    Raises:
        ValueError: as `neighbours`.
    """
    sent = list(words)
    for other in neighbours(mask_keys, mine, context):
        sign = 1 if mine < other else -1
        shared = stream(secret, mask_keys[other], context, len(sent))
        sent = [(word + sign * mask) % MODULUS for word, mask in zip(sent, shared, strict=True)]
    return sent


def summed(parts: Sequence[Sequence[int]]) -> list[int]:
    """The words of the sum: the masks are gone when all parts are there. Raises ValueError: not all are of one length."""
    return [sum(column) % MODULUS for column in zip(*parts, strict=True)]
