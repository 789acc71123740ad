"""What comes back from a task: an update, checked before it counts, or a failure. See releases.py for the last one."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, ParamSpec, TypeVar

import numpy as np
import structlog
from sqlalchemy import bindparam, exists, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from rapha.canonical import base64_bytes, digest
from rapha.errors import (
    ConfigurationError,
    Conflict,
    NotPermitted,
    RaphaError,
    TaskOver,
    TrainingFailed,
    Unproven,
    Unreachable,
)
from rapha.hub import retention
from rapha.hub.blobs import Blobs, absent
from rapha.hub.dispatches import withdraw_tasks
from rapha.hub.freezes import check_logged_before
from rapha.hub.refusals import check_signed
from rapha.hub.small_blobs import SMALL_BYTES, keep_small
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DispatchRow, StudyRow, TaskRow, UploadRow
from rapha.hub.studies import study_of
from rapha.hub.tensors import check_declared, tensors_in
from rapha.records.metrics import Score
from rapha.records.record import Record, SiteId, TaskId
from rapha.records.study import Study
from rapha.records.task import Task, TaskFailure, Update
from rapha.records.tensors import declared_statistics
from rapha.records.travel import declared_update
from rapha.records.wire import UpdateParcel

_log = structlog.get_logger()
_ENDED = {
    "done": "was answered otherwise",
    "failed": "was said to have failed",
    "missed": "closed before the answer came",
    "withdrawn": "was withdrawn, with its study or its hospital",
}
_AWAITED = select(
    exists().where(
        TaskRow.study_id == bindparam("study"),
        TaskRow.number == bindparam("number"),
        TaskRow.state.in_(("queued", "leased")),
    )
)
"""Whether a task of the round is still open."""


Handed = tuple[SiteId, UpdateParcel]


@dataclass(frozen=True)
class Taken:
    """An update that was taken: of which task, and the study, where it is to be driven, which it is not while others of its round are
    awaited, nor where the round was closed with it. `before`: exactly this one was, and it was sent again."""

    task: TaskId
    to_drive: str | None
    before: bool = False


Outcome = Taken | RaphaError


Close = Callable[[Change, str], bool]
"""Close the study's round, of which nobody is awaited any more, within the change that took its last update. False: it is to be driven."""


def receive_updates(
    store: Store, blobs: Blobs, handed: Sequence[Handed], close: Close = lambda _change, _study: False
) -> list[Outcome]:
    """Check updates that come at once, and take them in one transaction, which may `close` their round. Of each: what came of it, or
    what is wrong with it. The same twice is the same as once.

    1. The task is this site's, open, and the update answers it: round, work, study, the weights it started from.
    2. The weights came with it, and are those it names; or the blob is here and this site uploaded it.
    3. It holds exactly the declared tensors, all finite (and statistics no negative count or variance).

    What may be wrong with one:
        NotPermitted: not this site's task.
        TaskOver: its round or study is over.
        Conflict: another answer was taken, or the update answers something else.
        TrainingFailed: point 3; the task has failed with that reason, and the site is out of the study.
        DiskFull: there is no room for its weights.
    """
    came = [_each(_came, store, blobs, site, parcel) for site, parcel in handed]
    if not any(isinstance(each, _Came) for each in came):
        return [each for each in came if not isinstance(each, _Came)]
    with store.changing() as change:
        taken = [
            _each(_take, change, site, each) if isinstance(each, _Came) else each
            for (site, _), each in zip(handed, came, strict=True)
        ]
        change.session.flush()
        outcomes = [_outcome(change.session, *each) if isinstance(each, tuple) else each for each in taken]
        ended = {each.to_drive for each in outcomes if isinstance(each, Taken) and each.to_drive and not each.before}
        closed = {study for study in sorted(ended) if close(change, study)}
        return [
            replace(each, to_drive=None) if isinstance(each, Taken) and each.to_drive in closed else each
            for each in outcomes
        ]


def let_go_of_refused(store: Store, blobs: Blobs, handed: Sequence[Handed], outcomes: Sequence[Outcome]) -> None:
    """Drop what updates brought that were refused for it. Where that cannot be done now, the hub's next start does: it changes no outcome."""
    answered = zip(handed, outcomes, strict=True)
    refused = [one.update.weights_out for (_, one), each in answered if isinstance(each, TrainingFailed)]
    try:
        retention.sweep(store, blobs, refused)
    except (RaphaError, DBAPIError, OSError) as problem:
        _log.warning("what a refused update brought could not be dropped", problem=type(problem).__name__)


@dataclass(frozen=True)
class _Came:
    """An update, and the weights that came with it, to be checked as it is taken; None: they were uploaded, and are checked."""

    update: Update
    sent: bytes | None


P = ParamSpec("P")
T = TypeVar("T")


def _each(do: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T | RaphaError:
    """What comes of it, or what is wrong: it is one update's, and the others go on."""
    try:
        return do(*arguments, **named)
    except RaphaError as error:
        return error


def _came(store: Store, blobs: Blobs, site: SiteId, parcel: UpdateParcel) -> _Came:
    """Point 2; of uploaded weights all three points, for they may be large: nobody waits while they are read."""
    update, sent = parcel.update, _sent_along(parcel)
    if sent is None:
        with store.reading() as session:
            study = _answered(session, own_task(session, site, update.task), update)
            if study is not None:
                check_uploaded(session, site, update.weights_out)
        try:
            if study is not None:
                _check_uploaded_content(blobs, update, study)
        except TrainingFailed as refusal:
            with store.changing() as change:
                _refuse(change, own_task(change.session, site, update.task), update, refusal)
            raise
    return _Came(update, sent)


def _answered(session: Session, row: TaskRow, update: Update) -> Study | None:
    """Point 1: the study that it is of. None: exactly this was taken before."""
    if settled(row, update):
        return None
    check_logged_before(session, row.dispatch_id)
    _check_answers(Task.from_bytes(row.task), update)
    return study_of(session.get_one(StudyRow, row.study_id).study)


def _take(change: Change, site: SiteId, came: _Came) -> tuple[TaskRow, bool]:
    """All three points again, or for the first time: the task, and whether exactly this was taken before."""
    update = came.update
    row = own_task(change.session, site, update.task)
    study = _answered(change.session, row, update)
    if study is None:
        return row, True
    if came.sent is None:
        check_uploaded(change.session, site, update.weights_out)  # it may have been let go of while it was checked
    else:
        try:
            _check_file(io.BytesIO(came.sent), len(came.sent), update, study)
        except TrainingFailed as refusal:
            _refuse(change, row, update, refusal)
            raise
        keep_small(change, {update.weights_out: came.sent})
    facts = {"rows": f"about {update.weight}", **score_facts(update.scores)}
    finish(change, row, update, update.weights_out, facts)
    return row, False


def _refuse(change: Change, row: TaskRow, update: Update, refusal: TrainingFailed) -> None:
    fail(change, row, refusal.reason)
    retention.forget_upload(change, row.site, update.weights_out)


def _outcome(session: Session, row: TaskRow, before: bool) -> Taken:
    awaited = session.scalar(_AWAITED, {"study": row.study_id, "number": row.number})
    return Taken(TaskId(row.id), None if awaited else row.study_id, before)


def receive_failure(change: Change, site: SiteId, failure: TaskFailure) -> str:
    """The site could not do it; the study's id. Twice is the same as once.

    Raises:
        NotPermitted: not this site's task.
        Conflict: it was answered.
        TaskOver: its round or study is over.
        Unproven: its signed refusal says something else than the failure.
    """
    row = own_task(change.session, site, failure.task)
    if row.state != "failed":
        check_signed(change, row.study_id, site, failure)
        fail(change, row, failure.reason)
        row.result = failure.as_bytes()
    return row.study_id


def own_task(session: Session, site: SiteId, task: str) -> TaskRow:
    """A task of this site.

    Raises:
        NotPermitted: there is none of that id, or it is another site's; it is not said which.
    """
    row = session.get(TaskRow, task)
    if row is None or row.site != site:
        raise NotPermitted(f"{site} has no task {task}")
    return row


def settled(row: TaskRow, answer: Record) -> bool:
    """Whether exactly this answer was taken already.

    Raises:
        Conflict: another one was.
        TaskOver: the task is over without one.
    """
    if row.state == "done" and row.result == answer.as_bytes():
        return True
    _check_open(row)
    return False


def _check_open(row: TaskRow) -> None:
    if row.state not in ("queued", "leased"):
        kind = (
            Conflict if row.state == "done" else TaskOver
        )  # two answers to one task are trouble: two agents, or bits that are not the same
        raise kind(f"task {row.id} {_ENDED[row.state]}: nothing more is taken for it")


def check_uploaded(session: Session, site: SiteId, blob: str) -> None:
    """Return if this site uploaded that blob. Raises Conflict."""
    if session.get(UploadRow, (blob, site)) is None:
        raise absent(blob)


def finish(change: Change, row: TaskRow, answer: Record, blob: str, facts: dict[str, str]) -> None:
    """The task is done with this answer. Raises Conflict where it is over."""
    if row.state == "queued":  # given out before, lost from the lease, answered all the same
        change.move(row, "leased", f"node:{row.site}")
    row.result, row.blob = answer.as_bytes(), blob
    change.move(row, "done", f"node:{row.site}", facts)


def fail(change: Change, row: TaskRow, reason: str) -> None:
    """The task failed, and its site is out of the study from here on. Raises TaskOver; Conflict: it was answered."""
    _check_open(row)
    if row.state == "queued":
        change.move(row, "leased", f"node:{row.site}")
    row.reason = reason
    change.move(row, "failed", f"node:{row.site}", {"reason": reason})
    dispatch = change.session.get_one(DispatchRow, row.dispatch_id)
    dispatch.reason = reason
    change.move(dispatch, "failed", f"node:{row.site}", {"reason": reason})
    withdraw_tasks(change, dispatch)


def score_facts(scores: tuple[Score, ...]) -> dict[str, str]:
    """{"loss": "0.2131", "auroc": "0.72"}."""
    return {score.name: f"{score.value:.6g}" for score in scores}


def _check_answers(task: Task, update: Update) -> None:
    for field in ("study_digest", "site", "round", "do"):
        if getattr(task, field) != getattr(update, field):
            raise Conflict(f"the update answers another task: {field} is not that of {task.id}")
    if task.weights != update.weights_in:
        raise Conflict(f"the update did not start from the weights of {task.id}: expected {task.weights}")


def _sent_along(parcel: UpdateParcel) -> bytes | None:
    """The bytes that came with the update. Raises Conflict where they are not those that it names, or too many."""
    if parcel.weights is None:
        return None
    try:
        content = base64_bytes(parcel.weights)
    except ValueError:
        raise Conflict("the weights that came with the update are not base64: send it again") from None
    if len(content) > SMALL_BYTES:
        raise Conflict(f"weights of more than {SMALL_BYTES} bytes do not come with their update: upload them first")
    if digest(content) != parcel.update.weights_out:
        raise Conflict("the weights that came with the update are not those that it names: send it again")
    return content


def _check_uploaded_content(blobs: Blobs, update: Update, study: Study) -> None:
    try:
        file, size_bytes = blobs.open(update.weights_out), blobs.size_bytes(update.weights_out) or 0
    except (Unproven, ConfigurationError) as error:  # of the place of the blobs: no fault of the hospital's
        raise Unreachable("the hub cannot read the weights that were uploaded: try again") from error
    with file:
        _check_file(file, size_bytes, update, study)


def _check_file(file: BinaryIO, size_bytes: int, update: Update, study: Study) -> None:
    if update.do == "train":
        check_declared(file, size_bytes, declared_update(study, update.round))
        return
    check_declared(file, size_bytes, declared_statistics(study))
    file.seek(0)
    for name, values in tensors_in(file, size_bytes).items():
        if name.endswith((".count", ".variance")) and np.any(values < 0):
            raise TrainingFailed(f"output-malformed: {name} is negative", "output-malformed")
