"""A former key of the hub's own, of its log or its authority, was stolen: it is not believed from a day on. Not while the hub runs.

The day may be before another key followed it: what says so is held against its place in the log alone.

    1  a statement, signed with the hub's key, in the log; once, whoever dies in between and runs it again
    2  the log's old key, where that is the one, signs no more checkpoints beside the new one
    3  keys-before.json: the key's window ends where the statement says, and where the log has it

A key that still signs is rotated first: nobody is left without one.
"""

from datetime import datetime

from sqlalchemy import select

from rapha import faults
from rapha.errors import ConfigurationError
from rapha.hub.configuration import HubConfiguration, write_private
from rapha.hub.log_keys import read_log_keys
from rapha.hub.own_roles import LOG_BEFORE
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.signer import Signer
from rapha.hub.site_keys import log_changes, stamp
from rapha.hub.store.database import Store
from rapha.hub.store.tables import KeyChangeRow
from rapha.proof import checkpoint
from rapha.proof.envelope import unverified_payload
from rapha.proof.key_change import read_key_change, signed_revocation
from rapha.proof.succession import after_revocation
from rapha.proof.window import second_of
from rapha.records.certified import CertifiedBundle
from rapha.records.key_change import KeyChange
from rapha.records.own_keys import KeysBefore
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey, Window


def revoke_former(
    configuration: HubConfiguration,
    store: Store,
    desk: ReceiptDesk,
    signer: Signer,
    role: str,
    keyid: str,
    since: datetime | None,
) -> TrustedKey:
    """End the former key of `role` whose id begins so; the key with its window. `since`: from now where it is None.

    Raises:
        ConfigurationError: no former key of that role begins so; the time is yet to come; or it is revoked already, from another time.
        DiskFull: run it again.
    """
    before = desk.before
    found = [key for key in (before.keys if before else ()) if key.role == role and key.keyid.startswith(keyid)]
    if before is None or len(found) != 1:
        raise ConfigurationError(
            f"no former {role} key begins with {keyid}, or more than one: one that still signs is rotated first"
        )
    _say(store, desk, signer, found[0], since)
    faults.point("hub.said:revocation")
    log_changes(store, desk, signer)
    faults.point("hub.logged:revocation")
    _stop_signing(configuration, found[0])
    ended = found[0].model_copy(update={"window": _window_after(store, found[0])})
    kept = tuple(ended if key is found[0] else key for key in before.keys)
    again = KeysBefore(keys=kept, trust_config=before.trust_config)
    write_private(configuration.home / "keys-before.json", again.as_bytes())
    return ended


def _say(store: Store, desk: ReceiptDesk, signer: Signer, key: TrustedKey, since: datetime | None) -> None:
    with store.changing() as change:
        rows = change.session.scalars(select(KeyChangeRow).where(KeyChangeRow.site.is_(None)))
        for ended in (one for one in map(_said, rows) if _ends(one, key)):
            if since is not None and ended.believed_until != second_of(since):
                raise ConfigurationError(
                    f"this key is revoked from {ended.believed_until} already, which cannot be moved"
                )
            return
        if since is not None and since > change.at:
            raise ConfigurationError(
                "a key is revoked from a time that has come: run this again then, or leave --from away"
            )
        receipt = signed_revocation(key.owner, key.keyid, since or change.at, change.at, signer.key, key.role)
        row = KeyChangeRow(site=None, digest=receipt.digest, receipt=receipt.as_bytes(), from_size=0)
        change.session.add(row)
        stamp(row, desk, signer.trusted)
        change.tell(f"{key.role}.key-revoked", "steward", facts={"keyid": key.keyid})


def _window_after(store: Store, key: TrustedKey) -> Window:
    with store.reading() as session:
        (row,) = (
            row
            for row in session.scalars(select(KeyChangeRow).where(KeyChangeRow.site.is_(None)))
            if _ends(_said(row), key)
        )
        logged = CertifiedBundle.from_bytes(row.certified or b"").verificationMaterial.tlogEntries[0]
        return after_revocation(key.window, _said(row).believed_until or "", int(logged.logIndex))


def _stop_signing(configuration: HubConfiguration, key: TrustedKey) -> None:
    path = configuration.home / LOG_BEFORE
    if key.role != "log" or not path.exists():
        return  # a former one of ML-DSA-44 signs nothing
    if checkpoint.keyid(read_log_keys(path).private.public_key()) == key.keyid:
        path.unlink()


def _ends(said: KeyChange, key: TrustedKey) -> bool:
    return (said.change, said.role, said.keyid) == ("revoked", key.role, key.keyid)


def _said(row: KeyChangeRow) -> KeyChange:
    return read_key_change(unverified_payload(Receipt.from_bytes(row.receipt)))
