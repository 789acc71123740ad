"""Lists of changes of keys, as a hub serves them: some that are followed from the keys that are pinned in `receipts/pinned.json`, and one for
each way in which a list is refused."""

from datetime import timedelta

import record_samples as made_up
import small_authority
import small_log
from certified_folder import small_trust_config
from receipt_samples import HUB, pinned

from rapha.canonical import digest
from rapha.clock import stamp
from rapha.proof import checkpoint
from rapha.proof.envelope import seal
from rapha.proof.key_change import followed, key_change_statement
from rapha.proof.window import second_of
from rapha.records.certified import CertifiedBundle, TrustConfig
from rapha.records.key_change import KeyChange, KeyChanges
from rapha.records.wire import TrustedKey

NORTH, NEXT, THIRD = "north", "next hub", "third hub"
NEXT_LOG = "next log"


def pem(key: str) -> str:
    return made_up.trusted(key).public_key


def rotated(old: str, new: str, role: str = "hub", owner: str = HUB, hours: float = 0) -> bytes:
    keyid, successor = made_up.trusted(old).keyid, pem(new)
    if role == "log":
        keyid = small_log.trusted_log().keyid
        successor = checkpoint.public_to_pem(small_log.private_key(new).public_key())
    return _statement("rotated", role, owner, keyid, hours, successor=successor)


def revoked(key: str, from_hours: float, role: str = "hub", owner: str = HUB, hours: float = 2) -> bytes:
    until = second_of(small_authority.AT + timedelta(hours=from_hours))
    return _statement("revoked", role, owner, made_up.trusted(key).keyid, hours, believed_until=until)


def _statement(change: str, role: str, owner: str, keyid: str, hours: float, **more: str) -> bytes:
    said = {"change": change, "role": role, "owner": owner, "keyid": keyid, **more}
    at = stamp(small_authority.AT + timedelta(hours=hours))
    return key_change_statement(KeyChange.model_validate({**said, "at": at, "nonce": digest(str(said).encode())[7:39]}))


def logged(
    payload: bytes, key: str, place: int, hours: float = 0, role: str = "hub", owner: str = HUB, as_of: str = ""
) -> CertifiedBundle:
    """Signed with that key, as a key of that role and owner. `as_of`: whose key's id stands beside the signature, where it is another's."""
    receipt = seal(payload, made_up.private_key(key))
    if as_of:
        (signature,) = receipt.signatures
        borrowed = signature.model_copy(update={"keyid": made_up.trusted(as_of).keyid})
        receipt = receipt.model_copy(update={"signatures": (borrowed,)})
    signer: TrustedKey = made_up.trusted(as_of or key, role).model_copy(update={"owner": owner})
    authority = small_authority.authority(HUB, small_authority.AT + timedelta(hours=hours))
    return CertifiedBundle.from_bytes(small_log.certified(receipt, signer, authority, place))


def over(old: str = HUB, new: str = NEXT, place: int = 1, hours: float = 0) -> tuple[CertifiedBundle, CertifiedBundle]:
    """A hub goes over: what its new key says, and what its old one says."""
    said = rotated(old, new, hours=hours)
    return logged(said, new, place, hours), logged(said, old, place + 1, hours)


OF_NORTH = {"role": "node", "owner": NORTH}
NORTH_OVER = rotated(NORTH, "next north", **OF_NORTH)
GOOD = {
    "hub-rotated": over(),
    "hub-rotated-twice": (*over(), *over(NEXT, THIRD, 3, 1)),
    "hub-rotated-told-backwards": tuple(reversed(over())),
    "hub-rotated-and-a-branch-of-its-former-key": (*over(), *over(HUB, THIRD, 3, 2)),
    "hub-rotated-and-a-branch-in-the-same-second": (*over(), *over(HUB, THIRD, 3)),
    "hub-rotated-and-a-branch-of-its-former-key-that-is-revoked": (
        *over(), *over(HUB, THIRD, 3, 2), logged(revoked(HUB, -1), NEXT, 5, 3),
    ),
    "hub-of-another-name-rotated": (
        logged(rotated("hub-b", NEXT, owner="hub-b"), NEXT, 1, owner="hub-b"),
        logged(rotated("hub-b", NEXT, owner="hub-b"), "hub-b", 2, owner="hub-b"),
    ),
    "hub-key-revoked-from-before-it-was-rotated": (*over(), logged(revoked(HUB, -3), NEXT, 3, 2)),
    "hub-key-revoked-by-itself-before-its-thief-goes-over": (logged(revoked(HUB, 1), HUB, 3), *over(place=4)),
    "node-rotated": (logged(NORTH_OVER, NORTH, 1, **OF_NORTH),),
    "node-revoked-by-itself": (logged(revoked(NORTH, -1, **OF_NORTH), NORTH, 1, 2, **OF_NORTH),),
    "node-revoked-by-itself-before-its-thief-goes-over": (
        logged(revoked(NORTH, -1, **OF_NORTH), NORTH, 1, 2, **OF_NORTH), logged(NORTH_OVER, NORTH, 2, 3, **OF_NORTH),
    ),
    "node-revoked-by-the-hub": (logged(revoked(NORTH, -1, **OF_NORTH), HUB, 1, 2),),
    "node-revoked-by-the-hubs-next-key": (*over(), logged(revoked(NORTH, -1, **OF_NORTH), NEXT, 3, 2)),
    "log-rotated": (logged(rotated(HUB, NEXT_LOG, "log", small_log.ORIGIN), HUB, 1),),
    "log-rotated-by-the-hubs-next-key": (
        *over(), logged(rotated(HUB, NEXT_LOG, "log", small_log.ORIGIN, 1), NEXT, 3, 1),
    ),
}  # fmt: skip
REFUSED = {
    "hub-rotation-not-by-the-former-key": (
        (logged(rotated(HUB, NEXT), NEXT, 1), logged(rotated(HUB, NEXT), NORTH, 2, **OF_NORTH)), "may not",
    ),
    "hub-rotation-with-a-borrowed-keyid": (
        (logged(rotated(HUB, NEXT), NEXT, 1), logged(rotated(HUB, NEXT), NEXT, 2, as_of=HUB)), "does not fit",
    ),
    "hub-rotation-not-by-the-next-key": (over()[1:], "has not signed that it does"),
    "hub-rotation-by-the-next-key-only-later": (
        (logged(rotated(HUB, NEXT), NEXT, 3), logged(rotated(HUB, NEXT), HUB, 2)), "has not signed that it does",
    ),
    "hub-rotation-of-which-the-next-key-signed-another": (
        (logged(rotated(HUB, NEXT, hours=1), NEXT, 1), logged(rotated(HUB, NEXT), HUB, 2)), "has not signed that it does",
    ),
    "hub-rotation-skips-a-key": (over(NEXT, THIRD), "missing from this list"),
    "hub-rotation-of-the-former-key-by-the-next": (
        (*over(), logged(rotated(HUB, THIRD), THIRD, 3), logged(rotated(HUB, THIRD), NEXT, 4)), "may not",
    ),
    "hub-rotation-of-a-hub-of-the-same-name": (over("hub-b"), "of the same name"),
    "hub-takes-a-hospitals-key": (over(new=NORTH), "north's already"),
    "former-hub-key-revokes-later": ((*over(), logged(revoked(NORTH, 1, **OF_NORTH), HUB, 3, 2)), "had ended"),
    "former-hub-key-revokes-the-next": ((*over(), logged(revoked(NEXT, 1), HUB, 3, 2)), "had ended"),
    "former-hub-key-revokes-the-next-in-the-second-of-its-end": (
        (*over(), logged(revoked(NEXT, 0, hours=0), HUB, 3)), "had ended",
    ),
    "node-rotated-by-the-hub": ((logged(NORTH_OVER, HUB, 1),), "may not"),
    "node-revoked-by-another-node": (
        (logged(revoked(NORTH, -1, **OF_NORTH), "south", 1, 2, role="node", owner="south"),), "by somebody who may not",
    ),
    "node-revoked-with-its-keyid-by-another-key": (
        (logged(revoked(NORTH, -1, **OF_NORTH), "south", 1, 2, **OF_NORTH, as_of=NORTH),), "does not fit",
    ),
    "node-rotated-by-its-next-key": ((logged(NORTH_OVER, "next north", 1, **OF_NORTH),), "may not"),
    "log-rotated-by-a-former-hub-key": (
        (*over(), logged(rotated(HUB, NEXT_LOG, "log", small_log.ORIGIN, 1), HUB, 3, 1)), "had ended",
    ),
}  # fmt: skip


NAMED_TWICE = "list-with-a-name-twice"
"""A list in which a name stands there a second time: most readers take what was signed, and another may take the first."""


def files() -> dict[str, bytes]:
    """Name -> file: each list, and `expected`, what becomes of the keys."""
    config = TrustConfig.from_bytes(small_trust_config())
    lists = {**GOOD, **{name: changes for name, (changes, _) in REFUSED.items()}}
    written = {name: KeyChanges(trust_config=config, changes=changes).as_bytes() for name, changes in lists.items()}
    before, twice = b'{"changes":', b'{"changes":[],"changes":'
    assert written["node-rotated"].startswith(before)
    return {**written, NAMED_TWICE: written["node-rotated"].replace(before, twice, 1)}


def expected() -> dict[str, object]:
    """Of each list: keys that are new or have another window, by role and the beginning of the id; or words of the refusal."""
    config = TrustConfig.from_bytes(small_trust_config())
    return {
        **{
            name: {"changed": changed(KeyChanges(trust_config=config, changes=changes))}
            for name, changes in GOOD.items()
        },
        **{name: {"refused": words} for name, (_, words) in REFUSED.items()},
        NAMED_TWICE: {"refused": "is not a file of key changes"},
    }


def changed(found: KeyChanges) -> dict[str, object]:
    """What of the pinned keys is another thing after these changes."""
    now = followed(pinned(), found).keys
    return {
        f"{key.role} {key.keyid}": key.window.as_json() if key.window else None
        for key in now
        if key not in pinned().keys
    }
