"""When studies are driven: at once when something came in, and when the next deadline comes. Nobody polls."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import structlog

from rapha.clock import Clock

Drive = Callable[[str], datetime | None]
RETRY = timedelta(seconds=30)
_log = structlog.get_logger()


class Conductor:
    """One thread that waits for the earliest deadline, a few that drive. A study is driven by one thread at a time; what
    comes in meanwhile makes it go round once more."""

    def __init__(self, drive: Drive, clock: Clock, threads: int = 2) -> None:
        self._drive, self._clock = drive, clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rounds")
        self._changed = threading.Condition()
        self._deadlines: dict[str, datetime] = {}
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._closed = False
        self._timer = threading.Thread(target=self._keep_time, name="deadlines", daemon=True)

    def start(self, studies: Iterable[str]) -> None:
        """Begin, with every unfinished study driven once."""
        self._timer.start()
        for study in studies:
            self.nudge(study)

    def nudge(self, study: str) -> None:
        """Something came in for this study. Returns at once."""
        with self._changed:
            if self._closed:
                return
            if study in self._busy:
                self._again.add(study)
                return
            self._busy.add(study)
            self._pool.submit(self._run, study)

    def wait(self, study: str, until: datetime) -> None:
        """There is nothing to do for this study before then, as somebody knows who did what there was. Where it is being driven, that is
        looked at there once more."""
        with self._changed:
            if study in self._busy:
                self._again.add(study)
            elif not self._closed:
                self._deadlines[study] = until
                self._changed.notify_all()

    def check_deadlines(self) -> None:
        """The clock was set: look at it now."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Finish what is being done, begin nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._pool.shutdown(wait=True)
        if self._timer.ident is not None:
            self._timer.join()

    def _run(self, study: str) -> None:
        deadline = None
        try:
            deadline = self._drive(study)
        except Exception:  # a full disk, say: the study stays where it is, and is tried again
            _log.exception("a study could not be driven", study=study)
            deadline = self._clock() + RETRY
        with self._changed:
            self._deadlines.pop(study, None)
            if deadline is not None:
                self._deadlines[study] = deadline
            again = study in self._again and not self._closed
            self._again.discard(study)
            if again:
                self._pool.submit(self._run, study)
            else:
                self._busy.discard(study)
            self._changed.notify_all()

    def _keep_time(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now = self._clock()
                due = [study for study, deadline in self._deadlines.items() if deadline <= now]
                for study in due:
                    del self._deadlines[study]
                if not due:
                    self._changed.wait(self._seconds_to_next(now))
                    continue
            for study in due:
                self.nudge(study)

    def _seconds_to_next(self, now: datetime) -> float | None:
        if not self._deadlines:
            return None
        return min((min(self._deadlines.values()) - now).total_seconds(), threading.TIMEOUT_MAX)
