"""A site's last word on a study, verified at the door: what does not hold here would not hold for anyone later."""

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.errors import Conflict, Unproven
from rapha.hub import retention
from rapha.hub.blobs import Blobs, read
from rapha.hub.freezes import check_logged_before, check_named
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.site_keys import signer_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DispatchRow, StampedReleaseRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.hub.tasks import check_uploaded, fail, finish, own_task, score_facts, settled
from rapha.proof import keys
from rapha.proof.claim import SiteClaim
from rapha.proof.envelope import open_envelope
from rapha.proof.statement import parse_statement
from rapha.records.metrics import SiteMetrics
from rapha.records.record import SiteId
from rapha.records.release import Release
from rapha.records.site import Approval
from rapha.records.task import Task, Update
from rapha.records.wire import ReleaseParcel

METRICS_LIMIT_BYTES = 4 << 20


def receive_release(store: Store, blobs: Blobs, desk: ReceiptDesk, site: SiteId, parcel: ReleaseParcel) -> str:
    """Verify a parcel, take it and have its receipt stamped; the study's id. The same twice is the same as once.

    Raises:
        NotPermitted: not this site's task.
        Conflict: another parcel was taken, the study is over, or the metrics blob is not here.
        Unproven: it does not verify; the task has failed with `output-malformed`, and the site is named.
    """
    with store.reading() as session:
        row = own_task(session, site, parcel.task)
        if settled(row, parcel):
            return row.study_id
        if row.do != "evaluate":
            raise Conflict(f"task {row.id} is to {row.do}: it is answered with an update")
        check_logged_before(session, row.dispatch_id)
        check_uploaded(session, site, parcel.release.metrics)
    try:
        with store.reading() as session:
            metrics = _verified(session, blobs, own_task(session, site, parcel.task), parcel, store.now())
    except Unproven:
        with store.changing() as change:
            fail(change, own_task(change.session, site, parcel.task), "output-malformed")
            retention.forget_upload(change, site, parcel.release.metrics)
        retention.sweep(store, blobs, [parcel.release.metrics])
        raise
    with store.changing() as change:
        row = own_task(change.session, site, parcel.task)
        if not settled(row, parcel):
            _take(change, desk, row, parcel, metrics)
    return row.study_id


def _take(change: Change, desk: ReceiptDesk, row: TaskRow, parcel: ReleaseParcel, metrics: SiteMetrics) -> None:
    certificate, stamp = desk.authority.certify(
        parcel.receipt, signer_of(change.session, row.site, parcel.receipt, change.at)
    )
    change.session.add(StampedReleaseRow(task_id=row.id, certificate=certificate, stamp=stamp))
    federated = next((e for e in metrics.evaluations if e.model == "federated"), None)
    finish(change, row, parcel, parcel.release.metrics, score_facts(federated.scores) if federated else {})
    change.move(change.session.get_one(DispatchRow, row.dispatch_id), "released", f"node:{row.site}")


def _verified(session: Session, blobs: Blobs, row: TaskRow, parcel: ReleaseParcel, at: datetime) -> SiteMetrics:
    """The site's metrics, once all of this holds. Raises Unproven."""
    # 1. A key of this site that is good now signed the receipt, and the receipt says what the parcel says.
    signer = signer_of(session, row.site, parcel.receipt, at)
    claim = parse_statement(open_envelope(parcel.receipt, keys.public_from_pem(signer.public_key)))
    if not isinstance(claim, SiteClaim) or claim.release != parcel.release:
        raise Unproven(f"{row.site}: the receipt states another release than the parcel holds")
    # 2. It is the release of this study, at this site, from these weights, under the approval that was given.
    _check_release(session, row, parcel.release)
    # 3. The rounds are those whose updates were taken here.
    _check_rounds(session, row, parcel.release)
    # 4. The metrics file is what its digest says (so it was uploaded), and is of this site.
    return _site_metrics(blobs, row.site, parcel.release.metrics)


def _check_release(session: Session, row: TaskRow, release: Release) -> None:
    stored = session.get_one(StudyRow, row.study_id)
    study = study_of(stored.study)
    answer = session.get_one(DispatchRow, row.dispatch_id).answer
    approval = Approval.from_bytes(answer) if answer else None
    check_named(session, row.dispatch_id, release)
    expected = {
        "site": row.site,
        "study": stored.name,
        "study_digest": stored.digest,
        "architecture": study.model.architecture,
        "weights": Task.from_bytes(row.task).weights,
        "approval": approval.digest if approval else None,
        "policy": approval.policy_digest if approval else None,
    }
    for field, value in expected.items():
        if getattr(release, field) != value:
            raise Unproven(f"{row.site}: the release names another {field.replace('_', ' ')} than this study has here")
    if (release.cohort.site, release.cohort.study_digest) != (row.site, stored.digest):
        raise Unproven(f"{row.site}: the cohort of the release is of another site or study")


def _check_rounds(session: Session, row: TaskRow, release: Release) -> None:
    signed = {trace.round: trace for trace in release.rounds}
    answered = session.scalars(
        select(TaskRow).where(TaskRow.dispatch_id == row.dispatch_id, TaskRow.state == "done", TaskRow.do != "evaluate")
    )
    for task in answered:
        update, trace = Update.from_bytes(task.result or b""), signed.get(task.number)
        if trace is None or (trace.weights_in, trace.weights_out) != (update.weights_in, update.weights_out):
            raise Unproven(f"{row.site}: round {task.number} of the release is not the update that was handed in")


def _site_metrics(blobs: Blobs, site: str, digest: str) -> SiteMetrics:
    if (blobs.size_bytes(digest) or 0) > METRICS_LIMIT_BYTES:
        raise Unproven(f"{site}: the metrics file is larger than {METRICS_LIMIT_BYTES >> 20} MiB")
    try:
        metrics = SiteMetrics.from_bytes(read(blobs, digest))
    except ValidationError:
        raise Unproven(f"{site}: the metrics file is not of the closed set of figures") from None
    if metrics.site != site:
        raise Unproven(f"{site}: the metrics file is of another site")
    return metrics
