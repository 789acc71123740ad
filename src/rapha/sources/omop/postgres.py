"""A CDM in a live PostgreSQL, read in one read-only transaction: what is read of all tables is of one moment.

The place is a file that ends in `.postgres` and holds a libpq connection string, so that no password stands on a command
line. Rows come through a server-side cursor, so that memory does not grow with the table.
"""

import hashlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from rapha.errors import ConfigurationError, SourceError, Unreachable
from rapha.sources.omop.places import chosen, quoted
from rapha.timeline import data_files
from rapha.timeline.csv_rows import CHUNK_ROWS, Broken

LONGEST_CONNECTION_BYTES = 4096
_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, a.attnum
"""


class Postgres:
    """Rows are numbered in the order of the first column that is read, the table's key."""

    def __init__(self, path: Path, schemas: Sequence[str]) -> None:
        try:
            import psycopg
        except ImportError:
            raise ConfigurationError("to read a PostgreSQL: pip install 'rapha[postgres]'") from None
        self._error = psycopg.Error
        try:
            self._connection = psycopg.connect(_connection_string(path), connect_timeout=20)
            self._connection.read_only = True
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.execute("SET TIME ZONE 'UTC'")
            self._connection.execute("SET DateStyle = 'ISO'")
            rows = self._connection.execute(_COLUMNS).fetchall()
        except psycopg.Error as error:
            raise Unreachable(
                f"{path}: no connection to this PostgreSQL ({type(error).__name__}): {_why(error)}"
            ) from None
        self._tables = chosen(rows, schemas or ("public",))

    def columns(self, table: str) -> dict[str, str] | None:
        found = self._tables.get(table)
        return found.columns if found else None

    def read(self, table: str, columns: Sequence[str], broken: Broken) -> Iterator[pa.RecordBatch]:
        listed = ", ".join(f"{quoted(name)}::text" for name in columns)
        statement = f"SELECT {listed} FROM {self._tables[table].quoted} ORDER BY {quoted(columns[0])}"
        line = 1
        try:
            with self._connection.cursor(name="rapha") as cursor:
                cursor.execute(statement.encode())
                while rows := cursor.fetchmany(CHUNK_ROWS):
                    yield data_files.named(line, [pa.array(cells, pa.string()) for cells in zip(*rows, strict=True)])
                    line += len(rows)
        except self._error as error:
            raise SourceError(f"the table {table} cannot be read: {_why(error)}") from None

    def version(self, table: str) -> str:
        """Of the number of rows and the sum of their hashes, made by the server: rows do not travel for it."""
        statement = f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {self._tables[table].quoted} t"
        try:
            row = self._connection.execute(statement.encode()).fetchone()
        except self._error as error:
            raise SourceError(f"the table {table} cannot be read: {_why(error)}") from None
        return "sha256:" + hashlib.sha256(repr(row).encode()).hexdigest()

    def check_unchanged(self) -> None:
        """All of it is one transaction, which sees one moment."""

    def close(self) -> None:
        self._connection.close()


def _connection_string(path: Path) -> str:
    try:
        mode = path.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigurationError(f"{path} can be read by others than its owner: chmod 600 {path}")
        with path.open("rb") as file:
            data = file.read(LONGEST_CONNECTION_BYTES + 1)
        text = data.decode().strip()
    except (OSError, UnicodeDecodeError):
        raise SourceError(f"{path} cannot be read as a text") from None
    if not text or len(data) > LONGEST_CONNECTION_BYTES:
        raise ConfigurationError(f"{path} holds one connection string, such as: host=db.hospital dbname=cdm user=rapha")
    return text


def _why(error: Exception) -> str:
    """PostgreSQL's own class of error: its message may hold a cell."""
    state = getattr(error, "sqlstate", None)
    return f"SQLSTATE {state}" if state else "check host, port, user and password"
