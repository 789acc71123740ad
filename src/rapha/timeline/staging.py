"""The tables of one ingest, in a DuckDB of its own: files as texts, patients, events; and what is set aside."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from rapha.errors import ConfigurationError
from rapha.timeline import data_files
from rapha.timeline.ahead import ahead
from rapha.timeline.csv_rows import Broken
from rapha.timeline.manifest import Table
from rapha.timeline.notes import NOTE_TEXTS
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.readings import MACROS
from rapha.timeline.schema import ALL_TABLES, FEW_WORDS, enum_of
from rapha.timeline.stream import Stream

MEMORY = "1GB"
"""What DuckDB holds in memory of one ingest; the rest of it lies in `spill` meanwhile."""
_PARAMETER = re.compile(r"\$(\w+)")
_BLANKS = " \t\n\r\xa0"


class Staging:
    """Holds one connection, which reads no file: rows reach it as Arrow. `spill` takes what does not fit in memory."""

    def __init__(self, spill: Path) -> None:
        settings: dict[str, Any] = {
            "threads": 2,
            "memory_limit": MEMORY,
            "temp_directory": str(spill),
            "python_enable_replacements": False,
        }
        self._held = 0
        self.connection = duckdb.connect(":memory:", config=settings)
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute("SET enable_progress_bar = false")  # it would write into a notebook, beside the report
        self.connection.execute("SET checkpoint_threshold = '1TB'")
        for macro in MACROS:
            self.connection.execute(macro)
        self.connection.execute("CREATE TABLE set_aside (file VARCHAR, line BIGINT, reason VARCHAR, row_id VARCHAR)")
        self.connection.execute(f"CREATE TABLE {NOTE_TEXTS} (subject_key BIGINT, text VARCHAR)")
        for name, schema in ALL_TABLES.items():
            self.connection.from_arrow(_zoneless(schema).empty_table()).create(name)
        for name, words in FEW_WORDS.items():
            self.hold_as(name, words)

    def execute(self, statement: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement with its parameters; its rows."""
        return self.connection.execute(statement, parameters or {}).fetchall()

    def hold_as(self, column: str, words: Iterable[str]) -> None:
        """Hold this column of `events`, still empty, as one of these words: a byte or two each, however long they are."""
        self.connection.execute(f"ALTER TABLE events ALTER {column} TYPE {enum_of(words)}")

    def hold_ids(self) -> None:
        """Hold `event_id` of `events`, still empty, as the number that its 32 hex digits are: see `write_batch`."""
        self.connection.execute("ALTER TABLE events ALTER event_id TYPE UUID")

    def leave_out(self, columns: Iterable[str]) -> None:
        """This source never fills these columns of `events`, still empty: they are not held at all, see `write_batch`."""
        for column in columns:
            self.connection.execute(f"ALTER TABLE events DROP COLUMN {column}")

    def held(self, select: str, parameters: Mapping[str, Any]) -> str:
        """The same SELECT with its parameters as variables of the connection, so that it can be asked for later."""
        names = {}
        for name, value in parameters.items():
            names[name] = f"held{self._held}"
            self._held += 1
            self.execute(f"SET VARIABLE {names[name]} = $value", {"value": value})
        return _PARAMETER.sub(lambda found: f"getvariable('{names[found[1]]}')", select)

    def take_events_from(self, selects: Iterable[str]) -> None:
        """`events`, still empty, are the rows of these, which have some of its columns: worked out whenever they are asked for,
        and not held."""
        columns = {name: kind for name, kind, *_ in self.execute("DESCRIBE events")}
        self.execute("ALTER TABLE events RENAME TO no_events")
        parts = ["FROM no_events"]
        for select in selects:
            given = [name for name, *_ in self.execute(f"DESCRIBE {select}")]
            typed = ", ".join(f"CAST({name} AS {columns[name]}) AS {name}" for name in given)
            parts.append(f"SELECT {typed} FROM ({select})")
        self.execute(f"CREATE VIEW events AS {' UNION ALL BY NAME '.join(parts)}")

    def tables(self) -> dict[Table, duckdb.DuckDBPyRelation]:
        """The three tables of patients as they stand."""
        names: tuple[Table, ...] = ("events", "subjects", "observation_periods")
        return {name: self.connection.table(name) for name in names}

    def vocabulary(self) -> dict[Table, duckdb.DuckDBPyRelation]:
        """The two tables of codes as they stand."""
        names: tuple[Table, ...] = ("concepts", "concept_ancestors")
        return {name: self.connection.table(name) for name in names}

    def load(self, path: Path, table: str, columns: Sequence[str]) -> int:
        """Stage the columns of a file as texts without blanks around them, NULL where empty. Returns the rows read,
        those that are set aside at once among them. Raises SourceError: the file cannot be read."""
        broken: Broken = []
        return self.stage(path.name, table, columns, data_files.read(path, columns, broken), broken)

    def stage(
        self,
        file: str,
        table: str,
        columns: Sequence[str],
        batches: Iterable[pa.RecordBatch],
        broken: Broken,
    ) -> int:
        """The same from batches as `data_files.read` gives them; `broken` is read when they are through."""
        with self.reading(file, columns, batches, broken) as incoming:
            self.execute(f"CREATE TABLE {table} AS {incoming_texts(columns)}")
        return incoming.rows + len(broken)

    @contextmanager
    def reading(
        self, file: str, columns: Sequence[str], batches: Iterable[pa.RecordBatch], broken: Broken
    ) -> Iterator[Stream]:
        """The same rows for one statement, which reads `incoming_texts` of these columns once, while they come."""
        names = [f"c{at}" for at in range(len(columns))]
        with closing(ahead(map(_trimmed, batches))) as read:
            incoming = Stream(read, pa.schema([("line", pa.int64()), *((name, pa.string()) for name in names)]))
            self.connection.register("incoming", incoming.reader)
            self.execute(
                "SET disabled_optimizers = 'build_side_probe_side'"
            )  # a stream is taken for one row, and would be hashed
            try:
                yield incoming
            finally:
                self.execute("RESET disabled_optimizers")
                self.connection.unregister("incoming")
        incoming.check()
        self._set_aside_lines(file, broken)

    def set_aside(self, file: str, rows: str, parameters: dict[str, Any] | None = None) -> None:
        """Note the rows of a query with columns `line` and `reason`, and `row_id` where the source has one, whose
        reason is not NULL."""
        statement = f"INSERT INTO set_aside BY NAME SELECT $file AS file, * FROM ({rows}) WHERE reason IS NOT NULL"
        self.execute(statement, {**(parameters or {}), "file": file})

    def reasons(self, file: str) -> dict[str, int]:
        """How many rows of a file were set aside, by reason."""
        statement = "SELECT reason, count(*) FROM set_aside WHERE file = $file GROUP BY reason ORDER BY reason"
        return dict(self.execute(statement, {"file": file}))

    def check_zones(self, zones: Iterable[str], mapping: str) -> None:
        """Every zone is a known one. Raises ConfigurationError, with the mapping's name and the nearest zone."""
        known = [row[0] for row in self.execute("SELECT name FROM pg_timezone_names()")]
        for zone in zones:
            if zone not in known:
                near = get_close_matches(zone, known, n=1)
                meant = f"; did you mean {near[0]}?" if near else ""
                raise ConfigurationError(f"{mapping}: the zone {zone!r} is not known{meant}")

    def key_patients(self, secret: bytes, source: str) -> None:
        """Give `people` its `subject_key`: HMAC-SHA256 under the site's secret of source and identifier, 64 bits."""
        ids = [row[0] for row in self.execute("SELECT id FROM people ORDER BY id")]
        keys = [subject_key(secret, source, identifier) for identifier in ids]
        table = pa.table({"id": pa.array(ids, pa.string()), "subject_key": pa.array(keys, pa.int64())})
        self.connection.register("keyed", table)
        self.execute("UPDATE people SET subject_key = keyed.subject_key FROM keyed WHERE people.id = keyed.id")
        self.connection.unregister("keyed")

    def _set_aside_lines(self, file: str, broken: Broken) -> None:
        if broken:
            lines, reasons = zip(*broken, strict=True)
            table = pa.table({"line": pa.array(lines, pa.int64()), "reason": pa.array(reasons, pa.string())})
            self.connection.register("broken", table)
            self.set_aside(file, "FROM broken")
            self.connection.unregister("broken")


def incoming_texts(columns: Sequence[str]) -> str:
    """SQL of what `Staging.reading` reads: the line, and `c0`, `c1` ... of so many columns, NULL where empty."""
    texts = "".join(f", nullif(c{at}, '') AS c{at}" for at in range(len(columns)))
    return f"SELECT line{texts} FROM incoming"


def _trimmed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The line numbers as they stand, and the texts without blanks around them."""
    line, *texts = batch.columns
    return pa.RecordBatch.from_arrays(
        [line, *(pc.utf8_trim(text, _BLANKS) for text in texts)], names=batch.schema.names
    )


def _zoneless(schema: pa.Schema) -> pa.Schema:
    """Moments are plain UTC clocks here, so that no step depends on the connection's zone."""
    plain = [pa.timestamp("us") if pa.types.is_timestamp(field.type) else field.type for field in schema]
    return pa.schema(list(zip(schema.names, plain, strict=True)))
