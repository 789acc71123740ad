"""A CSV or Parquet file, read as texts, each row with the line (CSV) or the row (Parquet) it stands on, from 1.

What is CSV: see `csv_rows`; gzip by its ending.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from rapha.errors import SourceError
from rapha.timeline.csv_rows import CHUNK_ROWS, Broken, CsvRows

ENDINGS = (".csv", ".csv.gz", ".txt", ".txt.gz", ".parquet")


def find(folder: Path, name: str) -> Path:
    """The file of that name in the data folder. Raises SourceError: missing, or of no kind that is read here."""
    path = folder / name
    if not name.endswith(ENDINGS):
        raise SourceError(f"{name}: files end in {', '.join(ENDINGS)}")
    if path.is_file():
        return path
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder: name the one that holds {name}")
    near = _nearest(name, [other.name for other in folder.iterdir()])
    raise SourceError(f"{path} is missing" + (f"; did you mean {near}?" if near else ""))


def _nearest(name: str, names: Sequence[str]) -> str | None:
    """The name that is the same but for its case; else the one that looks most like it."""
    lower = [other for other in names if other.lower() == name.lower()]
    return next(iter(lower or get_close_matches(name, names, n=1)), None)


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
                rows = CsvRows(file, path.name)
                for lines, cells in rows.read(_places(path.name, rows.header, columns), broken):
                    yield _named(lines, cells)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "damaged, or cut short"
        raise SourceError(f"{path} cannot be read: {reason}") from None


def header(path: Path) -> list[str]:
    """The names of the columns of a file, in their order. Raises SourceError: it cannot be read."""
    try:
        if path.name.lower().endswith(".parquet"):
            return list(pq.read_schema(path).names)
        with _open(path) as file:
            return CsvRows(file, path.name).header
    except (OSError, EOFError, zlib.error, pa.ArrowException):
        raise SourceError(f"{path} cannot be read: damaged, or cut short") from None


def named(first: int, columns: Sequence[pa.Array]) -> pa.RecordBatch:
    """A batch as `read` gives it, of columns of texts; `first` is the number of its first row."""
    rows = len(columns[0])
    return _named(pa.array(range(first, first + rows), pa.int64()), list(columns))


def _open(path: Path) -> IO[bytes]:
    if path.name.lower().endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]  # it reads as a file does
    return path.open("rb")


def _places(name: str, header: Sequence[str], columns: Sequence[str]) -> list[int]:
    times, places = Counter(header), {column: at for at, column in enumerate(header)}
    for column in columns:
        if times[column] == 1:
            continue
        if column in times:
            raise SourceError(f"{name}: the column {column!r} is there {times[column]} times: rename one")
        near = _nearest(column, header)
        raise SourceError(f"{name} has no column {column!r}" + (f"; did you mean {near!r}?" if near else ""))
    return [places[column] for column in columns]


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
