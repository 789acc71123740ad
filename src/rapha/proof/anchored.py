"""Former keys of a hub's own that nobody pinned, by the word of one that somebody did; and what to pin where that does not do. Pure.

A hub that goes over to another key has both sign one statement. Whoever pinned the later one has its word that it follows the earlier: so
the earlier was the hub's, for what the log has before the place where it was followed. It is taken for following a list of changes and for
nothing else: it is not among the keys that come of it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rapha.canonical import base64_text
from rapha.errors import Unproven
from rapha.proof import checkpoint, keys
from rapha.proof.bundle import decoded
from rapha.proof.certificate import certified_key
from rapha.proof.envelope import open_envelope, unverified_payload
from rapha.proof.succession import successor
from rapha.records.certified import CertifiedBundle
from rapha.records.key_change import KeyChange, KeyChanges
from rapha.records.wire import TrustedKey, TrustedKeys


@dataclass(frozen=True)
class Handover:
    """That one key of a hub follows another, signed by both. Whether it is stamped and logged is not looked at."""

    former: TrustedKey
    following: str

    @property
    def link(self) -> tuple[str, str]:
        """Both, by keyid."""
        return self.former.keyid, self.following


def handovers(said: list[tuple[KeyChange, CertifiedBundle]]) -> list[Handover]:
    """All in a list: statements of a hub's own key that the key which ends has signed and the one which follows too."""
    rotations = [one for one in said if (one[0].change, one[0].role) == ("rotated", "hub")]
    accepted = {unverified_payload(bundle.dsseEnvelope) for change, bundle in rotations if _signs(change, bundle)}
    return [
        Handover(former, successor(change).keyid)
        for change, bundle in rotations
        if unverified_payload(bundle.dsseEnvelope) in accepted
        for former in _ending(change, bundle)
    ]


def anchored(known: TrustedKeys, found: list[Handover]) -> TrustedKeys:
    """With the former keys of hubs that those pinned say they follow, and those before them. A key that follows a pinned one itself is found
    when the list is walked, also where the hub went back to the pinned one."""
    hubs = {(key.owner, key.keyid): key for key in known.of_role("hub")}
    onward = {key.keyid for key in known.of_role("hub")}
    while following := {one.following for one in found if one.former.keyid in onward} - onward:
        onward |= following
    pinned = len(hubs)
    reached = 0
    while reached < len(hubs):
        reached = len(hubs)
        for one in found:
            if (one.former.owner, one.following) in hubs and one.former.keyid not in onward:
                hubs.setdefault((one.former.owner, one.former.keyid), one.former)
    return known.model_copy(update={"keys": (*known.keys, *list(hubs.values())[pinned:])})


def followed_on(known: TrustedKeys, found: list[Handover]) -> frozenset[tuple[str, str]]:
    """Pairs of a hub's keys, both known, of which the former has no end yet: one hub, not two."""
    hubs = {(key.owner, key.keyid): key for key in known.of_role("hub")}
    return frozenset(
        one.link
        for one in found
        if (one.former.owner, one.following) in hubs
        and (former := hubs.get((one.former.owner, one.former.keyid))) is not None
        and (former.window is None or former.window.end is None)
    )


def without(known: TrustedKeys, pinned: TrustedKeys, walked: tuple[TrustedKey, ...]) -> tuple[TrustedKey, ...]:
    """The keys that come of a list, less those that `known` has and nobody pinned."""
    own = {(key.role, key.keyid) for key in pinned.keys}
    taken = {(key.role, key.keyid) for key in known.keys} - own
    return tuple(key for key in walked if (key.role, key.keyid) not in taken)


def what_to_do(problem: Unproven, bundle: CertifiedBundle, known: TrustedKeys, found: KeyChanges) -> Unproven:
    """The same, with the place in the log of the change that is not followed, and what to pin, or to fetch, where that is why."""
    entry = bundle.verificationMaterial.tlogEntries[0]
    hints = [*_logs_to_pin(entry.logId.keyId, known, found), *_older_than_pinned(known, found)]
    return Unproven(". ".join([f"entry {entry.logIndex} of the log: {problem}", *hints]))


def _logs_to_pin(log_id: str, known: TrustedKeys, found: KeyChanges) -> Iterator[str]:
    """A key that the list has for a log of a pinned name: the list is not believed, whoever made it may have made the key."""
    pinned = {key.keyid for key in known.of_role("log")}
    origins = {key.owner for key in known.of_role("log")}
    for log in found.trust_config.trustedRoot.tlogs:
        origin = log.baseUrl.removeprefix("https://")
        if log.logId.keyId != log_id or origin not in origins:
            continue
        public = checkpoint.public_from_der(decoded(log.publicKey.rawBytes))
        keyid = checkpoint.keyid(public)
        if base64_text(checkpoint.note_key_hash(origin, public)) == log_id and keyid not in pinned:
            yield (
                f"It is under the key {keyid}, which you have not pinned. Pin it only if the hub's /api/v1/keys lists it as a key of the log "
                f"{origin}, and with the window that it has there; else this list is not that log's"
            )


def _older_than_pinned(known: TrustedKeys, found: KeyChanges) -> Iterator[str]:
    """A key that is pinned as revoked by an entry that this list does not have."""
    there = {int(bundle.verificationMaterial.tlogEntries[0].logIndex) for bundle in found.changes}
    for key in known.keys:
        below = key.window.below if key.window else None
        if below is not None and below not in there:
            yield (
                f"You pinned {key.keyid[:16]} of {key.owner} as revoked by entry {below} of the log, which this list does not have: it is older than "
                "your keys; fetch the hub's /api/v1/key-changes again"
            )
            return


def _signs(change: KeyChange, bundle: CertifiedBundle) -> bool:
    """The key that follows signed this."""
    try:
        open_envelope(bundle.dsseEnvelope, keys.public_from_pem(change.successor or ""))
    except Unproven:
        return False
    return True


def _ending(change: KeyChange, bundle: CertifiedBundle) -> Iterator[TrustedKey]:
    """The key that ends, where it signed this: the statement has its id, the certificate the key itself."""
    try:
        public = certified_key(decoded(bundle.verificationMaterial.certificate.rawBytes))
        open_envelope(bundle.dsseEnvelope, public)
    except Unproven:
        return
    if keys.keyid(public) == change.keyid:
        said = {"keyid": change.keyid, "public_key": keys.public_to_pem(public)}
        yield TrustedKey.model_validate({"owner": change.owner, "role": "hub", **said})
