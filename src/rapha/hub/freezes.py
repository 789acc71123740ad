"""Hospitals' freezes: verified at the door, logged once, and given back with their place in the log, before anything of a run is taken.

Once, whatever dies in between, as a refusal is: first the freeze and what certifies it are kept, with the log's size of then; then it is
logged, unless it is among the entries that came since; then both its files are kept. The node asks again until it has them: before that
it starts no work.

Before: while the run's first task is all that the hospital was given, and is still open. One that was late for it goes on without a freeze.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.canonical import base64_bytes
from rapha.errors import Conflict, Unproven, Unreachable
from rapha.hub.dispatches import own_dispatch
from rapha.hub.progress import OPEN
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.site_keys import keys_of, signer_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DispatchRow, LoggedFreezeRow, StudyRow, TaskRow
from rapha.proof import keys
from rapha.proof.certified import certified_path
from rapha.proof.envelope import unverified_payload
from rapha.proof.freeze import FREEZES, check_freeze, has_first_round, parse_freeze
from rapha.records.bundle import Bundle
from rapha.records.certified import CertifiedBundle
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, SiteId
from rapha.records.release import Release
from rapha.records.site import Approval
from rapha.records.task import Task
from rapha.records.wire import TrustedKey


def receive_freeze(store: Store, desk: ReceiptDesk, site: SiteId, dispatch: str, freeze: Receipt) -> LoggedReceipt:
    """Verify a freeze, and have it in the log when this returns. The same again is the same as once.

    Raises:
        NotPermitted: no such dispatch of this site.
        Conflict: it approved no such run, another freeze was taken, or the run has begun for this site.
        Unproven: the freeze is of another site, study or approval, or not signed by a key of this site that is good now.
        DiskFull: it is not logged; the same again logs it.
    """
    with store.changing() as change:
        _take(change, desk, own_dispatch(change.session, site, dispatch, "training"), freeze)
    with store.reading() as session:
        row = session.get_one(LoggedFreezeRow, dispatch)
        if row.receipt and row.certified:
            return LoggedReceipt.of_files(row.receipt, row.certified)
        signer, shown, from_size = _signer(session, site, freeze), (row.certificate, row.stamp), row.from_size
    files = desk.logged_once(freeze, keys.public_from_pem(signer.public_key), shown, from_size)
    with store.changing() as change:
        row = change.session.get_one(LoggedFreezeRow, dispatch)
        if not row.receipt:
            row.receipt, row.certified = files
            study = change.session.get_one(DispatchRow, dispatch).study_id
            change.tell("freeze.logged", "hub", study_id=study, site=site)
        return LoggedReceipt.of_files(row.receipt, row.certified or b"")


def check_logged_before(session: Session, dispatch: str) -> None:
    """Nothing of a run is taken while its freeze is on its way into the log. Raises Unreachable: the same again, once it is there."""
    row = session.get(LoggedFreezeRow, dispatch)
    if row is not None and row.receipt is None:
        raise Unreachable("what was frozen for this run is not in the log yet: hand that in again, and then this")


def check_named(session: Session, dispatch: str, release: Release) -> None:
    """A release with the run's first round names the freeze that was logged before it; one without, or where none was, names none.
    Raises Unproven."""
    row, site, named = session.get(LoggedFreezeRow, dispatch), release.site, release.freeze
    logged = row is not None and row.receipt is not None and has_first_round(release)
    known = digest_of(Receipt.from_bytes(row.freeze)) if row is not None and logged else None
    if named != known:
        raise Unproven(f"{site}: the release names another freeze than the one that was logged before its run")


def digest_of(freeze: Receipt) -> Digest:
    """What a receipt names a freeze by."""
    return parse_freeze(unverified_payload(freeze)).digest


def freeze_files(session: Session, dispatches: Iterable[DispatchRow]) -> dict[str, bytes]:
    """Path -> file of each freeze that is in the log, in both forms."""
    files: dict[str, bytes] = {}
    for dispatch in dispatches:
        row, path = session.get(LoggedFreezeRow, dispatch.id), f"{FREEZES}{dispatch.site}.json"
        if row is not None and row.receipt is not None and row.certified is not None:
            files |= {path: row.receipt, certified_path(path): row.certified}
    return files


def seal_of(files: Mapping[str, bytes], path: str) -> tuple[str, bytes, int]:
    """Of a logged freeze: its key's id, its time stamp, and the later of its places in the log."""
    first, second = Bundle.from_bytes(files[path]), CertifiedBundle.from_bytes(files[certified_path(path)])
    material = second.verificationMaterial
    stamp = base64_bytes(material.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp)
    places = (first.verificationMaterial.tlogEntries[0], material.tlogEntries[0])
    return first.dsseEnvelope.signatures[0].keyid, stamp, max(int(place.logIndex) for place in places)


def _take(change: Change, desk: ReceiptDesk, row: DispatchRow, freeze: Receipt) -> None:
    """Keep it with what certifies it, as of now, unless that was done before."""
    kept = change.session.get(LoggedFreezeRow, row.id)
    if kept is not None:
        if kept.freeze != freeze.as_bytes():
            raise Conflict(f"{row.site} has frozen this run already, and otherwise: what is logged stays")
        return
    signer = _checked(change.session, row, freeze, change.at)
    size = desk.log.checkpoint.size
    certificate, stamp = desk.authority.certify(freeze, signer)
    change.session.add(
        LoggedFreezeRow(
            dispatch_id=row.id, freeze=freeze.as_bytes(), from_size=size, certificate=certificate, stamp=stamp
        )
    )
    change.tell("freeze.stamped", "hub", study_id=row.study_id, site=row.site)


def _checked(session: Session, row: DispatchRow, freeze: Receipt, at: datetime) -> TrustedKey:
    """Whose key signed it, once all of this holds."""
    # 1. The site said yes to the run, and it was given nothing of it but the first task, which is open and carries no weights.
    if row.state != "approved" or not row.answer:
        raise Conflict(f"{row.site} is not at work on this study: it is {row.state}")
    given = session.scalars(select(TaskRow).where(TaskRow.dispatch_id == row.id)).all()
    if len(given) > 1 or any(task.state not in OPEN or Task.from_bytes(task.task).weights for task in given):
        raise Conflict(f"the run has begun for {row.site}: a freeze comes before the run, and this one goes on without")
    # 2. A key of the site that is good now signed it, and it is of this study and that yes.
    signer = signer_of(session, row.site, freeze, at)
    study, approval = session.get_one(StudyRow, row.study_id), Approval.from_bytes(row.answer)
    check_freeze(freeze, row.site, study.digest, approval.digest, keys.public_from_pem(signer.public_key))
    return signer


def _signer(session: Session, site: str, freeze: Receipt) -> TrustedKey:
    """Of a freeze that was verified when it came: the key may have ended since."""
    return next(key for key in keys_of(session, site) if key.keyid == freeze.signatures[0].keyid)
