"""Which blobs may go. A site's update is kept until its round is closed and not longer: what is not here cannot leak."""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, String, bindparam, delete, exists, or_, select
from sqlalchemy.orm import Session

from rapha.hub.blobs import Blobs
from rapha.hub.graphs import graph_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DeliveredRow, RoundRow, StudyRow, TaskRow, UploadRow
from rapha.hub.studies import study_of
from rapha.records.lifecycle import FINAL


def forget_updates(change: Change, study_id: str, number: int) -> set[str]:
    """Let go of what the sites sent for this round; the digests to `sweep` after the commit."""
    answers = change.session.scalars(
        select(TaskRow).where(TaskRow.study_id == study_id, TaskRow.number == number, TaskRow.blob.is_not(None))
    )
    return {forget_upload(change, answer.site, answer.blob) for answer in answers if answer.blob}


def forget_upload(change: Change, site: str, digest: str) -> str:
    """Let go of one upload; gives its digest back."""
    change.session.execute(delete(UploadRow).where(UploadRow.site == site, UploadRow.digest == digest))
    return digest


def blobs_of_study(session: Session, study_id: str) -> set[str]:
    """Every blob that a study ever used: to `sweep` at its end."""
    rounds = session.scalars(select(RoundRow).where(RoundRow.study_id == study_id))
    tasks = session.scalars(select(TaskRow.blob).where(TaskRow.study_id == study_id))
    used = {digest for row in rounds for digest in (row.weights_in, row.weights_out, *(row.kept or "").split())}
    used |= {*tasks, graph_of(study_of(session.get_one(StudyRow, study_id).study))}
    return {digest for digest in used if digest}


def sweep(store: Store, blobs: Blobs, digests: Iterable[str]) -> None:
    """Drop those that nothing needs. Holds the write lock, so that no upload of the same bytes slips in between."""
    if not (digests := list(digests)):
        return
    with store.changing() as change:
        for digest in digests:
            if not change.session.scalar(_NEEDED, {"digest": digest}):
                blobs.drop(digest)


def sweep_all(store: Store, blobs: Blobs) -> None:
    """At the start: what a crash left behind goes. An upload whose site has no open task was never answered for."""
    at_work = select(TaskRow.site).where(TaskRow.state.in_(("queued", "leased")))
    in_open_round = select(TaskRow.blob).join(RoundRow, _same_round()).where(RoundRow.closed_at.is_(None))
    with store.changing() as change:
        change.session.execute(
            delete(UploadRow).where(
                UploadRow.site.not_in(at_work), UploadRow.digest.not_in(in_open_round.where(TaskRow.blob.is_not(None)))
            )
        )
    sweep(store, blobs, blobs.digests())


def _needed(digest: ColumnElement[str]) -> ColumnElement[bool]:
    """Uploaded and not yet answered for; answered for in an open round; of the newest rounds of a live study; delivered."""
    live = StudyRow.state.not_in(FINAL["study"])
    newer = RoundRow.__table__.alias()
    superseded = exists().where(newer.c.study_id == RoundRow.study_id, newer.c.number > RoundRow.number)
    long_past = exists().where(newer.c.study_id == RoundRow.study_id, newer.c.number > RoundRow.number + 1)
    return or_(
        exists().where(UploadRow.digest == digest),
        exists().where(TaskRow.blob == digest, _same_round(), RoundRow.closed_at.is_(None), _of_study(), live),
        exists().where(RoundRow.weights_in == digest, ~superseded, _of_study(), live),
        exists().where(RoundRow.weights_out == digest, ~superseded, _of_study(), live),
        exists().where(RoundRow.kept.contains(digest), ~long_past, _of_study(), live),
        exists().where(DeliveredRow.digest == digest),
    )


def _same_round() -> ColumnElement[bool]:
    return (RoundRow.study_id == TaskRow.study_id) & (RoundRow.number == TaskRow.number)


def _of_study() -> ColumnElement[bool]:
    return RoundRow.study_id == StudyRow.id


_NEEDED = select(_needed(bindparam("digest", type_=String())))
"""Made once: it is asked for every blob of every round."""
