"""Dosages and scores as events.

    kind         system               code               num      polarity
    variant      variant:GRCh38       19-44908684-T-C    copies   affirmed where there are any, negated where there are none
    measurement  dosage:GRCh38        19-44908684-T-C    copies   affirmed: 0 is a number too
    measurement  pgs                  PGS000018          score    affirmed
    variant      genotypes:GRCh38     chr22              variants called; points at the matrix
    procedure    assay                exome              none: the sample was read, whatever was found
    procedure    called               GRCh38             none: where it was called well is in the table `called`

Both of the first two have the genotype as their coded value: reference, heterozygous, homozygous, or hemizygous where there is
one copy of the chromosome. So `any_of` asks who carries a variant, `{last: ...}` of the dosage gives a model 0, 1 or 2, and who has no call has neither.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from rapha.records.variant import CALLED_WELL, GENOTYPES
from rapha.records.variant_rule import Genotype
from rapha.sources.vcf.called import Stretch
from rapha.sources.vcf.genotypes import Dosages, Flags
from rapha.sources.vcf.matrices import Kept
from rapha.sources.vcf.samples import Sample
from rapha.sources.vcf.scores import Scores
from rapha.sources.vcf.variants import Variant

Row = dict[str, Any]


class EventRows:
    """Makes the rows of one batch. `keys`: the subject key of each sample, in the order of the dosages."""

    def __init__(
        self, source: str, batch: str, version: str, build: str, samples: list[Sample], keys: list[int]
    ) -> None:
        self._fixed = {"precision": "second", "status": "final", "source_version": version, "ingest_batch": batch,
                       "deleted": False}  # fmt: skip
        self._source, self._build, self._samples, self._keys = source, build, samples, keys

    def of_variants(self, dosage: Mapping[Variant, Dosages], single: Mapping[Variant, Flags]) -> Iterator[Row]:
        """Two events for each sample and variant that is called. `single`: who has one copy of its chromosome."""
        for variant in sorted(dosage):
            copies, alone = dosage[variant], single.get(variant)
            for at in np.flatnonzero(copies >= 0).tolist():
                number, polarity = float(copies[at]), "affirmed" if copies[at] else "negated"
                called = {"value_code": genotype(int(copies[at]), alone is not None and bool(alone[at]))}
                yield self._row(at, "variant", f"variant:{self._build}", str(variant), number, polarity) | called
                yield self._row(at, "measurement", f"dosage:{self._build}", str(variant), number, "affirmed") | called

    def of_assay(self, name: str, read: Iterable[int]) -> Iterator[Row]:
        """One event for each sample that a file has, by their places: it was looked at."""
        for at in sorted(read):
            yield self._row(at, "procedure", "assay", name, None, "affirmed")

    def of_called(self, read: Iterable[int]) -> Iterator[Row]:
        """One event for each sample that a file has, which its stretches of the table `called` are of."""
        for at in sorted(read):
            yield self._row(at, "procedure", CALLED_WELL, self._build, None, "affirmed")

    def stretches(self, called: Iterable[Stretch]) -> Iterator[Row]:
        """Rows of the table `called`."""
        for at, place, first, last in called:
            yield {"event_id": self._reference(at, CALLED_WELL, self._build), "build": self._build, "chromosome": place, "first": first,
                   "last": last, "ingest_batch": self._fixed["ingest_batch"]}  # fmt: skip

    def of_score(self, name: str, scores: Scores) -> Iterator[Row]:
        """One event for each sample that has the score."""
        for at in np.flatnonzero(np.isfinite(scores.score)).tolist():
            yield self._row(at, "measurement", "pgs", name, float(scores.score[at]), "affirmed")

    def of_matrix(self, kept: Iterable[Kept]) -> Iterator[Row]:
        """One event for each sample that has a row of the matrix."""
        for one in kept:
            system = f"{GENOTYPES}:{self._build}"
            yield self._row(one.at, "variant", system, one.matrix, float(one.called), "affirmed") | {"asset": one.asset}

    def _row(self, at: int, kind: str, system: str, code: str, number: float | None, polarity: str) -> Row:
        sample, reference = self._samples[at], self._reference(at, system, code)
        return self._fixed | {
            "subject_key": self._keys[at], "event_id": reference, "kind": kind, "t_start": sample.taken,
            "t_available": sample.known, "utc_offset_minutes": 0, "system": system, "code": code, "num": number,
            "polarity": polarity, "source_ref": f"sample#{reference[:8]}",
        }  # fmt: skip

    def _reference(self, at: int, system: str, code: str) -> str:
        named = f"{self._source}\x1f{self._samples[at].name}\x1f{system}\x1f{code}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]


def genotype(copies: int, alone: bool) -> Genotype:
    """How somebody has a variant. `alone`: there is one copy of the chromosome."""
    if copies == 0:
        return "reference"
    return "hemizygous" if alone else "heterozygous" if copies == 1 else "homozygous"
