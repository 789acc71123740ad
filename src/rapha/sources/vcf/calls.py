"""What the records of call files say -> how many copies of each wanted variant a sample has: 0, 1, 2, or unknown.

What a record of the variant says holds, whatever others of its position do; what two of its own say differently is unknown, and told. What
one record says is `saying`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.vcf.annotations import Annotations, Effect
from rapha.sources.vcf.build import check_build
from rapha.sources.vcf.called import Called
from rapha.sources.vcf.genotypes import UNKNOWN, Dosages, Flags, Samples
from rapha.sources.vcf.index import Shares, Unusable, index_of, shares_of
from rapha.sources.vcf.lift import MOST_LISTED, NOT_PLACED, Lift, LiftedReader
from rapha.sources.vcf.mapping import Annotation, Quality
from rapha.sources.vcf.reference import Reference
from rapha.sources.vcf.saying import Reader, Said
from rapha.sources.vcf.side_by_side import processes_for, read_shares
from rapha.sources.vcf.variants import Variant
from rapha.sources.vcf.wanted import Wanted

SAID_TWICE = "says of a variant and sample what another record says differently"


class Calls:
    """`dosage` [S] of each variant found, for the samples in the order given; collected file by file. `single` [S]: who has one
    copy of the chromosome, where anybody has. `effects`: what the annotation says of a variant. `seen`: the places
    of the samples that a file has. `shifts`: of a file how many variants stand elsewhere than it has them, or where it has them although that may not
    be leftmost. `called`: what collects where each was called well, where that is asked. `passed_over`: samples that
    are known and do not count. `build`: of the files; `lift`: the way from there to the one that is wanted, where that is another; `lifts`: of a file how many
    records came which way. A file of `least_bytes` or more that has an index beside it is read by several processes."""

    def __init__(
        self, samples: list[str], wanted: Wanted, quality: Quality, build: str, annotation: Annotation | None = None,
        called: Called | None = None, passed_over: Collection[str] = (), least_bytes: int = 1 << 20,
        reference: Reference | None = None, lift: Lift | None = None,
    ) -> None:  # fmt: skip
        self.samples = samples
        self.dosage: dict[Variant, Dosages] = {}
        self.single: dict[Variant, Flags] = {}
        self.effects: dict[Variant, set[Effect]] = defaultdict(set)
        self.records: dict[str, int] = {}
        self.aside: dict[str, Counter[str]] = {}
        self.lines: list[tuple[str, int, str]] = []
        self.genomes = tuple(each for each in (reference, lift.genome if lift else None) if each)
        self.on_trust = [each.name for each in self.genomes if not each.shows_build]
        self.told: list[str] = []
        self.seen: set[int] = set()
        self.shifts: dict[str, Counter[str]] = {}
        self.lifts: dict[str, Counter[str]] = {}
        self._by_others: dict[Variant, Flags] = {}  # who is known not to have it by records of other variants alone
        self._differing: dict[Variant, Flags] = {}
        self._place = {sample: at for at, sample in enumerate(samples)}
        self._wanted, self._quality, self._build, self._least_bytes = wanted, quality, build, least_bytes
        assert not (lift and called), "where builds differ, nothing is said of a stretch: the mapping refuses it"
        self._reference, self._lift = reference, lift
        self._annotation, self.called, self._passed_over = annotation, called, passed_over

    def read(self, path: Path) -> None:
        """Take in one file.

        Raises:
            SourceError: it cannot be read, is of another build, or has none of the samples.
            ConfigurationError: the `genomics` extra is not installed.
        """
        calls = _open(path)
        if not check_build(path.name, _lengths(calls), self._build):
            self.on_trust.append(path.name)
        columns = self._columns(path.name, calls.samples)
        of, places = _chosen(columns[0], len(calls.samples)), _chosen(columns[1], len(self.samples))
        at, name = np.arange(len(self.samples))[places], path.name
        reader, shares = self._reader(calls, name, of), self._shares(path, calls.seqnames)
        self.aside[name], self.shifts[name], self.lifts[name] = Counter(), Counter(), Counter()

        def hold(number: int, said: Said) -> None:
            self._hold(name, number, said, places, at)

        def opened() -> tuple[Any, Reader]:
            anew = _open(path)
            return anew, self._reader(anew, name, of)

        processes = processes_for(len(shares.shares)) if shares else 1
        if shares and processes > 1:
            self.records[name] = read_shares(name, shares, opened, processes, hold)
        else:
            self.records[name] = reader.read(_records(calls, name), hold)
        if any(self.aside[name][reason] > MOST_LISTED for reason in NOT_PLACED):
            self.told.append(
                f"{name}: of records that have no place in the other build, the first {MOST_LISTED:,} of each reason are listed"
            )

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

    def _reader(self, calls: Any, name: str, of: Samples) -> Reader:
        annotations = Annotations(calls, name, self._annotation) if self._annotation else None
        words = (self._wanted, self._quality, of, annotations)
        if self._lift:
            return LiftedReader(*words, self._lift, _lengths(calls))
        return Reader(*words, self.called is not None, self._reference)

    def _shares(self, path: Path, contigs: list[str]) -> Shares | None:
        """What processes beside this one can read the file in; None where it is read by this one."""
        index = index_of(path)
        if index is None or path.stat().st_size < self._least_bytes:
            return None
        try:
            return shares_of(path, index, contigs)
        except Unusable as why:
            self.told.append(f"{path.name}: its index {why}, so the file is read by one process")
            return None

    def _hold(self, name: str, number: int, said: Said, places: Samples, at: npt.NDArray[np.int64]) -> None:
        """Take in what a record says; `at`: the places among ours as numbers."""
        reason = said.reason
        if self.called is not None:
            for mark in said.marks:
                self.called.say(mark.place, mark.first, mark.last, at[mark.samples], mark.well)
        for own in said.own:
            reason = self._say(own.variant, own.copies, places, own.single) or reason
            if own.shift:
                self.shifts[name][own.shift] += 1
            if own.effects:
                self.effects[own.variant].update(own.effects)
        if said.lift:
            self.lifts[name][said.lift] += 1
        for absent in said.absent:
            self._say_absent(absent.variant, absent.free, places)
        if reason:
            self.aside[name][reason] += said.times
            if reason not in NOT_PLACED or self.aside[name][reason] <= MOST_LISTED:
                self.lines.append((name, number, reason))

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

    def _say_absent(self, variant: Variant, free: Flags, places: Samples) -> None:
        """What a record of another variant says: it fills what no record of its own does."""
        held = self.dosage.setdefault(variant, np.full(len(self.samples), UNKNOWN, dtype=np.int8))
        fills = free & (held[places] < 0)
        if variant in self._differing:
            fills &= ~self._differing[variant][places]
        held[places] = np.where(fills, 0, held[places])
        self._by_others.setdefault(variant, np.zeros(len(self.samples), dtype=np.bool_))[places] |= fills


def _chosen(places: npt.NDArray[np.int64], among: int) -> Samples:
    """The same places, as a slice where they are all in their order: nothing is copied then."""
    return slice(None) if np.array_equal(places, np.arange(among)) else places


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


def _lengths(calls: Any) -> dict[str, int]:
    """Of each contig of which the header says how long it is."""
    try:
        return {name: length for name, length in zip(calls.seqnames, calls.seqlens, strict=True) if length > 0}
    except AttributeError:  # a header without lengths
        return {}
