"""One record -> what it says: of which variants, of whom, how many copies; where it calls whom well; or why it says nothing.

0 is a statement: somebody looked, and the reference was there. It comes from a record of the variant, from another record
of the position in which the sample has the reference alone, or from a gVCF block over it. A block does not show the reference
bases inside it: it speaks of variants whose reference the mapping states, not of those that only a score asks for. Where no
record is, nothing is known.
A half call (`0/.`), a call below the mapping's quality and a record that failed its filters are unknown.

Nothing here remembers an earlier record, so records may be read in any process; what several say together is `Calls`.
"""

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.sources.vcf.annotations import Annotations, Effect
from rapha.sources.vcf.build import chromosome
from rapha.sources.vcf.genotypes import (
    UNKNOWN,
    Alleles,
    Dosages,
    Flags,
    Samples,
    alleles_of,
    copies_of,
    copies_of_two,
    genotypes,
    known,
    single,
)
from rapha.sources.vcf.mapping import Quality
from rapha.sources.vcf.reference import FURTHEST, NotPlaced, Reference
from rapha.sources.vcf.variants import Variant, in_capitals, is_plain, trimmed
from rapha.sources.vcf.wanted import Stretches, Wanted

BLOCKS = ("<NON_REF>", "<*>")
"""What stands for any other allele, in a gVCF."""
FAILED = "failed a filter that the mapping does not take"
NO_GENOTYPES = "has no genotypes"
NOT_PLAIN = "has an allele that is no plain change of bases"
NO_SUCH_ALLELE = "has a genotype of an allele that it has not"


class Own(NamedTuple):
    """Of one of the record's variants: copies of each of the file's samples that are ours, who of them has one chromosome (None where nobody),
    what the annotation says, and whether it stands where the file has it (`moved`, or `as written` where no reference genome says; neither
    of a change without insertion and deletion, nor of one that is leftmost)."""

    variant: Variant
    copies: Dosages
    single: Flags | None
    effects: tuple[Effect, ...] = ()
    shift: Literal["moved", "as written"] | None = None


class Absent(NamedTuple):
    """Of another variant there, who has none of it."""

    variant: Variant
    free: Flags


class Mark(NamedTuple):
    """A stretch, ends included: which of the file's samples that are ours are called well there, or not well."""

    place: str
    first: int
    last: int
    samples: npt.NDArray[np.int64]
    well: bool


class Said(NamedTuple):
    """What a record says, in the order in which it counts; and why something of it is set aside. `lift`: how what it says came from another build: as it
    stands, from the other strand, as a reference block over bases that both builds have, or as the one base that a block shows. `times`: of how many records
    the reason is said."""

    marks: tuple[Mark, ...] = ()
    own: tuple[Own, ...] = ()
    absent: tuple[Absent, ...] = ()
    reason: str | None = None
    lift: Literal["lifted", "turned", "block", "shown"] | None = None
    times: int = 1


class Reader:
    """Reads the records of one file. `of`: the places in the file of the samples that are ours."""

    def __init__(
        self, wanted: Wanted, quality: Quality, of: Samples, annotations: Annotations | None, marks: bool,
        reference: Reference | None = None,
    ) -> None:  # fmt: skip
        self._reference, self._reach = reference, FURTHEST if reference else 0
        self._wanted, self._quality, self._of, self._annotations, self._marks = wanted, quality, of, annotations, marks
        self._filters, self._limited = frozenset(quality.filters), bool(quality.least_quality or quality.least_depth)

    def read(self, records: Iterable[Any], hold: Callable[[int, Said], object]) -> int:
        """Hand over what each wanted record says, with its number from 1; and how many records there were."""
        stretches: dict[str, Stretches] = {}
        number = 0
        for number, record in enumerate(records, 1):
            contig, first, last = record.CHROM, record.POS, record.end
            if contig not in stretches:
                stretches[contig] = self._wanted.stretches(chromosome(contig))
            place, starts, ends = stretches[contig]
            at = bisect_right(starts, last if last > first else first)  # asked of every record, so it is quick
            if at and (ends[at - 1] >= first or (ends[at - 1] >= first - self._reach and may_move(record))):
                hold(number, self._said(record, place))
        return number

    def _said(self, record: Any, place: str) -> Said:
        failed = not self._filters.issuperset(record.FILTERS or ["PASS"])
        raw = genotypes(record) if self._marks or not failed else None
        if raw is None:
            return Said(reason=FAILED if failed else NO_GENOTYPES)
        if not isinstance(self._of, slice):
            raw = raw[self._of]
        reference, alternatives = in_capitals(record.REF), [in_capitals(each) for each in record.ALT]
        reason, alone = None, None
        of_two = copies_of_two(raw) if len(alternatives) == 1 else None  # what most records are
        alleles = alleles_of(raw) if of_two is None or self._marks or self._wanted.variants else []
        if of_two is None:
            alone, good = single(alleles), known(alleles)
            there = np.logical_and.reduce([each <= len(alternatives) for each in alleles])
            reason = None if there.all() else NO_SUCH_ALLELE
            good &= there
        else:
            good = of_two >= 0
        good = self._good(record, good)
        if failed:
            good[:] = False
        if failed:
            marks = _marks(record, place, reference, alternatives, alleles, good) if self._marks else ()
            return Said(marks, reason=FAILED)

        def copies(at: int) -> Dosages:
            counted = copies_of(alleles, at) if of_two is None else of_two
            if of_two is None or self._limited:
                counted[~good] = UNKNOWN
            return counted

        own, other, unplaced = self._own(record, place, reference, alternatives, copies, alone)
        marks = _marks(record, place, reference, alternatives, alleles, good, unplaced) if self._marks else ()
        absent = self._absent(record, place, reference, alleles, good, own) if self._wanted.variants else ()
        return Said(marks, own, absent, reason or other)

    def _own(
        self, record: Any, place: str, reference: str, alternatives: list[str], copies: Callable[[int], Dosages],
        alone: Flags | None,
    ) -> tuple[tuple[Own, ...], str | None, list[int]]:  # fmt: skip
        """The record's variants that are wanted; why something of it is not taken; and the numbers of alternatives of which nobody knows where they belong."""
        reason, effects, own = None, None, []
        unplaced: list[int] = []
        for at, alternative in enumerate(alternatives, 1):
            if not (is_plain(alternative) and is_plain(reference)):
                if alternative not in BLOCKS:
                    reason = NOT_PLAIN
                continue
            variant, shift, fault = self._placed(record, trimmed(place, record.POS, reference, alternative))
            if fault:
                unplaced.append(at)
                reason = fault if self._wanted.takes(variant) else reason
            elif self._wanted.takes(variant):
                if self._annotations and effects is None:
                    effects = self._effects(record)
                own.append(Own(variant, copies(at), alone, tuple(effects[at - 1]) if effects else (), shift))
        if reason is None and effects is not None and self._annotations:
            reason = next(iter(self._annotations.faults), None)
        return tuple(own), reason, unplaced

    def _effects(self, record: Any) -> list[list[Effect]]:
        """Of each alternative what the annotation says."""
        assert self._annotations
        return self._annotations.read(record)

    def _placed(
        self, record: Any, variant: Variant
    ) -> tuple[Variant, Literal["moved", "as written"] | None, str | None]:
        """A variant of the record where it belongs, whether that is elsewhere, and why it is not taken."""
        if len(variant.reference) == len(variant.alternative) and not self._reference:
            return variant, None, None
        if self._reference is None:
            return variant, "as written", None
        try:
            leftmost = self._reference.leftmost(variant)
        except NotPlaced as why:
            return variant, None, why.reason
        return leftmost, "moved" if leftmost != variant else None, None

    def _absent(
        self, record: Any, place: str, reference: str, alleles: Alleles, good: Flags, own: tuple[Own, ...]
    ) -> tuple[Absent, ...]:
        said = {each.variant for each in own}
        named = self._wanted.named(place, record.POS, max(record.POS, record.end))
        missing = [variant for variant in named if variant not in said and self._shows(record, variant, reference)]
        free = good & np.logical_and.reduce([each <= 0 for each in alleles]) if missing else good
        return tuple(Absent(variant, free) for variant in missing)

    def _shows(self, record: Any, variant: Variant, reference: str) -> bool:
        """Whether whoever has the record's reference alone has that of the variant."""
        return self._wanted.has_reference(variant, record.POS, reference)

    def _good(self, record: Any, good: Flags) -> Flags:
        """Which of the known calls are good enough: a block by the least depth in it, and by the quality of its reference."""
        if self._quality.least_quality:
            good &= _figure(record, self._of, "GQ", "RGQ") >= self._quality.least_quality
        if self._quality.least_depth:
            depth = _figure(record, self._of, "MIN_DP", "DP")
            if bool((depth < 0).any()):
                depth = np.where(depth < 0, record.gt_depths[self._of], depth)
            good &= depth >= self._quality.least_depth
        return good


def may_move(record: Any) -> bool:
    """Whether it has an insertion or deletion, which may belong further to the left."""
    return any(is_plain(in_capitals(each)) and len(each) != len(record.REF) for each in record.ALT)


def _figure(record: Any, of: Samples, *fields: str) -> npt.NDArray[Any]:
    """Of each sample the first of these fields that it has a number in; below zero where it has none."""
    figure: npt.NDArray[Any] = np.asarray(UNKNOWN)
    for field in fields:
        if field in record.FORMAT:
            figure = np.where(figure >= 0, figure, record.format(field)[:, 0][of])
    return figure


def _marks(
    record: Any, place: str, reference: str, alternatives: list[str], alleles: Alleles, good: Flags,
    unplaced: Collection[int] = (),
) -> tuple[Mark, ...]:  # fmt: skip
    """Who was called well where the record lies; and of whom it has something that it does not show, or not well, or that is set aside as `unplaced`: as far as
    its END says, since a symbolic deletion shows one base of all that it takes out."""
    plain = np.array([is_plain(reference) and (is_plain(each) or each == "*") for each in alternatives], dtype=np.bool_)
    others = np.array([*np.flatnonzero(~plain) + 1, *unplaced], dtype=np.int64)
    shown = good & ~np.logical_or.reduce([np.isin(each, others) for each in alleles])
    seen = np.logical_or.reduce([each > 0 for each in alleles])
    is_block = all(each in BLOCKS for each in alternatives)
    bases = record.POS + len(record.REF) - 1
    end = max(bases, record.end)
    return (
        Mark(place, record.POS, end if is_block else bases, np.flatnonzero(shown), True),
        Mark(place, record.POS, end, np.flatnonzero(seen & ~shown), False),
    )
