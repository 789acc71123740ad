"""The other hubs on the same database: hears what they changed, and takes up what one of them left when it died.

a notice     comes with every commit of another hub: whoever waits here for its topics is woken
presence     each hub holds a shared lock for as long as it lives; when one fewer does, every study at work is driven
             here too (`Store.driving` sees to it that one hub does so at a time)
the sweep    of what a crash left behind is done by a hub that is alone, before others may come
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from rapha.hub.notify import Bell
from rapha.hub.store.postgres import CHANNEL, PostgresServer, key_of

if TYPE_CHECKING:
    import psycopg

LOOK_SECONDS = 1.0
"""How often it is looked how many hubs there are: after a death a study stands still for so long, and a little more."""
TAKE_UP_SECONDS = 30.0
"""All the same, every so often: for a death that fell between two looks."""
_PRESENT = key_of("present")
_HERE = b"SELECT pg_advisory_lock_shared(%s)"
_ALONE = b"SELECT pg_try_advisory_lock(%s)"
_NO_LONGER_ALONE = b"SELECT pg_advisory_unlock(%s)"
_HOW_MANY = (
    b"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND mode = 'ShareLock' "
    b"AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    b"AND ((classid::bigint << 32) | objid::bigint) = %s"
)
_log = structlog.get_logger()


class Neighbours:
    """One for a hub. `take_up`: drive every study at work that nobody drives now."""

    def __init__(self, database: PostgresServer, bell: Bell, take_up: Callable[[], None]) -> None:
        self._database, self._bell, self._take_up = database, bell, take_up
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen_until_closed, name="neighbours", daemon=True)
        self._connection: psycopg.Connection[tuple[object, ...]] | None = None
        self._seen = 0

    def arrive(self, sweep: Callable[[], None]) -> None:
        """Be counted from here on; `sweep` first, where no other hub is here, and none comes in the meantime."""
        self._connection = self._connected()
        if self._connection.execute(_ALONE, (_PRESENT,)).fetchone() == (True,):
            sweep()
            self._connection.execute(_HERE, (_PRESENT,))
            self._connection.execute(_NO_LONGER_ALONE, (_PRESENT,))
        else:
            self._connection.execute(_HERE, (_PRESENT,))
        self._thread.start()

    def close(self) -> None:
        """Be counted no more."""
        self._closed.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> "psycopg.Connection[tuple[object, ...]]":
        connection = self._database.address.connect()
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}".encode())
        return connection

    def _listen_until_closed(self) -> None:
        looks = 0
        while not self._closed.is_set():
            try:
                if self._connection is None:
                    self._connection = self._connected()
                    self._connection.execute(_HERE, (_PRESENT,))
                    self._bell.ring_all()  # what was said meanwhile was not heard
                    self._take_up()
                self._listen(self._connection)
                looks += 1
                self._look(self._connection, anyway=looks % int(TAKE_UP_SECONDS / LOOK_SECONDS) == 0)
            except Exception as problem:  # whatever it is: without this thread the hub hears nothing any more
                _log.warning("the other hubs are not heard; it is tried again", problem=type(problem).__name__)
                if self._connection is not None:
                    self._connection.close()
                    self._connection = None
                self._closed.wait(LOOK_SECONDS)

    def _listen(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        for notice in connection.notifies(timeout=LOOK_SECONDS):
            process, *topics = notice.payload.split(" ")
            if process != self._database.process:
                self._bell.ring(topics)
            if self._closed.is_set():
                return

    def _look(self, connection: "psycopg.Connection[tuple[object, ...]]", *, anyway: bool) -> None:
        row = connection.execute(_HOW_MANY, (_PRESENT,)).fetchone()
        present = int(str(row[0])) if row else 0
        gone, self._seen = present < self._seen, present
        if gone or anyway:
            self._take_up()
