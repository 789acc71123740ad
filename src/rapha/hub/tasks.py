"""What comes back from a task: an update, checked before it counts, or a failure. See releases.py for the last one."""

import io
from contextlib import ExitStack
from typing import BinaryIO

import numpy as np
from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from rapha.canonical import base64_bytes, digest
from rapha.errors import Conflict, NotPermitted, TrainingFailed
from rapha.hub import retention
from rapha.hub.blobs import Blobs, Draft, absent
from rapha.hub.dispatches import withdraw_tasks
from rapha.hub.refusals import check_signed
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DispatchRow, StudyRow, TaskRow, UploadRow
from rapha.hub.studies import study_of
from rapha.hub.tensors import check_declared, tensors_in
from rapha.records.metrics import Score
from rapha.records.record import Record, SiteId
from rapha.records.study import Study
from rapha.records.task import Task, TaskFailure, Update
from rapha.records.tensors import declared_statistics
from rapha.records.travel import declared_update
from rapha.records.wire import UpdateParcel

_AWAITED = select(
    exists().where(
        TaskRow.study_id == bindparam("study"),
        TaskRow.number == bindparam("number"),
        TaskRow.state.in_(("queued", "leased")),
    )
)
"""Whether a task of the round is still open."""


def receive_update(store: Store, blobs: Blobs, site: SiteId, parcel: UpdateParcel) -> str | None:
    """Check an update and take it. The study's id, where it is to be driven: not while others of its round are awaited.
    The same twice is the same as once.

    1. The task is this site's, open, and the update answers it: round, work, study, the weights it started from.
    2. The weights came with it, and are those it names; or the blob is here and this site uploaded it.
    3. It holds exactly the declared tensors, all finite (and statistics no negative count or variance).

    Raises:
        NotPermitted: not this site's task.
        Conflict: another answer was taken, the round is over, or the update answers something else.
        TrainingFailed: point 3; the task has failed with that reason, and the site is out of the study.
    """
    update, sent = parcel.update, _sent_along(parcel)
    with store.reading() as session:
        row = own_task(session, site, update.task)
        if settled(row, update):
            return row.study_id
        _check_answers(Task.from_bytes(row.task), update)
        if sent is None:
            check_uploaded(session, site, update.weights_out)
        study = study_of(session.get_one(StudyRow, row.study_id).study)
    try:
        _check_content(blobs, update, sent, study)
    except TrainingFailed as refusal:
        with store.changing() as change:
            fail(change, own_task(change.session, site, update.task), refusal.reason)
            retention.forget_upload(change, site, update.weights_out)
        retention.sweep(store, blobs, [update.weights_out])
        raise
    with ExitStack() as drafts:
        draft = _drafted(drafts, blobs, sent) if sent is not None else None
        with store.changing() as change:
            row = own_task(change.session, site, update.task)
            if not settled(row, update):
                if draft is not None:
                    draft.keep()  # under the write lock, so that no sweep comes before the row that needs it
                facts = {"rows": f"about {update.weight}", **score_facts(update.scores)}
                finish(change, row, update, update.weights_out, facts)
            change.session.flush()
            awaited = change.session.scalar(_AWAITED, {"study": row.study_id, "number": row.number})
    return None if awaited else row.study_id


def receive_failure(change: Change, site: SiteId, failure: TaskFailure) -> str:
    """The site could not do it; the study's id. Twice is the same as once.

    Raises:
        NotPermitted: not this site's task.
        Conflict: the task is done, or the round is over.
        Unproven: its signed refusal says something else than the failure.
    """
    row = own_task(change.session, site, failure.task)
    if row.state != "failed":
        check_signed(change.session, row.study_id, site, failure)
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
        Conflict: another one was, or the task is over.
    """
    if row.state == "done" and row.result == answer.as_bytes():
        return True
    if row.state not in ("queued", "leased"):
        ended = {"done": "was answered otherwise", "missed": "closed before the answer came"}
        raise Conflict(f"task {row.id} {ended.get(row.state, row.state)}: nothing more is taken for it")
    return False


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
    """The task failed, and its site is out of the study from here on. Raises Conflict where the task is over."""
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
    """The bytes that came with the update. Raises Conflict where they are not those that it names."""
    if parcel.weights is None:
        return None
    try:
        content = base64_bytes(parcel.weights)
    except ValueError:
        raise Conflict("the weights that came with the update are not base64: send it again") from None
    if digest(content) != parcel.update.weights_out:
        raise Conflict("the weights that came with the update are not those that it names: send it again")
    return content


def _drafted(drafts: ExitStack, blobs: Blobs, content: bytes) -> Draft:
    """On the disk, not yet to be seen."""
    draft = drafts.enter_context(blobs.draft())
    draft.write(content)
    draft.settle()
    return draft


def _check_content(blobs: Blobs, update: Update, sent: bytes | None, study: Study) -> None:
    if sent is not None:
        _check_file(io.BytesIO(sent), len(sent), update, study)
        return
    with blobs.open(update.weights_out) as file:
        _check_file(file, blobs.size_bytes(update.weights_out) or 0, update, study)


def _check_file(file: BinaryIO, size_bytes: int, update: Update, study: Study) -> None:
    if update.do == "train":
        check_declared(file, size_bytes, declared_update(study, update.round))
        return
    check_declared(file, size_bytes, declared_statistics(study))
    file.seek(0)
    for name, values in tensors_in(file, size_bytes).items():
        if name.endswith((".count", ".variance")) and np.any(values < 0):
            raise TrainingFailed(f"output-malformed: {name} is negative", "output-malformed")
