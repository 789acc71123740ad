"""A CSV file as texts, each row with the line it starts on, from 1.

CSV as in RFC 4180: commas, double quotes, UTF-8 with or without a byte order mark, a header. Lines that are not that are set
apart, one by one, and the lines after them are read. A header with tabs and without commas makes it a file of tab-separated
texts, in which a quote is a character like any other.

Blocks that are regular are parsed at once; any other is read with care, row by row, to the end of the row it ends in.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, islice
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa

from rapha.errors import SourceError
from rapha.timeline.csv_blocks import UNREADABLE_LINE, Blocks, parse_regular

if TYPE_CHECKING:
    from _csv import Reader

CHUNK_ROWS = 1 << 16
NOT_CSV = "cannot be read as CSV: a quote out of place, a NUL, or a field of more than 128 KiB"
NOT_UTF8 = "is not UTF-8 text"
WRONG_WIDTH = "has more or fewer fields than the header"

Broken = list[tuple[int, str]]
"""Line and reason of what could not be read."""
Row = tuple[int, list[str]]


class CsvRows:
    """An open file, with its header read. Raises SourceError: it does not begin with a header."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._blocks = Blocks(file)
        lines = _Lines(self._blocks, self._blocks.next())
        self._delimiter = "\t" if lines.first_holds(b"\t") and not lines.first_holds(b",") else ","
        reader = self._reader(lines)
        try:
            self.header = [cell.strip() for cell in next(reader)]
        except (StopIteration, csv.Error):
            raise SourceError(f"{name} does not begin with a header of column names: is it a CSV file?") from None
        self._lines_read = reader.line_num
        self._blocks.put_back(lines.rest())

    def read(self, places: Sequence[int], broken: Broken) -> Iterator[tuple[pa.Array, list[pa.Array]]]:
        """Batches of line numbers and of the cells at these places of each row; what cannot be read is added to `broken`."""
        while block := self._blocks.next():
            regular = parse_regular(block, self._delimiter, len(self.header), list(places))
            if regular is None:
                yield from self._with_care(block, places, broken)
                continue
            first, self._lines_read = self._lines_read + 1, self._lines_read + regular.num_rows
            yield pa.array(np.arange(first, first + regular.num_rows)), regular.columns

    def _with_care(
        self, block: bytes, places: Sequence[int], broken: Broken
    ) -> Iterator[tuple[pa.Array, list[pa.Array]]]:
        lines = _Lines(self._blocks, block)
        rows = self._rows(self._reader(lines), lines, broken)
        while chunk := list(islice(rows, CHUNK_ROWS)):
            yield _columns(chunk, places, broken)

    def _rows(self, reader: "Reader", lines: "_Lines", broken: Broken) -> Iterator[Row]:
        """Rows of the right width. After an error the reader starts afresh on the next line."""
        before = self._lines_read
        while lines:
            first = self._lines_read + 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                broken += [(line, NOT_CSV) for line in range(first, before + reader.line_num + 1)]
            else:
                if len(row) == len(self.header):
                    yield first, row
                elif row:
                    broken.append((first, WRONG_WIDTH))
            finally:
                self._lines_read = before + reader.line_num

    def _reader(self, lines: Iterator[str]) -> "Reader":
        if self._delimiter == "\t":
            return csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
        return csv.reader(lines, strict=True)


class _Lines(Iterator[str]):
    """The lines of a block and, where a row goes on, of the blocks after it. False while it stands between two blocks."""

    def __init__(self, blocks: Blocks, block: bytes) -> None:
        self._blocks = blocks
        self._waiting = deque(block.splitlines(keepends=True))

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __next__(self) -> str:
        if not self._waiting:
            self._waiting.extend(self._blocks.next().splitlines(keepends=True))
        if not self._waiting:
            raise StopIteration
        line = self._waiting.popleft()
        return (UNREADABLE_LINE if b"\0" in line else line).decode(errors="surrogateescape")

    def first_holds(self, byte: bytes) -> bool:
        """Whether the next line of the block has this byte."""
        return bool(self._waiting) and byte in self._waiting[0]

    def rest(self) -> bytes:
        """The lines of the block that were not asked for."""
        return b"".join(self._waiting)


def _columns(rows: list[Row], places: Sequence[int], broken: Broken) -> tuple[pa.Array, list[pa.Array]]:
    try:
        columns = [pa.array([row[place] for _, row in rows], pa.string()) for place in places]
    except UnicodeEncodeError:
        legible = [_is_legible(row[place] for place in places) for _, row in rows]
        broken += [(line, NOT_UTF8) for (line, _), good in zip(rows, legible, strict=True) if not good]
        return _columns(list(compress(rows, legible)), places, broken)
    return pa.array([line for line, _ in rows], pa.int64()), columns


def _is_legible(cells: Iterable[str]) -> bool:
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return False
    return True
