"""The poll loop: ask the hub for work, hand it to the journey, ask again.

One thread asks, always; each dispatch has one thread of its own that works. What is in hand is said at each poll: the
hub renews those leases, and gives again what was lost with a crash. The task that follows an update comes with the answer to it, while
a poll stands that does not say so: what is given twice is begun once.
"""

import contextlib
import fcntl
import os
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import structlog

from rapha.egress.disclosure import told
from rapha.errors import (
    CohortRefused,
    ConfigurationError,
    Conflict,
    DiskFull,
    EgressRefused,
    NotPermitted,
    RaphaError,
    SandboxError,
    TaskOver,
    TrainingFailed,
    Unreachable,
)
from rapha.node.hub_line import HubLine, back_off
from rapha.node.journey import Journey
from rapha.node.turns import Turns
from rapha.records.record import DispatchId, TaskId
from rapha.records.release import ReasonCode
from rapha.records.task import Task
from rapha.records.wire import Offer, Poll, Stop, Work

LOOKS_AT_THE_CLOCK_SECONDS = 15.0
ENDED_SECONDS = 3.0
"""An agent that was killed may hold its home for a moment yet, by what read the timeline for it: the kernel takes back its memory first."""
MOST_NAMED, FULL_SECONDS = 1000, 1.0
"""What a poll names at most. Whoever has more in hand is given what it has again: it asks less often."""

LOG = structlog.get_logger("rapha.node")


class Agent:
    """`error_log` keeps tracebacks for the steward; none leaves. `at_once`: so many tasks at a time, and as many offers."""

    def __init__(
        self, line: HubLine, journey: Journey, error_log: Path, wait_seconds: float = 25.0, at_once: int = 1
    ) -> None:
        self._line, self._journey, self._errors, self._wait = line, journey, error_log, wait_seconds
        self._tasks, self._offers = Turns(at_once), Turns(at_once)
        self._lock = threading.Lock()
        self._threads: dict[DispatchId, ThreadPoolExecutor] = {}
        self._holding: set[TaskId] = set()
        self._had: set[TaskId] = set()
        """What was in hand at any time since the poll that stands was sent."""
        self._newest: dict[DispatchId, TaskId] = {}
        """Of each run the task that was given last: one before it is of a round that is closed."""
        self._considering: set[DispatchId] = set()
        self._stopped: set[DispatchId] = set()
        self._over: dict[DispatchId, str] = {}
        self._stopping, self._one_stops = threading.Event(), threading.Lock()

    def run(self) -> None:
        """Until the process is told to stop (KeyboardInterrupt). A hub that is away is waited for; a token that it
        refuses is tried again, and said. At the end no sandbox is alive.

        Raises:
            Unproven: the hub's public log contradicts what was seen of it.
        """
        try:
            self._say_what_was_not_heard()
            while True:
                if (assignment := self._ask()) is not None:
                    self._hand_out(assignment)
                else:
                    self._say_what_was_not_heard()
        finally:
            self._stopping.set()
            self._tasks.look_again()
            self._offers.look_again()
            self._journey.close()
            self._line.close()

    def _ask(self) -> Offer | Work | Stop | None:
        """The log is looked at before every try: a hub that refuses each of them is looked at too, and what another thread saw ends it here."""
        attempt = 0
        while True:
            self._journey.look_at_log_now_and_then()
            try:
                acknowledged = frozenset(self._stopped)
                assignment = self._line.poll(self._poll())
            except (Unreachable, NotPermitted, Conflict, DiskFull) as error:
                attempt += 1
                LOG.warning("hub.away", reason=str(error), attempt=attempt)
                self._stopping.wait(back_off(attempt))
            else:
                self._stopped -= acknowledged
                if attempt:
                    LOG.info("hub.back", attempts=attempt + 1)
                return assignment

    def _say_what_was_not_heard(self) -> None:
        try:
            self._journey.answer_again()
        except RaphaError as error:
            self._note(error)

    def _poll(self) -> Poll:
        with self._lock:
            self._had = set(self._holding)
            return Poll(
                holding=tuple(sorted(self._holding)[:MOST_NAMED]),
                considering=tuple(sorted(self._considering)[:MOST_NAMED]),
                stopped=tuple(sorted(self._stopped)[:MOST_NAMED]),
                wait_seconds=self._wait,
            )

    def _hand_out(self, assignment: Offer | Work | Stop) -> None:
        match assignment:
            case Offer():
                if self._takes_offer(assignment.dispatch.id):
                    self._thread(assignment.dispatch.id).submit(self._consider, assignment)
            case Work():
                if self._take(assignment.task):
                    self._thread(assignment.task.dispatch).submit(self._work, assignment)
                    self._tasks.look_again()
            case Stop():
                self._end(assignment)
        if max(len(self._considering), len(self._holding)) > MOST_NAMED:
            self._stopping.wait(FULL_SECONDS)

    def _takes_offer(self, dispatch: DispatchId) -> bool:
        with self._lock:
            is_new = dispatch not in self._considering
            self._considering.add(dispatch)
            return is_new

    def _consider(self, offer: Offer) -> None:
        dispatch = offer.dispatch.id
        LOG.info("study.offered", study=offer.study.study, dispatch=dispatch)
        try:
            with self._offers.one(dispatch, self._stopping.is_set) as has_turn:
                if has_turn:
                    self._journey.consider(offer)
        except Exception as error:
            self._note(error)
        finally:
            with self._lock:
                self._considering.discard(dispatch)

    def _take(self, task: Task) -> bool:
        """Have it in hand from here on; False where it was, since the hub was asked."""
        with self._lock:
            if task.id in self._had:
                return False
            self._had.add(task.id)
            self._holding.add(task.id)
            self._newest[task.dispatch] = task.id
            return True

    def _work(self, work: Work) -> None:
        """It, and what follows it as far as the hub says so with its answers."""
        following: Work | None = work
        while following is not None:
            following = self._one(following)
            if following is not None and following.task.dispatch in self._over:
                with self._lock:
                    self._holding.discard(following.task.id)
                return

    def _one(self, work: Work) -> Work | None:
        task, following = work.task, None
        try:
            with self._its_turn(work) as has_turn:
                if not has_turn:
                    return None
                LOG.info("task.started", do=task.do, round=task.round, dispatch=task.dispatch)
                following = self._journey.work(work)
            if following is not None and not self._take(following.task):
                following = None
            LOG.info("task.done", do=task.do, round=task.round, dispatch=task.dispatch)
        except TaskOver as over:
            self._say_over(task, over)
        except Exception as error:
            if not self._stopping.is_set():
                self._note(error)
                if (reason := reason_of(error)) != "cancelled":
                    self._fail(task, reason)
        finally:
            if (state := self._over.get(task.dispatch)) is not None:
                self._stop(task.dispatch, state)  # again: what this thread still wrote goes too
            with self._lock:
                self._holding.discard(task.id)
        return following

    @contextlib.contextmanager
    def _its_turn(self, work: Work) -> Iterator[bool]:
        """Wait until the site's rules let work touch data and this machine has room for it; False where the study, the round or the agent
        ended meanwhile. The hub closes a round at its deadline, whoever waits: then it gives the task of the next."""
        while self._comes_the_hour(work):
            with self._tasks.one(
                work.task.dispatch, lambda: self._is_over(work), lambda: self._waits(work, "another task's end")
            ) as has_turn:
                if not has_turn or self._journey.may_work_now(work.task):
                    yield has_turn
                    return
        yield False

    def _comes_the_hour(self, work: Work) -> bool:
        told = False
        while not self._journey.may_work_now(work.task):
            if self._is_over(work):
                return False
            if not told:
                self._waits(work, "the hours of the rules")
                told = True
            self._stopping.wait(LOOKS_AT_THE_CLOCK_SECONDS)
        return True

    def _waits(self, work: Work, until: str) -> None:
        LOG.info("task.waits", do=work.task.do, dispatch=work.task.dispatch, until=until)

    def _is_over(self, work: Work) -> bool:
        dispatch = work.task.dispatch
        return self._stopping.is_set() or dispatch in self._over or self._newest.get(dispatch) != work.task.id

    def _fail(self, task: Task, reason: ReasonCode) -> None:
        LOG.warning("task.failed", do=task.do, round=task.round, reason=reason, dispatch=task.dispatch)
        try:
            self._journey.fail(task, reason)
        except TaskOver as over:
            self._say_over(task, over)
        except RaphaError as error:
            self._note(error)

    def _say_over(self, task: Task, over: TaskOver) -> None:
        """As after a deadline, or in a study that was ended: it is no trouble, and nothing is told of it any more."""
        LOG.info("task.over", do=task.do, round=task.round, dispatch=task.dispatch, words=str(over))

    def _end(self, stop: Stop) -> None:
        """Sandbox first, so that a run in the middle of a command ends at once; then the thread."""
        LOG.info("study.over", state=stop.state, dispatch=stop.dispatch)
        self._over[stop.dispatch] = stop.state
        self._tasks.look_again()
        stopped = self._stop(stop.dispatch, stop.state)
        if thread := self._threads.pop(stop.dispatch, None):
            thread.shutdown(wait=False, cancel_futures=True)
        self._tasks.forget(stop.dispatch)
        self._newest.pop(stop.dispatch, None)
        if not stopped:  # it is said again, since it is not acknowledged
            self._stopping.wait(back_off(10))
            return
        with self._lock:
            self._stopped.add(stop.dispatch)

    def _stop(self, dispatch: DispatchId, state: str) -> bool:
        try:
            with self._one_stops:
                self._journey.stop(dispatch, state)
        except Exception as error:
            self._note(error)
            return False
        return True

    def _thread(self, dispatch: DispatchId) -> ThreadPoolExecutor:
        if dispatch not in self._threads:
            self._threads[dispatch] = ThreadPoolExecutor(max_workers=1, thread_name_prefix=str(dispatch))
        return self._threads[dispatch]

    def _note(self, error: Exception) -> None:
        """For the steward alone: an unexpected error may quote data, so it goes to a file, never to the hub."""
        if not isinstance(error, RaphaError):
            with self._errors.open("a", encoding="utf-8") as file:
                traceback.print_exception(error, file=file)
            self._errors.chmod(0o600)
        words = str(error) if isinstance(error, RaphaError) else f"unexpected; see {self._errors.name}"
        LOG.warning("run.trouble", kind=type(error).__name__, words=words)


def reason_of(error: Exception) -> ReasonCode:
    """The code that may be told for an error."""
    match error:
        case EgressRefused() | CohortRefused() | TrainingFailed():
            return told(error.reason)  # type: ignore[arg-type]
        case SandboxError():
            return "sandbox-died"
        case DiskFull():
            return "disk-full"
        case Unreachable():
            return "hub-unreachable"
        case _:
            return "internal"


def lock_home(folder: Path) -> IO[str]:
    """Hold the home: a second agent on it is refused for as long as the file is open.

    Raises:
        ConfigurationError: another agent runs on this home.
    """
    file = (folder / "agent.lock").open("w", encoding="utf-8")
    end = time.monotonic() + ENDED_SECONDS
    while not _locked(file):
        if time.monotonic() > end:
            file.close()
            raise ConfigurationError(f"another agent already runs on {folder}: stop it first")
        time.sleep(0.05)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
