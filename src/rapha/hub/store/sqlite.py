"""The hub's database as one SQLite file in WAL mode: the one process that holds the home folder writes to it."""

import sqlite3
import threading
from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rapha.errors import DiskFull, RaphaError, Unreachable
from rapha.hub.store.wal import WalEmptying

BUSY_TIMEOUT = "busy_timeout=10000"
"""Milliseconds that a statement waits for another's lock."""
GLANCES = 2


class SqliteFile:
    """See `Database`. A change takes SQLite's write lock at its start (BEGIN IMMEDIATE)."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        # The connection that was used last is used next: it still has the pages in its cache that it wrote.
        self.reads: Engine = create_engine(
            f"sqlite:///{path}", connect_args={"check_same_thread": False}, pool_use_lifo=True
        )
        self.writes: Engine = self.reads.execution_options(immediate=True)
        self.glances: Engine = create_engine(
            f"sqlite:///{path}", connect_args={"check_same_thread": False}, pool_size=GLANCES, max_overflow=0
        )
        self._one_glance = threading.Lock()
        self._glance: sqlite3.Connection | None = None
        self._emptying = WalEmptying(path)
        for engine in (self.reads, self.glances):
            event.listen(engine, "connect", _configure)
        event.listen(self.reads, "begin", _begin)

    def begin_migrating(self, connection: Connection) -> None:
        """The hub holds its home folder: nobody else is here."""

    def migrated(self) -> None:
        self._path.chmod(0o600)

    def begin_changing(self, session: Session) -> None:
        """The session's own BEGIN took the lock."""

    def tell_others(self, session: Session, topics: Collection[str]) -> None:
        """There are no others."""

    def enrolled_key(self, site: str) -> str | None:
        with self._one_glance:  # a statement by itself is a snapshot: it needs no transaction around it
            try:
                if self._glance is None:
                    self._glance = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
                    self._glance.execute(f"PRAGMA {BUSY_TIMEOUT}")
                row = self._glance.execute("SELECT public_key FROM sites WHERE id = ?", (site,)).fetchone()
            except sqlite3.Error as error:
                raise Unreachable("the hub's database cannot be read at the moment: try again") from error
        return row[0] if row else None

    def changed(self) -> None:
        self._emptying.changed()

    def alone_at(self, what: str) -> AbstractContextManager[bool]:
        return nullcontext(True)

    def said(self, error: DBAPIError) -> RaphaError | None:
        if "full" in str(error.orig):
            return DiskFull("no space left for the hub's database: make room in the hub's home folder")
        return None

    def close(self) -> None:
        self._emptying.close()
        self.reads.dispose()
        self.glances.dispose()
        with self._one_glance:
            if self._glance is not None:
                self._glance.close()
            self._glance = None


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", BUSY_TIMEOUT):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
