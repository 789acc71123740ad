"""Tiles: whatever the batches, the same files and the same root; paths as C2SP tlog-tiles has them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapha.errors import Unproven
from rapha.proof.merkle import inclusion_proof, leaf_hash, node_hash, root, root_of_inclusion
from rapha.proof.tiles import (
    PATH,
    Edge,
    TileReader,
    bundle_of,
    check_whole,
    edge_of,
    entries_of,
    grow,
    tile_path,
    width_of,
)


def entry(number: int) -> bytes:
    return b"entry %d" % number * (number % 3 + 1)


def built(*sizes: int) -> tuple[Edge, dict[str, bytes]]:
    """A log made by batches of these sizes, and all files ever written."""
    edge, files = Edge(0), {}
    for size in sizes:
        grown = grow(edge, [entry(edge.size + n) for n in range(size)])
        edge, files = grown.edge, files | grown.files
    return edge, files


def reference_node(level: int, index: int) -> bytes:
    if level == 0:
        return leaf_hash(entry(index))
    return node_hash(reference_node(level - 1, 2 * index), reference_node(level - 1, 2 * index + 1))


@pytest.mark.parametrize(
    ("level", "index", "width", "path"),
    [
        (0, 0, 256, "tile/0/000"),
        (1, 67, 256, "tile/1/067"),
        (0, 1234067, 256, "tile/0/x001/x234/067"),
        (2, 999, 17, "tile/2/999.p/17"),
        ("entries", 1000, 1, "tile/entries/x001/000.p/1"),
    ],
)
def test_paths(level: int | str, index: int, width: int, path: str) -> None:
    assert tile_path(level, index, width) == path
    assert PATH.fullmatch(path)


@pytest.mark.parametrize(
    "path",
    ["", "/checkpoint", "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/000.p/01", "tile/64/000", "tile/0/../checkpoint",
     "tile/0/0000", "tile/0/x01/000", "tile/00/000", "log-key.pem", "tile/0/000\n", "tile/0/000.p/5.draft", ".writer"],
)  # fmt: skip
def test_no_other_path_is_one(path: str) -> None:
    assert not PATH.fullmatch(path)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=4))
def test_batches_do_not_matter(sizes: list[int]) -> None:
    edge, files = built(*sizes)
    assert edge.root == root(edge.size, reference_node)
    assert edge == built(sum(sizes))[0] == edge_of(files.__getitem__, edge.size)
    reader = TileReader(files.__getitem__, edge.size)
    for index in {0, edge.size // 2, edge.size - 1}:
        proof = inclusion_proof(index, edge.size, reader.node)
        assert root_of_inclusion(index, edge.size, leaf_hash(entry(index)), proof) == edge.root
        assert reader.entry(index) == entry(index)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537])
def test_the_sizes_at_which_a_tile_ends(size: int) -> None:
    edge, files = built(size)
    reader = TileReader(files.__getitem__, size)
    assert root(size, reader.node) == edge.root
    assert edge == edge_of(files.__getitem__, size)
    grown = grow(edge, [entry(size)])
    both = files | grown.files
    assert root(size + 1, TileReader(both.__getitem__, size + 1).node) == grown.edge.root
    index = size - 1
    proof = inclusion_proof(index, size, reader.node)
    assert root_of_inclusion(index, size, leaf_hash(entry(index)), proof) == edge.root


def test_a_full_tile_is_never_written_again() -> None:
    edge, files = built(512)
    grown = grow(edge, [entry(512)])
    assert not set(grown.files) & {path for path in files if ".p/" not in path}
    assert set(grown.files) == {"tile/entries/002.p/1", "tile/0/002.p/1"}


def test_widths() -> None:
    assert [width_of(0, 1, size) for size in (256, 257, 511, 512, 600)] == [0, 1, 255, 256, 256]
    assert [width_of(1, 0, size) for size in (255, 256, 65_536, 70_000)] == [0, 1, 256, 256]


def test_entries_that_do_not_fit_their_tile_are_refused() -> None:
    data = bundle_of([b"", b"a", b"b" * 65_535])
    assert entries_of(data, 3) == [b"", b"a", b"b" * 65_535]
    for wrong, width in ((data, 2), (data, 4), (data[:-1], 3), (data + b"\x00", 3), (b"\x00", 1)):
        with pytest.raises(Unproven):
            entries_of(wrong, width)
    with pytest.raises(ValueError, match="at most"):
        bundle_of([b"c" * 65_536])


def test_a_reader_believes_no_file() -> None:
    edge, files = built(300)
    files["tile/0/001.p/44"] = files["tile/0/001.p/44"][:-1]
    with pytest.raises(Unproven, match="does not hold 44"):
        TileReader(files.__getitem__, 300).node(0, 299)
    files["tile/entries/000"] = bundle_of([b"x", *(entry(n) for n in range(1, 256))])
    with pytest.raises(Unproven, match="not the one that was hashed"):
        TileReader(files.__getitem__, 300).entry(0)
    with pytest.raises(Unproven, match=r"no node|does not hold"):
        TileReader(built(300)[1].__getitem__, 300).node(3, 300 >> 3)
    assert edge.size == 300


@pytest.mark.parametrize("size", [0, 1, 300, 512, 65_600])
def test_a_whole_log_is_whole(size: int) -> None:
    edge, files = built(size) if size else built()
    check_whole(files.__getitem__, size, edge.root)


def test_any_edited_file_is_found() -> None:
    edge, files = built(70, 530)
    kept = {path for path in files if path not in ("tile/0/000.p/70", "tile/entries/000.p/70")}
    for path in kept:
        edited = files | {path: bytes([files[path][0] ^ 1]) + files[path][1:]}
        with pytest.raises(Unproven):
            check_whole(edited.__getitem__, 600, edge.root)
    with pytest.raises(Unproven, match="root"):
        check_whole(files.__getitem__, 600, bytes(32))
