"""Polygenic scores by a scoring file in the form of the PGS Catalog (Lambert et al. 2021, Nat Genet 53:420).

score = sum over its variants of weight * copies of the effect allele. A variant is matched by both of its alleles, as they stand
or on the other strand; one whose alleles are each other's complement (A/T, C/G) cannot be told apart by that and is left out.
"""

import csv
import gzip
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.errors import SourceError
from rapha.sources.vcf.build import chromosome
from rapha.sources.vcf.genotypes import Dosages
from rapha.sources.vcf.mapping import ScoreFile
from rapha.sources.vcf.variants import Variant, complement, in_capitals, is_plain

LARGEST_FILE = 1 << 30


class Term(NamedTuple):
    """One line of a scoring file. `turned`: the effect allele is the reference one, so that its copies are 2 - dosage."""

    variant: Variant
    other_strand: Variant
    turned: bool
    weight: float


class Scoring(NamedTuple):
    """A scoring file, read: its identifier, its terms, and how many lines were ambiguous by strand."""

    name: str
    terms: tuple[Term, ...]
    ambiguous: int

    def variants(self) -> set[Variant]:
        """What has to be looked for in the calls."""
        return {variant for term in self.terms for variant in (term.variant, term.other_strand)}


def read_scoring(path: Path, build: str) -> Scoring:
    """Read a scoring file.

    Raises:
        SourceError: it cannot be read, is of another build, or lacks a column or a number.
    """
    header, rows = _read(path)
    harmonised = header.get("HmPOS_build") == build
    if not harmonised and header.get("genome_build") not in (build, "hg38" if build == "GRCh38" else "hg19"):
        raise SourceError(f"{path.name}: its positions are not of {build}: take the file harmonised to it")
    place, position = ("hm_chr", "hm_pos") if harmonised else ("chr_name", "chr_position")
    terms: list[Term] = []
    ambiguous = 0
    for line, row in rows:
        other = row.get("other_allele") or row.get("hm_inferOtherAllele") or row.get("reference_allele") or ""
        effect, other = in_capitals(row.get("effect_allele") or ""), in_capitals(other)
        weight = _number(row.get("effect_weight"))
        where = row.get(position) or ""
        if weight is None or not where.isdigit() or not (is_plain(effect) and is_plain(other)):
            raise SourceError(f"{path.name}, line {line}: wants {place}, {position}, plain alleles and effect_weight")
        if effect == complement(other):
            ambiguous += 1
            continue
        terms += _both(chromosome(row.get(place) or ""), int(where), effect, other, weight)
    if not terms:
        raise SourceError(f"{path.name}: holds no variant that can be matched")
    return Scoring(header.get("pgs_id") or path.name.partition(".")[0], tuple(terms), ambiguous)


def _both(place: str, position: int, effect: str, other: str, weight: float) -> list[Term]:
    """The line with the effect allele as the alternative, and as the reference: one of them is called, or neither."""
    forward, turned = Variant(place, position, other, effect), Variant(place, position, effect, other)
    return [
        Term(forward, Variant(place, position, complement(other), complement(effect)), False, weight),
        Term(turned, Variant(place, position, complement(effect), complement(other)), True, weight),
    ]


class Scores(NamedTuple):
    """`score` [S], NaN where a sample has none; of all lines how many were found here."""

    score: npt.NDArray[np.float64]
    found: int
    lines: int


def score(scoring: Scoring, dosage: Mapping[Variant, Dosages], samples: int, rule: ScoreFile) -> Scores:
    """The score of every sample; NaN for all where too few of its variants are called here."""
    total, found = np.zeros(samples), 0
    lines = len(scoring.terms) // 2
    for term in scoring.terms:
        copies = dosage.get(term.variant, dosage.get(term.other_strand))
        if copies is None or not (copies >= 0).any():
            continue
        found += 1
        number = np.where(copies >= 0, copies, np.nan).astype(np.float64)
        if rule.missing == "mean":
            number = np.where(np.isnan(number), np.nanmean(number), number)
        total += term.weight * ((2 - number) if term.turned else number)
    if found < math.ceil(rule.least_coverage * (lines + scoring.ambiguous)):
        total = np.full(samples, np.nan)
    return Scores(total, found, lines + scoring.ambiguous)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read(path: Path) -> tuple[dict[str, str], list[tuple[int, dict[str, str]]]]:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SourceError(f"{path.name} is larger than 1 GiB")
        opening = gzip.open if path.suffix == ".gz" else open
        header: dict[str, str] = {}
        with opening(path, "rt", encoding="utf-8") as file:
            lines = []
            for number, line in enumerate(file, 1):
                if line.startswith("#"):
                    key, _, value = line.lstrip("#").strip().partition("=")
                    header[key] = value
                elif line.strip():
                    lines.append((number, line.rstrip("\n")))
    except (OSError, EOFError, UnicodeDecodeError):
        raise SourceError(f"{path.name}: cannot be read as a scoring file") from None
    if not lines:
        raise SourceError(f"{path.name}: holds no lines")
    names = next(csv.reader([lines[0][1]], delimiter="\t"))
    rows = csv.reader((line for _, line in lines[1:]), delimiter="\t")
    return header, [
        (number, dict(zip(names, row, strict=False))) for (number, _), row in zip(lines[1:], rows, strict=False)
    ]
