"""Records called against one build -> what they say in another. By position alone that would be guessed, so:

1. The bases of a record's reference lie in one block of the chain, are those of the genome that the calls are of, where that is named, and those of the
   genome that they come to; alleles of a block on the other strand are complemented. Where they differ, the record is set aside: an alternative that has
   become the reference is not turned into one.
2. An insertion or deletion is moved to its leftmost place in the new genome; all of the repeat in which it could stand, and a base on either side, must lie
   in one block and be the same bases in both genomes. So it is lifted only where both are named.
3. A record says of another variant that it is absent only where it shows all of its bases, and of an insertion or deletion the repeat around it.
4. A reference block shows one base. The rest of it says of a named variant that it is absent only where both genomes have the same bases there, by the same
   rule; without the genome that the calls are of, it says nothing but that one base.
5. Nothing is said of a stretch as a whole (`called`): where the builds differ inside it, nobody knows what is absent. The mapping refuses it.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from rapha.errors import SourceError
from rapha.sources.vcf.annotations import Annotations, Effect
from rapha.sources.vcf.build import chromosome
from rapha.sources.vcf.chain import Block, Chain, Span, read_chain
from rapha.sources.vcf.genotypes import Alleles, Flags, Samples
from rapha.sources.vcf.mapping import Lifting, Quality
from rapha.sources.vcf.reference import FURTHEST, NotPlaced, NotThere, OtherBases, Reference, UnknownBases
from rapha.sources.vcf.saying import BLOCKS, Absent, Own, Reader, Said, may_move
from rapha.sources.vcf.variants import BASES, Variant, complement, in_capitals, is_plain
from rapha.sources.vcf.wanted import Stretches, Wanted

NO_CONTIG = "lies on a contig that the chain has not, or has of another length: so nobody knows whether it is wanted"
NO_IMAGE = "has bases of which the chain has no image, or more than one: so nobody knows whether it is wanted"
NOT_PLACED = frozenset({NO_CONTIG, NO_IMAGE})
"""A file may have millions of these, all over the genome."""
MOST_LISTED = 1000
"""Records of a file that are listed for each of them; the others are counted."""
OTHER_WAY = "has the reference of the build that it is lifted to as its alternative"
OF_ANOTHER_GENOME = "has another reference than the `genome` that the calls are said to be of"
NOT_IN_GENOME = "lies on a contig that the `genome` of the calls has not"
BUILDS_DIFFER = "is an insertion or deletion in a repeat, or beside bases, in which the two builds differ"
NEEDS_GENOME = "is an insertion or deletion, which is lifted only where `lift` names the `genome` of the calls"
NOTHING_ALIKE = "is a reference block in which the two builds differ at all variants that are asked for"


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

    def alike(self, contig: str, part: Block) -> bool:
        """Whether both genomes have the same bases in a part of a contig, all of them known. Raises SourceError."""
        if self.genome is None:
            return False
        try:
            here = self.genome.bases(contig, part.first, part.last)
            there = self.reference.bases(part.place, *part.image)
        except NotPlaced:
            return False
        return BASES.issuperset(here) and there == (complement(here) if part.turned else here)

    def fault_of(self, record: Any, contig: str) -> str | None:
        """Why a record is none of the genome that the calls are of; None where it is, or where that is not known. Raises SourceError."""
        if self.genome is None:
            return None
        try:
            here = self.genome.bases(contig, record.POS, record.POS + len(record.REF) - 1)
        except NotThere:
            return NOT_IN_GENOME
        except NotPlaced:
            return OF_ANOTHER_GENOME
        return None if here == record.REF.upper() else OF_ANOTHER_GENOME


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
    """A record in the other build, with the names that htslib's has; all else is of the record `as_called`. `block`: the one of the chain that brought it
    from its `contig`. It shows the bases of REF."""

    def __init__(self, record: Any, contig: str, block: Block) -> None:
        self.as_called, self.contig, self.block, self.place = record, contig, block, block.place
        reference = in_capitals(record.REF)
        self.POS = block.cut(record.POS, record.POS + len(reference) - 1).onto
        self.REF = complement(reference) if block.turned else reference
        self.end = self.POS + len(self.REF) - 1
        self.ALT = [_turned(each) if block.turned else each for each in map(in_capitals, record.ALT)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.as_called, name)


class _OfBlock:
    """A reference block, with the named variants over whose bases it lies, and of which both builds have the same ones."""

    def __init__(self, record: Any, shown: tuple[Variant, ...]) -> None:
        self.as_called, self.shown = record, shown

    def __getattr__(self, name: str) -> Any:
        return getattr(self.as_called, name)


class LiftedReader(Reader):
    """Reads the records of one file. `lengths` of its contigs, where its header says any."""

    def __init__(
        self, wanted: Wanted, quality: Quality, of: Samples, annotations: Annotations | None, lift: Lift,
        lengths: Mapping[str, int],
    ) -> None:  # fmt: skip
        super().__init__(wanted, quality, of, annotations, False, lift.reference)
        self._lift, self._lengths = lift, lengths
        self._stretches: dict[str, Stretches] = {}
        self._spans: dict[Variant, Span | None] = {}  # of named variants, as are the next
        self._alike: dict[Variant, bool] = {}

    def read(self, records: Iterable[Any], hold: Callable[[int, Said], object]) -> int:
        number, contigs, placeless = 0, dict[str, str | None](), Counter[str]()
        for number, record in enumerate(records, 1):
            if record.CHROM not in contigs:
                contigs[record.CHROM] = self._known(record.CHROM)
            contig = contigs[record.CHROM]
            said = self._in_other_build(record, contig) if contig else Said(reason=NO_CONTIG)
            if said and said.reason in NOT_PLACED:
                placeless[said.reason] += 1
            if said and (said.reason not in NOT_PLACED or placeless[said.reason] <= MOST_LISTED):
                hold(number, said)
        for reason, count in placeless.items():
            if count > MOST_LISTED:
                hold(number, Said(reason=reason, times=count - MOST_LISTED))
        return number

    def _known(self, name: str) -> str | None:
        """A contig as the chain has it; None where the chain has it not."""
        contig, genome = chromosome(name), self._lift.genome
        length = self._lift.chain.lengths.get(contig)
        said = (self._lengths.get(name), genome.length(contig) if genome else None)
        return contig if length and all(each in (length, None) for each in said) else None

    def _in_other_build(self, record: Any, contig: str) -> Said | None:
        """What a record says there; None where that is nothing that is wanted."""
        first, last = record.POS, record.POS + len(record.REF) - 1
        is_block = record.end > last and all(each in BLOCKS for each in record.ALT)
        if is_block and self._lift.genome:
            return self._of_block(record, contig)
        block = self._lift.chain.whole(contig, first, last)
        if block is None:
            return Said(reason=NO_IMAGE)
        lifted = Lifted(record, contig, block)
        if not (self._may_be_wanted(lifted) or (not is_block and self._goes_on(record, contig, last + 1))):
            return None
        if fault := self._lift.fault_of(record, contig) or self._other(lifted):
            return Said(reason=fault)
        said = self._said(lifted, lifted.place)
        way: Literal["shown", "turned", "lifted"] = "shown" if is_block else "turned" if block.turned else "lifted"
        return said._replace(lift=way if said.own or said.absent else None)

    def _goes_on(self, record: Any, contig: str, first: int) -> bool:
        """Whether a record's END lies behind its REF, as a symbolic deletion's, and something is wanted from this base on to there."""
        parts = self._lift.chain.parts(contig, first, record.end) if record.end >= first else ()
        return any(self._reaches(part.place, *part.image) for part in parts)

    def _of_block(self, record: Any, contig: str) -> Said | None:
        """Of which named variants a reference block says that they are absent."""
        parts = list(self._lift.chain.parts(contig, record.POS, record.end))
        if not parts:
            return Said(reason=NO_IMAGE)
        wanted = [part for part in parts if self._reaches(part.place, *part.image)]
        if not wanted:
            return None
        if fault := self._lift.fault_of(record, contig):
            return Said(reason=fault)
        named = [(each, part) for part in wanted for each in self._wanted.named(part.place, *part.image)]
        shown = tuple(variant for variant, part in named if self._lies_alike(variant, contig, part))
        said = self._said(_OfBlock(record, shown), contig)
        reason = said.reason or (NOTHING_ALIKE if named and not shown else None)
        return said._replace(reason=reason, lift="block" if said.absent else None)

    def _lies_alike(self, variant: Variant, contig: str, part: Block) -> bool:
        """Whether a part of a block holds all that a named variant could change, and both builds have the same bases there."""
        span = self._span_of(variant)
        if span is None or not _holds(part.image, span):
            return False
        if variant not in self._alike:
            self._alike[variant] = self._lift.alike(contig, part.onto_cut(*span))
        return self._alike[variant]

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

    def _placed(
        self, record: Any, variant: Variant
    ) -> tuple[Variant, Literal["moved", "as written"] | None, str | None]:
        leftmost, shift, fault = super()._placed(record, variant)
        if fault is None and len(variant.reference) != len(variant.alternative):
            fault = self._fault_of_length(record, leftmost)
        return leftmost, shift, fault

    def _fault_of_length(self, record: Any, leftmost: Variant) -> str | None:
        """Why an insertion or deletion is not taken; None where it is."""
        if self._lift.genome is None:
            return NEEDS_GENOME
        span = self._span(leftmost)
        if span is None or not _holds(record.block.image, span):
            return BUILDS_DIFFER
        return None if self._lift.alike(record.contig, record.block.onto_cut(*span)) else BUILDS_DIFFER

    def _effects(self, record: Any) -> list[list[Effect]]:
        assert self._annotations
        return self._annotations.read(record.as_called)  # which spells alleles as that has them

    def _absent(
        self, record: Any, place: str, reference: str, alleles: Alleles, good: Flags, own: tuple[Own, ...]
    ) -> tuple[Absent, ...]:
        if not isinstance(record, _OfBlock):
            return super()._absent(record, place, reference, alleles, good, own)
        free = good & np.logical_and.reduce([each <= 0 for each in alleles]) if record.shown else good
        return tuple(Absent(variant, free) for variant in record.shown)

    def _shows(self, record: Any, variant: Variant, reference: str) -> bool:
        span = self._span_of(variant)
        return span is not None and _holds((record.POS, record.end), span)

    def _span_of(self, variant: Variant) -> Span | None:
        """As `_span`, of a named variant; None too where the new genome has not its reference."""
        if variant not in self._spans:
            place, first, last = variant.chromosome, variant.position, variant.last
            try:
                is_there = self._lift.reference.bases(place, first, last) == variant.reference
            except NotPlaced:
                is_there = False
            self._spans[variant] = self._span(variant) if is_there else None
        return self._spans[variant]

    def _span(self, leftmost: Variant) -> Span | None:
        """The bases that a variant changes; of an insertion or deletion the whole repeat of the new genome in which it could stand, and a base on either side.
        None where that does not end within reach, or on the contig, and of one that is not leftmost."""
        place, first, reference, alternative = leftmost
        if len(reference) == len(alternative):
            return first, leftmost.last
        length, is_anchored = self._lift.reference.length(place) or 0, reference[0] == alternative[0]
        first = first if is_anchored else first - 1
        if reference[-1] == alternative[-1] or first < 1 or leftmost.last >= length:
            return None
        behind = self._lift.reference.bases(place, leftmost.last + 1, min(length, leftmost.last + FURTHEST))
        changed, repeated = max(reference, alternative, key=len)[1:], 0
        while is_anchored and repeated < len(behind) and behind[repeated] == changed[repeated % len(changed)]:
            repeated += 1
        return (first, leftmost.last + repeated + 1) if repeated < len(behind) else None


def _holds(bases: Span, span: Span) -> bool:
    return bases[0] <= span[0] and span[1] <= bases[1]


def _turned(allele: str) -> str:
    return complement(allele) if is_plain(allele) else allele
