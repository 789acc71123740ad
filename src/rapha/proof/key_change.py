"""Rotation and revocation of keys: signed statements in the public log, and what follows from them for who is believed when.

    a rotation     of a hospital's key or a hub's own by the key that ends; nobody else can say who follows it. Of a log's or an authority's
                   by the hub. The old key is believed for a day more, since what was signed with it may still be on its way, a hub's own not
                   at all: it stamps what it signs at once. The new one is believed from the rotation's time stamp on. A hub's own new key
                   signs the same statement, and the log has that before.
    a revocation   by the key itself, or by the hub that enrolled it; of a hub's own former key by one that followed it. What the key signed is
                   not believed where it was stamped at the time that it names or later, nor where the log has it behind the revocation.

Pure: a keys file and changes in, a keys file out. A hub cannot pass a key of its own off as a hospital's next one: it has no key to sign
the rotation with. It can revoke what it dislikes, and everybody sees that in the log.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import assert_never

from rapha.canonical import canonical_bytes
from rapha.clock import stamp
from rapha.errors import Unproven
from rapha.proof import keys, lasting, logged
from rapha.proof.anchored import anchored, followed_on, handovers, what_to_do, without
from rapha.proof.bundle import check_entry, check_inclusion, decoded
from rapha.proof.certificate import check_certificate
from rapha.proof.certified import Trust, read_trust, signature_of, stamped_when
from rapha.proof.claim import STATEMENT_TYPE, Json, signer_uri
from rapha.proof.entry import certified_entry
from rapha.proof.envelope import check_form, open_envelope, seal, unverified_payload
from rapha.proof.statement import read_canonical
from rapha.proof.succession import Over, after_revocation, after_rotation, check_believed, over_already, successor
from rapha.proof.window import ending_with, second_of
from rapha.records.certified import CertifiedBundle
from rapha.records.key_change import KeyChange, KeyChanges, Rotation
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey, TrustedKeys, Window

KEY_CHANGE_TYPE = "https://rapha.dev/key-change/v1"
_OF_THEMSELVES = ("node", "hub")
"""Roles whose keys say themselves which key follows them."""
_OF_ANY_HUB = ("log", lasting.ROLE_OF_LOG, "node", "repeater")
"""Roles whose keys are of a hub and do not name it."""
_HERE = "among the keys you pinned"


def signed_rotation(
    owner: str, ending: keys.PrivateKey, following: keys.PrivateKey, at: datetime, role: str = "node"
) -> Rotation:
    """From one key to the next, signed by both: of a hospital, or of a hub itself."""
    said = {"change": "rotated", "role": role, "owner": owner, "keyid": keys.keyid(ending.public_key())}
    payload = _statement({**said, "successor": keys.public_to_pem(following.public_key())}, at)
    return Rotation(ending=seal(payload, ending), following=seal(payload, following))


def signed_handover(ending: TrustedKey, successor: str, at: datetime, private: keys.PrivateKey) -> Receipt:
    """That a key in PEM follows one of the hub's log or authority, by the hub: its `private` key."""
    said = {"change": "rotated", "role": ending.role, "owner": ending.owner, "keyid": ending.keyid}
    return seal(_statement({**said, "successor": successor}, at), private)


def signed_revocation(
    owner: str, keyid: str, believed_until: datetime, at: datetime, private: keys.PrivateKey, role: str = "node"
) -> Receipt:
    """That a key is not believed any more, by the holder of `private`."""
    said = {
        "change": "revoked",
        "role": role,
        "owner": owner,
        "keyid": keyid,
        "believed_until": second_of(believed_until),
    }
    return seal(_statement(said, at), private)


def key_change_statement(change: KeyChange) -> bytes:
    """RFC 8785 bytes. The subject's digest is the key's id: that of its SubjectPublicKeyInfo in DER."""
    return canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": f"keys/{change.owner}.der", "digest": {"sha256": change.keyid}}],
            "predicateType": KEY_CHANGE_TYPE,
            "predicate": change.as_json(),
        }
    )


def read_key_change(payload: bytes) -> KeyChange:
    """The change that a statement is of. Who may say so is not looked at.

    Raises:
        Unproven: it is no such statement in its one form.
    """
    value: Json = read_canonical(payload)
    if value.get("predicateType") != KEY_CHANGE_TYPE:
        raise Unproven("this is not a statement about a key (predicateType)")
    try:
        change = KeyChange.model_validate(value["predicate"], strict=True)
    except (KeyError, ValueError):
        raise Unproven("the statement about a key lacks a field, or has one that cannot be read") from None
    if key_change_statement(change) != payload:
        raise Unproven(
            "the statement about a key has a field that this format does not know, or a name that contradicts another"
        )
    return change


def check_rotation(rotation: Rotation, owner: str, ending: keys.PublicKey) -> keys.PublicKey:
    """The key that follows, as the holder of `ending` says and the holder of the new one too.

    Raises:
        Unproven: either did not sign, they signed two statements, or it is a rotation of another key or hospital.
    """
    for envelope in (rotation.ending, rotation.following):
        check_form(envelope)
    change = read_key_change(open_envelope(rotation.ending, ending))
    if (change.change, change.role, change.owner, change.keyid) != ("rotated", "node", owner, keys.keyid(ending)):
        raise Unproven(f"this is no rotation of the key of {owner} that signed it")
    following = keys.public_from_pem(change.successor or "")
    if open_envelope(rotation.following, following) != unverified_payload(rotation.ending):
        raise Unproven("the key that follows signed another statement than the key that ends")
    return following


def followed(known: TrustedKeys, found: KeyChanges) -> TrustedKeys:
    """The keys file with what the changes say: windows, and keys that follow on those that are known. A hub's former keys that nobody
    pinned are taken, for this, at the word of one that follows them and is pinned.

    Twice through the list: a hospital's key that was stolen may have signed rotations before it was known to be, and these count only
    as far as the key does in the end.

    Raises:
        Unproven: a change is not signed by who may say so, or is not stamped or logged by those that are known.
    """
    told = [(_said(bundle), bundle) for bundle in found.changes]
    both = handovers(told)
    start = anchored(known, both)
    alike = followed_on(start, both)
    first = _walked(start, found, {}, alike)
    revoked = {said.keyid for said, _ in told if said.change == "revoked"}
    ends = {key.keyid: key.window for key in first if key.role == "node" and key.window and key.keyid in revoked}
    return known.model_copy(update={"keys": without(start, known, _walked(start, found, ends, alike))})


def _said(bundle: CertifiedBundle) -> KeyChange:
    check_form(bundle.dsseEnvelope)
    return read_key_change(unverified_payload(bundle.dsseEnvelope))


@dataclass(frozen=True)
class _Proven:
    """A change that is stamped and logged. Whether its signer may say so is not looked at yet."""

    said: KeyChange
    bundle: CertifiedBundle
    at: datetime
    index: int
    trust: Trust

    @classmethod
    def of(cls, bundle: CertifiedBundle, trusts: tuple[Trust, ...], known: TrustedKeys, over: Over) -> "_Proven":
        material = bundle.verificationMaterial
        entry = material.tlogEntries[0]
        # 1. The log holds it, and is one that is known.
        check_entry(entry, certified_entry(bundle.dsseEnvelope, decoded(material.certificate.rawBytes)))
        tree = check_inclusion(entry)
        log = logged.check_signed_by_log(entry, tree, known, _HERE)
        logged.check_witnesses(tree, known)
        # 2. A stamper that is known saw it.
        stamped = decoded(material.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp)
        trust, at = stamped_when(trusts, stamped, signature_of(bundle.dsseEnvelope))
        believed = partial(check_believed, at=at, index=int(entry.logIndex), over=over)
        logged.check_good(log, believed)
        for one in trust.known:
            believed(one)
        return cls(_said(bundle), bundle, at, int(entry.logIndex), trust)

    @property
    def signer(self) -> str:
        return self.bundle.dsseEnvelope.signatures[0].keyid

    def check_signed_by(self, key: TrustedKey, over: Over) -> None:
        """By that key, while it was good, under a certificate of its own."""
        public = keys.public_from_pem(key.public_key)
        open_envelope(self.bundle.dsseEnvelope, public)
        check_believed(key, self.at, self.index, over)
        der = decoded(self.bundle.verificationMaterial.certificate.rawBytes)
        identity = signer_uri(key.role, key.owner)
        certified = check_certificate(der, self.trust.authority, self.trust.certificate_log, identity, self.at)
        if keys.keyid(certified) != key.keyid:
            raise Unproven("the certificate of a change of keys is of another key than the one that signed it")


@dataclass(frozen=True)
class _Walk:
    """Where one is in a list of changes. `listed`: the keys, by role and keyid. `ends`: windows that keys are known to have in the end.
    `over`: when keys were followed by others. `accepted`: what a hub's key said of itself as the next one, by the statement. `passed`: a
    hub's rotations of keys that are not listed. `ignored`: keys that only a rotation names which does not count. `alike`: pairs of a hub's
    keys that go over from one to the other later in the list, by both; `gone`: those that have."""

    listed: dict[tuple[str, str], TrustedKey]
    ends: dict[str, Window]
    over: Over
    accepted: dict[bytes, _Proven]
    passed: list[KeyChange]
    ignored: set[str]
    alike: frozenset[tuple[str, str]]
    gone: set[tuple[str, str]]

    def hubs(self, owner: str | None = None) -> list[TrustedKey]:
        """The keys of hubs, of this one where it is named."""
        return [key for key in self.listed.values() if key.role == "hub" and owner in (None, key.owner)]


def _walked(
    known: TrustedKeys, found: KeyChanges, ends: dict[str, Window], alike: frozenset[tuple[str, str]]
) -> tuple[TrustedKey, ...]:
    """All keys, after these changes in the order of the log, each held against those before it: the log and the authority may have other
    keys by then. `ends`, `alike`: as in `_Walk`."""
    listed: dict[tuple[str, str], TrustedKey] = {}
    over = over_already(known, [(_said(bundle), bundle) for bundle in found.changes])
    walk = _Walk(listed, ends, over, {}, [], set(), alike, set())
    listed.update({(key.role, key.keyid): ending_with(key, ends.get(key.keyid)) for key in known.keys})
    for bundle in sorted(found.changes, key=lambda one: int(one.verificationMaterial.tlogEntries[0].logIndex)):
        now = known.model_copy(update={"keys": tuple(listed.values())})
        try:
            change = _Proven.of(bundle, read_trust(found.trust_config.as_bytes(), now, _HERE), now, walk.over)
            _take(walk, change)
        except Unproven as problem:
            raise what_to_do(problem, bundle, known, found) from None
    _check_unbroken(walk)
    return tuple(listed.values())


def _take(walk: _Walk, change: _Proven) -> None:
    match change.said.change:
        case "rotated":
            _rotate(walk, change)
        case "revoked":
            _revoke(walk, change)
        case _ as unreachable:
            assert_never(unreachable)


def _rotate(walk: _Walk, change: _Proven) -> None:
    said, listed = change.said, walk.listed
    if said.role == "hub" and change.signer == successor(said).keyid:
        walk.accepted[unverified_payload(change.bundle.dsseEnvelope)] = change
        return
    old = listed.get((said.role, said.keyid))
    if old is None:  # of one that is not pinned, or follows on a key that a thief had
        _pass_over(walk, said)
        return
    signer = _signer(walk, change, old)
    if signer is None:
        raise Unproven(
            f"who says what key follows {said.keyid[:16]} of {old.owner} may not: a hospital's or a hub's key itself, the hub of its log "
            "and authority"
        )
    if _ended(walk, old, change):
        walk.ignored.add(successor(said).keyid)
        return  # by whoever had stolen it
    change.check_signed_by(signer, walk.over)
    made = successor(said)
    if said.role == "hub":
        _check_accepted(walk, change, made)
    there = next((key for key in listed.values() if key.keyid == made.keyid), None)
    if there is not None and (there.role, there.owner) != (said.role, said.owner):
        raise Unproven(f"the key that follows {said.keyid[:16]} of {said.owner} is {there.owner}'s already")
    if said.role == "hub" and there is None and old.window and old.window.end:
        walk.ignored.add(made.keyid)
        return  # whoever knows its end knows the one that follows
    _go_over(walk, change, old, made)


def _go_over(walk: _Walk, change: _Proven, old: TrustedKey, made: TrustedKey) -> None:
    said, listed = change.said, walk.listed
    walk.gone.add((said.keyid, made.keyid))
    # What a log promised before it has another key is promised again with that one: it has no beginning.
    begun = None if said.role in ("log", lasting.ROLE_OF_LOG) else Window(start=second_of(change.at))
    there = listed.get((said.role, made.keyid)) or made.model_copy(update={"window": begun})
    listed[said.role, made.keyid] = ending_with(there, walk.ends.get(made.keyid))
    ended = after_rotation(old.window, change.at, said.role)
    listed[said.role, said.keyid] = old.model_copy(update={"window": ended})
    if walk.over.get((said.role, said.keyid), (change.index, None))[0] == change.index:
        walk.over[said.role, said.keyid] = change.index, after_rotation(None, change.at, said.role).end


def _pass_over(walk: _Walk, said: KeyChange) -> None:
    """A rotation of a key that is not listed. Of a hub's the first in the log counts, as it does for whoever knows that key."""
    if said.role != "hub":
        return
    following = successor(said).keyid
    if said.keyid in walk.ignored or any(said.keyid == other.keyid for other in walk.passed):
        walk.ignored.add(following)
    else:
        walk.passed.append(said)


def _check_accepted(walk: _Walk, change: _Proven, following: TrustedKey) -> None:
    """The hub's next key signed the same statement, before. Raises Unproven."""
    accepted = walk.accepted.get(unverified_payload(change.bundle.dsseEnvelope))
    if accepted is None:
        raise Unproven(
            f"the key that is to follow {change.said.keyid[:16]} of {following.owner} has not signed that it does, or only later: nobody "
            "shows to have it"
        )
    accepted.check_signed_by(following, {})


def _check_unbroken(walk: _Walk) -> None:
    """Every rotation of a pinned hub's key leads on from a key that is known, or up to one; and keys that were taken for one hub's, since
    both said so, went over from one to the other in the end.

    Raises:
        Unproven: one between is missing, or the log has another that follows.
    """
    for former, following in sorted(walk.alike - walk.gone):
        raise Unproven(
            f"a hub's key {following[:16]}, which you pinned or one that you pinned follows, is to follow {former[:16]}, and in the log another did before: "
            "ask the hub, and pin the key that it has"
        )
    reached = {key.keyid for key in walk.hubs()}
    for said in reversed(walk.passed):
        if walk.hubs(said.owner) and successor(said).keyid not in reached:
            raise Unproven(
                f"{said.owner} goes over from a key {said.keyid[:16]} that follows on none you know: a change before it is missing from this "
                "list, or this list is older than the key that you pinned, or it is another hub's of the same name: fetch the hub's /api/v1/key-changes again, and see that you pinned its key of now"
            )
        reached.add(said.keyid)


def _revoke(walk: _Walk, change: _Proven) -> None:
    said, listed = change.said, walk.listed
    key = listed.get((said.role, said.keyid))
    if key is None:
        return
    signer = _signer(walk, change, key) or _hub_of(walk, change, key)
    if signer is None or key.owner != said.owner:
        raise Unproven(
            f"the key {said.keyid[:16]} of {key.owner} was revoked by somebody who may not: neither it nor the hub"
        )
    if key.role == "hub" and _going_on(key) and signer is not key and not _going_on(signer):
        raise Unproven(f"the key {said.keyid[:16]} of {key.owner} was revoked by one that had ended before it")
    if signer is key:  # whatever it said before, it may end itself at any time
        signer = key.model_copy(update={"window": None})
    change.check_signed_by(signer, {} if signer.keyid == key.keyid else walk.over)
    ended = after_revocation(key.window, said.believed_until or "", change.index)
    listed[said.role, said.keyid] = key.model_copy(update={"window": ended})


def _signer(walk: _Walk, change: _Proven, key: TrustedKey) -> TrustedKey | None:
    """Who may say what follows this key: of a hospital's or a hub's that key alone; of a key of a log or an authority, the hub."""
    if key.owner != change.said.owner:
        return None
    if key.role in _OF_THEMSELVES:
        return key if change.signer == key.keyid else None
    return _hub_of(walk, change, key)


def _hub_of(walk: _Walk, change: _Proven, key: TrustedKey) -> TrustedKey | None:
    """The hub that signed, where it is this key's. Keys of a hub and its authority name it; those of hospitals and logs do not, so there has
    to be one alone.

    Raises:
        Unproven: more than one hub is among the keys, and whose key this is they do not say.
    """
    hub, unnamed = walk.listed.get(("hub", change.signer)), key.role in _OF_ANY_HUB
    if hub is None or not (unnamed or hub.owner == key.owner):
        return None
    of = walk.hubs(None if unnamed else key.owner)
    followed_later = {former for former, _ in walk.alike}
    going_on = [one for one in of if _going_on(one) and one.keyid not in followed_later]
    if max(len(going_on), len({one.owner for one in of})) > 1:
        raise Unproven(
            f"{hub.owner} changes a key of {key.owner}, and the keys file names more than one hub: pin each hub's keys in a file of its own"
        )
    return hub


def _going_on(key: TrustedKey) -> bool:
    return key.window is None or key.window.end is None


def _ended(walk: _Walk, key: TrustedKey, change: _Proven) -> bool:
    try:
        check_believed(key, change.at, change.index, walk.over)
    except Unproven:
        return True
    return False


def _statement(said: dict[str, str], at: datetime) -> bytes:
    change = KeyChange.model_validate({**said, "at": stamp(at), "nonce": secrets.token_hex(16)})
    return key_change_statement(change)
