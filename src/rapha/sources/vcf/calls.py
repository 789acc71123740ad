"""Records of a call file -> how many copies of each wanted variant a sample has: 0, 1, 2, or unknown.

0 is a statement: somebody looked, and the reference was there. It comes from a record of the variant, from another record
of the position in which the sample has the reference alone, or from a gVCF block over it. A block does not show the reference
bases inside it: it speaks of variants whose reference the mapping states, not of those that only a score asks for. Where no
record is, nothing is known.
A half call (`0/.`), a call below the mapping's quality and a record that failed its filters are unknown. What a record of the variant
says holds, whatever others of its position do; what two of its own say differently is unknown, and told.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.vcf.annotations import Annotations, Effect
from rapha.sources.vcf.build import check_build, chromosome
from rapha.sources.vcf.called import Called, merged
from rapha.sources.vcf.mapping import Annotation, Quality
from rapha.sources.vcf.variants import Variant, is_plain, trimmed

Dosages = npt.NDArray[np.int8]
Samples = npt.NDArray[np.int64] | slice
Flags = npt.NDArray[np.bool_]
UNKNOWN = -1
BLOCKS = ("<NON_REF>", "<*>")
"""What stands for any other allele, in a gVCF."""
FAILED = "failed a filter that the mapping does not take"
_NOWHERE: tuple[list[int], list[int]] = ([], [])
SAID_TWICE = "says of a variant and sample what another record says differently"


class Stretches(NamedTuple):
    """Parts of a chromosome, ends included."""

    place: str
    starts: list[int]
    ends: list[int]


class Wanted:
    """The variants to look for, by name and by region; `scored` by name too, of which one of the alleles is the reference."""

    def __init__(self, variants: Iterable[Variant], regions: Iterable[str], scored: Iterable[Variant] = ()) -> None:
        self._stated = frozenset(variants)
        self.variants = self._stated | frozenset(scored)
        self._positions: dict[str, list[int]] = defaultdict(list)
        self._at: dict[tuple[str, int], list[Variant]] = defaultdict(list)
        for variant in sorted(self.variants):
            self._positions[variant.chromosome].append(variant.position)
            self._at[variant.chromosome, variant.position].append(variant)
        self._regions: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for region in regions:
            place, _, span = region.partition(":")
            start, _, end = span.partition("-")
            self._regions[place].append((int(start), int(end)))
        self._spans = {place: self._merged(place) for place in {*self._regions, *self._positions}}
        self._own = {place: merged(spans) for place, spans in self._regions.items()}

    def named(self, place: str, start: int, end: int) -> Iterator[Variant]:
        """The named variants whose position lies in a stretch, ends included."""
        positions = self._positions.get(place, [])
        for at in sorted(set(positions[bisect_left(positions, start) : bisect_right(positions, end)])):
            yield from self._at[place, at]

    def has_reference(self, variant: Variant, position: int, bases: str) -> bool:
        """Whether a record that begins at a position with these bases shows, or may be held to show, its reference."""
        offset = variant.position - position
        shown = bases[offset : offset + len(variant.reference)]
        if len(shown) < len(variant.reference):
            return variant in self._stated and variant.reference.startswith(shown)
        return shown == variant.reference

    def takes(self, variant: Variant) -> bool:
        """Whether the variant is named, or a base of its reference lies in a region: of a deletion also one that begins before it."""
        starts, ends = self._own.get(variant.chromosome, _NOWHERE)
        at = bisect_right(starts, variant.last)
        return bool(at and ends[at - 1] >= variant.position) or variant in self.variants

    def stretches(self, place: str) -> "Stretches":
        """Of a chromosome what could be wanted: where each stretch of it starts and ends, in order, none overlapping another."""
        starts, ends = self._spans.get(place, ([], []))
        return Stretches(place, starts, ends)

    def _merged(self, place: str) -> tuple[list[int], list[int]]:
        """Starts and ends of the stretches that are wanted, in order, none overlapping another."""
        return merged([*self._regions.get(place, ()), *((at, at) for at in self._positions.get(place, ()))])


class Calls:
    """`dosage` [S] of each variant found, for the samples in the order given; collected file by file. `single` [S]: who has one
    copy of the chromosome, where anybody has. `effects`: what the annotation says of a variant. `seen`: the places
    of the samples that a file has. `called`: what collects where each was called well, where that is asked. `passed_over`: samples that
    are known and do not count."""

    def __init__(
        self, samples: list[str], wanted: Wanted, quality: Quality, build: str, annotation: Annotation | None = None,
        called: Called | None = None, passed_over: Collection[str] = (),
    ) -> None:  # fmt: skip
        self.samples = samples
        self.dosage: dict[Variant, Dosages] = {}
        self.single: dict[Variant, Flags] = {}
        self.effects: dict[Variant, set[Effect]] = defaultdict(set)
        self.records: dict[str, int] = {}
        self.aside: dict[str, Counter[str]] = {}
        self.lines: list[tuple[str, int, str]] = []
        self.on_trust: list[str] = []
        self.seen: set[int] = set()
        self._by_others: dict[Variant, Flags] = {}  # who is known not to have it by records of other variants alone
        self._differing: dict[Variant, Flags] = {}
        self._place = {sample: at for at, sample in enumerate(samples)}
        self._filters, self._limited = frozenset(quality.filters), bool(quality.least_quality or quality.least_depth)
        self._wanted, self._quality, self.build = wanted, quality, build
        self._annotation, self.called, self._passed_over = annotation, called, passed_over
        self._annotations: Annotations | None = None

    def read(self, path: Path) -> None:
        """Take in one file.

        Raises:
            SourceError: it cannot be read, is of another build, or has none of the samples.
            ConfigurationError: the `genomics` extra is not installed.
        """
        calls = _open(path)
        lengths = dict(zip(calls.seqnames, _lengths(calls), strict=False))
        if not check_build(path.name, lengths, self.build):
            self.on_trust.append(path.name)
        self._annotations = Annotations(calls, path.name, self._annotation) if self._annotation else None
        of, places = self._columns(path.name, calls.samples)
        self._read(path.name, calls, _chosen(of, len(calls.samples)), _chosen(places, len(self.samples)))

    def _columns(self, name: str, samples: list[str]) -> "tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]":
        """Of a file's samples the places of those that are ours, in the file and among ours. None where all of them are passed over.

        Raises:
            SourceError: none of them is in the file of samples.
        """
        found = [(at, self._place[each]) for at, each in enumerate(samples) if each in self._place]
        if not (found or any(each in self._passed_over for each in samples)):
            raise SourceError(f"{name}: none of its samples is in the file of samples: see `samples` of the mapping")
        of, places = np.array(found, dtype=np.int64).reshape(-1, 2).T
        self.seen.update(places.tolist())
        return of, places

    def _read(self, name: str, calls: Any, of: Samples, places: Samples) -> None:
        """`of`: the places in the file of the samples that are ours; `places`: those among ours."""
        self.aside[name], number = Counter(), 0
        stretches: dict[str, Stretches] = {}
        for number, record in enumerate(_records(calls, name), 1):
            contig, first, last = record.CHROM, record.POS, record.end
            if contig not in stretches:
                stretches[contig] = self._wanted.stretches(chromosome(contig))
            place, starts, ends = stretches[contig]
            at = bisect_right(starts, last if last > first else first)  # asked of every record, so it is quick
            if at and ends[at - 1] >= first and (reason := self._take(record, place, of, places)):
                self.aside[name][reason] += 1
                self.lines.append((name, number, reason))
        self.records[name] = number

    def _take(self, record: Any, place: str, of: Samples, places: Samples) -> str | None:
        """What a record says; or why it says nothing."""
        filters = record.FILTERS or ["PASS"]
        failed = not self._filters.issuperset(filters)
        if failed and (self.called is None or "GT" not in record.FORMAT):
            return FAILED
        if "GT" not in record.FORMAT:
            return "has no genotypes"
        alleles = _alleles(record, of)
        lowest = np.minimum(*alleles) if len(alleles) == 2 else None
        # what most records are: two copies of everybody, and one alternative
        plain = lowest is not None and len(record.ALT) == 1 and int(lowest.min(initial=0)) >= -1
        known = self._good(record, of, lowest >= 0 if lowest is not None and plain else _known(alleles))
        if failed:
            known[:] = False
        if self.called is not None:
            self._mark(self.called, record, place, alleles, known, np.arange(len(self.samples))[places])
        if failed:
            return FAILED
        reason, effects, single = None, None, None if plain else _single(alleles)
        said: set[Variant] = set()
        for at, alternative in enumerate(record.ALT, 1):
            if not (is_plain(alternative) and is_plain(record.REF)):
                if alternative not in BLOCKS:
                    reason = "has an allele that is no plain change of bases"
                continue
            variant = trimmed(place, record.POS, record.REF, alternative)
            if self._wanted.takes(variant):
                copies = _copies_of_two(*alleles) if plain else _copies(alleles, at)
                if self._limited or not plain:
                    copies[~known] = UNKNOWN
                reason = self._say(variant, copies, places, single) or reason
                said.add(variant)
                if self._annotations:
                    effects = effects or self._annotations.read(record)
                    self.effects[variant].update(effects[at - 1])
        named = self._wanted.named(place, record.POS, max(record.POS, record.end)) if self._wanted.variants else ()
        for variant in named:
            if variant not in said and self._wanted.has_reference(variant, record.POS, record.REF):
                only_reference = known & np.logical_and.reduce([each <= 0 for each in alleles])
                absent = np.where(only_reference, 0, UNKNOWN).astype(np.int8)
                self._say_absent(variant, absent, places)
        return reason or (effects and self._annotations and next(iter(self._annotations.faults), None)) or None

    def _good(self, record: Any, of: Samples, known: Flags) -> Flags:
        """Which of the known calls are good enough: a block by the least depth in it, and by the quality of its reference."""
        if self._quality.least_quality:
            known &= _figure(record, of, "GQ", "RGQ") >= self._quality.least_quality
        if self._quality.least_depth:
            depth = _figure(record, of, "MIN_DP", "DP")
            if bool((depth < 0).any()):
                depth = np.where(depth < 0, record.gt_depths[of], depth)
            known &= depth >= self._quality.least_depth
        return known

    def _mark(
        self, called: Called, record: Any, place: str, alleles: list[npt.NDArray[np.int16]], known: Flags,
        at: npt.NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Who was called well where the record lies; and of whom it has something that it does not show, or not well: as far as its END
        says, since a symbolic deletion shows one base of all that it takes out."""
        plain = np.array(
            [is_plain(record.REF) and (is_plain(each) or each == "*") for each in record.ALT], dtype=np.bool_
        )
        others = np.flatnonzero(~plain) + 1
        shown = known & ~np.logical_or.reduce([np.isin(each, others) for each in alleles])
        seen = np.logical_or.reduce([each > 0 for each in alleles])
        is_block = all(each in BLOCKS for each in record.ALT)
        bases = record.POS + len(record.REF) - 1
        end = max(bases, record.end)
        called.say(place, record.POS, end if is_block else bases, at[shown], well=True)
        called.say(place, record.POS, end, at[seen & ~shown], well=False)

    def _say(self, variant: Variant, new: Dosages, places: Samples, single: Flags | None) -> str | None:
        if single is not None:
            self.single.setdefault(variant, np.zeros(len(self.samples), dtype=np.bool_))[places] |= single & (new >= 0)
        if variant not in self.dosage and len(new) == len(self.samples) and isinstance(places, slice):
            self.dosage[variant] = new
            return None
        if variant not in self.dosage:
            self.dosage[variant] = np.full(len(self.samples), UNKNOWN, dtype=np.int8)
            self.dosage[variant][places] = new
            return None
        held = self.dosage[variant]
        before = held[places]
        differs = (before >= 0) & (new >= 0) & (before != new)
        if (by_others := self._by_others.get(variant)) is not None:
            differs &= ~by_others[places]
            by_others[places] &= new < 0
        if found := bool(differs.any()):
            self._differing.setdefault(variant, np.zeros(len(self.samples), dtype=np.bool_))[places] |= differs
            if self.called is not None:
                doubted = np.arange(len(self.samples))[places][differs]
                self.called.say(variant.chromosome, variant.position, variant.last, doubted, well=False)
        held[places] = np.where(new >= 0, new, before)
        if variant in self._differing:
            held[self._differing[variant]] = UNKNOWN
        return SAID_TWICE if found else None

    def _say_absent(self, variant: Variant, absent: Dosages, places: Samples) -> None:
        """What a record of another variant says: it fills what no record of its own does."""
        held = self.dosage.setdefault(variant, np.full(len(self.samples), UNKNOWN, dtype=np.int8))
        fills = (absent == 0) & (held[places] < 0)
        if variant in self._differing:
            fills &= ~self._differing[variant][places]
        held[places] = np.where(fills, 0, held[places])
        self._by_others.setdefault(variant, np.zeros(len(self.samples), dtype=np.bool_))[places] |= fills


def _figure(record: Any, of: Samples, *fields: str) -> npt.NDArray[Any]:
    """Of each sample the first of these fields that it has a number in; below zero where it has none."""
    figure: npt.NDArray[Any] = np.asarray(UNKNOWN)
    for field in fields:
        if field in record.FORMAT:
            figure = np.where(figure >= 0, figure, record.format(field)[:, 0][of])
    return figure


def _chosen(places: npt.NDArray[np.int64], among: int) -> Samples:
    """The same places, as a slice where they are all in their order: nothing is copied then."""
    return slice(None) if np.array_equal(places, np.arange(among)) else places


def _alleles(record: Any, of: Samples) -> list[npt.NDArray[np.int16]]:
    """One array for each copy of the chromosome: the number of the allele, -1 where it is not called, -2 where there is none."""
    called = record.genotype.array()[of]
    return [called[:, copy].copy() for copy in range(called.shape[1] - 1)]


def _known(alleles: list[npt.NDArray[np.int16]]) -> Flags:
    """Who has at least one copy, and of every copy an allele."""
    lowest = alleles[0]
    for other in alleles[1:]:
        lowest = np.minimum(lowest, other)
    known: Flags = lowest >= 0
    if len(alleles) > 1 and lowest.min(initial=0) < -1:  # somebody has fewer copies than others
        first, *others = alleles
        known = first >= 0
        for other in others:
            known &= (other >= 0) | (other == -2)
    return known


def _single(alleles: list[npt.NDArray[np.int16]]) -> Flags | None:
    """Who has one copy of the chromosome; None where nobody has."""
    if len(alleles) == 1:
        return np.ones(len(alleles[0]), dtype=np.bool_)
    others = alleles[1:]
    if min(int(other.min(initial=0)) for other in others) > -2:
        return None
    alone: Flags = np.logical_and.reduce([other == -2 for other in others])
    return alone


def _copies(alleles: list[npt.NDArray[np.int16]], number: int) -> Dosages:
    copies: Dosages = (alleles[0] == number).astype(np.int8)
    for other in alleles[1:]:
        copies += (other == number).view(np.int8)
    return copies


def _copies_of_two(one: npt.NDArray[np.int16], other: npt.NDArray[np.int16]) -> Dosages:
    """Of the only alternative, where alleles are 0, 1 and -1: their sum, or -1, all of whose bits are set, where one is below zero."""
    copies: Dosages = ((one + other) | ((one | other) >> 15)).astype(np.int8)
    return copies


def samples_of(path: Path) -> list[str]:
    """The samples that a file has.

    Raises:
        SourceError: it cannot be read.
        ConfigurationError: the `genomics` extra is not installed.
    """
    return list(_open(path).samples)


def _open(path: Path) -> Any:
    try:
        from cyvcf2 import VCF
    except ImportError:
        raise ConfigurationError("variant calls need an extra: pip install 'rapha[genomics]'") from None
    try:
        return VCF(str(path), gts012=False)
    except Exception:
        raise SourceError(f"{path.name}: cannot be read as VCF or BCF") from None


def _records(calls: Any, name: str) -> Iterator[Any]:
    """The records of a file."""
    count = 0
    try:
        for record in calls:
            count += 1
            yield record
    except Exception:  # htslib's complaints have no class of their own
        raise SourceError(f"{name}: damaged after {count:,} records") from None


def _lengths(calls: Any) -> list[int]:
    try:
        return list(calls.seqlens)
    except AttributeError:  # a header without lengths
        return []
