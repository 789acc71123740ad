"""The Merkle tree of RFC 6962 (RFC 9162, section 2.1): hashes, proofs, and what a proof proves. Pure.

A tree over n leaves splits at the largest power of two below n. A *node* (level, index) is the hash over the
2**level leaves from index * 2**level on: a perfect subtree, which never changes once its leaves are there.
"""

import hashlib
from collections.abc import Callable, Sequence

from rapha.errors import Unproven

HASH_BYTES = 32
MAX_PROOF_HASHES = 63
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]
"""(level, index) -> the hash of that perfect subtree."""


def leaf_hash(entry: bytes) -> bytes:
    """RFC 9162, 2.1.1: a leaf is told from a node by its first byte."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(size: int, node: Node) -> bytes:
    """The root of the tree over the first `size` leaves."""
    return _range(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of RFC 9162, 2.1.3.1, from the leaf upwards. Raises ValueError where index is not below size."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, node: Node) -> tuple[bytes, ...]:
    """PROOF(old, D[new]) of RFC 9162, 2.1.4.1; empty where the sizes are equal. Raises ValueError unless 0 < old <= new."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} cannot follow a tree of {old}")
    path: list[bytes] = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range(middle, end, node))
            end = middle
        else:
            path.append(_range(start, middle, node))
            start = middle
    if start > 0:
        path.append(_range(start, end, node))
    return tuple(reversed(path))


def root_of_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The one root under which `proof` shows `leaf` (a leaf hash) at `index` of `size` (RFC 9162, 2.1.3.2).

    Raises:
        Unproven: the proof has not the form of one for this place.
    """
    if not 0 <= index < size:
        raise Unproven(f"leaf {index} cannot be in a log of {size} entries")
    at, last, found = index, size - 1, leaf
    for step in _hashes(proof):
        if last == 0:
            raise Unproven("the inclusion proof has too many hashes for its place in the log")
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    if last:
        raise Unproven("the inclusion proof has too few hashes for its place in the log")
    return found


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """The tree of `new` leaves begins with the whole tree of `old` (RFC 9162, 2.1.4.2). Everything follows on nothing.

    Raises:
        Unproven: it is not shown to.
    """
    if not 0 <= old <= new:
        raise Unproven(f"a log of {new} entries cannot follow one of {old}")
    if old in (0, new):
        if proof or (old == new and old_root != new_root) or (old == 0 and old_root != EMPTY_ROOT):
            raise Unproven(f"two different logs of {new} entries, or a proof where none is needed")
        return
    steps = list(_hashes(proof)) if old & (old - 1) else [old_root, *_hashes(proof)]
    if not steps:
        raise Unproven("the consistency proof is empty")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    was = now = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise Unproven("the consistency proof has too many hashes")
        if at & 1 or at == last:
            was, now = node_hash(step, was), node_hash(step, now)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            now = node_hash(now, step)
        at, last = at >> 1, last >> 1
    if last or was != old_root or now != new_root:
        raise Unproven(f"the log of {new} entries does not continue the one of {old}: an entry was changed or removed")


def _hashes(proof: Sequence[bytes]) -> Sequence[bytes]:
    if len(proof) > MAX_PROOF_HASHES or any(len(step) != HASH_BYTES for step in proof):
        raise Unproven(f"a proof is a list of at most {MAX_PROOF_HASHES} hashes of {HASH_BYTES} bytes")
    return proof


def _split(size: int) -> int:
    """The largest power of two below `size`, which is 2 or more."""
    return 1 << ((size - 1).bit_length() - 1)


def _range(start: int, end: int, node: Node) -> bytes:
    """The hash over the leaves from `start` to `end`, which the tree keeps together."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range(start, middle, node), _range(middle, end, node))
