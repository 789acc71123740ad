"""A hub goes over to other keys in its own roles: the log's, or the three of its authority. Not while it runs.

    1  the new keys, beside the old ones        log-key-next.pem, authority-next/
    2  a statement for each, signed with the hub's key, in the log under the keys of before: who follows it needs no other word
    3  the log's checkpoint, signed with the new key too
    4  keys-before.json: the old public keys with their windows, and the authorities that there were
    5  the new keys take the place of the old ones

Whoever dies in between runs it again, or starts the hub, which does so: what is there is taken up, a statement is made once. The log goes
on: its entries, its name and its tiles stay. For a while both keys sign its checkpoints, until `log-key-before.pem` is removed: a witness that knows
the old key alone cosigns these, and has time to learn the new one.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from rapha import faults
from rapha.durable import sync_folder
from rapha.errors import ConfigurationError
from rapha.hub.authority import make_authority, open_authority
from rapha.hub.configuration import HubConfiguration, write_private
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.signer import Signer
from rapha.hub.site_keys import log_changes, stamp
from rapha.hub.store.database import Store
from rapha.hub.store.tables import KeyChangeRow
from rapha.proof import checkpoint
from rapha.proof.envelope import unverified_payload
from rapha.proof.key_change import after_rotation, read_key_change, signed_handover
from rapha.proof.timestamp import time_of
from rapha.records.certified import MOST_OF_A_KIND
from rapha.records.own_keys import KeysBefore
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey

LOG_NEXT, AUTHORITY_NEXT, _GONE = "log-key-next.pem", "authority-next", "authority-gone"
LOG_BEFORE = "log-key-before.pem"
"""While it is there, it signs the log's checkpoints too."""


def check_alone(configuration: HubConfiguration) -> None:
    """Raises ConfigurationError: other hubs have copies of these keys, and would go on with those of before."""
    if not isinstance(configuration.database, Path):
        raise ConfigurationError(
            "hubs that share a database have one set of keys, and cannot go over to others in this version"
        )


def rotate_log_key(configuration: HubConfiguration, store: Store, desk: ReceiptDesk, signer: Signer) -> str:
    """See the page's head; the new key's id. Raises DiskFull."""
    _check_room(desk, "log")
    new = configuration.home / LOG_NEXT
    if not new.exists():
        write_private(new, checkpoint.private_to_pem(Ed25519PrivateKey.generate()))
    faults.point("hub.written:log-key-next.pem")
    private = checkpoint.private_from_pem(new.read_bytes())
    public = private.public_key()
    _say(store, desk, signer, ((desk.trusted_log, checkpoint.public_to_pem(public)),))
    faults.point("hub.said:log-key-next.pem")
    newest = desk.log.checkpoint
    desk.log.cosign(checkpoint.signed(newest.origin, newest.size, newest.root, private))
    _keep_before(configuration, store, desk, (desk.trusted_log,))
    faults.point("hub.to-rename:log-key.pem")
    write_private(configuration.home / LOG_BEFORE, configuration.log_key.read_bytes())
    new.replace(configuration.log_key)
    sync_folder(configuration.home)
    faults.point("hub.renamed:log-key.pem")
    return checkpoint.keyid(public)


def rotate_authority(
    configuration: HubConfiguration, store: Store, desk: ReceiptDesk, signer: Signer
) -> tuple[str, ...]:
    """See the page's head; the new keys' ids: of authority, time stamper and log of certificates. Raises DiskFull."""
    _check_room(desk, "authority")
    folder = configuration.home / AUTHORITY_NEXT
    if not folder.exists():
        make_authority(folder, signer.name, signer.clock())
    faults.point("hub.written:authority-next")
    made = open_authority(folder, signer.name, signer.clock)
    old = desk.authority.trusted
    _say(store, desk, signer, [(key, new.public_key) for key, new in zip(old, made.trusted, strict=True)])
    faults.point("hub.said:authority-next")
    _keep_before(configuration, store, desk, old)
    faults.point("hub.to-rename:authority")
    gone = configuration.home / _GONE
    shutil.rmtree(gone, ignore_errors=True)
    configuration.authority.rename(gone)
    faults.point("hub.renamed:authority-gone")
    folder.rename(configuration.authority)
    sync_folder(configuration.home)
    faults.point("hub.renamed:authority")
    shutil.rmtree(gone)
    return tuple(key.keyid for key in made.trusted)


def _check_room(desk: ReceiptDesk, role: str) -> None:
    """Raises ConfigurationError: a trust configuration holds no more."""
    gone = sum(key.role == role for key in (desk.before.keys if desk.before else ()))
    if gone + 2 > MOST_OF_A_KIND:
        raise ConfigurationError(
            f"a hub's {role} has {MOST_OF_A_KIND} keys in all, the former ones among them: no more can follow"
        )


def begun(configuration: HubConfiguration) -> tuple[str, ...]:
    """What was begun and not ended: "log", "authority". Puts new keys of an authority in place whose old ones are gone."""
    folder = configuration.home / AUTHORITY_NEXT
    if folder.exists() and not configuration.authority.exists():
        folder.rename(configuration.authority)
    if configuration.authority.exists():
        shutil.rmtree(configuration.home / _GONE, ignore_errors=True)
    found = (("log", configuration.home / LOG_NEXT), ("authority", folder))
    return tuple(name for name, path in found if path.exists())


def read_before(configuration: HubConfiguration) -> KeysBefore | None:
    """The keys of before; None where there are none. Raises ConfigurationError: the file was spoilt."""
    path = configuration.home / "keys-before.json"
    if not path.exists():
        return None
    try:
        return KeysBefore.from_bytes(path.read_bytes())
    except ValueError:
        raise ConfigurationError(f"{path} is not as the hub wrote it: restore it from a copy") from None


def _say(store: Store, desk: ReceiptDesk, signer: Signer, pairs: Sequence[tuple[TrustedKey, str]]) -> None:
    """Each key's successor, signed, kept and logged; once."""
    with store.changing() as change:
        said = {_keyid(row) for row in change.session.scalars(select(KeyChangeRow))}
        for ending, successor in pairs:
            if ending.keyid not in said:
                receipt = signed_handover(ending, successor, change.at, signer.key)
                row = KeyChangeRow(site=None, digest=receipt.digest, receipt=receipt.as_bytes(), from_size=0)
                change.session.add(row)
                stamp(row, desk, signer.trusted)  # all of them at one moment, whatever breaks after it
                change.tell(f"{ending.role}.key-rotated", "steward", facts={"keyid": ending.keyid})
    log_changes(store, desk, signer)


def _keep_before(
    configuration: HubConfiguration, store: Store, desk: ReceiptDesk, ending: Sequence[TrustedKey]
) -> None:
    with store.reading() as session:
        stamps = {_keyid(row): time_of(row.stamp or b"") for row in session.scalars(select(KeyChangeRow))}
    ended = [key.model_copy(update={"window": after_rotation(key.window, stamps[key.keyid])}) for key in ending]
    others = [
        key for key in (desk.before.keys if desk.before else ()) if key.keyid not in {one.keyid for one in ending}
    ]
    kept = KeysBefore(keys=(*others, *ended), trust_config=desk.trust_config)
    write_private(configuration.home / "keys-before.json", kept.as_bytes())


def _keyid(row: KeyChangeRow) -> str:
    return read_key_change(unverified_payload(Receipt.from_bytes(row.receipt))).keyid
