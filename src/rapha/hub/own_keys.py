"""A hub goes over to another key: its own, its log's, or the three of its authority. Not while it runs.

    1  the new keys, beside the old ones        key-next.pem, log-key-next.pem, authority-next/
    2  a statement for each, in the log under the keys of before: who follows it needs no other word. Of the hub's own key it is signed by
       that key, and by the new one before; of the others by the hub
    3  keys-before.json: the old public keys with their windows, and the authorities that there were
    4  the new keys take the place of the old ones, once a new log key has signed the log's checkpoint too

Whoever dies in between runs it again, or starts the hub, which does so: what is there is taken up, a statement is made once. The log goes
on: its entries, its name and its tiles stay. A hub whose clock is behind the log starts with the keys of before where no statement is stamped
yet, and goes over at its next start.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha import faults
from rapha.errors import ClockBehind, ConfigurationError
from rapha.hub.configuration import HubConfiguration, write_private
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.own_roles import ROLES, OwnRole, begun
from rapha.hub.site_keys import log_changes, stamp, stamp_waiting
from rapha.hub.store.database import Store
from rapha.hub.store.tables import KeyChangeRow
from rapha.proof.certificate import BACKDATED, read_certificate
from rapha.proof.entry import certificate_of
from rapha.proof.envelope import unverified_payload
from rapha.proof.key_change import read_key_change
from rapha.proof.succession import after_rotation
from rapha.proof.succession import successor as successor_of
from rapha.proof.tiles import TileReader
from rapha.proof.timestamp import time_of
from rapha.records.certified import MOST_OF_A_KIND
from rapha.records.key_change import KeyChange
from rapha.records.own_keys import KeysBefore
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey

LOOKED_AT = 64
"""Entries from the end of the log, at the least, to see when it was written last."""
_NEXT = {of: role.NEXT for role in ROLES.values() for of in role.OF}


def check_alone(configuration: HubConfiguration) -> None:
    """Raises ConfigurationError: other hubs have copies of these keys, and would go on with those of before."""
    if not isinstance(configuration.database, Path):
        raise ConfigurationError(
            "hubs that share a database have one set of keys, and cannot go over to others in this version, nor end one; nothing was "
            "changed. Where a key was stolen: docs/scale.md"
        )


def rotate(role: OwnRole, store: Store) -> tuple[str, ...]:
    """See the page's head; the ids of the new keys. Raises DiskFull, ConfigurationError: it has had as many keys as can be kept, and
    ClockBehind: nothing was said yet, and this machine's clock is behind the log."""
    _check_room(role)
    if not role.next.exists():
        _check_clock(role.desk.log, role.signer.clock())
        role.make()
    faults.point(f"hub.written:{role.NEXT}")
    following = role.following
    _say(role, following, store)
    faults.point(f"hub.said:{role.NEXT}")
    _keep_before(role, store)
    faults.point(f"hub.to-rename:{role.place.name}")
    role.settle()
    faults.point(f"hub.renamed:{role.place.name}")
    begun(role.configuration)  # what is left of an old authority goes
    return tuple(key.keyid for key in following)


def _check_room(role: OwnRole) -> None:
    """Raises ConfigurationError: a trust configuration holds no more."""
    gone = sum(key.role == role.NAME for key in (role.desk.before.keys if role.desk.before else ()))
    if gone + 2 > MOST_OF_A_KIND:
        raise ConfigurationError(
            f"a hub's {role.NAME} has {MOST_OF_A_KIND} keys in all, the former ones among them: no more can follow"
        )


def read_before(configuration: HubConfiguration, own: Collection[str] = ()) -> KeysBefore | None:
    """The keys of before; None where there are none. `own`: those that lie where the ones that count do, also where going over to others
    was cut short.

    Raises:
        ConfigurationError: the file was spoilt, or a key that another has followed is back in its place.
    """
    path = configuration.home / "keys-before.json"
    if not path.exists():
        return None
    try:
        found = KeysBefore.from_bytes(path.read_bytes())
    except ValueError:
        raise ConfigurationError(f"{path} is not as the hub wrote it: restore it from a copy") from None
    back = [key for key in found.keys if key.keyid in own]
    under_way = set().union(*(ROLES[name].OF for name in begun(configuration)))
    if any(key.role not in under_way for key in back):
        raise ConfigurationError(
            f"the {back[0].role} key {back[0].keyid[:16]} in {configuration.home} is one of before, and nobody believes what it signs now: "
            "put the newest copy of the home in its place"
        )
    return found.model_copy(update={"keys": tuple(key for key in found.keys if key not in back)})


def check_followed(
    configuration: HubConfiguration, store: Store, own: Collection[str], before: KeysBefore | None
) -> None:
    """Every key of the hub's own that its database says another follows is among those of before, or is going over now. `own`: as in
    `read_before`, whose answer `before` is.

    Raises:
        ConfigurationError: one is neither: files of the home are missing, or are of an older copy.
    """
    there = {key.keyid for key in before.keys} if before else set()
    under_way = set().union(*(ROLES[name].OF for name in begun(configuration)))
    with store.reading() as session:
        said = _said(session)
    for one, _ in said:
        if one.keyid in there or (one.keyid in own and one.role in under_way):
            continue
        lost = (
            f"neither {_NEXT[one.role]} nor a word of it in keys-before.json is"
            if one.keyid in own
            else "keys-before.json has no word of it, or is not"
        )
        raise ConfigurationError(
            f"the log says already that the key {successor_of(one).keyid[:16]} follows the {one.role} key {one.keyid[:16]}, and {lost} in "
            f"{configuration.home}: nobody believes what a former key signs now, and readers of before need it named; put the newest copy of the home in its place"
        )


def _say(role: OwnRole, following: Sequence[TrustedKey], store: Store) -> None:
    """Each key's successor, signed, kept and logged; once."""
    with store.changing() as change:
        stamps = _stamps(change.session)
        if not all(ending.keyid in stamps for ending in role.ending):
            _check_clock(role.desk.log, change.at)
            stamp_waiting(change.session, role.desk, role.signer)  # what the old key signed before
        for ending, successor in zip(role.ending, following, strict=True):
            _check_same(change.session, ending, successor)
            if ending.keyid not in stamps:
                for receipt, signer in role.said(ending, successor, change.at):
                    row = KeyChangeRow(site=None, digest=receipt.digest, receipt=receipt.as_bytes(), from_size=0)
                    change.session.add(row)
                    change.session.flush()  # its number is its place
                    stamp(row, role.desk, signer)  # all of them at one moment, whatever breaks after it
                change.tell(f"{ending.role}.key-rotated", "steward", facts={"keyid": ending.keyid})
    log_changes(
        store, role.desk, role.signer_after, stamped=True
    )  # the rest waits for the keys that follow: these may have ended since


def _check_clock(log: LogKeeper, now: datetime) -> None:
    """This machine's clock is not behind the newest entry of the log: else a key would end before what it signed.

    Raises:
        ClockBehind: it is.
    """
    newest = _newest_certified(log)
    if newest is not None and now < newest:
        raise ClockBehind(
            f"this machine's clock says {now:%Y-%m-%d %H:%M:%S} UTC, and the log has an entry that was certified at {newest:%Y-%m-%d %H:%M:%S}: the key that ends "
            "would end before what it signed; set the clock right, and change keys then"
        )


def _newest_certified(log: LogKeeper) -> datetime | None:
    """The latest moment of a certificate among the last entries: a batch's certificates are its end, in the order of their paths and not of
    their times, and all of the last one are looked at. None where there is none near the end."""
    size = log.checkpoint.size
    reader = TileReader(log.read, size)
    found: list[datetime] = []
    for index in range(size - 1, -1, -1):
        der = certificate_of(reader.entry(index))
        if der is not None:
            found.append(read_certificate(der).not_valid_before_utc + BACKDATED)
        elif size - index >= LOOKED_AT:
            break
    return max(found, default=None)


def _keep_before(role: OwnRole, store: Store) -> None:
    with store.reading() as session:
        stamps = _stamps(session)
    ending = {key.keyid: key for key in role.ending}
    ended = [
        key.model_copy(update={"window": after_rotation(key.window, stamps[key.keyid], key.role)})
        for key in ending.values()
    ]
    others = [key for key in (role.desk.before.keys if role.desk.before else ()) if key.keyid not in ending]
    kept = KeysBefore(keys=(*others, *ended), trust_config=role.desk.trust_config)
    write_private(role.configuration.home / "keys-before.json", kept.as_bytes())


def _check_same(session: Session, ending: TrustedKey, successor: TrustedKey) -> None:
    """Raises ConfigurationError: another key was named than the one that would take its place now."""
    told = {successor_of(one).keyid for one, _ in _said(session) if one.keyid == ending.keyid}
    if told - {successor.keyid}:
        raise ConfigurationError(
            f"the log says already that the key {min(told)[:16]} follows the {ending.role} key {ending.keyid[:16]}, and it is not the one that "
            "would take its place: an older copy of a key is in the home; put the newest copy of the home in its place"
        )


def _stamps(session: Session) -> dict[str, datetime]:
    """By the key that ends, when it was stamped which one follows; of a hub's own, what the old one said, which is kept last."""
    return {one.keyid: time_of(stamped) for one, stamped in _said(session)}


def _said(session: Session) -> list[tuple[KeyChange, bytes]]:
    """Which key follows which, and its time stamp; in the order in which it was said."""
    rows = session.scalars(
        select(KeyChangeRow)
        .where(KeyChangeRow.site.is_(None), KeyChangeRow.stamp.is_not(None))
        .order_by(KeyChangeRow.number)
    )
    said = [(read_key_change(unverified_payload(Receipt.from_bytes(row.receipt))), row.stamp or b"") for row in rows]
    return [(one, stamped) for one, stamped in said if one.change == "rotated"]
