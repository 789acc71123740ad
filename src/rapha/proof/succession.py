"""Where in the log another key followed one, and what the former is believed of changes of keys before and behind that place. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from rapha.errors import Unproven
from rapha.proof import checkpoint, keys, lasting
from rapha.proof.window import check_window, cut, second_of
from rapha.records.certified import CertifiedBundle
from rapha.records.key_change import KeyChange
from rapha.records.wire import TrustedKey, TrustedKeys, Window

Over = dict[tuple[str, str], tuple[int, str | None]]
"""By role and keyid, where another key followed: the entry of the log, and the end that it gave the former one."""
HANDOVER = timedelta(days=1)
"""How long a key that was rotated is still believed."""
HANDOVER_OF_A_HUB = timedelta(seconds=1)
"""The same of a hub's own: what it signs is stamped in the second in which it is signed."""


def successor(rotation: KeyChange) -> TrustedKey:
    """The key that a rotation names. Raises Unproven: it cannot be read."""
    role, owner, pem = rotation.role, rotation.owner, rotation.successor or ""
    if role == "log":
        public = checkpoint.public_from_pem(pem)
        said = {"keyid": checkpoint.keyid(public), "public_key": checkpoint.public_to_pem(public)}
    elif role == lasting.ROLE_OF_LOG:
        second = lasting.public_from_pem(pem)
        said = {"keyid": lasting.keyid(second), "public_key": lasting.public_to_pem(second)}
    else:
        of_p256 = keys.public_from_pem(pem)
        said = {"keyid": keys.keyid(of_p256), "public_key": keys.public_to_pem(of_p256)}
    return TrustedKey.model_validate({"owner": owner, "role": role, **said})


def check_believed(key: TrustedKey, at: datetime, index: int, over: Over) -> None:
    """A key is believed of a change. One of a hub's own roles that was revoked is so by the places in the log alone, up to where another
    followed it: which one does is said under it, maybe after it was stolen and before that was known; whoever stole a stamper dates as
    they like, and the place in the log is what they cannot choose. Behind that place what its rotation said counts: the end of a
    handover, or, of a hub's own key, that it signs nothing more.

    Raises:
        Unproven: says which.
    """
    window, (place, end) = key.window, over.get((key.role, key.keyid), (None, None))
    if place is not None and window is not None and window.below is not None and (index <= place or end):
        window = Window(start=window.start, end=end if index > place else None, below=window.below)
    check_window(key.model_copy(update={"window": window}), at, (index,))
    if key.role == "hub" and place is not None and index > place:
        raise Unproven(
            f"entry {index} of the log, when the key {key.keyid[:16]} of {key.owner} had ended: another followed it by {place}"
        )


def over_already(known: TrustedKeys, listed: Iterable[tuple[KeyChange, CertifiedBundle]]) -> Over:
    """Of keys that are known to have been revoked: where this list says that another that is known followed. What is said there is held
    against the keys as all else is, when one comes to it."""
    over: Over = {}
    revoked = {
        (key.role, key.keyid)
        for key in known.keys
        if key.role != "node" and key.window and key.window.below is not None
    }
    for said, bundle in listed:
        place = int(bundle.verificationMaterial.tlogEntries[0].logIndex)
        if said.change != "rotated" or (said.role, said.keyid) not in revoked:
            continue
        following = successor(said).keyid
        by_itself = bundle.dsseEnvelope.signatures[0].keyid == following
        if not by_itself and any((key.role, key.keyid) == (said.role, following) for key in known.keys):
            over[said.role, said.keyid] = min(place, over.get((said.role, said.keyid), (place, None))[0]), None
    return over


def after_rotation(window: Window | None, at: datetime, role: str) -> Window:
    """The window of a key of this role that was rotated when the time stamp says."""
    return cut(window, second_of(at + (HANDOVER_OF_A_HUB if role == "hub" else HANDOVER)), None)


def after_revocation(window: Window | None, believed_until: str, index: int | None) -> Window:
    """The window of a key that was revoked by entry `index` of the log; None where it is not logged yet."""
    return cut(window, believed_until, index)
