"""The index beside a call file (.csi or .tbi; CSIv1 and Tabix specifications) -> shares of it that can be read by themselves.

Untrusted bytes, so read with limits. An index that is damaged, older than its file, or does not reach the file's end is of another file and is
not used; `Shares.records` lets whoever reads by it see that every record was there.
"""

import gzip
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LARGEST_INDEX = 1 << 28
SHARE_BYTES = 1 << 18
"""Of the compressed file, for a share; or what 16,384 bases take, where that is more."""
_LINEAR_SHIFT, _LINEAR_DEPTH = 14, 5
_QUERYABLE = re.compile(r"[A-Za-z0-9_.]{1,100}")
"""Names of contigs that cannot be taken for a region."""


class Share(NamedTuple):
    """Records of a contig whose position lies between two, ends included; `last` None: up to its end."""

    contig: str
    first: int
    last: int | None

    @property
    def region(self) -> str:
        """As htslib asks for it; records that begin before it and reach into it are found too."""
        return f"{self.contig}:{max(1, self.first)}-{self.last or ''}"


class Shares(NamedTuple):
    """A whole file, share after share in the order of its records; and how many records a contig has."""

    shares: tuple[Share, ...]
    records: dict[str, int]


class _Contig(NamedTuple):
    name: str
    records: int
    begins: int
    ends: int
    windows: list[tuple[int, int]]
    """First position, and about where in the file its records begin, of stretches of it; in order. Nothing but the size of shares goes by
    these: htslib finds the records."""


class Unusable(Exception):
    """Why an index is not used."""


def index_of(path: Path) -> Path | None:
    """The index that htslib takes for a call file, if there is one."""
    beside = (path.with_name(path.name + ending) for ending in (".csi", ".tbi"))
    return next((index for index in beside if index.is_file()), None)


def shares_of(path: Path, index: Path, contigs: list[str]) -> Shares:
    """What a call file can be read in. `contigs`: those of its header, in their order.

    Raises:
        Unusable: the index cannot be read, or is not of this file.
    """
    if index.stat().st_mtime < path.stat().st_mtime:
        raise Unusable("is older than the file")
    try:
        found = sorted(_contigs(_Bytes(_unpacked(index)), contigs), key=lambda contig: contig.begins)
    except (OSError, EOFError, zlib.error, struct.error, ValueError, IndexError, MemoryError):
        raise Unusable("cannot be read") from None
    if not found:
        raise Unusable("names no records")
    if not _is_end(path, found[-1].ends):
        raise Unusable("is of another file")
    if not all(_QUERYABLE.fullmatch(contig.name) for contig in found):
        raise Unusable("names a contig that could be taken for a region")
    shares = (share for contig in found for share in _shares(contig))
    return Shares(tuple(shares), {contig.name: contig.records for contig in found})


def _unpacked(index: Path) -> bytes:
    with gzip.open(index) as file:
        content = file.read(LARGEST_INDEX + 1)
    if len(content) > LARGEST_INDEX:
        raise Unusable("is too large")
    return content


def _is_end(path: Path, offset: int) -> bool:
    """Whether nothing lies behind an offset in a file: that of a block, and, in the lowest 16 bits, of a byte in it."""
    block, byte = offset >> 16, offset & 0xFFFF
    try:
        with path.open("rb") as file:
            file.seek(block)
            return len(gzip.GzipFile(fileobj=file).read(byte + 1)) == byte
    except (OSError, EOFError, zlib.error):
        return False


def _shares(contig: _Contig) -> Iterator[Share]:
    first, begun = 0, contig.begins >> 16
    for position, offset in contig.windows:
        if (offset >> 16) - begun >= SHARE_BYTES and position > first:
            yield Share(contig.name, first, position - 1)
            first, begun = position, offset >> 16
    yield Share(contig.name, first, None)


class _Bytes:
    """Little-endian numbers, one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from("<" + form, self._content, self._at)
        self._at += struct.calcsize("<" + form)
        return found

    def words(self, length: int) -> list[str]:
        return self.next(length).decode().rstrip("\0").split("\0")

    def next(self, length: int) -> bytes:
        if not 0 <= length <= len(self._content) - self._at:
            raise EOFError
        self._at += length
        return self._content[self._at - length : self._at]


def _contigs(content: _Bytes, contigs: list[str]) -> Iterator[_Contig]:
    """Those that have records."""
    magic = content.next(4)
    if magic == b"CSI\1":
        shift, depth, beside = content.take("iii")
        if beside:  # of a text file: how its columns are read, and its contigs
            *_, length = content.take("7i")
            contigs = content.words(length)
            content.next(beside - 28 - length)
        (count,) = content.take("i")
    elif magic == b"TBI\1":
        shift, depth = _LINEAR_SHIFT, _LINEAR_DEPTH
        count, *_, length = content.take("8i")
        contigs = content.words(length)
    else:
        raise Unusable("is no .csi or .tbi")
    if not (0 < shift < 32 and 0 <= depth < 11 and 0 <= count <= len(contigs)):
        raise Unusable("is damaged")
    for name in contigs[:count]:
        if contig := _contig(content, name, shift, depth, linear=magic == b"TBI\1"):
            yield contig


def _contig(content: _Bytes, name: str, shift: int, depth: int, linear: bool) -> _Contig | None:
    counts = _first_of(depth + 1) + 1
    records, begins, ends = None, 0, 0
    windows: list[tuple[int, int]] = []
    (bins,) = content.take("i")
    for _ in range(bins):
        number, *said = content.take("I" if linear else "IQ")
        (chunks,) = content.take("i")
        spans = [content.take("QQ") for _ in range(chunks)]
        if number == counts:
            (begins, ends), (records, _) = spans
        elif not linear:
            windows.append((_start(number, shift, depth), said[0]))
    if linear:
        (count,) = content.take("i")
        windows = [((at << shift) + 1, content.take("Q")[0]) for at in range(count)]
    if bins and records is None:
        raise Unusable("does not say how many records there are: write it anew")
    return _Contig(name, records, begins, ends, sorted(windows)) if records else None


def _first_of(level: int) -> int:
    """The first bin of a level; each level has eight times as many as the one above."""
    return ((1 << 3 * level) - 1) // 7


def _start(number: int, shift: int, depth: int) -> int:
    """The first position of a bin."""
    level = max(level for level in range(depth + 1) if _first_of(level) <= number)
    return ((number - _first_of(level)) << (shift + 3 * (depth - level))) + 1
