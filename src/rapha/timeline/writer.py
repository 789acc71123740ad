"""Rows in, Parquet out: atomic, idempotent, the same bytes for the same rows.

1. Each table of a batch is sorted and written to a file of its own, named after source and batch, and synced.
2. `timeline.json` is replaced by one that lists the new files instead of the source's former ones. This rename is the
   moment of change: a crash before it leaves the old timeline, a crash after it the new one.
3. Files that `timeline.json` does not list are removed.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from rapha.errors import Conflict
from rapha.timeline.ahead import ahead
from rapha.timeline.assets import FOLDER, sweep_contents
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.manifest import NAME, Batch, Manifest, Table, read_manifest
from rapha.timeline.schema import ALL_TABLES, TABLES

ROW_GROUP_ROWS = 1 << 15
"""Few enough that the one being written, and the next being read, are little beside the rest of an ingest."""
BATCH_ROWS = 1 << 13
_ORDER: dict[Table, str] = {
    "events": "subject_key, t_start NULLS FIRST, event_id",
    "subjects": "subject_key",
    "observation_periods": "subject_key, t_start, t_end",
    "concepts": "system, code, concept",
    "concept_ancestors": "ancestor, descendant",
    "variants": "build, chromosome, first, code, gene, gene_id, coordinates, consequences",
    "called": "event_id, build, chromosome, first",
    "genes": "build, chromosome, first, last, gene, gene_id, coordinates",
    "assets": "asset, subject_key",
    "merges": "retired",
    "notes": "event_id",
}
BATCH_COLUMN = "ingest_batch"
_EMPTY = {pa.string(): "CAST(NULL AS VARCHAR)", pa.float64(): "CAST(NULL AS DOUBLE)"}
"""SQL of a column of this type that no row has a value in: it need be neither staged nor sorted."""
_DIGITS = "replace(CAST({} AS VARCHAR), '-', '')"
_UNIQUE = ("event_id", "source_ref")
"""Columns whose values hardly repeat: a dictionary of them would only cost."""


def is_written(timeline: Path, source: str, batch: str) -> Batch | None:
    """The batch as it stands, if it is the live one of its source and all of its files are there."""
    live = read_manifest(timeline).of(source)
    if live is None or live.batch != batch:
        return None
    complete = all((timeline / path).is_file() for paths in live.files.values() for path in paths)
    if "assets" in live.files:
        complete = complete and (timeline / FOLDER / f"{source}.{batch}").is_dir()
    return live if complete else None


def write_batch(
    timeline: Path,
    source: str,
    batch: str,
    mapping: str,
    tables: Mapping[Table, duckdb.DuckDBPyRelation],
    people: str | None = None,
) -> Batch:
    """Put a batch in the place of its source's former one. All of `schema.TABLES` are given, and those of
    `schema.VOCABULARY`, `schema.CALLED`, `schema.DENSE`, `schema.JOINED` and `schema.PENNED` that the source has; columns by name, in any order of
    rows, `ingest_batch` may be left out: it is `batch` everywhere; so may nullable texts and numbers: they are null everywhere; times
    may be zoneless, then they are UTC, and texts may be enums; ids of 32 hex digits may be UUIDs, which take half the room and are sorted
    as numbers.
    `people`: the word its patients are keyed under, where that is not `source`.

    Start: any state, with or without leftovers. End: the batch is live, nothing else in the folder has changed meaning.
    Written again: the same files, byte for byte.

    Raises:
        DiskFull: the folder has no space left; the former batch is still live.
        Conflict: another process is writing this timeline.
        ValueError: a table does not fit its schema; the former batch is still live.
    """
    with _only_writer(timeline), space_watched(timeline):
        files: dict[Table, tuple[str, ...]] = {}
        rows: dict[Table, int] = {}
        for table in (name for name in _ORDER if name in TABLES or name in tables):
            path = f"{table}/{source}.{batch}.parquet"
            rows[table] = _write_table(timeline / path, table, tables[table], batch)
            files[table] = (path,)
        written = Batch(source=source, batch=batch, mapping=mapping, files=files, rows=rows, people=people)
        manifest = read_manifest(timeline).replacing(written)
        write_beside(timeline / NAME, lambda file: file.write(manifest.as_bytes() + b"\n"))
        _sweep(timeline, manifest)
        sweep_contents(timeline, source, batch)
    return written


def _write_table(path: Path, table: Table, relation: duckdb.DuckDBPyRelation, batch: str) -> int:
    schema = ALL_TABLES[table]
    batches = relation.order(_ORDER[table]).project(_columns(schema, batch, relation)).to_arrow_reader(BATCH_ROWS)
    encoded = [field.name for field in schema if field.type == pa.string() and field.name not in _UNIQUE]
    rows = 0

    def write(file: BinaryIO) -> None:
        nonlocal rows
        with pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=encoded) as writer:
            for group in _groups(ahead(batches, most=1), schema):
                rows += group.num_rows
                writer.write_table(group, row_group_size=ROW_GROUP_ROWS)

    write_beside(path, write)
    return rows


def _columns(schema: pa.Schema, batch: str, given: duckdb.DuckDBPyRelation) -> str:
    """The columns in their order. What is the same in every row is put there after the rows are sorted: the batch, and nothing in
    the columns that are not given. Numbers of 128 bits are spelled there too: their order is that of their digits."""
    empty = {field.name: _EMPTY[field.type] for field in schema if field.nullable and field.type in _EMPTY}
    told = {name: sql for name, sql in empty.items() if name not in given.columns}
    told |= {
        name: _DIGITS.format(name) for name, kind in zip(given.columns, given.types, strict=True) if kind == "UUID"
    }
    told[BATCH_COLUMN] = "'" + batch.replace("'", "''") + "'"
    return ", ".join(f"{told[name]} AS {name}" if name in told else name for name in schema.names)


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of `ROW_GROUP_ROWS` rows, the last one smaller: where they are cut depends on the rows alone."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(part.num_rows for part in waiting) >= ROW_GROUP_ROWS:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, ROW_GROUP_ROWS).cast(schema)
            waiting = table.slice(ROW_GROUP_ROWS).to_batches()
    if waiting:
        yield pa.Table.from_batches(waiting).cast(schema)


@contextmanager
def _only_writer(timeline: Path) -> Iterator[None]:
    timeline.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(timeline, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"another process is writing {timeline}: wait until it is done") from None
    finally:
        os.close(folder)


def _sweep(timeline: Path, manifest: Manifest) -> None:
    live = manifest.live()
    for table in (name for name in _ORDER if (timeline / name).is_dir()):
        for path in (timeline / table).iterdir():
            if f"{table}/{path.name}" not in live:
                path.unlink()
