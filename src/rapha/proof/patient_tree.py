"""Which patients were in a run, as a tree: anyone who knows one patient's token can be shown that it is in, or is not. Pure.

The prefix tree of IETF KEYTRANS (draft-ietf-keytrans-protocol, "Prefix Tree"): a patient's place is decided by the bits of
their token, so there is one place where it can be, and an empty one proves absence. A sorted list with neighbours cannot do
that: a list that was not sorted as it says proves presence and absence of the same token.

    leaf     SHA-256(0x02 || token || commitment)       at the shallowest place where no other token has its bits
    parent   SHA-256(0x03 || left || right)             a child that is not there is 32 zero bytes

Tokens and commitments have 32 bytes. A token is HMAC-SHA-256 by a secret of the patient over the run; a commitment hides what
the patient's rows were.
"""

import hashlib
import hmac
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapha.errors import Unproven

NOTHING = bytes(32)
DEEPEST = 256

Leaf = tuple[bytes, bytes]
"""Token and commitment."""


@dataclass(frozen=True)
class Path:
    """From the place where a token would be, up to the root. `found`: the leaf that is there, None where none is.
    `siblings`: the hashes beside the way, from the root down."""

    found: Leaf | None
    siblings: tuple[bytes, ...]


def token(patient_secret: bytes, run: bytes) -> bytes:
    """A patient's token in one run. Tokens of two runs cannot be told to be one patient's without the secret."""
    return hmac.new(patient_secret, b"rapha patient token\0" + run, hashlib.sha256).digest()


def commitment(nonce: bytes, rows: bytes) -> bytes:
    """Of a patient's rows, by a nonce of 32 bytes that the hospital keeps."""
    return hashlib.sha256(b"rapha patient rows\0" + nonce + rows).digest()


def sorted_leaves(leaves: Sequence[Leaf]) -> list[Leaf]:
    """In the order that `root` and `path` ask for. Raises ValueError where a token is there twice."""
    found = sorted(leaves)
    if any(one[0] == next_[0] for one, next_ in pairwise(found)):
        raise ValueError("a token is there twice")
    return found


def root(leaves: Sequence[Leaf]) -> bytes:
    """Of the tree of these leaves, which are sorted."""
    return _root(leaves, 0, len(leaves), 0)


def path(leaves: Sequence[Leaf], wanted: bytes) -> Path:
    """The way from where this token is, or would be, up to the root. `leaves` are sorted."""
    low, high, depth = 0, len(leaves), 0
    siblings: list[bytes] = []
    while high - low > 1:
        middle = _split(leaves, low, high, depth)
        if _bit(wanted, depth):
            siblings.append(_root(leaves, low, middle, depth + 1))
            low = middle
        else:
            siblings.append(_root(leaves, middle, high, depth + 1))
            high = middle
        depth += 1
    return Path(leaves[low] if high > low else None, tuple(siblings))


def check_path(expected: bytes, wanted: bytes, shown: Path) -> bytes | None:
    """The commitment under that token in the tree with this root; None: the token is not in it.

    Raises:
        Unproven: the path does not lead to the root, or not from where this token would be.
    """
    depth = len(shown.siblings)
    if len(wanted) != 32 or depth > DEEPEST or any(len(one) != 32 for one in shown.siblings):
        raise Unproven("the patient's proof is not of this form: hashes of 32 bytes, at most 256 of them")
    if shown.found is None:
        here = NOTHING
    else:
        there, committed = shown.found
        if len(there) != 32 or len(committed) != 32:
            raise Unproven("the patient's proof is not of this form: a leaf of twice 32 bytes")
        if any(_bit(there, at) != _bit(wanted, at) for at in range(depth)):
            raise Unproven("the patient's proof is of another place in the tree than this token's")
        here = _leaf(shown.found)
    for at in range(depth - 1, -1, -1):
        sibling = shown.siblings[at]
        here = _parent(sibling, here) if _bit(wanted, at) else _parent(here, sibling)
    if here != expected:
        raise Unproven("the patient's proof does not lead to the root that was signed")
    return shown.found[1] if shown.found is not None and shown.found[0] == wanted else None


def _root(leaves: Sequence[Leaf], low: int, high: int, depth: int) -> bytes:
    if high - low == 0:
        return NOTHING
    if high - low == 1:
        return _leaf(leaves[low])
    middle = _split(leaves, low, high, depth)
    return _parent(_root(leaves, low, middle, depth + 1), _root(leaves, middle, high, depth + 1))


def _split(leaves: Sequence[Leaf], low: int, high: int, depth: int) -> int:
    """Where those begin whose bit at this depth is set: all of them share the bits before it."""
    first = bytearray(leaves[low][0])
    first[depth // 8] |= 0x80 >> depth % 8
    keep = 0xFF << (7 - depth % 8) & 0xFF
    first[depth // 8] &= keep
    for at in range(depth // 8 + 1, 32):
        first[at] = 0
    return bisect_left(leaves, (bytes(first),), low, high)


def _bit(key: bytes, at: int) -> int:
    return key[at // 8] >> (7 - at % 8) & 1


def _leaf(leaf: Leaf) -> bytes:
    return hashlib.sha256(b"\x02" + leaf[0] + leaf[1]).digest()


def _parent(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x03" + left + right).digest()
