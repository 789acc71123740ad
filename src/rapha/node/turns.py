"""Whose turn it is. A hospital's machine is sized for a few runs: however many studies were approved, no more than so many work at a time,
and whoever waited longest goes first. A turn is for one task, not for a study, so no two hospitals can wait for each other."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

LOOKS_AGAIN_SECONDS = 5.0
PLACED_AT_ONCE = 16
"""Where sandboxes run on other machines, whose own queue says how many at a time."""


class Turns:
    """At most `at_once` (at least 1) hold a turn at a time; of the others whoever waited longest is next. Whoever left without a turn keeps
    the place: a study whose round ended while it waited is not the last again in the next."""

    def __init__(self, at_once: int) -> None:
        self._at_once, self._held = at_once, 0
        self._waiting: dict[object, float] = {}
        self._since: dict[str, float] = {}
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def one(self, who: str, ended: Callable[[], bool], waits: Callable[[], None] = lambda: None) -> Iterator[bool]:
        """Wait for a turn and hold it; False, and no turn, where what it was for has ended meanwhile. `waits` is called once, where it has
        to wait. `who`: whose place it is."""
        has_it = self._wait(who, ended, waits)
        try:
            yield has_it
        finally:
            if has_it:
                with self._changed:
                    self._held -= 1
                    self._changed.notify_all()

    def look_again(self) -> None:
        """Something ended: whoever waits for it need not wait any more."""
        with self._changed:
            self._changed.notify_all()

    def forget(self, who: str) -> None:
        """They will not come again."""
        with self._changed:
            self._since.pop(who, None)

    def _wait(self, who: str, ended: Callable[[], bool], waits: Callable[[], None]) -> bool:
        mine = object()
        with self._changed:
            self._waiting[mine] = self._since.setdefault(who, time.monotonic())
            try:
                if not self._is_next(mine):
                    waits()
                while not ended():
                    if self._is_next(mine):
                        self._held += 1
                        self._since.pop(who, None)
                        return True
                    self._changed.wait(LOOKS_AGAIN_SECONDS)
                return False
            finally:
                del self._waiting[mine]
                self._changed.notify_all()

    def _is_next(self, mine: object) -> bool:
        return self._held < self._at_once and min(self._waiting, key=self._waiting.__getitem__) is mine


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))
