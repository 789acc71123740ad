"""A CSV or Parquet file, read as texts, each row with the line (CSV) or the row (Parquet) it stands on, from 1.

CSV as in RFC 4180: commas, double quotes, UTF-8 with or without a byte order mark, a header; gzip by its ending. Lines
that are not that are set apart, one by one, and the lines after them are read. A header with tabs and without commas makes
it a file of tab-separated texts, in which a quote is a character like any other.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from rapha.errors import SourceError

if TYPE_CHECKING:
    from _csv import Reader

CHUNK_ROWS = 1 << 16
LONGEST_LINE = 16 << 20
NOT_CSV = "cannot be read as CSV: a quote out of place, a NUL, or a field of more than 128 KiB"
NOT_UTF8 = "is not UTF-8 text"
WRONG_WIDTH = "has more or fewer fields than the header"
ENDINGS = (".csv", ".csv.gz", ".txt", ".txt.gz", ".parquet")
_UNREADABLE_BY_CSV = '"x"x\n'

Broken = list[tuple[int, str]]
"""Line and reason of what could not be read."""


def find(folder: Path, name: str) -> Path:
    """The file of that name in the data folder. Raises SourceError: missing, or of no kind that is read here."""
    path = folder / name
    if not name.endswith(ENDINGS):
        raise SourceError(f"{name}: files end in {', '.join(ENDINGS)}")
    if path.is_file():
        return path
    there = [other.name for other in folder.iterdir()] if folder.is_dir() else []
    near = get_close_matches(name, there, n=1)
    raise SourceError(f"{path} is missing" + (f"; did you mean {near[0]}?" if near else ""))


def read(path: Path, columns: Sequence[str], broken: Broken) -> Iterator[pa.RecordBatch]:
    """Batches of `line` int64 and `c0`, `c1` ... string: the columns asked for, in that order.

    What cannot be read is added to `broken`.

    Raises:
        SourceError: the file cannot be read at all, or has not got a column.
    """
    try:
        if path.name.lower().endswith(".parquet"):
            yield from _read_parquet(path, columns)
        else:
            with _open(path) as file:
                yield from _read_csv(file, path.name, columns, broken)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged, or cut short"
        raise SourceError(f"{path} cannot be read: {reason}") from None


def header(path: Path) -> list[str]:
    """The names of the columns of a file, in their order. Raises SourceError: it cannot be read."""
    try:
        if path.name.lower().endswith(".parquet"):
            return list(pq.read_schema(path).names)
        with _open(path) as file:
            _, names = _begin(file, path.name)
            return names
    except (OSError, EOFError, zlib.error, pa.ArrowException):
        raise SourceError(f"{path} cannot be read: damaged, or cut short") from None


def named(first: int, columns: Sequence[pa.Array]) -> pa.RecordBatch:
    """A batch as `read` gives it, of columns of texts; `first` is the number of its first row."""
    rows = len(columns[0])
    return _named(pa.array(range(first, first + rows), pa.int64()), list(columns))


def _open(path: Path) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
    return path.open("r", encoding="utf-8-sig", errors="surrogateescape", newline="")


def _places(name: str, header: Sequence[str], columns: Sequence[str]) -> list[int]:
    for column in columns:
        if header.count(column) == 1:
            continue
        if column in header:
            raise SourceError(f"{name}: the column {column!r} is there {header.count(column)} times: rename one")
        near = get_close_matches(column, header, n=1)
        raise SourceError(f"{name} has no column {column!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return [header.index(column) for column in columns]


def _read_csv(file: IO[str], name: str, columns: Sequence[str], broken: Broken) -> Iterator[pa.RecordBatch]:
    reader, header = _begin(file, name)
    places = _places(name, header, columns)
    lines: list[int] = []
    rows: list[list[str]] = []
    for line, row in _rows(reader, len(header), broken):
        lines.append(line)
        rows.append(row)
        if len(rows) == CHUNK_ROWS:
            yield _batch(lines, rows, places, broken)
            lines, rows = [], []
    if rows:
        yield _batch(lines, rows, places, broken)


def _begin(file: IO[str], name: str) -> tuple["Reader", list[str]]:
    """A reader that stands after the header, and the header."""
    lines = _lines(file)
    try:
        first = next(lines)
        if "\t" in first and "," not in first:
            reader = csv.reader(chain([first], lines), delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
        else:
            reader = csv.reader(chain([first], lines), strict=True)
        return reader, [cell.strip() for cell in next(reader)]
    except (StopIteration, csv.Error):
        raise SourceError(f"{name} does not begin with a header of column names: is it a CSV file?") from None


def _lines(file: IO[str]) -> Iterator[str]:
    """Lines as they stand; in the place of one with a NUL, or too long to hold, one that no CSV reader takes."""
    while line := file.readline(LONGEST_LINE):
        whole = len(line) < LONGEST_LINE or line.endswith("\n")
        while not whole:
            rest = file.readline(LONGEST_LINE)
            whole = len(rest) < LONGEST_LINE or rest.endswith("\n")
            line = _UNREADABLE_BY_CSV
        yield _UNREADABLE_BY_CSV if "\0" in line else line


def _rows(reader: "Reader", width: int, broken: Broken) -> Iterator[tuple[int, list[str]]]:
    """Rows of the right width with the line they start on. After an error the reader starts afresh on the next line."""
    first = reader.line_num + 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            broken += [(line, NOT_CSV) for line in range(first, reader.line_num + 1)]
        else:
            if len(row) == width:
                yield first, row
            elif row:
                broken.append((first, WRONG_WIDTH))
        first = reader.line_num + 1


def _batch(lines: list[int], rows: list[list[str]], places: list[int], broken: Broken) -> pa.RecordBatch:
    try:
        columns = [pa.array(map(itemgetter(place), rows), pa.string()) for place in places]
    except UnicodeEncodeError:
        legible = [_is_legible(row) for row in rows]
        broken += [(line, NOT_UTF8) for line, good in zip(lines, legible, strict=True) if not good]
        kept = [pair for pair, good in zip(zip(lines, rows, strict=True), legible, strict=True) if good]
        return _batch([line for line, _ in kept], [row for _, row in kept], places, broken)
    return _named(pa.array(lines, pa.int64()), columns)


def _is_legible(row: list[str]) -> bool:
    try:
        "".join(row).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        _places(path.name, schema.names, columns)
        for column in columns:
            if pa.types.is_nested(schema.field(column).type) or pa.types.is_binary(schema.field(column).type):
                raise SourceError(f"{path.name}: the column {column!r} holds lists or bytes, not values")
        line = 1
        for batch in file.iter_batches(CHUNK_ROWS, columns=list(columns)):
            texts = [batch.column(column).cast(pa.string()) for column in columns]
            yield _named(pa.array(range(line, line + batch.num_rows), pa.int64()), texts)
            line += batch.num_rows


def _named(lines: pa.Array, columns: list[pa.Array]) -> pa.RecordBatch:
    names = ["line", *(f"c{at}" for at in range(len(columns)))]
    return pa.RecordBatch.from_arrays([lines, *columns], names=names)
