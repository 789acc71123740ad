"""Records called against one build -> what they say in another. By position alone that would be guessed, so:

1. The bases of a record's reference lie in one block of the chain, and are those of the genome that they come to; alleles of a block on the other strand
   are complemented. Where they differ, the record is set aside: an alternative that has become the reference is not turned into one.
2. An insertion or deletion is moved to its leftmost place in that genome, and the block must hold all of the repeat in which it could stand, and a base on
   either side: else the builds may differ in the very bases that it inserts or deletes.
3. A record says of another variant that it is absent only where it shows all of its bases, and of an insertion or deletion the repeat around it.
4. A reference block shows one base. The rest of it is the other build's reference only where both genomes have the same base, so it is cut there; without the
   genome that the calls are of, it says nothing but that one base.
5. Where a carrier's record is set aside, nobody knows what they have there: the bases that it comes to are doubted.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from rapha.errors import SourceError
from rapha.sources.vcf.annotations import Annotations, Effect
from rapha.sources.vcf.build import chromosome
from rapha.sources.vcf.chain import Block, Chain, read_chain
from rapha.sources.vcf.genotypes import Samples, alleles_of, genotypes
from rapha.sources.vcf.mapping import Lifting, Quality
from rapha.sources.vcf.reference import FURTHEST, NotPlaced, OtherBases, Reference, UnknownBases
from rapha.sources.vcf.saying import BLOCKS, Mark, Reader, Said, may_move
from rapha.sources.vcf.variants import BASES, Variant, complement, in_capitals, is_plain
from rapha.sources.vcf.wanted import Stretches, Wanted

NO_CONTIG = "lies on a contig that the chain has not, or has of another length"
NO_IMAGE = "has bases of which the chain has no image, or more than one"
OTHER_WAY = "has the reference of the build that it is lifted to as its alternative"
BESIDE_A_GAP = "is an insertion or deletion beside a place where the two builds differ in length"


class Lift(NamedTuple):
    """The way from one build to another. `genome`: of the build that is left, where it is known."""

    chain: Chain
    reference: Reference
    genome: Reference | None = None

    def check_fits(self, chain: str) -> None:
        """`chain`: the name of its file. Raises SourceError: it leads to contigs that are longer or shorter in the reference genome."""
        for place, length in self.chain.onto_lengths.items():
            if self.reference.length(place) not in (length, None):
                raise SourceError(
                    f"{chain}: {place} has another length in {self.reference.name}: take the chain to that genome"
                )

    def same(self, part: Block, contig: str) -> list[Block]:
        """Where both genomes have the same bases, of a part of a contig. Raises SourceError."""
        assert self.genome is not None
        try:
            here = self.genome.bases(contig, part.first, part.last)
            there = self.reference.bases(part.place, *part.image)
        except NotPlaced:
            return []
        there = complement(there) if part.turned else there
        one, other = (np.frombuffer(bases.encode(), np.uint8) for bases in (here, there))
        alike = (one == other) & np.isin(one, np.frombuffer(b"ACGT", np.uint8))
        edges = np.flatnonzero(np.diff(np.concatenate([[False], alike, [False]]))).tolist()
        return [part.cut(part.first + first, part.first + end - 1) for first, end in list(pairwise(edges))[::2]]


def read_lift(asked: Lifting, data: Path, build: str, reference: Reference) -> Lift:
    """The way that a mapping asks for, out of its folder of files, from a build to that of the reference.

    Raises:
        SourceError: the chain or the genome cannot be read, or is of another build.
    """
    genome = Reference(data / asked.genome, build) if asked.genome else None
    lift = Lift(read_chain(data / asked.chain, build, asked.to), reference, genome)
    lift.check_fits(asked.chain)
    return lift


class Lifted:
    """A record in the other build, with the names that htslib's has; all else is of the record `as_called`. What it says holds where both builds
    have the bases of `within`; it shows those of REF."""

    def __init__(self, record: Any, place: str, within: tuple[int, int], turned: bool, at: tuple[int, str]) -> None:
        self.as_called, self.place, self.within, self.turned = record, place, within, turned
        self.POS, self.REF = at
        self.end = self.POS + len(self.REF) - 1
        self.ALT = [_turned(each) if turned else each for each in map(in_capitals, record.ALT)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.as_called, name)


class LiftedReader(Reader):
    """Reads the records of one file. `lengths` of its contigs, where its header says any."""

    def __init__(
        self, wanted: Wanted, quality: Quality, of: Samples, annotations: Annotations | None, marks: bool, lift: Lift,
        lengths: Mapping[str, int],
    ) -> None:  # fmt: skip
        super().__init__(wanted, quality, of, annotations, marks, lift.reference)
        self._lift, self._lengths = lift, lengths
        self._stretches: dict[str, Stretches] = {}

    def read(self, records: Iterable[Any], hold: Callable[[int, Said], object]) -> int:
        number, contigs = 0, dict[str, str | None]()
        for number, record in enumerate(records, 1):
            if record.CHROM not in contigs:
                contigs[record.CHROM] = self._known(record.CHROM)
            contig = contigs[record.CHROM]
            for said in self._each(record, contig) if contig else [Said(reason=NO_CONTIG)]:
                hold(number, said)
        return number

    def _known(self, name: str) -> str | None:
        """A contig as the chain has it; None where the chain has it not."""
        contig, genome = chromosome(name), self._lift.genome
        length = self._lift.chain.lengths.get(contig)
        said = (self._lengths.get(name), genome.length(contig) if genome else None)
        return contig if length and all(each in (length, None) for each in said) else None

    def _each(self, record: Any, contig: str) -> Iterator[Said]:
        """What a record says, in the other build."""
        first, last = record.POS, record.POS + len(record.REF) - 1
        is_block = record.end > last and all(each in BLOCKS for each in record.ALT)
        if is_block and self._lift.genome:
            yield from self._of_block(record, contig)
            return
        block = self._lift.chain.whole(contig, first, last)
        if block is None:
            yield Said(self._doubts(record, contig, first), reason=NO_IMAGE)
            return
        reference = in_capitals(record.REF)
        onto = block.cut(first, last).onto
        at = (onto, complement(reference) if block.turned else reference)
        lifted = Lifted(record, block.place, block.image, block.turned, at)
        if not self._may_be_wanted(lifted):
            return
        if fault := self._other(lifted):
            yield Said(self._doubts(record, contig, first), reason=fault)
            return
        said = self._said(lifted, lifted.place)
        beyond = self._doubts(record, contig, last + 1) if record.end > last and not is_block else ()
        way: Literal["shown", "turned", "lifted"] = "shown" if is_block else "turned" if block.turned else "lifted"
        yield said._replace(marks=said.marks + beyond, lift=way)

    def _of_block(self, record: Any, contig: str) -> Iterator[Said]:
        """A reference block, cut to where both builds have the same bases."""
        parts = list(self._lift.chain.parts(contig, record.POS, record.end))
        if not parts:
            yield Said(reason=NO_IMAGE)
        wanted = [part for part in parts if self._reaches(part.place, *part.image)]
        same = [each for part in wanted for each in self._lift.same(part, contig)]
        whole = sum(each.last - each.first + 1 for each in (*same, *(part for part in parts if part not in wanted)))
        way: Literal["cut", "lifted"] | None = "lifted" if whole == record.end - record.POS + 1 else "cut"
        for each in same:
            bases = self._lift.reference.bases(each.place, *each.image)
            lifted = Lifted(record, each.place, each.image, each.turned, (each.onto, bases))
            yield self._said(lifted, each.place)._replace(lift=way)
            way = None  # of a record once
        if wanted and not same:
            yield Said(reason=OtherBases.reason)

    def _other(self, lifted: Lifted) -> str | None:
        """Why the bases of a record are not those that it comes to; None where they are."""
        try:
            there = self._lift.reference.bases(lifted.place, lifted.POS, lifted.end)
        except NotPlaced as why:
            return why.reason
        if there == lifted.REF:
            return None
        plain = [each for each in lifted.ALT if each not in BLOCKS]
        if len(there) == 1 and plain == list(there):
            return OTHER_WAY
        return OtherBases.reason if BASES.issuperset(there) else UnknownBases.reason

    def _may_be_wanted(self, lifted: Lifted) -> bool:
        return self._reaches(lifted.place, lifted.POS, lifted.end, self._reach if may_move(lifted) else 0)

    def _reaches(self, place: str, first: int, last: int, back: int = 0) -> bool:
        """Whether something is wanted of these bases, or of so many before them."""
        if place not in self._stretches:
            self._stretches[place] = self._wanted.stretches(place)
        _, starts, ends = self._stretches[place]
        at = bisect_right(starts, last)
        return bool(at and ends[at - 1] >= first - back)

    def _doubts(self, record: Any, contig: str, first: int) -> tuple[Mark, ...]:
        """Whoever has something else than the reference of that build is called nowhere from this base on to the record's end."""
        raw = genotypes(record) if self._marks else None
        if raw is None:
            return ()
        seen = np.flatnonzero(np.logical_or.reduce([each > 0 for each in alleles_of(raw[self._of])]))
        last = max(record.end, record.POS + len(record.REF) - 1)
        parts = self._lift.chain.parts(contig, first, last)
        return tuple(Mark(part.place, *part.image, seen, False) for part in parts)

    def _placed(
        self, record: Any, variant: Variant
    ) -> tuple[Variant, Literal["moved", "as written"] | None, str | None]:
        leftmost, shift, fault = super()._placed(record, variant)
        if fault is None and len(variant.reference) != len(variant.alternative):
            fault = None if self._stands_in(leftmost, *record.within) else BESIDE_A_GAP
        return leftmost, shift, fault

    def _effects(self, record: Any) -> list[list[Effect]]:
        assert self._annotations
        return self._annotations.read(record.as_called)  # which spells alleles as that has them

    def _shows(self, record: Any, variant: Variant, reference: str) -> bool:
        at = variant.position - record.POS
        if reference[at : at + len(variant.reference)] != variant.reference:
            return False
        same_length = len(variant.reference) == len(variant.alternative)
        return same_length or self._stands_in(variant, record.POS, record.end)

    def _stands_in(self, leftmost: Variant, first: int, last: int) -> bool:
        """Whether some bases hold the whole repeat in which an insertion or deletion could stand, and a base on either side."""
        reference, alternative = leftmost.reference, leftmost.alternative
        anchored = (
            reference[0] == alternative[0] and reference[-1] != alternative[-1]
        )  # at the first base of a contig it is not
        changed, base = max(reference, alternative, key=len)[1:], leftmost.last + 1
        if leftmost.position - (not anchored) < first:
            return False
        try:
            while anchored and base <= last and base - leftmost.last <= FURTHEST:
                if self._lift.reference.bases(leftmost.chromosome, base, base) != changed[0]:
                    break
                changed, base = changed[1:] + changed[0], base + 1
        except NotPlaced:
            return False
        return base <= last and base - leftmost.last <= FURTHEST


def _turned(allele: str) -> str:
    return complement(allele) if is_plain(allele) else allele
