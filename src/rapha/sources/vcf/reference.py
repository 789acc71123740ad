"""The reference genome that a hospital's calls are of, as a FASTA file with its index (`samtools faidx`) beside it: what moves an insertion or
deletion inside a repeat to its leftmost place, so that two callers who spell one change differently mean the same.

The index is five columns with tabs (samtools, "faidx(5)"): name, bases, place of the first base in the file, bases and bytes of a line. Neither file is
believed: an index that does not fit its file is refused, and so is one of another build.
"""

import mmap
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SourceError
from rapha.sources.vcf.build import check_build, chromosome
from rapha.sources.vcf.variants import BASES, Variant, trimmed

FURTHEST = 1000
"""Bases that a variant is moved at most; one in a longer repeat is set aside."""
LARGEST_INDEX_BYTES = 4 << 20
_STRETCH = 64


class TooFar(Exception):
    """A variant would be moved further than `FURTHEST`."""


class OtherBases(Exception):
    """The reference genome has other bases than the variant says, or none there."""


class _Contig(NamedTuple):
    bases: int
    offset: int
    line_bases: int
    line_bytes: int

    def place(self, base: int) -> int:
        """Where a base, from 0, is in the file."""
        return self.offset + base // self.line_bases * self.line_bytes + base % self.line_bases


class Reference:
    """A genome, mapped into memory; a forked process reads it too."""

    def __init__(self, path: Path, build: str) -> None:
        """Raises SourceError: it or its index cannot be read, they do not fit, or it is of another build."""
        index = path.with_name(path.name + ".fai")
        try:
            listing = index.read_bytes()
            with path.open("rb") as file:
                self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            raise SourceError(
                f"{path.name}: a reference genome is a FASTA file, not compressed, with its index beside it: samtools faidx {path.name}"
            ) from None
        self._contigs = _contigs(listing, index.name, len(self._file))
        check_build(path.name, {name: contig.bases for name, contig in self._contigs.items()}, build)

    def bases(self, place: str, first: int, last: int) -> str:
        """Of a chromosome, 1-based, both ends in it, in capitals. Raises OtherBases where it has none there."""
        contig = self._contigs.get(place)
        if contig is None or first < 1 or last > contig.bases:
            raise OtherBases
        lines = self._file[contig.place(first - 1) : contig.place(last - 1) + 1]
        return lines.replace(b"\n", b"").replace(b"\r", b"").decode("ascii", "replace").upper()

    def leftmost(self, variant: Variant) -> Variant:
        """The same change as far left as it can stand (Tan et al. 2015, Bioinformatics 31:2202), with the fewest bases.

        Raises:
            OtherBases: the reference is not what the variant says.
            TooFar: it would be moved by more than `FURTHEST`.
        """
        place, position, reference, alternative = variant
        if self.bases(place, position, variant.last) != reference:
            raise OtherBases
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
                raise OtherBases
            reference, alternative = base + reference, base + alternative
        return trimmed(place, position, reference, alternative)


def _contigs(listing: bytes, name: str, file_bytes: int) -> dict[str, _Contig]:
    if len(listing) > LARGEST_INDEX_BYTES:
        raise SourceError(f"{name}: larger than the index of a genome is")
    contigs: dict[str, _Contig] = {}
    for number, line in enumerate(listing.decode("utf-8", "replace").splitlines(), 1):
        said, *figures = line.split("\t")
        if len(figures) != 4 or not all(each.isascii() and each.isdigit() and len(each) < 16 for each in figures):
            raise SourceError(f"{name}: line {number} is none of an index: write it anew with samtools faidx")
        contig = _Contig(*map(int, figures))
        fits = contig.bases > 0 and 0 < contig.line_bases < contig.line_bytes <= contig.line_bases + 2
        if not fits or contig.place(contig.bases - 1) >= file_bytes:
            raise SourceError(
                f"{name}: line {number} is of another file than lies beside it: write it anew with samtools faidx"
            )
        contigs.setdefault(chromosome(said), contig)
    return contigs
