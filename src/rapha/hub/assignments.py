"""What a node that asks for work is given: first what to stop, then what to do, then what to decide on."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Select, bindparam, exists, or_, select, tuple_
from sqlalchemy.orm import Session

from rapha.canonical import base64_text
from rapha.errors import RaphaError
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
    DispatchRow.site.in_(bindparam("sites", expanding=True)),
    DispatchRow.stopped.is_(False),
    DispatchRow.study_id == StudyRow.id,
    or_(
        DispatchRow.state == "failed",
        DispatchRow.state.in_(("released", "withdrawn")) & StudyRow.state.in_(FINAL["study"]),
    ),
)
_OPEN = (
    TaskRow.site.in_(bindparam("sites", expanding=True)),
    TaskRow.state.in_(("queued", "leased")),
    tuple_(TaskRow.site, TaskRow.id).not_in(bindparam("holding", expanding=True)),
    TaskRow.study_id == StudyRow.id,
    StudyRow.state != "paused",
)
_OFFERED = (
    DispatchRow.site.in_(bindparam("sites", expanding=True)),
    DispatchRow.state == "offered",
    tuple_(DispatchRow.site, DispatchRow.id).not_in(bindparam("considering", expanding=True)),
    DispatchRow.study_id == StudyRow.id,
)
_TO_STOP = select(DispatchRow, StudyRow).where(*_STOPPED).order_by(StudyRow.created_at.desc())
_TO_DO = select(TaskRow).where(*_OPEN).order_by(StudyRow.created_at.desc())
_TO_DECIDE = select(DispatchRow, StudyRow).where(*_OFFERED).order_by(StudyRow.created_at.desc())
_THESE = select(TaskRow).where(TaskRow.id.in_(bindparam("tasks", expanding=True))).order_by(TaskRow.site)
_AFTER = (
    select(TaskRow)
    .where(*_OPEN, TaskRow.dispatch_id == bindparam("dispatch"), TaskRow.number > bindparam("number"))
    .order_by(TaskRow.number)
)
_WHAT = select(exists().where(*_STOPPED), exists().where(*_OPEN), exists().where(*_OFFERED))
"""Which of the three there is, in one question: most polls find none."""

Asked = tuple[SiteId, Poll]
AT_ONCE = 200


def acknowledge_stops(change: Change, site: SiteId, poll: Poll) -> None:
    """The node carried these out: they are not repeated.

    Raises:
        NotPermitted: one of them is not this site's.
    """
    for dispatch in poll.stopped:
        own_dispatch(change.session, site, dispatch).stopped = True


def next_assignments(store: Store, blobs: Blobs, asked: Sequence[Asked]) -> list[Assignment | None]:
    """The next thing for each of these polls, or None. Asking again without having heard gives the same again.

    Those who are woken by the opening of one round ask at once: they are answered together, and their tasks handed out in
    one transaction.
    """
    answers: list[Assignment | None] = [None] * len(asked)
    left = list(range(len(asked)))
    while left:
        sites: dict[SiteId, int] = {}
        for number in left:  # of two polls of one site each has a turn of its own: one of them may be nobody's any more
            if len(sites) < AT_ONCE:
                sites.setdefault(asked[number][0], number)
        left = [number for number in left if number not in sites.values()]
        for number, answer in zip(
            sites.values(), _answers(store, blobs, [asked[n] for n in sites.values()]), strict=True
        ):
            answers[number] = answer
    return answers


def _answers(store: Store, blobs: Blobs, asked: Sequence[Asked]) -> list[Assignment | None]:
    """The same, of polls of different sites."""
    values = {
        "sites": [site for site, _ in asked],
        "holding": [(site, task) for site, poll in asked for task in poll.holding],
        "considering": [(site, dispatch) for site, poll in asked for dispatch in poll.considering],
    }
    with store.reading() as session:
        stops, works, offers = session.execute(_WHAT, values).one()
        stop = _by_site(_TO_STOP, session, values) if stops else {}
        work = {row.site: row for row in session.scalars(_TO_DO, values)} if works else {}
        offer = _by_site(_TO_DECIDE, session, values) if offers else {}
    given = _handed_out(store, [row for site, row in work.items() if site not in stop])
    inline = {blob: inline_weights(blobs, blob) for blob in {task.weights for task in given.values()}}
    answers: list[Assignment | None] = []
    for site, _ in asked:
        if site in stop:
            answers.append(_stop(*stop[site]))
        elif (task := given.get(site)) is not None:
            answers.append(Work(task=task, weights=inline[task.weights]))
        else:
            answers.append(_offer(*offer[site]) if site in offer and site not in work else None)
    return answers


def task_after(store: Store, blobs: Blobs, task: str) -> Work | None:
    """What follows this task of a site in its study, where it is open: handed out, again where it was. For an update that is handed in
    once more: the answer to it may have been lost, and with it the task."""
    with store.reading() as session:
        row = session.get_one(TaskRow, task)
        values = {"sites": [row.site], "holding": [], "dispatch": row.dispatch_id, "number": row.number}
        found = session.scalars(_AFTER, values).all()
    for given in _handed_out(store, found[:1]).values():
        return Work(task=given, weights=inline_weights(blobs, given.weights))
    return None


def _by_site(
    statement: Select[DispatchRow, StudyRow], session: Session, values: Mapping[str, object]
) -> dict[str, tuple[DispatchRow, StudyRow]]:
    """The oldest study's of each site: it comes last."""
    return {dispatch.site: (dispatch, study) for dispatch, study in session.execute(statement, values)}


def _stop(dispatch: DispatchRow, study: StudyRow) -> Stop:
    state = study.state if study.state in FINAL["study"] else "failed"
    return Stop(dispatch=DispatchId(dispatch.id), study_id=StudyId(study.id), state=state)


def _handed_out(store: Store, found: Sequence[TaskRow]) -> dict[str, Task]:
    """Hand these out, by site, again where one was handed out and lost. Not those that ended in the meantime."""
    if not found:
        return {}
    given = {}
    with store.changing() as change:
        for row in change.session.scalars(_THESE, {"tasks": [each.id for each in found]}):
            if row.state == "leased":
                change.move(row, "queued", "hub")
            if row.state == "queued":
                change.move(row, "leased", f"node:{row.site}")
                given[row.site] = Task.from_bytes(row.task)
    return given


def inline_weights(blobs: Blobs, digest: str | None) -> str | None:
    """Small weights, to go with the task. None where there are none, or they are large, or cannot be read: the node that
    asks for the blob is told so, and the others of this turn have their answers."""
    try:
        size_bytes = blobs.size_bytes(digest) if digest else None
        if digest is None or size_bytes is None or size_bytes > INLINE_BYTES:
            return None
        return base64_text(read(blobs, digest))
    except (RaphaError, OSError):
        return None


def _offer(dispatch: DispatchRow, study: StudyRow) -> Offer:
    return Offer(
        dispatch=Dispatch(
            id=DispatchId(dispatch.id),
            study_id=StudyId(study.id),
            study_digest=study.digest,
            site=SiteId(dispatch.site),
            researcher=study.researcher,
            asks=study.asks,
        ),
        study=study_of(study.study),
    )
