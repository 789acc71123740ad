"""Chain files: against a map of every single base, and what is refused of them."""

import gzip
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapha.errors import SourceError
from rapha.sources.vcf import chain as of_chain
from rapha.sources.vcf.chain import Block, Chain, read_chain

HEADER = "chain 10 chrY 100 + 10 30 chrY 200 + 110 135 1\n"
BODY = "8 2 0\n4 0 7\n6\n"


def read(folder: Path, text: str | bytes, name: str = "a.chain") -> Chain:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return read_chain(folder / name, "GRCh37", "GRCh38")


def images(chain: Chain, contig: str, length: int) -> dict[int, tuple[str, int, bool]]:
    """Base by base."""
    found = {base: chain.whole(contig, base, base) for base in range(1, length + 1)}
    cut = {base: block.cut(base, base) for base, block in found.items() if block}
    return {base: (block.place, block.onto, block.turned) for base, block in cut.items()}


def test_blocks_lie_where_their_gaps_put_them(tmp_path: Path) -> None:
    chain = read(tmp_path, HEADER + BODY)
    expected = [Block(11, 18, "Y", 111, False), Block(21, 24, "Y", 119, False), Block(25, 30, "Y", 130, False)]
    assert list(chain.parts("Y", 1, 100)) == expected
    assert chain.whole("Y", 12, 18) == expected[0] and chain.whole("Y", 18, 21) is None
    assert [chain.whole("Y", base, base) for base in (10, 19, 31)] == [None] * 3
    assert list(chain.parts("Y", 17, 22)) == [Block(17, 18, "Y", 117, False), Block(21, 22, "Y", 119, False)]


def test_the_other_strand_is_counted_from_the_other_end(tmp_path: Path) -> None:
    chain = read(tmp_path, HEADER.replace("200 +", "200 -") + BODY)
    assert list(chain.parts("Y", 1, 100)) == [
        Block(11, 18, "Y", 83, True), Block(21, 24, "Y", 79, True), Block(25, 30, "Y", 66, True),
    ]  # fmt: skip
    assert chain.whole("Y", 11, 11) == Block(11, 18, "Y", 83, True)
    assert Block(11, 18, "Y", 83, True).cut(11, 12) == Block(11, 12, "Y", 89, True)


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
        contig, place = dice.choice(["Y", "MT"]), dice.choice(["Y", "MT"])
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
        (contig, base): to for contig in ("Y", "MT") for base, to in images(chain, contig, size).items()
    } == expected


def test_blocks_without_a_gap_between_them_are_one(tmp_path: Path) -> None:
    for turned in (False, True):
        chain = read(tmp_path, text_of([("Y", 10, "Y", 20, turned, [(5, 0, 0), (5, 0, 0)])], 100))
        assert chain.whole("Y", 11, 20) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "holds no chain", id="empty"),
        pytest.param("chain 10 chrY\n", "line 1: is no header", id="a short header"),
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
        pytest.param(HEADER + "8 2 0\n", "line 2: ends in the middle", id="cut short"),
        pytest.param(HEADER + BODY + "\n" + HEADER.replace("chrY 100", "chrY 101"), "another length of Y", id="two lengths"),
        pytest.param(b"\x8b\xff", "is no chain file", id="bytes"),
    ],
)  # fmt: skip
def test_what_does_not_add_up_is_refused(tmp_path: Path, text: str | bytes, why: str) -> None:
    with pytest.raises(SourceError, match=rf"^a\.chain.*{why}"):
        read(tmp_path, text)


def test_a_packed_file_is_read_and_a_cut_one_refused(tmp_path: Path) -> None:
    packed = gzip.compress((HEADER + BODY).encode())
    assert read(tmp_path, packed, "a.chain.gz").whole("Y", 11, 18)
    for wrong in (packed[:-9], packed[:20], b"not packed"):
        with pytest.raises(SourceError, match=r"a\.chain\.gz: is missing, damaged or cut short"):
            read(tmp_path, wrong, "a.chain.gz")
    with pytest.raises(SourceError, match="is missing"):
        read_chain(tmp_path / "nowhere", "GRCh37", "GRCh38")


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_chain, "MOST_BLOCKS", 2)
    with pytest.raises(SourceError, match="more than 2 blocks"):
        read(tmp_path, HEADER + BODY)
    monkeypatch.setattr(of_chain, "LARGEST_BYTES", 30)
    with pytest.raises(SourceError, match="larger than"):
        read(tmp_path, gzip.compress((HEADER + BODY).encode()), "a.chain.gz")


def test_the_way_back_is_refused(tmp_path: Path) -> None:
    text = "chain 1 chr19 58617616 + 10 20 chr19 59128983 + 10 20 1\n10\n"
    with pytest.raises(SourceError, match="not as long as in a chain from GRCh37 to GRCh38"):
        read(tmp_path, text)
