"""One SQLite file in WAL mode, opened once; reads see a snapshot, writes are immediate and one at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rapha import faults
from rapha.clock import Clock
from rapha.errors import ConfigurationError, DiskFull
from rapha.hub.notify import Bell
from rapha.hub.store.changes import Change

_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """`reading()` and `changing()` are the only ways in.

    A change takes SQLite's write lock at its start (BEGIN IMMEDIATE), so what it read is still true when it writes;
    the lock in front of it lets threads queue fairly where SQLite would sleep and retry. Who waits for a topic is
    woken after the commit, never before.
    """

    def __init__(self, engine: Engine, bell: Bell, clock: Clock) -> None:
        self._reads = engine
        self._writes = engine.execution_options(immediate=True)
        self._one_writer = threading.Lock()
        self._bell = bell
        self._clock = clock

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A snapshot to read from."""
        with Session(self._reads) as session:
            yield session

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """A transaction: all of it is kept when the block ends, nothing of it when the block raises.

        Raises:
            DiskFull: the database could not grow.
        """
        with self._one_writer, Session(self._writes, expire_on_commit=False) as session:
            change = Change(session, self._clock())
            try:
                yield change
                faults.point(f"hub.to-commit:{'+'.join(change.told)}")
                session.commit()
                faults.point(f"hub.committed:{'+'.join(change.told)}")
            except DBAPIError as error:
                session.rollback()
                if "full" in str(error.orig):
                    raise DiskFull("no space left for the hub's database: make room in the hub's home folder") from None
                raise
        self._bell.ring(change.topics)

    def close(self) -> None:
        self._reads.dispose()


def open_store(database: Path, bell: Bell, clock: Clock) -> Store:
    """Open the file, made or brought up to date by its migrations.

    Raises:
        ConfigurationError: the file is no database, or was written by a later version.
    """
    engine = create_engine(f"sqlite:///{database}", connect_args={"check_same_thread": False})
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            migrate(connection)
    except (CommandError, DBAPIError) as error:
        engine.dispose()
        raise ConfigurationError(
            f"{database} cannot be opened as a hub's database: {error}. Is it whole, and of this version or an earlier one?"
        ) from error
    database.chmod(0o600)
    return Store(engine, bell, clock)


def migrate(connection: Connection) -> None:
    """Bring the schema to the newest revision, on this connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by _begin, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
