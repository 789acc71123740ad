"""The tables of one ingest, in a DuckDB of its own: files as texts, patients, events; and what is set aside."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from rapha.sources.tables import data_files
from rapha.sources.tables.meaning import MACROS, Fault
from rapha.timeline.manifest import Table
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.schema import TABLES

_BLANKS = "' ' || chr(9) || chr(10) || chr(13) || chr(160)"


class Staging:
    """Holds one connection, which reads no file: rows reach it as Arrow. `spill` takes what does not fit in memory."""

    def __init__(self, spill: Path) -> None:
        settings: dict[str, Any] = {
            "threads": 1,
            "temp_directory": str(spill),
            "python_enable_replacements": False,
        }
        self.connection = duckdb.connect(":memory:", config=settings)
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET TimeZone = 'UTC'")
        for macro in MACROS:
            self.connection.execute(macro)
        self.connection.execute("CREATE TABLE set_aside (file VARCHAR, line BIGINT, reason VARCHAR)")
        for name, schema in TABLES.items():
            self.connection.from_arrow(_zoneless(schema).empty_table()).create(name)

    def execute(self, statement: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement with its parameters; its rows."""
        return self.connection.execute(statement, parameters or {}).fetchall()

    def tables(self) -> dict[Table, duckdb.DuckDBPyRelation]:
        """The three tables of the timeline as they stand."""
        names: tuple[Table, ...] = ("events", "subjects", "observation_periods")
        return {name: self.connection.table(name) for name in names}

    def load(self, path: Path, table: str, columns: Sequence[str]) -> int:
        """Stage the columns of a file as texts without blanks around them, NULL where empty. Returns the rows read,
        those that are set aside at once among them. Raises SourceError: the file cannot be read."""
        names = [f"c{at}" for at in range(len(columns))]
        self.execute(f"CREATE TABLE {table} (line BIGINT{''.join(f', {name} VARCHAR' for name in names)})")
        trimmed = "".join(f", nullif(trim({name}, {_BLANKS}), '')" for name in names)
        broken: data_files.Broken = []
        rows = 0
        for batch in data_files.read(path, columns, broken):
            rows += batch.num_rows
            self.connection.register("incoming", batch)
            self.execute(f"INSERT INTO {table} SELECT line{trimmed} FROM incoming")
            self.connection.unregister("incoming")
        self._set_aside_lines(path.name, broken)
        return rows + len(broken)

    def set_aside(self, file: str, rows: str, parameters: dict[str, Any] | None = None) -> None:
        """Note the rows of a query with columns `line` and `reason` whose reason is not NULL."""
        statement = f"INSERT INTO set_aside SELECT $file, line, reason FROM ({rows}) WHERE reason IS NOT NULL"
        self.execute(statement, {**(parameters or {}), "file": file})

    def key_patients(self, secret: bytes, source: str) -> None:
        """Give `people` its `subject_key`: HMAC-SHA256 under the site's secret of source and identifier, 64 bits."""
        ids = [row[0] for row in self.execute("SELECT id FROM people ORDER BY id")]
        keys = [subject_key(secret, source, identifier) for identifier in ids]
        table = pa.table({"id": pa.array(ids, pa.string()), "subject_key": pa.array(keys, pa.int64())})
        self.connection.register("keyed", table)
        self.execute("UPDATE people SET subject_key = keyed.subject_key FROM keyed WHERE people.id = keyed.id")
        self.connection.unregister("keyed")

    def _set_aside_lines(self, file: str, broken: data_files.Broken) -> None:
        if broken:
            lines, reasons = zip(*broken, strict=True)
            table = pa.table({"line": pa.array(lines, pa.int64()), "reason": pa.array(reasons, pa.string())})
            self.connection.register("broken", table)
            self.set_aside(file, "FROM broken")
            self.connection.unregister("broken")


def first_reason(faults: Iterable[Fault]) -> str:
    """SQL: the reason of the first fault that holds, else NULL."""
    cases = " ".join(f"WHEN {fault.condition} THEN {fault.reason}" for fault in faults)
    return f"CASE {cases} END" if cases else "CAST(NULL AS VARCHAR)"


def _zoneless(schema: pa.Schema) -> pa.Schema:
    """Moments are plain UTC clocks here, so that no step depends on the connection's zone."""
    plain = [pa.timestamp("us") if pa.types.is_timestamp(field.type) else field.type for field in schema]
    return pa.schema(list(zip(schema.names, plain, strict=True)))
