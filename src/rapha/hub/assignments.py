"""What a node that asks for work is given: first what to stop, then what to do, then what to decide on."""

from sqlalchemy import bindparam, exists, or_, select
from sqlalchemy.orm import Session

from rapha.canonical import base64_text
from rapha.errors import Conflict
from rapha.hub.blobs import Blobs, read
from rapha.hub.dispatches import own_dispatch
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DispatchRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.records.lifecycle import FINAL
from rapha.records.record import DispatchId, SiteId, StudyId
from rapha.records.site import Dispatch
from rapha.records.task import Task
from rapha.records.wire import INLINE_BYTES, Assignment, Offer, Poll, Stop, Work

# Statements are made once, not at each poll: making one costs more than running it.
_STOPPED = (
    DispatchRow.site == bindparam("site"),
    DispatchRow.stopped.is_(False),
    DispatchRow.study_id == StudyRow.id,
    or_(
        DispatchRow.state == "failed",
        DispatchRow.state.in_(("released", "withdrawn")) & StudyRow.state.in_(FINAL["study"]),
    ),
)
_OPEN = (
    TaskRow.site == bindparam("site"),
    TaskRow.state.in_(("queued", "leased")),
    TaskRow.id.not_in(bindparam("holding", expanding=True)),
    TaskRow.study_id == StudyRow.id,
    StudyRow.state != "paused",
)
_OFFERED = (
    DispatchRow.site == bindparam("site"),
    DispatchRow.state == "offered",
    DispatchRow.id.not_in(bindparam("considering", expanding=True)),
    DispatchRow.study_id == StudyRow.id,
)
_TO_STOP = select(DispatchRow, StudyRow).where(*_STOPPED).order_by(StudyRow.created_at).limit(1)
_TO_DO = select(TaskRow).where(*_OPEN).order_by(StudyRow.created_at).limit(1)
_TO_DECIDE = select(DispatchRow, StudyRow).where(*_OFFERED).order_by(StudyRow.created_at).limit(1)
_WHAT = select(exists().where(*_STOPPED), exists().where(*_OPEN), exists().where(*_OFFERED))
"""Which of the three there is, in one question: most polls find none."""


def acknowledge_stops(change: Change, site: SiteId, poll: Poll) -> None:
    """The node carried these out: they are not repeated.

    Raises:
        NotPermitted: one of them is not this site's.
    """
    for dispatch in poll.stopped:
        own_dispatch(change.session, site, dispatch).stopped = True


def next_assignment(store: Store, blobs: Blobs, site: SiteId, poll: Poll) -> Assignment | None:
    """The next thing for this site, or None. Asking again without having heard gives the same again."""
    asked = {"site": site, "holding": list(poll.holding), "considering": list(poll.considering)}
    with store.reading() as session:
        stops, works, offers = session.execute(_WHAT, asked).tuples().one()
        if stops or not works:
            return _stop(session, site) if stops else _offer(session, site, poll) if offers else None
        found = _task(session, site, poll)
    if found is None:
        return None
    with store.changing() as change:
        if not _lease(change, found.task, site):
            return None
    return found.model_copy(update={"weights": _inline(blobs, found.task.weights)})


def _stop(session: Session, site: SiteId) -> Stop | None:
    row = session.execute(_TO_STOP, {"site": site}).first()
    if row is None:
        return None
    dispatch, study = row
    state = study.state if study.state in FINAL["study"] else "failed"
    return Stop(dispatch=dispatch.id, study_id=study.id, state=state)


def _task(session: Session, site: SiteId, poll: Poll) -> Work | None:
    """A task that waits, or that was given out and is not in the node's hands."""
    row = session.scalars(_TO_DO, {"site": site, "holding": list(poll.holding)}).first()
    return Work(task=Task.from_bytes(row.task)) if row else None


def _lease(change: Change, task: Task, site: SiteId) -> bool:
    """Hand the task out, again where it was handed out and lost. False where it ended in the meantime."""
    row = change.session.get_one(TaskRow, task.id)
    if row.state == "leased":
        change.move(row, "queued", "hub")
    if row.state != "queued":
        return False
    change.move(row, "leased", f"node:{site}")
    return True


def _inline(blobs: Blobs, digest: str | None) -> str | None:
    """Small weights, to go with the task. None where there are none, or they are large, or no longer here: the node that
    asks for the blob is told so."""
    size_bytes = blobs.size_bytes(digest) if digest else None
    if digest is None or size_bytes is None or size_bytes > INLINE_BYTES:
        return None
    try:
        return base64_text(read(blobs, digest))
    except Conflict:
        return None


def _offer(session: Session, site: SiteId, poll: Poll) -> Offer | None:
    row = session.execute(_TO_DECIDE, {"site": site, "considering": list(poll.considering)}).first()
    if row is None:
        return None
    dispatch, study = row
    return Offer(
        dispatch=Dispatch(
            id=DispatchId(dispatch.id),
            study_id=StudyId(study.id),
            study_digest=study.digest,
            site=site,
            researcher=study.researcher,
            asks=study.asks,
        ),
        study=study_of(study.study),
    )
