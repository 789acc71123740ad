"""A chain file (UCSC, "Chain Format") -> which base of one build is which of another, where exactly one is.

A header line `chain score tName tSize tStrand tStart tEnd qName qSize qStrand qStart qEnd id` and blocks under it: `size dt dq`, bases that lie side by
side without a gap, and the gaps after them in either build; of the last block `size` alone. Places count from 0; on a q strand of `-` from the other end.

Untrusted bytes, so read with limits, and every header must add up with its blocks. A base over which two blocks lie, and one that would come to a place
where another comes too, has no image: nothing says which is right. A contig of which two lengths are said (chrM and chrMT of hg19) is left out.
"""

import gzip
import zlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SourceError
from rapha.sources.vcf.build import check_build, chromosome

LARGEST_BYTES = 64 << 20
"""Unpacked; the one from GRCh37 to GRCh38 has less than two million."""
MOST_LINES = 500_000
LONGEST_LINE_BYTES = 1024
_LONGEST_NUMBER = 12
Span = tuple[int, int]
_Lengths = tuple[dict[str, set[int]], dict[str, set[int]]]
"""Of the contigs in either build all that are said."""


class Block(NamedTuple):
    """Bases `first` to `last` of a contig, ends included, from 1, and those of `place` in the other build that they are, of which `onto` is the lowest; `turned`:
    on the other strand, the last base onto the lowest."""

    first: int
    last: int
    place: str
    onto: int
    turned: bool

    @property
    def image(self) -> Span:
        """The first and the last base in the other build."""
        return self.onto, self.onto + self.last - self.first

    def cut(self, first: int, last: int) -> "Block":
        """The part of it between two bases that it has."""
        onto = self.onto + (self.last - last if self.turned else first - self.first)
        return Block(first, last, self.place, onto, self.turned)

    def onto_cut(self, first: int, last: int) -> "Block":
        """The part of it whose image lies between two bases of that."""
        return self.cut(*_back(self, (first, last)))


class _Header(NamedTuple):
    contig: str
    begins: int
    ends: int
    place: str
    size: int
    turned: bool
    onto_begins: int
    onto_ends: int


class Chain:
    """`lengths` of the contigs in the build that it leads from, and `onto_lengths` of those in the other; contigs as `chromosome` names them."""

    def __init__(self, blocks: dict[str, list[Block]], lengths: dict[str, int], onto_lengths: dict[str, int]) -> None:
        """`blocks` of each contig, in any order; only what has one image is kept of them, between contigs of which a length is known."""
        self.lengths, self.onto_lengths = lengths, onto_lengths
        kept = _with_one_image([(contig, block) for contig, of in blocks.items() for block in of])
        known = {contig: [block for block in of if block.place in onto_lengths] for contig, of in kept.items()}
        self._blocks = {contig: sorted(of) for contig, of in known.items() if contig in lengths}
        self._firsts = {contig: [block.first for block in of] for contig, of in self._blocks.items()}

    def whole(self, contig: str, first: int, last: int) -> Block | None:
        """The block that has all of these bases; None where none has."""
        at = bisect_right(self._firsts.get(contig, ()), first) - 1
        block = self._blocks[contig][at] if at >= 0 else None
        return block if block and block.last >= last else None

    def parts(self, contig: str, first: int, last: int) -> Iterator[Block]:
        """What of these bases has an image, in order."""
        firsts = self._firsts.get(contig, [])
        for at in range(max(0, bisect_right(firsts, first) - 1), bisect_right(firsts, last)):
            block = self._blocks[contig][at]
            if block.last >= first:
                yield block.cut(max(first, block.first), min(last, block.last))


def read_chain(path: Path, build: str, to: str) -> Chain:
    """The chain of a file, plain or gzip, that leads from the one build to the other, as the lengths of its chromosomes say where they say any.

    Raises:
        SourceError: it cannot be read, is too large, does not add up, leads elsewhere, or none of its chromosomes shows where it leads.
    """
    blocks: dict[str, list[Block]] = defaultdict(list)
    lengths: _Lengths = (defaultdict(set), defaultdict(set))
    try:
        for contig, found in _each(_lines(path), lengths):
            blocks[contig].append(found)
    except _Fault as why:
        raise SourceError(f"{path.name}, {why}") from None
    if not blocks:
        raise SourceError(f"{path.name}: holds no chain")
    one, other = ({contig: min(of) for contig, of in said.items() if len(of) == 1} for said in lengths)
    try:
        shown = [check_build(path.name, of, named) for of, named in ((one, build), (other, to))]
    except SourceError:
        raise SourceError(
            f"{path.name}: its chromosomes are not as long as in a chain from {build} to {to}: is it of two other builds, or the way back?"
        ) from None
    if not all(shown):
        raise SourceError(
            f"{path.name}: none of its contigs is a chromosome whose length shows {build}, or {to}: take a chain that names them chr1 or 1"
        )
    return Chain(blocks, one, other)


class _Fault(Exception):
    """What is wrong in which line."""


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Line after line with its number from 1; no more is held than one of them. Raises SourceError."""
    opening = gzip.open if path.suffix == ".gz" else open
    number, size = 0, 0
    try:
        with opening(path, "rb") as file:
            while line := file.readline(LONGEST_LINE_BYTES + 1):
                number, size = number + 1, size + len(line)
                if len(line) > LONGEST_LINE_BYTES:
                    raise SourceError(f"{path.name}, line {number}: is longer than any line of a chain")
                if number > MOST_LINES or size > LARGEST_BYTES:
                    raise SourceError(
                        f"{path.name}: has more than {MOST_LINES:,} lines or {LARGEST_BYTES >> 20} MiB, as no chain between two builds"
                    )
                yield number, str(line, "ascii")
    except (OSError, EOFError, zlib.error):
        raise SourceError(f"{path.name}: is missing, damaged or cut short") from None
    except UnicodeDecodeError:
        raise SourceError(f"{path.name}: is no chain file") from None


def _each(lines: Iterable[tuple[int, str]], lengths: _Lengths) -> Iterator[tuple[str, Block]]:
    """Block after block with its contig; fills in how long the contigs are said to be."""
    header, at, onto, ended = None, 0, 0, True
    number = 0
    for number, line in lines:
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "chain":
            if not ended:
                raise _Fault(f"line {number}: a chain begins before the one above it has ended")
            header, ended = _header(words, number, lengths), False
            at, onto = header.begins, header.onto_begins
            continue
        figures = [_number(word, number) for word in words]
        if header is None or ended or len(figures) not in (1, 3) or figures[0] == 0:
            raise _Fault(f"line {number}: is no block of a chain")
        size, gap, onto_gap = (*figures, 0, 0)[:3]
        if at + size > header.ends or onto + size > header.onto_ends:
            raise _Fault(f"line {number}: goes on behind the end that its chain says")
        lowest = header.size - onto - size if header.turned else onto
        yield header.contig, Block(at + 1, at + size, header.place, lowest + 1, header.turned)
        at, onto = at + size + gap, onto + size + onto_gap
        ended = len(figures) == 1
        if ended and (at, onto) != (header.ends, header.onto_ends):
            raise _Fault(f"line {number}: ends elsewhere than its chain says")
    if not ended:
        raise _Fault(f"line {number}: ends in the middle of a chain: was it cut short?")


def _header(words: list[str], number: int, lengths: _Lengths) -> _Header:
    is_one = len(words) in (12, 13) and words[4] == "+" and words[9] in ("+", "-")
    if not (is_one and all(map(str.isprintable, words))):
        raise _Fault(f"line {number}: is no header of a chain")
    size, begins, ends, onto_size, onto_begins, onto_ends = (
        _number(words[column], number) for column in (3, 5, 6, 8, 10, 11)
    )
    contig, place = chromosome(words[2]), chromosome(words[7])
    if not (begins < ends <= size and onto_begins < onto_ends <= onto_size):
        raise _Fault(f"line {number}: its header has places outside of its contigs")
    for of, name, length in zip(lengths, (contig, place), (size, onto_size), strict=True):
        of[name].add(length)
    return _Header(contig, begins, ends, place, onto_size, words[9] == "-", onto_begins, onto_ends)


def _number(word: str, line: int) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= _LONGEST_NUMBER):
        raise _Fault(f"line {line}: has something else where a number belongs")
    return int(word)


def _with_one_image(blocks: list[tuple[str, Block]]) -> dict[str, list[Block]]:
    """Of each contig the parts of blocks over which no other block lies, in the one build and in the other."""
    here = _alone((contig, block.first, block.last, at) for at, (contig, block) in enumerate(blocks))
    there = _alone((block.place, *block.image, at) for at, (_, block) in enumerate(blocks))
    kept: dict[str, list[Block]] = defaultdict(list)
    for at, (contig, block) in enumerate(blocks):
        for first, last in _both(here[at], [_back(block, span) for span in there[at]]):
            kept[contig].append(block.cut(first, last))
    return {contig: _joined(of) for contig, of in kept.items()}


def _alone(spans: Iterable[tuple[str, int, int, int]]) -> dict[int, list[Span]]:
    """`spans`: contig, first, last and a number. Of each number the bases that no other one has, in order."""
    edges = sorted(
        edge for place, first, last, at in spans for edge in ((place, first, 1, at), (place, last + 1, -1, at))
    )
    alone: dict[int, list[Span]] = defaultdict(list)
    for _, of in groupby(edges, lambda edge: edge[0]):
        count, numbers, before = 0, 0, 0
        for _, base, way, at in of:
            if count == 1 and base > before:  # the sum of the numbers is the one that is left
                alone[numbers].append((before, base - 1))
            count, numbers, before = count + way, numbers + way * at, base
    return alone


def _back(block: Block, span: Span) -> Span:
    """The bases whose image a part of a block's image is."""
    low, high = block.image
    return (
        (block.first + high - span[1], block.first + high - span[0])
        if block.turned
        else (block.first + span[0] - low, block.first + span[1] - low)
    )


def _both(one: list[Span], other: list[Span]) -> Iterator[Span]:
    """What both have, of spans that do not overlap among themselves."""
    other = sorted(other)
    at = 0
    for first, last in one:
        while at < len(other) and other[at][1] < first:
            at += 1
        look = at
        while look < len(other) and other[look][0] <= last:
            yield max(first, other[look][0]), min(last, other[look][1])
            look += 1


def _joined(blocks: list[Block]) -> list[Block]:
    """Blocks of which one goes on where the other ends, in both builds, as one."""
    joined: list[Block] = []
    for block in sorted(blocks):
        if joined and _goes_on(joined[-1], block):
            before = joined[-1]
            onto = min(before.onto, block.onto)
            joined[-1] = Block(before.first, block.last, before.place, onto, before.turned)
        else:
            joined.append(block)
    return joined


def _goes_on(before: Block, block: Block) -> bool:
    if (before.place, before.turned, before.last + 1) != (block.place, block.turned, block.first):
        return False
    return block.image[1] + 1 == before.onto if block.turned else before.image[1] + 1 == block.onto
