"""Hospitals' signed refusals: verified at the door, kept with the answer they came with, found again for the delivery."""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.hub.store.tables import DispatchRow, SiteRow, StudyRow, TaskRow
from rapha.proof import keys
from rapha.proof.refusal import check_refusal
from rapha.records.receipt import Receipt
from rapha.records.site import Denial
from rapha.records.task import TaskFailure


def check_signed(session: Session, study_id: str, site: str, answer: Denial | TaskFailure) -> None:
    """Return if the refusal that came with this answer, where one did, is of this site, study and reason.

    Raises:
        Unproven: it is not, or the site's enrolled key did not sign it.
    """
    if answer.refusal is not None:
        study, enrolled = session.get_one(StudyRow, study_id), session.get_one(SiteRow, site)
        public = keys.public_from_pem(enrolled.public_key)
        check_refusal(answer.refusal, site, study.digest, answer.reason, public)


def refusals_of(session: Session, dispatches: Iterable[DispatchRow]) -> dict[str, Receipt]:
    """Site -> what it signed, of those that refused: at the offer, or when the gate or its rules stopped a task."""
    found = {row.site: _signed(session, row) for row in dispatches if row.state in ("denied", "failed")}
    return {site: refusal for site, refusal in found.items() if refusal is not None}


def _signed(session: Session, row: DispatchRow) -> Receipt | None:
    if row.state == "denied":
        return Denial.from_bytes(row.decision).refusal if row.decision else None
    failed = select(TaskRow.result).where(
        TaskRow.dispatch_id == row.id, TaskRow.state == "failed", TaskRow.result.is_not(None)
    )
    result = session.scalar(failed.order_by(TaskRow.number.desc()).limit(1))
    return TaskFailure.from_bytes(result).refusal if result else None
