"""The files of a MEDS folder: `data/**/*.parquet`, or all that are there where it has no `data/`; `metadata/` beside them.

metadata/subject_splits.parquet is passed over: a study splits patients itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rapha.errors import SourceError
from rapha.timeline.source_files import SourceFiles

CHUNK_ROWS = 1 << 16
NEEDED = ("subject_id", "time", "code")
OPTIONAL = {
    "numeric_value": pa.float64(),
    "text_value": pa.string(),
    "unit": pa.string(),
    "comparator": pa.string(),
    "event_id": pa.string(),
    "edge": pa.string(),
}
"""The last four are no columns of MEDS; `rapha node export` writes them beside its own."""
_TYPES = {"subject_id": pa.int64(), "time": pa.timestamp("us"), "code": pa.string(), **OPTIONAL}


@dataclass(frozen=True)
class Folder:
    """`shards` by their paths below the folder; `codes` and `periods` where they are there."""

    shards: dict[str, Path]
    codes: Path | None
    periods: Path | None

    def versions(self, originals: SourceFiles) -> dict[str, str]:
        """SHA-256 of every file, in hexadecimal."""
        beside = {f"metadata/{path.name}": path for path in (self.codes, self.periods) if path}
        return {name: originals.digest(path).removeprefix("sha256:") for name, path in (self.shards | beside).items()}


def open_folder(data: Path) -> Folder:
    """What is in the folder. Raises SourceError: no shard is."""
    inside = data / "data" if (data / "data").is_dir() else data
    found = sorted(path for path in inside.rglob("*.parquet") if "metadata" not in path.relative_to(data).parts)
    if not found:
        raise SourceError(f"{data} holds no Parquet file: MEDS keeps its events in data/, in files such as 0.parquet")
    codes, periods = (data / "metadata" / f"{name}.parquet" for name in ("codes", "observation_periods"))
    return Folder(
        {str(path.relative_to(data)): path for path in found},
        codes if codes.is_file() else None,
        periods if periods.is_file() else None,
    )


def read_shard(path: Path, name: str) -> Iterator[tuple[pa.RecordBatch, bool]]:
    """Rows with `line` (from 1), all columns of `_TYPES`, those that the file has not empty; and whether its numbers are
    float32. Raises SourceError: it cannot be read, or is not of these types."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            _check(schema, name)
            single = "numeric_value" in schema.names and schema.field("numeric_value").type == pa.float32()
            present = [column for column in _TYPES if column in schema.names]
            line = 1
            for batch in file.iter_batches(CHUNK_ROWS, columns=present):
                yield _typed(batch, line), single
                line += batch.num_rows
    except (OSError, pa.ArrowException):
        raise SourceError(f"{name} cannot be read: damaged, or its columns are not those of MEDS") from None


def read_table(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    """A small file of `metadata/`, those of the columns that it has not empty. Raises SourceError as `read_shard`."""
    try:
        there = pq.read_table(path)
        arrays = [
            there[name].cast(kind) if name in there.column_names else pa.nulls(there.num_rows, kind)
            for name, kind in columns.items()
        ]
    except (OSError, pa.ArrowException):
        raise SourceError(
            f"metadata/{path.name} cannot be read: damaged, or its columns are not those of MEDS"
        ) from None
    return pa.table(dict(zip(columns, arrays, strict=True)))


def _check(schema: pa.Schema, name: str) -> None:
    for column in NEEDED:
        if schema.names.count(column) != 1:
            raise SourceError(f"{name} has no column `{column}`: is it MEDS?")
    if not pa.types.is_integer(schema.field("subject_id").type):
        raise SourceError(f"{name}: `subject_id` holds no integers: is it MEDS?")
    if not pa.types.is_timestamp(schema.field("time").type):
        raise SourceError(f"{name}: `time` holds no times: is it MEDS?")


def _typed(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    rows = batch.num_rows
    columns = [pa.array(range(first, first + rows), pa.int64())]
    for name, kind in _TYPES.items():
        columns.append(_cast(batch.column(name), kind) if name in batch.schema.names else pa.nulls(rows, kind))
    return pa.RecordBatch.from_arrays(columns, names=["line", *_TYPES])


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Nanoseconds below a microsecond are cut off; a zone's time is taken in UTC."""
    return column.cast(kind, safe=not pa.types.is_timestamp(kind))
