"""Chain files: against a map of every single base, and what is refused of them."""

import gzip
import random
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from two_builds import SHOWS

from rapha.errors import SourceError
from rapha.sources.vcf import chain as of_chain
from rapha.sources.vcf.chain import Block, Chain, read_chain

HEADER = "chain 10 chrM 100 + 10 30 chrM 200 + 110 135 1\n"
BODY = "8 2 0\n4 0 7\n6\n"


def read(folder: Path, text: str | bytes, name: str = "a.chain") -> Chain:
    """Behind it a chain whose lengths show the builds, where it is text."""
    (folder / name).write_bytes(f"{text}\n{SHOWS}".encode() if isinstance(text, str) else text)
    return read_chain(folder / name, "GRCh37", "GRCh38")


def images(chain: Chain, contig: str, length: int) -> dict[int, tuple[str, int, bool]]:
    """Base by base."""
    found = {base: chain.whole(contig, base, base) for base in range(1, length + 1)}
    cut = {base: block.cut(base, base) for base, block in found.items() if block}
    return {base: (block.place, block.onto, block.turned) for base, block in cut.items()}


def test_blocks_lie_where_their_gaps_put_them(tmp_path: Path) -> None:
    chain = read(tmp_path, HEADER + BODY)
    expected = [Block(11, 18, "MT", 111, False), Block(21, 24, "MT", 119, False), Block(25, 30, "MT", 130, False)]
    assert list(chain.parts("MT", 1, 100)) == expected
    assert chain.whole("MT", 12, 18) == expected[0] and chain.whole("MT", 18, 21) is None
    assert [chain.whole("MT", base, base) for base in (10, 19, 31)] == [None] * 3
    assert list(chain.parts("MT", 17, 22)) == [Block(17, 18, "MT", 117, False), Block(21, 22, "MT", 119, False)]


def test_the_other_strand_is_counted_from_the_other_end(tmp_path: Path) -> None:
    chain = read(tmp_path, HEADER.replace("200 +", "200 -") + BODY)
    assert list(chain.parts("MT", 1, 100)) == [
        Block(11, 18, "MT", 83, True), Block(21, 24, "MT", 79, True), Block(25, 30, "MT", 66, True),
    ]  # fmt: skip
    assert chain.whole("MT", 11, 11) == Block(11, 18, "MT", 83, True)
    assert Block(11, 18, "MT", 83, True).cut(11, 12) == Block(11, 12, "MT", 89, True)


def text_of(chains: list[tuple[str, int, str, int, bool, list[tuple[int, int, int]]]], size: int) -> str:
    """`chains`: contig, first base from 0, place, first base from 0 on its strand, turned, and blocks with the gaps after them."""
    lines = []
    for number, (contig, begins, place, onto, turned, blocks) in enumerate(chains):
        ends = begins + sum(length + gap for length, gap, _ in blocks) - blocks[-1][1]
        onto_ends = onto + sum(length + gap for length, _, gap in blocks) - blocks[-1][2]
        lines.append(
            f"chain 1 chr{contig} {size} + {begins} {ends} chr{place} {size} {'-' if turned else '+'} {onto} {onto_ends} {number}"
        )
        lines += [f"{length}\t{gap}\t{onto_gap}" for length, gap, onto_gap in blocks[:-1]]
        lines += [str(blocks[-1][0]), ""]
    return "\n".join(lines)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_every_base_has_the_image_that_counting_one_by_one_gives(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice, size = random.Random(seed), 120
    chains = []
    for _ in range(dice.randint(1, 5)):
        blocks = [(dice.randint(1, 12), dice.randint(0, 4), dice.randint(0, 4)) for _ in range(dice.randint(1, 4))]
        room = [size - sum(length + gap[at] for length, *gap in blocks) for at in (0, 1)]
        contig, place = dice.choice(["MT", "Un"]), dice.choice(["MT", "Un"])
        chains.append((contig, dice.randint(0, room[0]), place, dice.randint(0, room[1]), dice.random() < 0.5, blocks))
    found: list[tuple[tuple[str, int], tuple[str, int, bool]]] = []
    for contig, here, place, there, turned, blocks in chains:
        for length, gap, onto_gap in blocks:
            for _ in range(length):
                found.append(((contig, here + 1), (place, size - there if turned else there + 1, turned)))
                here, there = here + 1, there + 1
            here, there = here + gap, there + onto_gap
    froms, tos = Counter(base for base, _ in found), Counter(to[:2] for _, to in found)
    expected = {base: to for base, to in found if froms[base] == 1 and tos[to[:2]] == 1}
    chain = read(tmp_path_factory.mktemp("chain"), text_of(chains, size))
    assert {
        (contig, base): to for contig in ("MT", "Un") for base, to in images(chain, contig, size).items()
    } == expected


def test_blocks_without_a_gap_between_them_are_one(tmp_path: Path) -> None:
    for turned in (False, True):
        chain = read(tmp_path, text_of([("MT", 10, "MT", 20, turned, [(5, 0, 0), (5, 0, 0)])], 100))
        assert chain.whole("MT", 11, 20) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(b"", "holds no chain", id="empty"),
        pytest.param((HEADER + BODY).encode(), "none of its contigs is a chromosome whose length shows GRCh37, or GRCh38", id="shows no build"),
        pytest.param(HEADER.replace("chrM 100", "chr\0M 100") + BODY, "line 1: is no header", id="a name with a NUL"),
        pytest.param("chain 10 chrM\n", "line 1: is no header", id="a short header"),
        pytest.param(HEADER.replace("100 +", "100 -") + BODY, "line 1: is no header", id="the first strand"),
        pytest.param(HEADER.replace("200 +", "200 *") + BODY, "line 1: is no header", id="no strand"),
        pytest.param(HEADER.replace("110", "1e2") + BODY, "line 1: has something else", id="no number"),
        pytest.param(HEADER.replace("110", "-1") + BODY, "line 1: has something else", id="below zero"),
        pytest.param(HEADER.replace("100 +", "29 +") + BODY, "line 1: its header has places outside", id="a short contig"),
        pytest.param(HEADER.replace("10 30", "30 10") + BODY, "line 1: its header has places outside", id="the ends turned"),
        pytest.param(BODY, "line 1: is no block", id="blocks alone"),
        pytest.param(HEADER + "8 2\n", "line 2: is no block", id="two figures"),
        pytest.param(HEADER + "0 2 0\n", "line 2: is no block", id="a block of nothing"),
        pytest.param(HEADER + "8 -2 0\n", "line 2: has something else", id="blocks that overlap"),
        pytest.param(HEADER + "8 99 0\n4\n", "line 3: goes on behind", id="behind the end"),
        pytest.param(HEADER + "8 2 0\n4 0 7\n5\n", "line 4: ends elsewhere", id="before the end"),
        pytest.param(HEADER + BODY + "6\n", "line 5: is no block", id="a block after the last"),
        pytest.param(HEADER + "8 2 0\n" + HEADER, "line 3: a chain begins before", id="a chain in a chain"),
        pytest.param((HEADER + "8 2 0\n").encode(), "line 2: ends in the middle", id="cut short"),
        pytest.param(b"\x8b\xff", "is no chain file", id="bytes"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_refused(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(SourceError, match=rf"^a\.chain.*{why}"):
        read(tmp_path, text)


def test_a_packed_file_is_read_and_a_cut_one_refused(tmp_path: Path) -> None:
    packed = gzip.compress((HEADER + BODY + SHOWS).encode())
    assert read(tmp_path, packed, "a.chain.gz").whole("MT", 11, 18)
    for wrong in (packed[:-9], packed[:20], b"not packed"):
        with pytest.raises(SourceError, match=r"a\.chain\.gz: is missing, damaged or cut short"):
            read(tmp_path, wrong, "a.chain.gz")
    with pytest.raises(SourceError, match="is missing"):
        read_chain(tmp_path / "nowhere", "GRCh37", "GRCh38")


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_chain, "MOST_LINES", 3)
    with pytest.raises(SourceError, match="more than 3 lines"):
        read(tmp_path, HEADER + BODY)
    monkeypatch.setattr(of_chain, "LARGEST_BYTES", 30)
    with pytest.raises(SourceError, match="lines or 0 MiB"):
        read(tmp_path, gzip.compress((HEADER + BODY).encode()), "a.chain.gz")


@pytest.mark.parametrize("text", [b"##\n" * (4 << 20), b"12 " * (4 << 20)], ids=["lines", "one line"])
def test_what_is_too_large_is_refused_before_it_is_held(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.chain.gz"
    path.write_bytes(gzip.compress(text, 1))
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"more than 500,000 lines|line 1: is longer than any line"):
            read_chain(path, "GRCh37", "GRCh38")
        assert tracemalloc.get_traced_memory()[1] < len(text) // 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("contig", "lengths"), [("chr19", (58617616, 59128983)), ("chrY", (57227415, 59373566))])
def test_the_way_back_is_refused(tmp_path: Path, contig: str, lengths: tuple[int, int]) -> None:
    text = f"chain 1 {contig} {lengths[0]} + 10 20 {contig} {lengths[1]} + 10 20 1\n10\n"
    with pytest.raises(SourceError, match="not as long as in a chain from GRCh37 to GRCh38"):
        read(tmp_path, text)


def test_a_contig_of_which_two_lengths_are_said_is_left_out(tmp_path: Path) -> None:
    """chrM and chrMT of hg19 are two sequences, and calls name either of them MT."""
    other = "chain 1 chrUn 50 + 0 10 chrUn 50 + 0 10 3\n10\n"
    old = HEADER + BODY + "\nchain 1 chrMT 101 + 0 10 chrM 200 + 0 10 2\n10\n"
    new = HEADER + BODY + "\nchain 1 chrUn2 50 + 0 10 chrMT 201 + 0 10 2\n10\n"
    for text, left in ((old, {"Un"}), (new, {"Un", "Un2", "MT"})):
        chain = read(tmp_path, text + other)
        assert chain.lengths.keys() == left | {"21"} and ("MT" in chain.onto_lengths) == (text == old)
        assert not list(chain.parts("MT", 1, 100)) and not list(chain.parts("Un2", 1, 50)) and chain.whole("Un", 1, 10)
