"""Which blobs may go. A site's update is kept until its round is closed and not longer: what is not here cannot leak.

A small one is dropped from the database in the transaction that closes its round. SQLite overwrites it in `hub.db`; in the log beside it
(`hub.db-wal`) it lies until that is emptied, ten seconds after the last change or a minute after the first, and later only where somebody
is reading at each try, or where the hub was killed: then after its next start (`store/wal.py`). PostgreSQL: see docs/trust.md.
"""

from collections.abc import Iterable, Mapping
from typing import cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Table,
    bindparam,
    delete,
    exists,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import Session

from rapha.hub.blobs import Blobs
from rapha.hub.graphs import graph_of
from rapha.hub.small_blobs import drop_small, some_at_a_time
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DeliveredRow, RoundRow, StudyRow, TaskRow, UploadRow
from rapha.hub.studies import study_of
from rapha.records.lifecycle import FINAL
from rapha.records.task import Update

_UPLOADS = cast("Table", UploadRow.__table__)
_FORGET_UPLOADS = (
    delete(_UPLOADS)
    .where(tuple_(_UPLOADS.c.site, _UPLOADS.c.digest).in_(bindparam("sent", expanding=True)))
    .returning(_UPLOADS.c.digest)
)


def end_round(change: Change, updates: Mapping[str, Update], superseded: Iterable[str]) -> set[str]:
    """Let go of what the sites sent for a round, by site, and of what the next one supersedes: small blobs that nothing else needs are
    dropped with it; the digests to `sweep` after the commit."""
    sent = [(site, update.weights_out) for site, update in updates.items()]
    uploaded = set(change.session.scalars(_FORGET_UPLOADS, {"sent": sent}))
    digests = {digest for _, digest in sent} | set(superseded)
    unneeded = _unneeded(change.session, digests)
    return set(unneeded) - drop_small(change, unneeded) | uploaded


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
    for some in some_at_a_time(digests):
        with store.changing() as change:
            unneeded = _unneeded(change.session, some)
            drop_small(change, unneeded)
            for digest in unneeded:
                blobs.drop(digest)


def _unneeded(session: Session, digests: Iterable[str]) -> list[str]:
    unneeded: list[str] = []
    for some in some_at_a_time(digests):
        found = session.scalars(_NEEDED, {"digests": some}).all()
        needed = {digest for each in found for digest in each.split()}
        unneeded += [digest for digest in some if digest not in needed]
    return unneeded


def sweep_all(store: Store, blobs: Blobs) -> None:
    """At the start: what a crash left behind goes. An upload whose site has no open task was never answered for."""
    at_work = select(TaskRow.site).where(TaskRow.state.in_(("queued", "leased")))
    awaited = select(TaskRow.blob).where(TaskRow.blob.is_not(None), _same_round(), _of_study(), _not_yet_used())
    with store.changing() as change:
        change.session.execute(
            delete(UploadRow).where(UploadRow.site.not_in(at_work), UploadRow.digest.not_in(awaited))
        )
    sweep(store, blobs, blobs.digests())


def _needed(digests: BindParameter[str]) -> CompoundSelect[str]:
    """Uploaded and not yet answered for; answered for in a round that is open, or whose delivery is still to be made; of the
    newest rounds of a live study; delivered. What a way of averaging keeps is given for every live study, several digests in one text."""
    live = StudyRow.state.not_in(FINAL["study"])
    newer = RoundRow.__table__.alias()
    superseded = exists().where(newer.c.study_id == RoundRow.study_id, newer.c.number > RoundRow.number)
    long_past = exists().where(newer.c.study_id == RoundRow.study_id, newer.c.number > RoundRow.number + 1)
    answered = select(TaskRow.blob).where(TaskRow.blob.in_(digests), _same_round(), _of_study(), _not_yet_used())
    return union_all(
        select(UploadRow.digest).where(UploadRow.digest.in_(digests)),
        answered,
        select(RoundRow.weights_in).where(RoundRow.weights_in.in_(digests), ~superseded, _of_study(), live),
        select(RoundRow.weights_out).where(RoundRow.weights_out.in_(digests), ~superseded, _of_study(), live),
        select(RoundRow.kept).where(RoundRow.kept.is_not(None), ~long_past, _of_study(), live),
        select(DeliveredRow.digest).where(DeliveredRow.digest.in_(digests)),
    )


def _same_round() -> ColumnElement[bool]:
    return (RoundRow.study_id == TaskRow.study_id) & (RoundRow.number == TaskRow.number)


def _not_yet_used() -> ColumnElement[bool]:
    """Of a live study: an update until its round is closed, the metrics until they are delivered."""
    wanted = RoundRow.closed_at.is_(None) | (RoundRow.do == "evaluate")
    return wanted & StudyRow.state.not_in(FINAL["study"])


def _of_study() -> ColumnElement[bool]:
    return RoundRow.study_id == StudyRow.id


_NEEDED = _needed(bindparam("digests", expanding=True))
"""Made once: it is asked in every round."""
