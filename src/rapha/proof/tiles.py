"""A log as static files: C2SP tlog-tiles. The paths, the bytes of each file, and how a tree grows by whole batches. Pure.

    checkpoint                     the signed root (checkpoint.py)
    tile/<L>/<N>[.p/<W>]           up to 256 hashes: the nodes of tree level 8 * L
    tile/entries/<N>[.p/<W>]       up to 256 entries, each with its length before it (big endian, 16 bits)

N is written in groups of three digits, all but the last with an x before it; `.p/W` is a tile that has only W of its 256.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapha.errors import Unproven
from rapha.proof.merkle import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash

WIDTH, HEIGHT = 256, 8
MAX_ENTRY_BYTES = 0xFFFF
MAX_TILE_BYTES = WIDTH * (MAX_ENTRY_BYTES + 2)
CHECKPOINT = "checkpoint"
PATH = re.compile(
    r"checkpoint|tile/(?:entries|[0-9]|[1-5][0-9]|6[0-3])/(?:x[0-9]{3}/){0,5}[0-9]{3}"
    r"(?:\.p/(?:[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?"
)
"""Every path that a log may have."""

Fetch = Callable[[str], bytes]
"""Path -> the file's bytes."""


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """The path of one tile; `level` is a number, or `entries`."""
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.append(f"x{index % 1000:03d}")
    part = "" if width == WIDTH else f".p/{width}"
    return f"tile/{level}/{'/'.join(reversed(groups))}{part}"


def width_of(level: int, index: int, size: int) -> int:
    """How many hashes (or entries, at level 0) that tile has in a tree of `size`; 0 where it has none."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH))


def is_in_tree(path: str, size: int) -> bool:
    """Whether a tile by that path holds nothing but what a tree of `size` has. Raises Unproven: it is no path of a tile."""
    if not PATH.fullmatch(path) or path == CHECKPOINT:
        raise Unproven(f"{path[:100]!r} is not the path of a tile")
    whole, _, part = path.partition(".p/")
    _, level, *groups = whole.split("/")
    index = int("".join(group.removeprefix("x") for group in groups))
    return width_of(0 if level == "entries" else int(level), index, size) >= int(part or WIDTH)


def bundle_of(entries: Sequence[bytes]) -> bytes:
    """The bytes of an entries tile. Raises ValueError for an entry that is too long for the format."""
    if any(len(entry) > MAX_ENTRY_BYTES for entry in entries):
        raise ValueError(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def entries_of(data: bytes, width: int) -> list[bytes]:
    """The entries of a tile that has `width` of them.

    Raises:
        Unproven: it has another number, or ends in the middle of one.
    """
    found: list[bytes] = []
    at = 0
    while at < len(data) and len(found) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        found.append(data[at + 2 : end])
        at = end
    if len(found) != width or at != len(data):
        raise Unproven(f"an entries tile does not hold exactly {width} entries")
    return found


class TileReader:
    """The nodes of the tree of `size` leaves, out of its tiles. Remembers the tiles that it fetched."""

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch, self._size = fetch, size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """The hash of a perfect subtree.

        Raises:
            Unproven: the tile that holds it is not one of this tree.
        """
        tile_level, inside = divmod(level, HEIGHT)
        first = index << inside
        tile, at = divmod(first, WIDTH)
        hashes = self._tile(tile_level, tile)
        row = [hashes[i * HASH_BYTES : (i + 1) * HASH_BYTES] for i in range(at, at + (1 << inside))]
        if len(row[-1]) != HASH_BYTES:
            raise Unproven(f"the log has no node {index} at level {level} in a tree of {self._size}")
        while len(row) > 1:
            row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
        return row[0]

    def entry(self, index: int) -> bytes:
        """One entry's bytes, held against its leaf hash. Raises Unproven where they differ."""
        tile, at = divmod(index, WIDTH)
        width = width_of(0, tile, self._size)
        found = entries_of(self._fetch(tile_path("entries", tile, width)), width)[at]
        if leaf_hash(found) != self.node(0, index):
            raise Unproven(f"entry {index} of the log is not the one that was hashed")
        return found

    def _tile(self, level: int, index: int) -> bytes:
        if (level, index) not in self._tiles:
            width = width_of(level, index, self._size)
            data = self._fetch(tile_path(level, index, width)) if width else b""
            if len(data) != width * HASH_BYTES:
                raise Unproven(f"{tile_path(level, index, width)} does not hold {width} hashes")
            self._tiles[level, index] = data
        return self._tiles[level, index]


@dataclass(frozen=True)
class Edge:
    """The right edge of a tree: all that is needed to make it grow. `hashes[L]`: those of the last, not yet full tile of
    level L. `entries`: those of the last, not yet full entries tile."""

    size: int
    hashes: tuple[tuple[bytes, ...], ...] = ()
    entries: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        peaks = [peak for level in reversed(self.hashes) for peak in _peaks(level)]
        if not peaks:
            return EMPTY_ROOT
        found = peaks.pop()
        while peaks:
            found = node_hash(peaks.pop(), found)
        return found


@dataclass(frozen=True)
class Growth:
    """What a batch changed: the edge it left, and every file to write, full or partial."""

    edge: Edge
    files: dict[str, bytes]


def grow(edge: Edge, batch: Sequence[bytes]) -> Growth:
    """Append entries. Raises ValueError for an entry that is too long."""
    files: dict[str, bytes] = {}
    entries = [*edge.entries, *batch]
    first = edge.size // WIDTH
    for at in range(0, len(entries), WIDTH):
        part = entries[at : at + WIDTH]
        files[tile_path("entries", first + at // WIDTH, len(part))] = bundle_of(part)
    size = edge.size + len(batch)
    rising = [leaf_hash(entry) for entry in batch]
    levels: list[tuple[bytes, ...]] = []
    for level in range(max(len(edge.hashes), 1) + HEIGHT):
        before = edge.hashes[level] if level < len(edge.hashes) else ()
        if not rising and level >= len(edge.hashes):
            break
        tile = edge.size >> (HEIGHT * (level + 1))
        hashes, up = [*before, *rising], []
        while len(hashes) >= WIDTH:
            files[tile_path(level, tile)] = b"".join(hashes[:WIDTH])
            up.append(_perfect(hashes[:WIDTH]))
            hashes, tile = hashes[WIDTH:], tile + 1
        if hashes and rising:
            files[tile_path(level, tile, len(hashes))] = b"".join(hashes)
        levels.append(tuple(hashes))
        rising = up
    left = tuple(entries[len(entries) - size % WIDTH :]) if size % WIDTH else ()
    return Growth(Edge(size, tuple(levels), left), files)


def edge_of(fetch: Fetch, size: int) -> Edge:
    """The edge of a tree that is there already, from its tiles.

    Raises:
        Unproven: a tile is not of that tree.
    """
    levels: list[tuple[bytes, ...]] = []
    level = 0
    while size >> (HEIGHT * level):
        count = size >> (HEIGHT * level)
        width = count % WIDTH
        data = fetch(tile_path(level, count // WIDTH, width)) if width else b""
        if len(data) != width * HASH_BYTES:
            raise Unproven(f"{tile_path(level, count // WIDTH, width)} does not hold {width} hashes")
        levels.append(tuple(data[i * HASH_BYTES : (i + 1) * HASH_BYTES] for i in range(width)))
        level += 1
    width = size % WIDTH
    entries = entries_of(fetch(tile_path("entries", size // WIDTH, width)), width) if width else []
    if tuple(map(leaf_hash, entries)) != (levels[0] if levels else ()):
        raise Unproven("the last entries of the log are not those that were hashed")
    return Edge(size, tuple(levels), tuple(entries))


def check_whole(fetch: Fetch, size: int, root: bytes) -> None:
    """Every file of the log of that size is there, and all of them follow from the entries alone, up to the root.

    Raises:
        Unproven: the first file that does not.
    """
    edge = Edge(0)
    for tile in range((size + WIDTH - 1) // WIDTH):
        width = width_of(0, tile, size)
        grown = grow(edge, entries_of(fetch(tile_path("entries", tile, width)), width))
        for path, data in grown.files.items():
            if ".p/" not in path and fetch(path) != data:
                raise Unproven(f"{path} does not follow from the entries")
        edge = grown.edge
    if edge.root != root or edge_of(fetch, size) != edge:
        raise Unproven(f"the last tiles, or the root, of the log of {size} do not follow from the entries")


def _perfect(row: Sequence[bytes]) -> bytes:
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]


def _peaks(hashes: Sequence[bytes]) -> list[bytes]:
    """The perfect subtrees that these hashes make, the largest first."""
    found, at = [], 0
    for bit in reversed(range(HEIGHT)):
        if len(hashes) & 1 << bit:
            found.append(_perfect(hashes[at : at + (1 << bit)]))
            at += 1 << bit
    return found
