"""Where a CDM lies. Names of tables and columns are found whatever their case."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from rapha.errors import ConfigurationError, SourceError
from rapha.timeline import data_files
from rapha.timeline.csv_rows import Broken
from rapha.timeline.source_files import SourceFiles

ENDINGS = (".parquet", ".csv.gz", ".csv")


class Place(Protocol):
    """A CDM at one moment: what `read` and `version` say of a table belongs together, table by table."""

    def columns(self, table: str) -> dict[str, str] | None:
        """The columns of a table: by their lower-case name, the name they have; None where there is no such table.

        Raises:
            SourceError: the table cannot be read, or two of that name are there.
        """
        ...

    def read(self, table: str, columns: Sequence[str], broken: Broken) -> Iterator[pa.RecordBatch]:
        """Rows as `data_files.read` gives them. Raises SourceError."""
        ...

    def version(self, table: str) -> str:
        """A text that is another one when a row has changed. Raises SourceError."""
        ...

    def check_unchanged(self) -> None:
        """Once all is read. Raises SourceError: what was read is not what `version` told."""
        ...

    def close(self) -> None:
        """Let go of it. Twice is once."""
        ...


class Folder:
    """One CSV or Parquet file for each table, named after it."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise SourceError(f"{folder} is neither a folder, nor a file that ends in .duckdb or .postgres")
        self._folder = folder
        self._files: dict[str, list[Path]] = {}
        self._originals = SourceFiles()
        for path in sorted(folder.iterdir()):
            ending = next((end for end in ENDINGS if path.name.lower().endswith(end)), None)
            if ending and path.is_file():
                self._files.setdefault(path.name.lower().removesuffix(ending), []).append(path)

    def columns(self, table: str) -> dict[str, str] | None:
        if table not in self._files:
            return None
        return {name.lower(): name for name in data_files.header(self._originals.expect(self._path(table)))}

    def read(self, table: str, columns: Sequence[str], broken: Broken) -> Iterator[pa.RecordBatch]:
        return data_files.read(self._path(table), columns, broken)

    def version(self, table: str) -> str:
        return self._originals.digest(self._path(table))

    def check_unchanged(self) -> None:
        self._originals.check_unchanged()

    def close(self) -> None:
        pass

    def _path(self, table: str) -> Path:
        found = self._files[table]
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise SourceError(f"{self._folder}: the table {table} is there {len(found)} times ({names}): keep one")
        return found[0]


class DuckDbFile:
    """A DuckDB database, opened to read alone; no view of it may read another file."""

    def __init__(self, path: Path, schemas: Sequence[str]) -> None:
        import duckdb

        self._path = path
        self._originals = SourceFiles()
        self._originals.expect(path)
        try:
            self._duck = duckdb.connect(str(path), read_only=True, config={"enable_external_access": False})
            rows = self._duck.execute(
                """SELECT table_schema, table_name, column_name FROM information_schema.columns
                   WHERE table_catalog = current_database() ORDER BY ordinal_position"""
            ).fetchall()
        except duckdb.Error:
            raise SourceError(f"{path} cannot be read as a DuckDB database, or another process writes it") from None
        self._tables = chosen(rows, schemas or ("main",))
        self._digest = self._originals.digest(path)

    def columns(self, table: str) -> dict[str, str] | None:
        found = self._tables.get(table)
        return found.columns if found else None

    def read(self, table: str, columns: Sequence[str], broken: Broken) -> Iterator[pa.RecordBatch]:
        import duckdb

        found = self._tables[table]
        listed = ", ".join(f"CAST({quoted(name)} AS VARCHAR)" for name in columns)
        try:
            reader = self._duck.cursor().sql(f"SELECT {listed} FROM {found.quoted}").to_arrow_reader(1 << 16)
            line = 1
            for batch in reader:
                yield data_files.named(line, list(batch.columns))
                line += batch.num_rows
        except duckdb.Error:
            raise SourceError(f"{self._path}: the table {table} cannot be read") from None

    def version(self, table: str) -> str:
        return self._digest

    def check_unchanged(self) -> None:
        self._originals.check_unchanged()

    def close(self) -> None:
        self._duck.close()


class Found:
    """A table of a database: its name as SQL, and its columns by their lower-case name."""

    def __init__(self, schema: str, name: str) -> None:
        self.quoted = f"{quoted(schema)}.{quoted(name)}"
        self.columns: dict[str, str] = {}


def chosen(rows: Sequence[tuple[Any, ...]], schemas: Sequence[str]) -> dict[str, Found]:
    """The tables by their lower-case name, of rows (schema, table, column); of two, the one in the schema named first."""
    found: dict[tuple[str, str], Found] = {}
    for schema, table, column in rows:
        found.setdefault((schema, table), Found(schema, table)).columns[column.lower()] = column
    known = {schema for schema, _ in found}
    for schema in schemas:
        if schema not in known:
            raise ConfigurationError(
                f"the database has no schema {schema!r}: it has {', '.join(sorted(known)) or 'none'}"
            )
    tables: dict[str, Found] = {}
    for schema in schemas:
        for (there, name), table in found.items():
            if there == schema:
                tables.setdefault(name.lower(), table)
    return tables


def quoted(name: str) -> str:
    """A name as SQL, whatever stands in it."""
    return '"' + name.replace('"', '""') + '"'
