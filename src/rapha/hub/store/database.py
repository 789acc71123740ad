"""The hub's database, opened once; reads see a snapshot, changes are one at a time. A SQLite file, or a PostgreSQL server."""

import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import Session

from rapha import faults
from rapha.clock import Clock
from rapha.errors import ConfigurationError, RaphaError, Unreachable
from rapha.hub.notify import Bell
from rapha.hub.store.changes import Change
from rapha.hub.store.migrating import CannotMigrate, migrate, newest, revision_of
from rapha.hub.store.postgres import PostgresServer, ServerAddress
from rapha.hub.store.sqlite import SqliteFile


class Database(Protocol):
    """Where the tables are. `name` is what messages call it; a transaction on `reads` sees one snapshot. `glances` has connections of its
    own, where a statement stands for itself."""

    name: str
    reads: Engine
    writes: Engine
    glances: Engine

    def begin_migrating(self, connection: Connection) -> None:
        """Let nobody else migrate until this transaction ends."""

    def migrated(self) -> None:
        """The tables are up to date."""

    def begin_changing(self, session: Session) -> None:
        """Wait until no other transaction is changing anything, in any process; until this one ends none will."""

    def tell_others(self, session: Session, topics: Collection[str]) -> None:
        """With the commit, let the other hubs on this database know that there is news on these topics."""

    def changed(self) -> None:
        """Something was committed. Where the database keeps a copy of what is deleted, that goes some time after this."""

    def enrolled_key(self, site: str) -> str | None:
        """The public key of a site, as it is committed now. Asked at every request of a node, so by the cheapest way there is."""

    def alone_at(self, what: str) -> AbstractContextManager[bool]:
        """Whether no other process is at this; if so none will be until the block ends. Who dies is no longer at it."""

    def said(self, error: DBAPIError) -> RaphaError | None:
        """A foreign error in our words; None where we have none for it."""

    def close(self) -> None: ...


class Store:
    """`reading()`, `changing()` and `glancing()` are the only ways in.

    A change is alone from its start, so what it read is still true when it writes; the lock in front of it lets threads
    queue fairly where the database would have each of them wait on a connection. Who waits for a topic is woken after
    the commit, never before.
    """

    def __init__(self, database: Database, bell: Bell, clock: Clock) -> None:
        self.database = database
        self._one_writer = threading.Lock()
        self._bell = bell
        self._clock = clock

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A snapshot to read from.

        Raises:
            Unreachable: the database's server does not answer.
        """
        with self._translated(), Session(self.database.reads) as session:
            yield session

    @contextmanager
    def glancing(self) -> Iterator[Session]:
        """For one statement of a moment, of what is committed; in the block nothing else is waited for. Also for who is reading or changing:
        a second `reading()` would wait for a connection while it holds one, and enough of those would wait for each other.

        Raises:
            Unreachable: the database's server does not answer.
        """
        with self._translated(), Session(self.database.glances) as session:
            yield session

    def enrolled_key(self, site: str) -> str | None:
        """The public key that a site enrolled with, in PEM; None where it did not.

        Raises:
            Unreachable: the database's server does not answer.
        """
        with self._translated():
            return self.database.enrolled_key(site)

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """A transaction: all of it is kept when the block ends, nothing of it when the block raises.

        Raises:
            DiskFull: the database could not grow.
            Unreachable: its server does not answer.
        """
        with self._translated(), self._one_writer, Session(self.database.writes, expire_on_commit=False) as session:
            self.database.begin_changing(session)
            change = Change(session, self._clock())
            yield change
            self.database.tell_others(session, change.topics)
            faults.point(f"hub.to-commit:{'+'.join(change.told)}")
            session.commit()
            self.database.changed()
            faults.point(f"hub.committed:{'+'.join(change.told)}")
        self._bell.ring(change.topics)

    def now(self) -> datetime:
        """What changes would have as their moment."""
        return self._clock()

    @contextmanager
    def driving(self, study: str) -> Iterator[bool]:
        """Whether no other hub on this database drives the study; if so none will until the block ends. Nobody waits: a
        study that is long at its average holds up no other."""
        with self._translated(), self.database.alone_at(f"study {study}") as alone:
            yield alone

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            ours = self.database.said(error)
            if ours is None:
                raise
            raise ours from None
        except NoConnection:
            raise Unreachable("the hub is busy: all its connections to the database are in use; try again") from None

    def close(self) -> None:
        self.database.close()


def open_store(place: Path | ServerAddress, bell: Bell, clock: Clock) -> Store:
    """Open the file or the server's database, made or brought up to date by its migrations.

    Raises:
        ConfigurationError: it is no such database, cannot be reached, or was written by a later version.
    """
    database: Database = SqliteFile(place) if isinstance(place, Path) else PostgresServer(place)
    try:
        with database.writes.begin() as connection:
            database.begin_migrating(connection)
            migrate(connection)
    except ConfigurationError:
        database.close()
        raise
    except (CannotMigrate, DBAPIError) as error:
        database.close()
        raise ConfigurationError(
            f"{database.name} cannot be opened as a hub's database: {error}. Is it whole, and of this version or an earlier one?"
        ) from error
    database.migrated()
    return Store(database, bell, clock)


def open_beside(place: Path | ServerAddress, bell: Bell, clock: Clock) -> Store:
    """Open it for a command beside a hub that may run: the tables stay as they are, unless nobody has ever made any.

    Raises:
        ConfigurationError: as `open_store`, or its tables are another version's.
    """
    database: Database = SqliteFile(place) if isinstance(place, Path) else PostgresServer(place)
    try:
        with database.reads.connect() as connection:
            found = revision_of(connection)
    except DBAPIError as error:
        database.close()
        raise ConfigurationError(f"{database.name} cannot be read as a hub's database: {error.orig}") from error
    if found is None:
        database.close()
        return open_store(place, bell, clock)
    if found != newest():
        database.close()
        raise ConfigurationError(
            f"{database.name} has the tables of revision {found}, and this version of rapha those of {newest()}: use the version that the hub "
            "runs with, or start the hub with this one first"
        )
    return Store(database, bell, clock)
