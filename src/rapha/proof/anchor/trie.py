"""Ethereum's Merkle Patricia trie (Yellow Paper, appendix D): its root, the branch to one key, and what a branch shows. Pure.

A node is a branch of 16 children and a value, or a pair of a path and what is there. A child is named by its Keccak-256, or
stands there itself where it takes less than 32 bytes. The first half byte of a pair's path says whether it ends at a value.
"""

from collections.abc import Mapping, Sequence

from rapha.errors import Unproven
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.rlp import Item, decode, encode

MAX_NODES = 16
HASH_BYTES = 32
_FANOUT = 16
_Values = list[tuple[bytes, bytes]]
"""(path in half bytes, value)."""


def value_at(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """The value that `nodes`, from the root downwards, show at `key`.

    Raises:
        Unproven: they do not lead there from this root, or there are others among them.
    """
    if not 0 < len(nodes) <= MAX_NODES:
        raise Unproven(f"a branch has 1 to {MAX_NODES} nodes")
    path, rest, reference = _half_bytes(key), list(nodes), root
    while True:
        data = reference
        if len(reference) == HASH_BYTES:
            if not rest or keccak256(rest[0]) != reference:
                raise Unproven("a node of the branch is not the one that the node above names")
            data = rest.pop(0)
        found, path, ends = _step(_as_node(data), path)
        if ends:
            break
        reference = found if isinstance(found, bytes) else encode(found)
    if rest or not isinstance(found, bytes):
        raise Unproven("the branch has nodes that nothing leads to, or no value")
    return found


class Trie:
    """The trie over some keys and values, and its nodes by their names."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        """Raises ValueError where there is no value, or an empty one."""
        if not values or not all(values.values()):
            raise ValueError("a trie is over one value or more, none of them empty")
        self._nodes: dict[bytes, bytes] = {}
        top = encode(self._node([(_half_bytes(key), value) for key, value in sorted(values.items())]))
        self.root = keccak256(top)
        self._nodes[self.root] = top

    def branch(self, key: bytes) -> tuple[bytes, ...]:
        """The nodes from the root to `key`, for `value_at`. Raises Unproven where it has no such key."""
        nodes: list[bytes] = []
        path, reference = _half_bytes(key), self.root
        while True:
            if len(reference) == HASH_BYTES:
                nodes.append(self._nodes[reference])
            found, path, ends = _step(_as_node(nodes[-1] if len(reference) == HASH_BYTES else reference), path)
            if ends:
                return tuple(nodes)
            reference = found if isinstance(found, bytes) else encode(found)

    def _node(self, values: _Values) -> Item:
        paths = [path for path, _ in values]
        if len(values) == 1:
            return [_packed(paths[0], ends=True), values[0][1]]
        shared = _shared(paths)
        if shared:
            below = self._reference(self._node([(path[shared:], value) for path, value in values]))
            return [_packed(paths[0][:shared], ends=False), below]
        node: list[Item] = [b""] * (_FANOUT + 1)
        for digit in range(_FANOUT):
            chosen = [(path[1:], value) for path, value in values if path and path[0] == digit]
            if chosen:
                node[digit] = self._reference(self._node(chosen))
        node[_FANOUT] = next((value for path, value in values if not path), b"")
        return node

    def _reference(self, node: Item) -> Item:
        data = encode(node)
        if len(data) < HASH_BYTES:
            return node
        name = keccak256(data)
        self._nodes[name] = data
        return name


def _step(node: list[Item], path: bytes) -> tuple[Item, bytes, bool]:
    """What a node has on this path, the path from there, and whether that is the value itself. Raises Unproven."""
    if len(node) == _FANOUT + 1:
        found, rest, ends = (node[path[0]], path[1:], False) if path else (node[_FANOUT], b"", True)
    elif len(node) == 2 and isinstance(node[0], bytes):
        ends, part = _unpacked(node[0])
        if path[: len(part)] != part or (ends and len(part) != len(path)):
            raise Unproven("the branch leads to another place")
        found, rest = node[1], path[len(part) :]
    else:
        raise Unproven("the branch has something that is no node")
    if found == b"":
        raise Unproven("the branch ends before its place")
    return found, rest, ends


def _as_node(data: bytes) -> list[Item]:
    node = decode(data)
    if not isinstance(node, list):
        raise Unproven("the branch has something that is no node")
    return node


def _half_bytes(key: bytes) -> bytes:
    return bytes(half for byte in key for half in (byte >> 4, byte & 15))


def _packed(path: bytes, ends: bool) -> bytes:
    """Hex-prefix encoding (Yellow Paper, appendix C)."""
    odd = len(path) % 2
    halves = bytes([2 * ends + odd]) + (b"" if odd else b"\x00") + path
    return bytes(16 * high + low for high, low in zip(halves[::2], halves[1::2], strict=True))


def _unpacked(packed: bytes) -> tuple[bool, bytes]:
    halves = _half_bytes(packed)
    if not halves or halves[0] > 3 or (not halves[0] & 1 and halves[1]):
        raise Unproven("a node of the branch has no path in its one form")
    return bool(halves[0] & 2), halves[1 if halves[0] & 1 else 2 :]


def _shared(paths: list[bytes]) -> int:
    low, high = min(paths), max(paths)
    return next((at for at, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))
