"""The keys of hospitals, those of before too: which one counts now, which ones may still sign, how one follows another, how one ends.

A change of keys is one transaction: the statement is kept with the window that follows from it, and from then on the old key opens no
door. It is in the public log once whatever dies in between, as a refusal is: what certifies it is kept first, so that its entries are the
same bytes each time, with the log's size of then; then it is logged, unless it is among the entries that came since.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from rapha.errors import ConfigurationError, Conflict, NotPermitted, Unproven
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.signer import Signer
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import KeyChangeRow, SiteKeyRow, SiteRow
from rapha.proof import keys
from rapha.proof.certificate import certified_key
from rapha.proof.envelope import check_form, seal, unverified_payload
from rapha.proof.key_change import (
    check_rotation,
    read_key_change,
    signed_revocation,
)
from rapha.proof.revocation import check_revoked_by_itself
from rapha.proof.succession import after_revocation, after_rotation
from rapha.proof.timestamp import time_of
from rapha.proof.token import LEEWAY_SECONDS
from rapha.proof.window import second_of
from rapha.records.certified import CertifiedBundle
from rapha.records.key_change import KeyChange, KeyChanges, Rotation
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey, Window

CHANGES_A_DAY = 10
"""Of one hospital."""
BACK_AT_MOST = timedelta(days=31)
"""How far back a hospital's key may say of itself that it is not believed. Whoever stole it can say so too, and takes no more of what the
hospital signed before."""
STATEMENT_BYTES = 8 << 10
"""Of a hospital's statement about its key, in base64, which has less than 2 KB. Anybody may send one, without a token."""
_ALL = "key-changes"
"""What is driven by one thread of one hub at a time."""


def keys_of(session: Session, site: str) -> tuple[TrustedKey, ...]:
    """Every key that the site ever had here, with its window, the oldest first."""
    rows = session.scalars(select(SiteKeyRow).where(SiteKeyRow.site == site).order_by(SiteKeyRow.number))
    return tuple(_trusted(row) for row in rows)


def signer_of(session: Session, site: str, receipt: Receipt, at: datetime) -> TrustedKey:
    """The site's key that an envelope names: the one that counts, or one that was followed less than a day ago.

    Raises:
        Unproven: it is none of this site's, or has ended.
    """
    named = [key for key in keys_of(session, site) if key.keyid == receipt.signatures[0].keyid]
    if not named:
        raise Unproven(f"{site}: the key that signed this is not enrolled for it")
    window = named[0].window or Window()
    if window.below is not None or (window.end is not None and window.end <= second_of(at)):
        raise Unproven(f"{site}: the key {named[0].keyid[:16]} that signed this has ended")
    return named[0]


def take_in(change: Change, site: SiteRow, public: keys.PublicKey) -> None:
    """This is the site's key from now on, by its enrolment.

    Raises:
        NotPermitted: it was the key of another, or has ended.
    """
    keyid, now = keys.keyid(public), second_of(change.at)
    row = change.session.scalar(select(SiteKeyRow).where(SiteKeyRow.keyid == keyid))
    if row is not None and (row.site != site.id or (_window(row) or Window()).end is not None):
        raise NotPermitted("this key was another hospital's, or has ended: enrol with a new one")
    before = keys_of(change.session, site.id)
    if row is None:
        for old in change.session.scalars(select(SiteKeyRow).where(SiteKeyRow.site == site.id)):
            if (_window(old) or Window()).end is None:
                old.window = after_rotation(_window(old), change.at, "node").as_bytes()
        _add(change, site.id, public, Window(start=now) if before else None)
    site.public_key, site.keyid = keys.public_to_pem(public), keyid


def check_rotates(session: Session, rotation: Rotation) -> tuple[str, keys.PublicKey | None]:
    """The site that goes over to another key, and that key; None where this rotation is kept already. To be asked before anybody is held up
    for it, and again with the lock.

    Raises:
        NotPermitted: no such site, it has no key that counts, or the new key was somebody's before.
        Unproven: the rotation is not signed by the key that counts and by the new one, or is too long.
    """
    _read_small(rotation.following)
    owner = _read_small(rotation.ending).owner
    if session.scalar(select(KeyChangeRow.number).where(KeyChangeRow.digest == rotation.ending.digest)):
        return owner, None
    site = session.get(SiteRow, owner)
    if site is None or not site.public_key:
        raise NotPermitted(
            f"the site {owner} has no key here that another could follow: enrol with a code of the hub's steward"
        )
    following = check_rotation(rotation, owner, keys.public_from_pem(site.public_key))
    if session.scalar(select(SiteKeyRow.number).where(SiteKeyRow.keyid == keys.keyid(following))):
        raise NotPermitted("the key that is to follow is or was somebody's already: make a new one")
    return owner, following


def rotate(change: Change, desk: ReceiptDesk, rotation: Rotation) -> str:
    """A site goes over to another key; the site. The same rotation again is the same as once. Raises as `check_rotates`."""
    owner, following = check_rotates(change.session, rotation)
    if following is None:
        return owner
    site = change.session.get_one(SiteRow, owner)
    _check_not_too_often(change, owner)
    old = _row(change.session, site.keyid)
    row = _kept(change, owner, rotation.ending)
    at = stamp(row, desk, _trusted(old))
    old.window = after_rotation(_window(old), at, "node").as_bytes()
    _add(change, owner, following, Window(start=second_of(at)))
    site.public_key, site.keyid = keys.public_to_pem(following), keys.keyid(following)
    facts = {"keyid": old.keyid, "followed_by": site.keyid}
    change.tell("site.key-rotated", f"node:{owner}", site=owner, facts=facts)
    return owner


def check_revokes_itself(session: Session, revocation: Receipt) -> tuple[KeyChange, datetime | None]:
    """What a site says of its own key, and from when that is not believed; None where the statement is kept already. To be asked before
    anybody is held up for it, and again with the lock.

    Raises:
        NotPermitted: it is not the key that counts for that site: of another only the hub's steward knows whose hand it is in.
        Unproven: that key did not sign this, or it says another thing, or is too long.
    """
    said = _read_small(revocation)
    if session.scalar(select(KeyChangeRow.number).where(KeyChangeRow.digest == revocation.digest)):
        return said, None
    # 1. The key that counts, and no other: a former one may be a thief's by now, and so may the one that follows it.
    site = session.get(SiteRow, said.owner)
    if site is None or not site.public_key or site.keyid != said.keyid:
        raise NotPermitted(
            f"the key {said.keyid[:16]} is not the one that {said.owner} signs with here: it has ended, or another followed it. What is not to "
            "be believed of such a key the hub's steward says (`rapha hub revoke-key`)"
        )
    # 2. That key says so.
    return said, check_revoked_by_itself(revocation, said.owner, keys.public_from_pem(site.public_key))


def _read_small(statement: Receipt) -> KeyChange:
    """What a statement says that came from anywhere: nobody has seen yet who signed it. Raises Unproven."""
    if len(statement.payload) > STATEMENT_BYTES:
        raise Unproven(f"a statement about a key has at most {STATEMENT_BYTES} characters of base64")
    check_form(statement)
    return read_key_change(unverified_payload(statement))


def revoke_by_itself(change: Change, desk: ReceiptDesk, revocation: Receipt) -> str:
    """A site says with the key that counts that this key is not believed from a time on: it opens no door from now on; the site. The same
    statement again is the same as once.

    Raises:
        NotPermitted, Unproven: as `check_revokes_itself`.
        Conflict: the time is yet to come, or further back than the key alone may reach.
    """
    said, since = check_revokes_itself(change.session, revocation)
    if since is None:
        return said.owner
    # 3. From a time that has come, and not long ago: who has a stolen key can take that much from the hospital, and no more.
    if since > change.at + timedelta(seconds=LEEWAY_SECONDS):
        raise Conflict("a key is revoked from a time that has come: run this again then, or leave --from away")
    if since < change.at - BACK_AT_MOST:
        raise Conflict(
            f"a key alone reaches {BACK_AT_MOST.days} days back: of a time before that ask the hub's steward (`rapha hub revoke-key`)"
        )
    site = change.session.get_one(SiteRow, said.owner)
    row, key = _kept(change, said.owner, revocation), _row(change.session, said.keyid)
    stamp(row, desk, _trusted(key))
    key.window = after_revocation(_window(key), second_of(since), None).as_bytes()
    site.public_key = ""
    facts = {"keyid": said.keyid, "since": second_of(since)}
    change.tell("site.key-revoked", f"node:{said.owner}", site=said.owner, facts=facts)
    return said.owner


class Revoked(NamedTuple):
    """`window`: of the key that was named. `keyids`: that one, and those it went over to since. `counts`: the key that still opens doors."""

    window: Window
    keyids: tuple[str, ...]
    counts: str | None


def revoke(change: Change, signer: Signer, site: str, keyid: str | None, since: datetime | None) -> Revoked:
    """The hub's steward ends a key of a site, the one that counts where none is named: what it signed from `since` on, or from now, is
    not believed. A key that it went over to since is nobody's but the thief's: it ends too, for all that it ever signed.

    Raises:
        ConfigurationError: no such site or key, or the time is yet to come.
    """
    row = change.session.get(SiteRow, site)
    found = [key for key in keys_of(change.session, site) if key.keyid.startswith(keyid or (row.keyid if row else ""))]
    if row is None or len(found) != 1:
        raise ConfigurationError(f"{site} has no such key here, or more than one begins so: /api/v1/keys lists them")
    since = since or change.at
    if since > change.at:
        raise ConfigurationError(
            "a key is revoked from a time that has come: run this again then, or leave --from away"
        )
    ending = (found[0].keyid, *_gone_over_to(change.session, site, found[0].keyid, since))
    for one in ending:
        key = _row(change.session, one)
        _kept(change, site, signed_revocation(site, one, since, change.at, signer.key))
        key.window = after_revocation(_window(key), second_of(since), None).as_bytes()
        if row.keyid == one:
            row.public_key = ""
        change.tell("site.key-revoked", "steward", site=site, facts={"keyid": one, "since": second_of(since)})
    window = _window(_row(change.session, ending[0])) or Window()
    return Revoked(window, ending, row.keyid if row.public_key else None)


def _gone_over_to(session: Session, site: str, keyid: str, since: datetime) -> list[str]:
    """The keys that this one named as its successors after that time, one after another."""
    found: list[str] = []
    for row in session.scalars(select(KeyChangeRow).where(KeyChangeRow.site == site).order_by(KeyChangeRow.number)):
        said = read_key_change(unverified_payload(Receipt.from_bytes(row.receipt)))
        late = row.stamp is not None and time_of(row.stamp) > since
        if said.change == "rotated" and late and said.keyid in (keyid, *found):
            found.append(keys.keyid_of_pem(said.successor or ""))
    return found


def log_changes(store: Store, desk: ReceiptDesk, signer: Signer, *, stamped: bool = False) -> None:
    """Put the changes that are not in the log yet into it, in order. `stamped`: those that have their time stamp alone, for a desk whose keys may
    have ended. Raises DiskFull: the next call does what is left."""
    waiting = _waiting().where(KeyChangeRow.certificate.is_not(None)) if stamped else _waiting()
    with store.reading() as session:
        if session.scalar(waiting.limit(1)) is None:
            return
    with desk.changing_keys, store.driving(_ALL) as alone:
        while alone:  # else another hub does it
            with store.changing() as change:
                row = change.session.scalar(waiting.limit(1))
                if row is None:
                    return
                if row.certificate is None:
                    _stamp_again(row, desk, signer)
                number, receipt, size = row.number, Receipt.from_bytes(row.receipt), row.from_size
                shown = (row.certificate or b"", row.stamp or b"")
            _, certified = desk.logged_once(receipt, certified_key(shown[0]), shown, size)
            with store.changing() as change:
                row = change.session.get_one(KeyChangeRow, number)
                row.certified = certified
                _end_in_log(change.session, row)
                change.tell("key-change.logged", "hub", site=row.site)


def key_changes(session: Session, desk: ReceiptDesk, *, own_alone: bool = False) -> KeyChanges:
    """Those that are in the log, in its order; of the hub's own keys alone where that is asked."""
    found = select(KeyChangeRow.certified).where(KeyChangeRow.certified.is_not(None)).order_by(KeyChangeRow.number)
    if own_alone:
        found = found.where(KeyChangeRow.site.is_(None))
    changes = tuple(CertifiedBundle.from_bytes(one) for one in session.scalars(found) if one)
    return KeyChanges(trust_config=desk.trust_config, changes=changes)


def _waiting() -> Select[KeyChangeRow]:
    return select(KeyChangeRow).where(KeyChangeRow.certified.is_(None)).order_by(KeyChangeRow.number)


def _kept(change: Change, site: str, receipt: Receipt) -> KeyChangeRow:
    row = KeyChangeRow(site=site, digest=receipt.digest, receipt=receipt.as_bytes(), from_size=0)
    change.session.add(row)
    return row


def _check_not_too_often(change: Change, site: str) -> None:
    """The list of changes is everybody's: one hospital does not fill it. Raises NotPermitted."""
    kept = change.session.scalars(select(KeyChangeRow.stamp).where(KeyChangeRow.site == site))
    if sum(time_of(one) > change.at - timedelta(days=1) for one in kept if one) >= CHANGES_A_DAY:
        raise NotPermitted(f"{site} has changed its key {CHANGES_A_DAY} times within a day: wait until tomorrow")


def stamp(row: KeyChangeRow, desk: ReceiptDesk, by: TrustedKey) -> datetime:
    """Certificate and time stamp of a change that is kept; the time."""
    row.from_size = desk.log.checkpoint.size
    row.certificate, row.stamp = desk.authority.certify(Receipt.from_bytes(row.receipt), by)
    return time_of(row.stamp)


def _end_in_log(session: Session, row: KeyChangeRow) -> None:
    """A revocation ends its key where the log has it."""
    bundle = CertifiedBundle.from_bytes(row.certified or b"")
    said = read_key_change(unverified_payload(bundle.dsseEnvelope))
    if said.change == "revoked" and said.role == "node":
        key = _row(session, said.keyid)
        index = int(bundle.verificationMaterial.tlogEntries[0].logIndex)
        key.window = after_revocation(_window(key), said.believed_until or "", index).as_bytes()


def stamp_waiting(session: Session, desk: ReceiptDesk, signer: Signer) -> None:
    """Certify and stamp what the hub said of keys and nobody has seen yet: signed with the key that it has now."""
    for row in session.scalars(_waiting().where(KeyChangeRow.certificate.is_(None))):
        _stamp_again(row, desk, signer)


def _stamp_again(row: KeyChangeRow, desk: ReceiptDesk, signer: Signer) -> None:
    receipt = Receipt.from_bytes(row.receipt)
    if receipt.signatures[0].keyid != signer.trusted.keyid:  # by the hub's key of before
        receipt = seal(unverified_payload(receipt), signer.key)
        row.receipt, row.digest = receipt.as_bytes(), receipt.digest
    stamp(row, desk, signer.trusted)


def _add(change: Change, site: str, public: keys.PublicKey, window: Window | None) -> None:
    data = window.as_bytes() if window else None
    row = SiteKeyRow(site=site, keyid=keys.keyid(public), public_key=keys.public_to_pem(public), window=data)
    change.session.add(row)


def _row(session: Session, keyid: str) -> SiteKeyRow:
    return session.scalars(select(SiteKeyRow).where(SiteKeyRow.keyid == keyid)).one()


def _window(row: SiteKeyRow) -> Window | None:
    return Window.from_bytes(row.window) if row.window else None


def _trusted(row: SiteKeyRow) -> TrustedKey:
    return TrustedKey(owner=row.site, role="node", keyid=row.keyid, public_key=row.public_key, window=_window(row))
