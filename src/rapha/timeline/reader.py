"""The locked connection every question is asked through, and the timeline's digest.

Only files that the manifest lists are read (`manifest.py`); a file that lies beside them is not there.
"""

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rapha.errors import ConfigurationError, NotPermitted
from rapha.timeline.beside import drop_spill, spill_folder
from rapha.timeline.manifest import NAME, Table, read_manifest

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_TABLES: tuple[Table, ...] = (
    "events",
    "subjects",
    "observation_periods",
    "concepts",
    "concept_ancestors",
    "variants",
    "called",
    "genes",
    "assets",
    "notes",
    "merges",
)
_OF_PATIENTS = ("events", "subjects", "observation_periods", "assets")


_MERGED = """
CREATE VIEW {name} AS
SELECT told.* REPLACE (coalesce(remains, told.subject_key) AS subject_key)
FROM told_{name} AS told
LEFT JOIN (SELECT retired, min(remains) AS remains FROM merges GROUP BY retired) AS merged ON merged.retired = told.subject_key
"""


class LockedConnection:
    """Answers SELECT over the tables of `schema.ALL_TABLES`, and over what the node lays beside them; does nothing else.

    Two walls, each enough by itself for what it covers:

    1. DuckDB's own lock (set in `Timeline.connect`): no file but the manifest's, no extension, no setting.
    2. This gate: one statement at a time, and it must be a SELECT. DuckDB lets COPY write to a file that it may read,
       and to its spill folder, so the first wall alone would let a statement overwrite the timeline.
    """

    def __init__(self, duck: "duckdb.DuckDBPyConnection", spill: Path, held: int) -> None:
        self._duck = duck
        self._drop_spill = weakref.finalize(self, drop_spill, spill, held)

    def lay(self, name: str, table: "pa.Table") -> None:
        """Lay a table of the node's own making beside the timeline's, in this connection's memory alone. Raises ValueError: the
        name is one of the timeline's."""
        from rapha.timeline.schema import ALL_TABLES

        if name in ALL_TABLES:
            raise ValueError(f"`{name}` is a table of the timeline")
        self._duck.from_arrow(table).create(name)

    def execute(self, statement: str, parameters: Mapping[str, object] | None = None) -> Self:
        """Ask one SELECT; read the answer with `fetchall` or `fetchone`. Raises NotPermitted: it is not one SELECT."""
        self._check_select(statement)
        self._duck.execute(statement, dict(parameters or {}))
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows of the last answer."""
        return self._duck.fetchall()

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row of the last answer, or None."""
        return self._duck.fetchone()

    def table(self, statement: str, parameters: Mapping[str, object] | None = None) -> "pa.Table":
        """The answer to one SELECT, as Arrow. Raises NotPermitted: it is not one SELECT."""
        self._check_select(statement)
        return self._duck.sql(statement, params=dict(parameters or {})).to_arrow_table()

    def _check_select(self, statement: str) -> None:
        import duckdb

        parsed = self._duck.extract_statements(statement)
        if len(parsed) != 1 or parsed[0].type != duckdb.StatementType.SELECT:
            raise NotPermitted("a timeline answers one SELECT at a time, and nothing else")

    def close(self) -> None:
        """End the connection and remove what it spilled. Twice is once."""
        self._duck.close()
        self._drop_spill()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Timeline:
    """A timeline as its manifest describes it at one moment. `digest` changes when a batch comes or goes."""

    folder: Path
    digest: str
    batches: tuple[str, ...]
    files: Mapping[Table, tuple[Path, ...]]  # absolute paths

    def connect(self, memory_limit: str = "1GB", threads: int = 2) -> LockedConnection:
        """A new connection, locked:

        1. no settings, extensions or Python variables but those named here;
        2. only the manifest's files may be opened;
        3. what does not fit in memory is spilled beside the timeline, so that rows stay on the disk the hospital chose,
           to a folder of this connection alone (mode 0700), removed at `close`, or by the next connection of whoever was ended before;
        4. then external access is closed and the configuration is locked.
        """
        import duckdb

        spill, held = spill_folder(self.folder)
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": threads,
            "memory_limit": memory_limit,
            "temp_directory": str(spill),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_unsigned_extensions": False,
            "python_enable_replacements": False,
        }
        duck = duckdb.connect(":memory:", config=settings)
        locked = LockedConnection(duck, spill, held)
        duck.execute("SET TimeZone = 'UTC'")
        self._open_tables(duck)
        duck.execute("SET allowed_paths = $1", [[str(path) for paths in self.files.values() for path in paths]])
        duck.execute("SET enable_external_access = false")
        duck.execute("SET lock_configuration = true")
        return locked

    def _open_tables(self, duck: "duckdb.DuckDBPyConnection") -> None:
        """Where patients were merged, every row of a retired one, of whichever source, is the remaining one's: their opt-out too."""
        from rapha.timeline.schema import ALL_TABLES

        merged = bool(self.files["merges"])
        for name in reversed(_TABLES):  # merges first
            paths = [str(path) for path in self.files[name]]
            if not paths:
                duck.from_arrow(ALL_TABLES[name].empty_table()).create(name)
            elif merged and name in _OF_PATIENTS:
                duck.read_parquet(paths).create_view(f"told_{name}")
                duck.execute(_MERGED.format(name=name))
            else:
                duck.read_parquet(paths).create_view(name)


def open_timeline(folder: Path) -> Timeline:
    """The timeline in `folder`, as its manifest stands now.

    Raises:
        ConfigurationError: nothing was ingested yet; or the manifest cannot be read, or names a file that is missing, that has not the columns of
            its table, or that lies outside the folder (a link).
    """
    home = folder.resolve()
    if set("*?[]{}") & set(str(home)):  # DuckDB would read them as a pattern
        raise ConfigurationError(f"{home}: a timeline's path may not contain any of * ? [ ] {{ }}; move it")
    if not (home / NAME).exists():
        raise ConfigurationError(f"{home} holds no timeline yet: fill it with `rapha node ingest`")
    manifest = read_manifest(home)
    files: dict[Table, list[Path]] = {name: [] for name in _TABLES}
    for batch in manifest.batches:
        for name, listed in batch.files.items():
            files[name] += [_proven(home, path, name) for path in listed]
    live = {name: tuple(dict.fromkeys(paths)) for name, paths in files.items()}
    return Timeline(home, manifest.digest, tuple(batch.batch for batch in manifest.batches), live)


def _proven(home: Path, listed: str, table: Table) -> Path:
    """The file that the manifest lists, proven to lie in the timeline and to have the table's columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from rapha.timeline.schema import ALL_TABLES

    path = (home / listed).resolve()
    if not path.is_relative_to(home):
        raise ConfigurationError(f"{home / NAME} lists a file outside of the timeline: it is refused")
    try:
        found = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid):
        raise ConfigurationError(f"{path} is missing or damaged: ingest the hospital's data again") from None
    wanted = ALL_TABLES[table]
    if found.names != wanted.names or found.types != wanted.types:
        raise ConfigurationError(f"{path} has not the columns of {table}: ingest the hospital's data again")
    return path
