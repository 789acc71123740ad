"""What happens next to a study, given where it stands. A rule: no clock, no store, no blobs.

    asking       every site answered                         -> conclude
    recruiting   every site answered, enough said yes        -> open round 0 (prepare)
                 so many said no that the quorum is lost     -> refuse
    preparing    round 0 settled                             -> close it (merge statistics), open round 1
    training     round r settled                             -> close it (average), open round r + 1 (train, or evaluate)
    releasing    the evaluation settled                      -> complete

A round is settled when no task of it is open, or when its deadline has passed; then those that are done must be the
quorum, else the study fails. It fails at once when too few tasks are left that could still be done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from rapha.records.task import Work

OPEN = ("queued", "leased")
UNDECIDED = ("offered", "pending")


@dataclass(frozen=True)
class SiteStanding:
    """A dispatch: its site, its state, and why where it was denied or failed."""

    site: str
    state: str
    reason: str | None = None


@dataclass(frozen=True)
class TaskStanding:
    """A task of the newest round."""

    site: str
    state: str
    reason: str | None = None


@dataclass(frozen=True)
class RoundStanding:
    """The newest round."""

    number: int
    do: Work
    deadline: datetime
    closed: bool
    tasks: Sequence[TaskStanding]


@dataclass(frozen=True)
class Standing:
    """Where a study stands: a snapshot of one moment."""

    state: str
    at_least: int
    rounds: int
    sites: Sequence[SiteStanding]
    newest: RoundStanding | None
    now: datetime


@dataclass(frozen=True)
class Wait:
    """Nothing to do before something comes in, or before `until`."""

    until: datetime | None = None


@dataclass(frozen=True)
class OpenRound:
    """Give every approved site its task."""

    number: int
    do: Work


@dataclass(frozen=True)
class CloseRound:
    """End the round with what is done; what is still open was missed."""

    number: int


@dataclass(frozen=True)
class Complete:
    """Write metrics, sign, deliver."""


@dataclass(frozen=True)
class Conclude:
    """Every site has said how many, or that it does not say."""


@dataclass(frozen=True)
class End:
    """The study is over without a result."""

    state: Literal["refused", "failed"]
    reason: str


Action = Wait | OpenRound | CloseRound | Complete | Conclude | End


def next_step(standing: Standing) -> Action:
    """The one next thing to do. Called again after each, until it says Wait."""
    match standing.state:
        case "asking":
            return Wait() if any(site.state in UNDECIDED for site in standing.sites) else Conclude()
        case "recruiting":
            return _recruiting(standing)
        case "preparing" | "training" | "releasing":
            return _working(standing)
        case _:
            return Wait()


def _recruiting(standing: Standing) -> Action:
    approved = [site for site in standing.sites if site.state == "approved"]
    undecided = [site for site in standing.sites if site.state in UNDECIDED]
    if len(approved) + len(undecided) < standing.at_least:
        return End("refused", _quorum_lost(standing))
    return Wait() if undecided else OpenRound(0, "prepare")


def _working(standing: Standing) -> Action:
    newest = standing.newest
    if newest is None:
        return OpenRound(0, "prepare")
    if newest.closed:
        return _after(newest, standing)
    done = sum(task.state == "done" for task in newest.tasks)
    open_ = sum(task.state in OPEN for task in newest.tasks)
    late = standing.now >= newest.deadline
    if done + (0 if late else open_) < standing.at_least:
        return End("failed", _quorum_lost(standing))
    return CloseRound(newest.number) if late or not open_ else Wait(newest.deadline)


def _after(newest: RoundStanding, standing: Standing) -> Action:
    if newest.do == "evaluate":
        return Complete()
    if sum(site.state == "approved" for site in standing.sites) < standing.at_least:
        return End("failed", _quorum_lost(standing))
    number = newest.number + 1
    return OpenRound(number, "train" if number <= standing.rounds else "evaluate")


def _quorum_lost(standing: Standing) -> str:
    """`2 sites needed: north denied (cohort-too-small), south failed (not-finite)`."""
    said = [
        f"{s.site} {s.state} ({s.reason or 'no reason given'})"
        for s in standing.sites
        if s.state in ("denied", "failed")
    ]
    newest = standing.newest
    tasks = newest.tasks if newest and not newest.closed and standing.now >= newest.deadline else ()
    said += [f"{task.site} did not answer in time (deadline)" for task in tasks if task.state in OPEN]
    return f"{standing.at_least} sites needed: {', '.join(said) or 'too few answered'}"
