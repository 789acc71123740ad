"""Hospitals' signed refusals: verified at the door, kept with the answer they came with, put into the log once, found again for the
delivery. One of a study that never completes is in the log all the same.

Once, whatever dies in between: first what certifies a refusal is kept, so that its entries are the same bytes each time, with the log's size
of then; then they are logged, unless they are among the entries that came since; then it is kept that they are, and where.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rapha.hub.receipts import ReceiptDesk
from rapha.hub.site_keys import keys_of, signer_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DispatchRow, LoggedRefusalRow, StudyRow, TaskRow
from rapha.proof import keys
from rapha.proof.certified import certified_path
from rapha.proof.refusal import REFUSALS, check_refusal
from rapha.records.receipt import Receipt
from rapha.records.site import Denial
from rapha.records.task import TaskFailure
from rapha.records.wire import TrustedKey


@dataclass(frozen=True)
class Arrived:
    """A signed refusal that is not in the log yet."""

    dispatch: str
    site: str
    refusal: Receipt
    signer: TrustedKey


def check_signed(change: Change, study_id: str, site: str, answer: Denial | TaskFailure) -> None:
    """Return if the refusal that came with this answer, where one did, is of this site, study and reason.

    Raises:
        Unproven: it is not, or no key of the site that is good now signed it.
    """
    if answer.refusal is not None:
        study = change.session.get_one(StudyRow, study_id)
        public = keys.public_from_pem(signer_of(change.session, site, answer.refusal, change.at).public_key)
        check_refusal(answer.refusal, site, study.digest, answer.reason, public)


def refusals_of(session: Session, dispatches: Iterable[DispatchRow]) -> dict[str, Receipt]:
    """Site -> what it signed, of those that refused: at the offer, or when the gate or its rules stopped a task."""
    found = {row.site: _signed(session, row) for row in dispatches if row.state in ("denied", "failed")}
    return {site: refusal for site, refusal in found.items() if refusal is not None}


def log_refusals(store: Store, desk: ReceiptDesk, study_id: str) -> None:
    """Put the refusals of a study that are not in the log yet into it. For one study by one thread at a time.

    Raises:
        DiskFull: what is not logged yet is logged by the next call.
    """
    with store.reading() as session:
        arrived = _arrived(session, study_id)
    for each in arrived:
        _stamp(store, desk, study_id, each)
        with store.reading() as session:
            row = session.get_one(LoggedRefusalRow, each.dispatch)
            shown, from_size = (row.certificate, row.stamp), row.from_size
        files = desk.logged_once(each.refusal, keys.public_from_pem(each.signer.public_key), shown, from_size)
        with store.changing() as change:
            row = change.session.get_one(LoggedRefusalRow, each.dispatch)
            row.receipt, row.certified = files
            change.tell("refusal.logged", "hub", study_id=study_id, site=each.site)


def refused_not_logged(session: Session) -> list[str]:
    """The studies, over without a delivery or not over yet, of which a site refused and nothing is in the log."""
    return list(session.scalars(_not_logged().with_only_columns(DispatchRow.study_id).distinct()))


def logged_files(session: Session, dispatch: DispatchRow) -> dict[str, bytes]:
    """Path -> file of a site's refusal, in both forms; empty where it is not in the log yet."""
    row, path = session.get(LoggedRefusalRow, dispatch.id), f"{REFUSALS}{dispatch.site}.json"
    if row is None or row.receipt is None or row.certified is None:
        return {}
    return {path: row.receipt, certified_path(path): row.certified}


def _stamp(store: Store, desk: ReceiptDesk, study_id: str, each: Arrived) -> None:
    """Certify a refusal and have it time-stamped, as of now, unless that was done before."""
    with store.reading() as session:
        if session.get(LoggedRefusalRow, each.dispatch) is not None:
            return
    size = desk.log.checkpoint.size
    certificate, stamp = desk.authority.certify(each.refusal, each.signer)
    with store.changing() as change:
        change.session.add(
            LoggedRefusalRow(dispatch_id=each.dispatch, from_size=size, certificate=certificate, stamp=stamp)
        )
        change.tell("refusal.stamped", "hub", study_id=study_id, site=each.site)


def _arrived(session: Session, study_id: str) -> list[Arrived]:
    rows = session.scalars(_not_logged().where(DispatchRow.study_id == study_id).order_by(DispatchRow.site)).all()
    return [
        Arrived(row.id, row.site, signed, _signer(session, row.site, signed))
        for row in rows
        if (signed := _signed(session, row)) is not None
    ]


def _signer(session: Session, site: str, refusal: Receipt) -> TrustedKey:
    """Of a refusal that was verified when it came: the key may have ended since."""
    return next(key for key in keys_of(session, site) if key.keyid == refusal.signatures[0].keyid)


def _not_logged() -> Select[DispatchRow]:
    """Of a completed study all that there was went out with its delivery: by a hub of before, without a row here."""
    logged = select(LoggedRefusalRow.dispatch_id).where(LoggedRefusalRow.certified.is_not(None))
    return (
        select(DispatchRow)
        .join(StudyRow, StudyRow.id == DispatchRow.study_id)
        .where(StudyRow.state != "completed", StudyRow.asks == "training")
        .where(DispatchRow.state.in_(("denied", "failed")), DispatchRow.id.not_in(logged))
    )


def _signed(session: Session, row: DispatchRow) -> Receipt | None:
    if row.state == "denied":
        return Denial.from_bytes(row.denial).refusal if row.denial else None
    failed = select(TaskRow.result).where(
        TaskRow.dispatch_id == row.id, TaskRow.state == "failed", TaskRow.result.is_not(None)
    )
    result = session.scalar(failed.order_by(TaskRow.number.desc()).limit(1))
    return TaskFailure.from_bytes(result).refusal if result else None
