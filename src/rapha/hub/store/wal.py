"""SQLite's write-ahead log, emptied: what was deleted is zeroed in the database, but lies in the log until that is cut short."""

import sqlite3
import threading
from pathlib import Path
from time import monotonic

QUIET_SECONDS = 10.0
"""Without a change before it is emptied: no round waits for that."""
LONGEST_SECONDS = 60.0
"""After a change, where it is never quiet."""
AGAIN_SECONDS = 1.0
"""After a try at which somebody was reading or changing."""


class WalEmptying:
    """Told of each change, it empties the log when there was none for a while, and after a minute where there always is one. It waits for
    nobody: where somebody is reading, it is tried again. SQLite itself empties and removes the log of a database that is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._news = threading.Condition()
        self._since: float | None = None
        self._last = 0.0
        self._closed = False
        self._thread: threading.Thread | None = None

    def changed(self) -> None:
        """There is something new in the log."""
        with self._news:
            self._last = monotonic()
            if self._since is not None:
                return
            if not self._begun():  # a machine without room for a thread: the next change tries again
                return
            self._since = self._last
            self._news.notify()

    def _begun(self) -> bool:
        """Whether there is a thread that empties it. A change is committed by now, and no want of one may make it fail."""
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="wal-emptying", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def close(self) -> None:
        """No more of it."""
        with self._news:
            self._closed = True
            self._news.notify()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while self._due():
            began = monotonic()
            emptied = _empty(self._path)
            with self._news:
                if not emptied:
                    self._news.wait_for(lambda: self._closed, AGAIN_SECONDS)
                elif self._last < began:
                    self._since = None
                else:
                    self._since = self._last

    def _due(self) -> bool:
        """Wait until there is something to do; False once it is closed."""
        with self._news:
            while not self._closed:
                if self._since is None:
                    self._news.wait()
                    continue
                left = min(self._last + QUIET_SECONDS, self._since + LONGEST_SECONDS) - monotonic()
                if left <= 0:
                    return True
                self._news.wait(left)
        return False


def _empty(path: Path) -> bool:
    """Whether it could be: nobody was at it, and there was room. `busy` is the first of what SQLite says."""
    try:
        connection = sqlite3.connect(path, timeout=0, isolation_level=None)
        try:
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error:
        return False
    return busy == 0
