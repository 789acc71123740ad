"""A view over a folder of resources -> rows, as Arrow or as a Parquet file."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from rapha.errors import RaphaError, SourceError
from rapha.sources.views.macros import MACROS, MARK
from rapha.sources.views.resources import SCHEMA, Resources
from rapha.sources.views.statement import compile_view
from rapha.sources.views.view_file import View
from rapha.timeline.beside import space_watched, write_beside

BATCH_ROWS = 1 << 16
_LOOSE = """
    SELECT unnest(CASE json_extract_string(text, '$.resourceType') WHEN 'Bundle'
        THEN list_transform(kid(CAST(text AS JSON), '$.entry'), lambda m_r: json_extract(m_r, '$.resource'))
        ELSE [CAST(text AS JSON)] END) AS resource FROM incoming
"""


@dataclass(frozen=True)
class ViewReport:
    """What became of a view: rows written, resources and bundles read, and file, line and reason of what was none."""

    rows: int
    read: int
    set_aside: tuple[tuple[str, int, str], ...]


def run_view(view: View, folder: Path, out: Path, listed: Sequence[Path] = ()) -> ViewReport:
    """Write the rows of a view as Parquet; `out` has all of them, or what it had before. `listed`: the files of the folder that are read, where
    not all that are there by now.

    Raises:
        ConfigurationError: the view is wrong.
        SourceError: the data cannot be read, or is not as the view says: several values where it expects one.
        DiskFull: no space left.
    """
    resources = Resources(folder, tuple(listed))
    resources.files()
    rows = 0

    def write(file: BinaryIO) -> None:
        nonlocal rows
        reader = rows_of(view, resources.batches())
        with pq.ParquetWriter(file, reader.schema, compression="zstd") as writer:
            for batch in reader:
                rows += batch.num_rows
                writer.write_batch(batch)

    with space_watched(out.parent):
        write_beside(out, write)
    return ViewReport(rows, resources.read, tuple(resources.set_aside))


@dataclass(frozen=True)
class Rows:
    """The rows of a view, to be iterated once. Raises SourceError on the way, see `run_view`."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.batches


def rows_of(view: View, texts: Iterable[pa.RecordBatch]) -> Rows:
    """The rows of a view, over batches of `text`: a resource or a Bundle each. Raises as `run_view`.

    The connection reads no file: texts reach it as Arrow.
    """
    statement = compile_view(view)
    failed: list[RaphaError] = []
    connection = _connection()
    connection.register("incoming", pa.RecordBatchReader.from_batches(SCHEMA, _watched(texts, failed)))
    connection.execute("SET lock_configuration = true")
    whole = "SELECT CAST(text AS JSON) AS resource FROM incoming"
    source = whole if view.resource == "Bundle" else _LOOSE
    with _saying(view, failed):
        found = connection.sql(f"WITH resources AS ({source}) {statement.sql}", params=statement.parameters)
        reader = found.to_arrow_reader(BATCH_ROWS)
    schema = pa.schema([pa.field(name, field.type) for name, field in zip(statement.names, reader.schema, strict=True)])
    return Rows(schema, _renamed(view, reader, schema, failed))


def _connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:", config={"python_enable_replacements": False})
    connection.execute("SET enable_external_access = false")
    connection.execute("SET TimeZone = 'UTC'")
    for macro in MACROS:
        connection.execute(f"CREATE TEMP MACRO {macro}")
    return connection


def _renamed(
    view: View, reader: pa.RecordBatchReader, schema: pa.Schema, failed: list[RaphaError]
) -> Iterator[pa.RecordBatch]:
    with _saying(view, failed):
        for batch in reader:
            yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _watched(texts: Iterable[pa.RecordBatch], failed: list[RaphaError]) -> Iterator[pa.RecordBatch]:
    """Keep our own error apart: the database would only say that its input failed."""
    try:
        yield from texts
    except RaphaError as error:
        failed.append(error)
        raise


@contextmanager
def _saying(view: View, failed: list[RaphaError]) -> Iterator[None]:
    """Say what the database says in our words, without a cell of the data."""
    try:
        yield
    except (duckdb.Error, OSError, pa.ArrowException) as error:
        if failed:
            raise failed[0] from None
        if isinstance(error, duckdb.OutOfMemoryException) or "No space" in str(error):
            raise
        told = re.search(rf"{MARK}(.*)", str(error))
        said = told[1] if told else f"{view.file}: cannot be run over these resources"
        raise SourceError(said) from None
