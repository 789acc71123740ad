"""Genotypes in the files of PLINK 1 (.bed, .bim, .fam; Purcell et al. 2007, Am J Hum Genet 81:559) -> copies of each wanted variant.

.bed holds two bits for each variant and sample, the first sample lowest: 00 two of A1, 01 no call, 10 one of each, 11 two of A2, behind
three bytes that say so. A1 and A2 are those of .bim, and A1 is mostly the rarer one, not the alternative: which of them is the
reference is taken from the mapping or from the name of the variant that is looked for, never guessed. Where only the name says so,
alleles that are each other's complement (A/T, C/G) may be on the other strand and are set aside.

A man has one copy of X, outside of the ends that it shares with Y, and of Y; everybody has one of MT. PLINK writes these as two: they
are read as one, and two different ones as no call. Who is of unknown sex has no call there.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.errors import SourceError
from rapha.records.variant import Build
from rapha.sources.vcf.build import chromosome
from rapha.sources.vcf.calls import Calls
from rapha.sources.vcf.genotypes import UNKNOWN, Dosages, Flags
from rapha.sources.vcf.mapping import Quality
from rapha.sources.vcf.variants import Variant, complement, is_plain, trimmed
from rapha.sources.vcf.wanted import Wanted

MAGIC = bytes([0x6C, 0x1B, 0x01])
NUMBERED = {"23": "X", "24": "Y", "25": "X", "26": "MT", "XY": "X"}
SHARED_ENDS: dict[Build, tuple[tuple[int, int], ...]] = {
    "GRCh37": ((60_001, 2_699_520), (154_931_044, 155_260_560)),
    "GRCh38": ((10_001, 2_781_479), (155_701_383, 156_030_895)),
}
"""Of X, with Y (Genome Reference Consortium)."""
OTHER_WAY = "has the alleles of a variant the other way round than the mapping says"
NO_STRAND = "has alleles that cannot be told apart by strand, and nothing says which is the reference"
NOT_PLAIN = "has an allele that is no plain change of bases"
_COPIES_OF_A1 = np.array([2, UNKNOWN, 1, 0], dtype=np.int8)
_DECODED = _COPIES_OF_A1[np.arange(256)[:, None] >> np.array([0, 2, 4, 6]) & 3]
"""Of each byte of .bed the copies of A1 of its four samples."""


class Line(NamedTuple):
    """A line of .bim."""

    place: str
    shared: bool
    position: int
    a1: str
    a2: str


class PlinkCalls(Calls):
    """As `Calls`, of files of PLINK; a path is that of the three without their endings."""

    def __init__(
        self, samples: list[str], wanted: Wanted, build: Build, a2_is_reference: bool, passed_over: Collection[str] = ()
    ) -> None:
        super().__init__(samples, wanted, Quality(), build, passed_over=passed_over)
        self._ends, self._a2_is_reference = SHARED_ENDS[build], a2_is_reference

    def read(self, path: Path) -> None:
        """Take in one set of three files.

        Raises:
            SourceError: they cannot be read, do not belong together, or have none of the samples.
        """
        name = path.name
        names, men, women = _people(path.with_name(f"{name}.fam"))
        of, places = self._columns(f"{name}.fam", names)
        self.on_trust.append(name)
        self.aside[name], number, width = Counter(), 0, (len(names) + 3) // 4
        held = _bed(path.with_name(f"{name}.bed"))
        for number, line in enumerate(_variants(path.with_name(f"{name}.bim")), 1):
            if held.size < number * width:
                raise SourceError(f"{name}.bed ends before its .bim: the three files do not belong together")
            packed = held[(number - 1) * width : number * width]
            if reason := self._line(line, packed, of, places, (men[of], women[of])):
                self.aside[name][reason] += 1
                self.lines.append((name, number, reason))
        if held.size != number * width:
            raise SourceError(f"{name}.bed goes on behind its .bim: the three files do not belong together")
        self.records[name] = number

    def _line(
        self, line: Line, packed: npt.NDArray[np.uint8], of: npt.NDArray[np.int64], places: npt.NDArray[np.int64],
        sexes: tuple[Flags, Flags],
    ) -> str | None:  # fmt: skip
        """What a line says; or why it says nothing."""
        found = self._meant(line)
        if not isinstance(found, list):
            return found
        reason = None
        for variant, counts_a1 in found:
            copies: Dosages = _DECODED[packed].reshape(-1)[of]
            if not counts_a1:
                copies = np.where(copies >= 0, 2 - copies, UNKNOWN).astype(np.int8)
            copies, single = self._as_they_are(line, copies, *sexes)
            reason = self._say(variant, copies, places, single) or reason
        return reason

    def _meant(self, line: Line) -> list[tuple[Variant, bool]] | str | None:
        """The wanted variants that a line is of, and whether its calls count A1, which is then the alternative."""
        if line.a1 == "0":  # nobody has another allele than A2
            named = self._wanted.named(line.place, line.position, line.position)
            meant = [variant for variant in named if variant.reference == line.a2]
            if not self._a2_is_reference and any(each.alternative == complement(line.a2) for each in meant):
                return NO_STRAND
            return [(variant, True) for variant in meant]
        if not (is_plain(line.a1) and is_plain(line.a2)):
            return NOT_PLAIN if any(self._wanted.named(line.place, line.position, line.position)) else None
        forward = trimmed(line.place, line.position, line.a2, line.a1)
        turned = trimmed(line.place, line.position, line.a1, line.a2)
        if self._a2_is_reference:
            if self._wanted.takes(forward):
                return [(forward, True)]
            return OTHER_WAY if turned in self._wanted.variants else None
        found = [(each, counts) for each, counts in ((forward, True), (turned, False)) if each in self._wanted.variants]
        return NO_STRAND if found and line.a1 == complement(line.a2) else found

    def _as_they_are(self, line: Line, copies: Dosages, men: Flags, women: Flags) -> tuple[Dosages, Flags | None]:
        """The copies of whoever has one chromosome, as one; and who that is."""
        if line.place == "X" and not (line.shared or any(a <= line.position <= b for a, b in self._ends)):
            alone, nobody = men, ~(men | women)
        elif line.place == "Y":
            alone, nobody = men, ~men
        elif line.place == "MT":
            alone, nobody = np.ones(len(copies), dtype=np.bool_), np.zeros(len(copies), dtype=np.bool_)
        else:
            return copies, None
        one = np.where(copies == 2, 1, np.where(copies == 0, 0, UNKNOWN))
        return np.where(nobody, UNKNOWN, np.where(alone, one, copies)).astype(np.int8), alone


def people_of(path: Path) -> list[str]:
    """The samples that a set of files has, whose names without their endings are the path's.

    Raises:
        SourceError: .fam cannot be read.
    """
    return _people(path.with_name(f"{path.name}.fam"))[0]


def _people(path: Path) -> tuple[list[str], Flags, Flags]:
    """Of .fam the samples, who is a man, and who a woman."""
    rows = list(_words(path))
    names = [words[1] for words in rows]
    if len(set(names)) < len(names):
        raise SourceError(f"{path.name}: two samples have the same second column: nothing tells them apart")
    sexes = np.array([words[4] for words in rows])
    return names, sexes == "1", sexes == "2"


def _variants(path: Path) -> Iterator[Line]:
    for number, words in enumerate(_words(path), 1):
        if not words[3].isdecimal() or len(words[3]) > 9:
            raise SourceError(f"{path.name}, line {number}: its position is no number")
        plain = chromosome(words[0])
        yield Line(NUMBERED.get(plain, plain), plain in ("25", "XY"), int(words[3]), words[4].upper(), words[5].upper())


def _words(path: Path) -> Iterator[list[str]]:
    """The lines of .fam and .bim: six columns each."""
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = line.split()
                if len(words) != 6:
                    raise SourceError(f"{path.name}, line {number}: has {len(words)} columns, and not 6")
                yield words
    except (OSError, UnicodeDecodeError):
        raise SourceError(f"{path.name}: is missing, or is no file of PLINK 1") from None


def _bed(path: Path) -> npt.NDArray[np.uint8]:
    """The genotypes, behind the three bytes; variant by variant."""
    try:
        held = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError):
        raise SourceError(f"{path.name}: is missing, or is no file of PLINK 1") from None
    if held[:3].tobytes() != MAGIC:
        raise SourceError(f"{path.name}: is no .bed of PLINK 1, variant by variant: write it anew with --make-bed")
    return held[3:]
