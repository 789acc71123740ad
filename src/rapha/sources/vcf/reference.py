"""The reference genome that a hospital's calls are of, as a FASTA file with its index (`samtools faidx`) beside it: what moves an insertion or
deletion inside a repeat to its leftmost place, so that two callers who spell one change differently mean the same.

The index is five columns with tabs (samtools, "faidx(5)"): name, bases, place of the first base in the file, bases and bytes of a line. Neither file is
believed: an index that is older than its file is refused, and one of which a contig does not begin after its own header line, end before the next one,
and have its line ends where the index says (asked of the first whole line and the last); and so is a genome of another build. A chromosome of which
two contigs are another length, each under a name of its own (chrM and chrMT of hg19), is left out: nothing says which of them the calls are of.
"""

import os
import weakref
from pathlib import Path
from typing import ClassVar, NamedTuple

from rapha.canonical import digest
from rapha.errors import SourceError
from rapha.sources.vcf.build import CHROMOSOMES, check_build, chromosome
from rapha.sources.vcf.variants import BASES, Variant, trimmed
from rapha.timeline.source_files import State

FURTHEST = 1000
"""Bases that a variant is moved at most; one in a longer repeat is set aside."""
LARGEST_INDEX_BYTES = 4 << 20
LONGEST_HEADER_BYTES = 1 << 16
"""Of a contig in the FASTA file."""
_STRETCH = 64


class NotPlaced(Exception):
    """A variant of which the genome does not say where it belongs; `reason`, after what it is said of."""

    reason: ClassVar[str]


class TooFar(NotPlaced):
    """It would be moved further than `FURTHEST`."""

    reason = "lies in a repeat so long that it cannot be moved to its leftmost place"


class OtherBases(NotPlaced):
    """The genome has other bases than the variant says, or none there."""

    reason = "has other bases than the reference genome"


class NotThere(NotPlaced):
    """The genome does not have the contig."""

    reason = "lies on a contig that the reference genome has not"


class UnknownBases(NotPlaced):
    """The genome has an N or the like in it, or where it would be moved to."""

    reason = "touches bases that the reference genome does not know (N)"


class _Contig(NamedTuple):
    bases: int
    offset: int
    line_bases: int
    line_bytes: int

    def place(self, base: int) -> int:
        """Where a base, from 0, is in the file."""
        return self.offset + base // self.line_bases * self.line_bytes + base % self.line_bases


class Reference:
    """A genome, read where it is asked; a forked process reads it too. `shows_build`: whether its chromosomes are of lengths that tell the build."""

    def __init__(self, path: Path, build: str) -> None:
        """Raises SourceError: it or its index cannot be read, they do not fit, it has no chromosome that is known, or it is of another build."""
        index = path.with_name(path.name + ".fai")
        try:
            listing, written = index.read_bytes(), index.stat().st_mtime_ns
            self._file = os.open(path, os.O_RDONLY)
        except OSError:
            raise SourceError(
                f"{path.name}: a reference genome is a FASTA file, not compressed, with its index beside it: samtools faidx {path.name}"
            ) from None
        weakref.finalize(self, os.close, self._file)
        self._name, self._state, self._index_digest = path.name, State.of(os.fstat(self._file)), digest(listing)
        if written < self._state.mtime_ns:
            raise SourceError(f"{index.name} is older than {path.name}: write it anew with samtools faidx {path.name}")
        self._contigs = _contigs(listing, index.name, self._file)
        if not CHROMOSOMES & self._contigs.keys():
            raise SourceError(
                f"{path.name}: none of its contigs is a chromosome that is known here: name them as the calls do, chr19 or 19"
            )
        self.shows_build = check_build(path.name, {name: contig.bases for name, contig in self._contigs.items()}, build)

    @property
    def name(self) -> str:
        """Of its file."""
        return self._name

    def length(self, place: str) -> int | None:
        """How many bases a chromosome has; None where it is not there."""
        contig = self._contigs.get(place)
        return contig.bases if contig else None

    def check_same(self, state: State | None, index_digest: str) -> None:
        """Raises SourceError: what was read is not the file that had this state, or that index."""
        if not State.of(os.fstat(self._file)) == self._state == state or index_digest != self._index_digest:
            raise self._changed()

    def bases(self, place: str, first: int, last: int) -> str:
        """Of a chromosome, 1-based, both ends in it, in capitals.

        Raises:
            NotThere, OtherBases: it has none there.
            SourceError: the file was cut, or its lines end elsewhere than the index says.
        """
        contig = self._contigs.get(place)
        if contig is None:
            raise NotThere
        if first < 1 or last > contig.bases:
            raise OtherBases
        begins = contig.place(first - 1)
        lines = os.pread(self._file, contig.place(last - 1) + 1 - begins, begins)
        found = lines.replace(b"\n", b"").replace(b"\r", b"")
        if len(found) != max(0, last - first + 1):
            raise self._changed()
        return found.decode("ascii", "replace").upper()

    def _changed(self) -> SourceError:
        return SourceError(
            f"{self._name}: was changed while it was read; nothing was written: write its index anew with samtools faidx, and ingest again"
        )

    def leftmost(self, variant: Variant) -> Variant:
        """The same change as far left as it can stand (Tan et al. 2015, Bioinformatics 31:2202), with the fewest bases.

        Raises:
            NotPlaced: the genome does not say where, by its class why.
            SourceError: as `bases`.
        """
        place, position, reference, alternative = variant
        if (there := self.bases(place, position, variant.last)) != reference:
            raise OtherBases if BASES.issuperset(there) else UnknownBases
        before, begins = "", position
        while reference[-1] == alternative[-1]:
            reference, alternative = reference[:-1], alternative[:-1]
            if reference and alternative:
                continue
            if position == 1:  # nothing stands before it: the base after it stays instead
                after = self.bases(place, 1 + len(reference), 1 + len(reference))
                return Variant(place, 1, reference + after, alternative + after)
            if variant.position - position >= FURTHEST:
                raise TooFar
            if not before:
                begins = max(1, position - _STRETCH)
                before = self.bases(place, begins, position - 1)
            base, before, position = before[-1], before[:-1], position - 1
            if base not in BASES:  # an N cannot be compared: this is as far as anybody can tell
                raise UnknownBases
            reference, alternative = base + reference, base + alternative
        return trimmed(place, position, reference, alternative)


def _contigs(listing: bytes, name: str, file: int) -> dict[str, _Contig]:
    if len(listing) > LARGEST_INDEX_BYTES:
        raise SourceError(f"{name}: larger than the index of a genome is")
    contigs: dict[str, tuple[str, _Contig]] = {}
    in_doubt: set[str] = set()
    for number, line in enumerate(listing.decode("utf-8", "replace").splitlines(), 1):
        said, *figures = line.split("\t")
        if len(figures) != 4 or not all(each.isascii() and each.isdigit() and len(each) < 16 for each in figures):
            raise SourceError(f"{name}: line {number} is none of an index: write it anew with samtools faidx")
        contig = _Contig(*map(int, figures))
        fits = contig.bases > 0 and 0 < contig.line_bases < contig.line_bytes <= contig.line_bases + 2
        if not fits or not _lies_there(said, contig, file):
            raise SourceError(
                f"{name}: line {number} is of another file than lies beside it: write it anew with samtools faidx"
            )
        name_there, there = contigs.setdefault(chromosome(said), (said, contig))
        if said != name_there and contig.bases != there.bases:
            in_doubt.add(chromosome(said))
    return {place: contig for place, (_, contig) in contigs.items() if place not in in_doubt}


def _lies_there(name: str, contig: _Contig, file: int) -> bool:
    """Whether the file has a contig of that name, and as many bases, where the index says."""
    before = max(0, contig.offset - LONGEST_HEADER_BYTES)
    header = os.pread(file, contig.offset - before, before)
    ends, line_ends = (b"\n", b"\r\n"), contig.line_bytes - contig.line_bases
    if not header.endswith(b"\n") or header.splitlines()[-1].split()[:1] != [b">" + name.encode()]:
        return False
    for line in {0, contig.bases // contig.line_bases - 1} if contig.bases > contig.line_bases else ():
        if os.pread(file, line_ends, contig.offset + line * contig.line_bytes + contig.line_bases) not in ends:
            return False
    last, *after = os.pread(file, 8, contig.place(contig.bases - 1)).partition(b"\n")
    rest = b"".join(after).lstrip(b"\r\n")
    return len(last.rstrip(b"\r")) == 1 and rest[:1] in (b"", b">")
