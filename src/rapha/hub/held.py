"""Updates whose answers wait for the next round's task: one request, one wait and one transaction less for each site and round.

A node asks for it with `Prefer: wait=SECONDS` (RFC 7240), which a hub of before passes over; one of before does not ask. Of this
process alone: the round has to be closed by the hub that holds the update. Whoever is not told here hears it by a poll.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from rapha.hub.notify import Bell, Listener
from rapha.records.record import SiteId, TaskId
from rapha.records.wire import Work

LONGEST_SECONDS = 5.0
K = TypeVar("K")
V = TypeVar("V")
_WAIT = re.compile(r"wait=([0-9]{1,4})")


def seconds_asked_for(prefer: str | None) -> float:
    """How long an answer may wait; 0 where nothing is said of it, or something else."""
    said = _WAIT.fullmatch(prefer or "")
    return min(float(said[1]), LONGEST_SECONDS) if said else 0.0


class HeldUpdate:
    """One of them. `work`: the task that it is to be answered with, once there is one."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.work: Work | None = None

    async def wait(self, seconds: float) -> None:
        """Until there is a task, or something else for its site, which its poll is told, or for so long."""
        await self._listener.wait(seconds)

    def give(self, work: Work) -> None:
        """Its answer."""
        self.work = work
        self._listener.wake()


class HeldUpdates:
    """Those that wait now, and what is given to them past the polls that stand meanwhile."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._lock = threading.Lock()
        self._held: defaultdict[tuple[SiteId, TaskId], list[HeldUpdate]] = defaultdict(list)
        self._past: defaultdict[SiteId, list[set[TaskId]]] = defaultdict(list)

    @contextmanager
    def holding(self, site: SiteId, task: TaskId) -> Iterator[HeldUpdate]:
        """The update of this task may be answered with the next, until the end of the block; then `work` changes no more. Whether the task
        is this site's nobody knows as yet: what is given is given to the site that has it."""
        with self._bell.listening(f"site:{site}") as listener:
            held = HeldUpdate(listener)
            with self._lock:
                self._held[site, task].append(held)
            try:
                yield held
            finally:
                with self._lock:
                    _remove(self._held, (site, task), held)

    @contextmanager
    def standing(self, site: SiteId) -> Iterator[set[TaskId]]:
        """A poll stands, until the end of the block: the tasks that its site is given past it, which it does not say it holds."""
        past: set[TaskId] = set()
        with self._lock:
            self._past[site].append(past)
        try:
            yield past
        finally:
            with self._lock:
                _remove(self._past, site, past)

    def among(self, tasks: Mapping[str, TaskId]) -> set[str]:
        """Whose update of this task is held now."""
        with self._lock:
            return {site for site, task in tasks.items() if (site, task) in self._held}

    def answer(self, task: TaskId, work: Work) -> bool:
        """Answer the update of this task with that one; False where it waits no more: the site's polls, wherever they stand, have to be
        woken for it."""
        with self._lock:
            held = tuple(self._held.get((work.task.site, task), ()))
            if held:
                self._go_past(work)
            for each in held:
                each.give(work)
        return bool(held)

    def told(self, work: Work) -> None:
        """It is the answer to an update that was handed in before."""
        with self._lock:
            self._go_past(work)

    def _go_past(self, work: Work) -> None:
        for past in self._past.get(work.task.site, ()):
            past.add(work.task.id)


def _remove(of: dict[K, list[V]], key: K, value: V) -> None:
    of[key] = [each for each in of[key] if each is not value]
    if not of[key]:
        del of[key]
