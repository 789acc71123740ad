"""The hub's database on a PostgreSQL server: several hub processes share it, on as many machines as there are.

What must not happen twice at the same time is kept apart by advisory locks of this database, never by the clock: a lock
goes with the connection that holds it, so that of a hub that was killed nothing stays locked.

    writing       every change, from its first statement to its commit: what it read is still true when it writes
    migrating     while the tables are brought up to date
    anything else `alone_at`: one study's rounds
"""

import hashlib
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rapha.errors import ConfigurationError, Conflict, DiskFull, RaphaError, Unreachable
from rapha.hub.private import read_private

if TYPE_CHECKING:
    import psycopg

CHANNEL = "rapha_hub"
LONGEST_NOTICE_BYTES = 7000
"""Of a NOTIFY; PostgreSQL takes 8000."""
CONNECTIONS, MORE_CONNECTIONS, GLANCES = 10, 20, 2
_SESSION = (
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
    "SET idle_in_transaction_session_timeout = '60s'",
)
"""A hub whose machine is gone, or that stands still in the middle of a change, holds its locks for a minute at most."""
_NO_SPACE, _LOST = "53100", ("08", "57")


@dataclass(frozen=True)
class ServerAddress:
    """A libpq URL without a password, and the file that holds it. Where there is none, libpq's own ways count: ~/.pgpass, a
    certificate, the socket."""

    url: str
    password_file: Path

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        """A new connection, set up.

        Raises:
            ConfigurationError: psycopg is not installed, or the password's file can be read by others.
        """
        try:
            import psycopg
        except ImportError:
            raise ConfigurationError("to keep a hub's state in PostgreSQL: pip install 'rapha[postgres]'") from None
        connection = psycopg.connect(
            self.url,
            password=(read_private(self.password_file) or b"").decode(errors="replace").strip() or None,
            connect_timeout=20,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=60_000,
            application_name="rapha hub",
        )
        for statement in _SESSION:
            connection.execute(statement.encode())
        connection.commit()
        return connection


class PostgresServer:
    """See `Database`."""

    def __init__(self, address: ServerAddress) -> None:
        self.name = address.url.partition("?")[0]
        self.address = address
        self.process = secrets.token_hex(8)
        """Which of the hubs on this database this one is: it does not listen to itself."""
        self.writes: Engine = create_engine(
            "postgresql+psycopg://",
            creator=address.connect,
            pool_size=CONNECTIONS,
            max_overflow=MORE_CONNECTIONS,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
        )
        self.glances: Engine = create_engine(
            "postgresql+psycopg://",
            creator=address.connect,
            pool_size=GLANCES,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="AUTOCOMMIT",
        )
        self.reads: Engine = self.writes.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def begin_migrating(self, connection: Connection) -> None:
        connection.execute(_LOCK_TRANSACTION, {"key": key_of("migrating")})

    def migrated(self) -> None:
        """Who may read the tables is the server's business."""

    def begin_changing(self, session: Session) -> None:
        session.execute(_LOCK_TRANSACTION, {"key": key_of("writing")})

    def tell_others(self, session: Session, topics: Collection[str]) -> None:
        for notice in _notices(self.process, topics):
            session.execute(_NOTIFY, {"channel": CHANNEL, "notice": notice})

    def changed(self) -> None:
        """What of it stays behind, and how long, is the server's business."""

    def enrolled_key(self, site: str) -> str | None:
        with self.reads.connect() as connection:
            found: str | None = connection.scalar(_ENROLLED_KEY, {"site": site})
        return found

    @contextmanager
    def alone_at(self, what: str) -> Iterator[bool]:
        with self.writes.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            alone = bool(connection.scalar(_TRY_LOCK, {"key": key_of(what)}))
            try:
                yield alone
            finally:
                if alone and not connection.scalar(_UNLOCK, {"key": key_of(what)}):
                    connection.invalidate()  # it is another connection than the one that locked

    def said(self, error: DBAPIError) -> RaphaError | None:
        state = getattr(error.orig, "sqlstate", None) or ""
        if type(error.orig).__name__ == "DataError" and "NUL" in str(error.orig):
            return Conflict(
                "a text here holds the character U+0000, which the hub's database cannot keep: leave it out"
            )
        if state == _NO_SPACE:
            return DiskFull("no space left for the hub's database: make room on the PostgreSQL server")
        if error.connection_invalidated or state.startswith(_LOST) or (not state and _is_operational(error)):
            return Unreachable("the hub's database does not answer: try again")
        return None

    def close(self) -> None:
        self.writes.dispose()
        self.glances.dispose()


def key_of(what: str) -> int:
    """The number by which PostgreSQL knows this advisory lock."""
    return int.from_bytes(hashlib.sha256(f"rapha hub {what}".encode()).digest()[:8], "big", signed=True)


_ENROLLED_KEY = text("SELECT public_key FROM sites WHERE id = :site")
_LOCK_TRANSACTION = text("SELECT pg_advisory_xact_lock(:key)")
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:key)")
_UNLOCK = text("SELECT pg_advisory_unlock(:key)")
_NOTIFY = text("SELECT pg_notify(:channel, :notice)")


def _is_operational(error: DBAPIError) -> bool:
    return type(error.orig).__name__ in ("OperationalError", "ConnectionTimeout")


def _notices(process: str, topics: Collection[str]) -> Iterator[str]:
    """The topics in as few notices as hold them."""
    notice = process
    for topic in sorted(topics):
        if len(notice) + len(topic) >= LONGEST_NOTICE_BYTES:
            yield notice
            notice = process
        notice += f" {topic}"
    if notice != process:
        yield notice
