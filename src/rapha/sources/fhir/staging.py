"""The rows of one ingest, in a DuckDB of its own: the lines of every file, sorted by kind, each kind read by its one
statement (`statements.py`). What is set aside is noted by file and line.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from rapha.errors import SourceError
from rapha.sources.fhir.meaning import MACROS, UTC, UTC_IN_ZONE, addresses_of
from rapha.sources.fhir.observation import OBSERVATION_MACROS
from rapha.sources.fhir.people_rows import CONSENT_MACROS, PEOPLE_TABLES
from rapha.sources.fhir.sorting import Sorting
from rapha.sources.fhir.staged_rows import COLUMNS
from rapha.sources.fhir.statements import STATEMENTS
from rapha.sources.fhir.streams import Streams
from rapha.timeline.ahead import ahead

THREADS, MEMORY = 2, "160MB"
TOO_LARGE = (
    f"a resource has more parts than can be taken apart in {MEMORY}; take it out of the export, and ingest again"
)
NOT_READ = "a resource of this type is not read: "


class Staging:
    """Holds one connection, which reads no file: lines reach it as Arrow. `spill` takes what does not fit in memory.

    `rows` counts the resources met, by file; `not_read` the resources of types that are not read, by file and type.
    """

    def __init__(self, spill: Path, servers: tuple[str, ...], zone: str | None) -> None:
        settings: dict[str, Any] = {
            "threads": THREADS,
            "memory_limit": MEMORY,
            "temp_directory": str(spill),
            "python_enable_replacements": False,
            "preserve_insertion_order": False,  # rows are sorted when they are written; until then they go side by side
        }
        self.connection = duckdb.connect(":memory:", config=settings)
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.execute(
            "SET checkpoint_threshold = '1TB'"
        )  # nothing is kept: what is staged need not be tidied
        self.execute("SET VARIABLE ours = $ours", {"ours": addresses_of(servers)})
        self.execute("SET VARIABLE zone = $zone", {"zone": zone})
        for macro in (*MACROS, UTC if zone is None else UTC_IN_ZONE, *OBSERVATION_MACROS, *CONSENT_MACROS):
            self.execute(macro)
        self.execute(f"CREATE TABLE staged ({COLUMNS})")
        self.execute("CREATE TABLE set_aside (file INTEGER, line BIGINT, reason VARCHAR)")
        for table in PEOPLE_TABLES:
            self.execute(table)
        self.rows: Counter[int] = Counter()
        self.not_read: Counter[tuple[int, str]] = Counter()

    def execute(self, statement: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement with its parameters; its rows."""
        return self.connection.execute(statement, parameters or {}).fetchall()

    def load(self, paths: dict[str, Path], told: Callable[[int, str], None]) -> None:
        """Stage every resource of these files; `told` number and name of the one in hand. Raises SourceError: one cannot be read."""
        self.execute("SET VARIABLE names = $names", {"names": list(paths)})
        sorting = Sorting(paths, told)
        with closing(ahead(sorting.every())) as tables:
            for kind, stream in Streams(tables):
                statement, structure = STATEMENTS[kind]
                try:
                    self._with("chunk", stream, statement, {"structure": structure})
                except duckdb.OutOfMemoryException:
                    raise SourceError(f"{kind}: {TOO_LARGE}") from None
        pa.default_memory_pool().release_unused()  # what the texts took is not kept while the rest is done
        self.rows, self.not_read = sorting.rows, sorting.not_read
        self._note(sorting)

    def _note(self, sorting: Sorting) -> None:
        """What was set aside and deleted, into its tables."""
        if sorting.set_aside:
            aside = pa.table(dict(zip(("file", "line", "reason"), zip(*sorting.set_aside, strict=True), strict=True)))
            self._with("incoming", aside, "INSERT INTO set_aside SELECT file, line, reason FROM incoming")
        if sorting.deleted:
            urls, moments = zip(*sorting.deleted, strict=True)
            gone = pa.table({"url": pa.array(urls, pa.string()), "moment": pa.array(moments, pa.string())})
            self._with("incoming", gone, "INSERT INTO deletions SELECT local_of(url), utc_of(moment) FROM incoming")

    def take(self, name: str, table: pa.Table) -> None:
        """Make a table of what was worked out in Python."""
        self._with("incoming", table, f"CREATE TABLE {name} AS SELECT * FROM incoming")

    def _with(
        self, name: str, table: "pa.Table | pa.RecordBatchReader", statement: str, given: dict[str, Any] | None = None
    ) -> None:
        """Run a statement with this Arrow table in its sight."""
        self.connection.register(name, table)
        try:
            self.connection.execute(statement, given or {})
        finally:
            self.connection.unregister(name)
