"""The judgement of a model folder, receipt by receipt: the numbered list an auditor can tick off.

    every receipt       1 envelope   2 key known   3 key may sign this   4 signature   5 canonical bytes   6 types
                        7 nonce   8 fields   9 signer speaks for itself   10 study   11 files
                        12 log entry   13 in the log   14 the log's signature   15 witnesses   (logged.py)
                        16 Sigstore form   17 its log entry   18 time stamp   19 certificate   (certified.py)
    a hospital's        20 its freeze, where it names one or one is asked for, with these 19 steps of its own   (freeze.py)
    the aggregation     20 rounds   21 approvals   22 what went in   23 what each round started from   24 freezes   (chain.py)

Pure and offline: digests and receipts in, verdicts out. After the first step that fails nothing more is claimed of that
receipt. One hospital's receipt is judged by itself; the hub's is also held against those of the hospitals that stand.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from rapha.canonical import canonical_bytes, digest
from rapha.errors import Unproven
from rapha.proof import chain, keys, logged
from rapha.proof.bundle import check_entry, check_hint, check_inclusion, decoded, entry_of, read_bundle
from rapha.proof.certificate import check_certificate
from rapha.proof.certified import (
    TRUST_CONFIG_FILE,
    certified_path,
    read_certified,
    read_trust,
    signature_of,
    stamped_when,
)
from rapha.proof.checklist import Checklist, Stopped
from rapha.proof.claim import (
    AGGREGATION_RECEIPT,
    T0_NOT_SHOWN,
    AggregationClaim,
    SiteClaim,
    claim_json,
    signer_uri,
)
from rapha.proof.entry import certified_entry, log_entry
from rapha.proof.envelope import open_envelope
from rapha.proof.evidence.appraise import Hardware, appraised
from rapha.proof.freeze import FREEZES, NO_FREEZE, FreezeClaim, Placed, check_before
from rapha.proof.of_study import as_asked, check_files, read_study, study_of
from rapha.proof.refusal import REFUSAL_NOT_SHOWN, REFUSALS, STUDY_FILE, RefusalClaim
from rapha.proof.shown import Claim, Seen, claimed_tier, flags, not_shown, settled
from rapha.proof.shown import found as found_of
from rapha.proof.understood import speaker, understood
from rapha.proof.window import check_window, window_in_words
from rapha.records.bundle import Bundle
from rapha.records.receipt import Aggregation, Verdict
from rapha.records.record import Digest
from rapha.records.refusal import Refusal
from rapha.records.study import Study
from rapha.records.wire import TrustedKey, TrustedKeys

KEYS_FILE = "receipts/keys.json"
KEYS_FROM_FOLDER = (
    "Who holds the keys: they came with this folder, so the signatures show that nothing was changed, not who signed. "
    "Give the keys that you had from hub and hospitals themselves to be shown that too."
)

_RECEIPT = re.compile(r"(?:receipts|refusals|freezes)/(?P<name>[a-z0-9][a-z0-9-]{0,62})\.json")


@dataclass(frozen=True)
class ModelFolder:
    """A folder as its verifier sees it. `digests`: every file, by path. `receipts`: the bytes of each receipt, by path.
    `certified`: the bytes of each file below sigstore/, by path. `study`: the bytes of study.json, None where it is
    missing. `keys`: those that came with the folder. `pinned`: those
    the reader had beforehand; None where there are none. `hardware`: the launches the reader trusts, and the roots of their makers. `frozen`: the
    reader asks for a freeze of every hospital, whatever the keys file says."""

    digests: Mapping[str, Digest]
    receipts: Mapping[str, bytes]
    certified: Mapping[str, bytes]
    study: bytes | None
    keys: TrustedKeys
    pinned: TrustedKeys | None
    hardware: Hardware = field(default_factory=Hardware)
    frozen: bool = False

    @property
    def known(self) -> TrustedKeys:
        """The keys that count: the pinned ones where there are any."""
        return self.keys if self.pinned is None else self.pinned

    @property
    def asks_for_freezes(self) -> bool:
        """Whether a receipt holds only where its cohort was frozen before the run."""
        return self.frozen or self.known.frozen

    @property
    def where(self) -> str:
        """Where those are known from, for a sentence."""
        return f"in {KEYS_FILE}" if self.pinned is None else "among the keys you pinned"


def judge(folder: ModelFolder) -> tuple[Verdict, ...]:
    """One verdict per receipt: hospitals by name, those that refused, then the aggregation, whose absence is a failure
    too."""
    return judge_whole(folder, judge_sites(folder, site_receipts(folder)))


Judged = tuple[Verdict, SiteClaim | RefusalClaim | None]
"""The verdict on a hospital's receipt, and its claim where it stands."""


def site_receipts(folder: ModelFolder) -> list[str]:
    """The paths of all receipts but the aggregation's, in the order of their verdicts. A freeze is looked at with the receipt that names it."""
    return sorted(path for path in folder.receipts if path != AGGREGATION_RECEIPT and not path.startswith(FREEZES))


def judge_sites(folder: ModelFolder, paths: Iterable[str]) -> list[Judged]:
    """Of each of these by itself."""
    return [_judge_site(folder, path) for path in paths]


def judge_whole(folder: ModelFolder, judged: Sequence[Judged]) -> tuple[Verdict, ...]:
    """Those verdicts and, at last, the one on the aggregation, held against them."""
    standing = [claim for _, claim in judged if claim is not None]
    return (*(verdict for verdict, _ in judged), _judge_aggregation(folder, standing))


def judge_receipt(folder: ModelFolder, path: str) -> Verdict:
    """The verdict on one hospital's receipt alone."""
    return _judge_site(folder, path)[0]


def _judge_site(folder: ModelFolder, path: str) -> Judged:
    found = Checklist(path)
    try:
        claim, seen = _claim_of(folder, path, found)
        if isinstance(claim, SiteClaim) and (claim.release.freeze or folder.asks_for_freezes):
            seen = _check_frozen(folder, claim, seen, found)
    except Stopped:
        return _failed(folder, found), None
    assert isinstance(claim, SiteClaim | RefusalClaim)  # by step 6
    return _verdict(folder, found, claim, seen), claim


def _check_frozen(folder: ModelFolder, claim: SiteClaim, seen: Seen, found: Checklist) -> Seen:
    """Step 20 of a hospital's receipt that names a freeze, or of which one is asked for. Raises Stopped where it fails."""
    # 20. Whom it says it used was signed and in the log before it could know what came of it.
    with found.step("Its cohort was frozen, signed and logged before the run") as say:
        if claim.release.freeze is None:
            raise Unproven(NO_FREEZE)
        path = f"{FREEZES}{claim.release.site}.json"
        own = Checklist(path)
        try:
            freeze, placed = _claim_of(folder, path, own)
        except Stopped:
            raise Unproven(f"{path}, step {own.taken[-1]['number']}: {own.taken[-1]['detail']}") from None
        assert isinstance(freeze, FreezeClaim)  # by step 6
        say(check_before(claim, seen.placed, freeze, placed.placed))
    return replace(seen, witnesses=seen.witnesses & placed.witnesses, frozen=placed.placed)


def _judge_aggregation(folder: ModelFolder, standing: list[SiteClaim | RefusalClaim]) -> Verdict:
    sites = [claim for claim in standing if isinstance(claim, SiteClaim)]
    refused = [claim.refusal for claim in standing if isinstance(claim, RefusalClaim)]
    found = Checklist(AGGREGATION_RECEIPT)
    try:
        claim, seen = _claim_of(folder, AGGREGATION_RECEIPT, found)
        assert isinstance(claim, AggregationClaim)  # by step 6
        study = read_study(folder.study or b"")
        _check_chain(claim.aggregation, study, sites, refused, found)
        _check_freezes(claim.aggregation, sites, found, asked=folder.asks_for_freezes)
    except Stopped:
        return _failed(folder, found)
    early = chain.stopped_early(claim.aggregation, study.training)
    told = (*early, *chain.gaps(claim.aggregation, sites), *chain.unsigned_denials(claim.aggregation, refused))
    return _verdict(folder, found, claim, seen, (*told, *_uncovered(folder, [claim, *standing])))


def _verdict(folder: ModelFolder, found: Checklist, claim: Claim, seen: Seen, gaps: Iterable[str] = ()) -> Verdict:
    """Every step was taken, and passed: what that shows is worked out here, whatever the signer says of it."""
    verdict = Verdict.model_validate(
        {
            "subject": found.subject,
            "ok": True,
            "tier": "T0",
            "steps": tuple(found.taken),
            "not_shown": (*not_shown(claim, seen), *gaps, *_unpinned(folder)),
            "claimed": claimed_tier(claim),
            "found": found_of(claim, seen),
            "flagged": flags(claim),
        }
    )
    if not isinstance(claim, SiteClaim) or claim.evidence is None:
        return verdict
    statement = canonical_bytes(claim_json(claim.unevidenced))
    pinned = folder.pinned is not None
    return settled(appraised(verdict, claim.evidence, statement, seen.placed.stamped, folder.hardware, pinned))


def _failed(folder: ModelFolder, found: Checklist) -> Verdict:
    """A step failed, and nothing that the signer says counts."""
    always = REFUSAL_NOT_SHOWN if found.subject.startswith(REFUSALS) else T0_NOT_SHOWN
    remarks = (*always, *_unpinned(folder))
    return Verdict.model_validate(
        {"subject": found.subject, "ok": False, "tier": "T0", "steps": tuple(found.taken), "not_shown": remarks}
    )


def _unpinned(folder: ModelFolder) -> tuple[str, ...]:
    return () if folder.pinned is not None else (KEYS_FROM_FOLDER,)


def _check_chain(
    aggregation: Aggregation, study: Study, sites: list[SiteClaim], refused: list[Refusal], found: Checklist
) -> None:
    """Steps 20 to 23. Raises Stopped at the first that fails."""
    # 20. Rounds follow on each other and end in these weights, or the best of them gave these.
    with found.step("Every round leads to the next, and the last to these weights") as say:
        say(chain.check_rounds(aggregation, study.training))
    # 21. The hospitals that took part said yes, to this study, in the very words that they signed.
    with found.step("Every hospital that took part had approved, as it says itself") as say:
        chain.check_sites(aggregation, study.sites)
        chain.check_refusals(aggregation, refused)
        say(chain.check_approvals(aggregation, sites))
    # 22. What a hospital signed as handed in is what the hub says went in.
    with found.step("What went into each round is what the hospitals signed") as say:
        say(chain.check_updates(aggregation, sites))
    # 23. What came out of a round is what the hospitals say they started the next one from.
    with found.step("Each hospital started each round from what the round before gave") as say:
        say(chain.check_starts(aggregation, sites))


def _check_freezes(aggregation: Aggregation, sites: list[SiteClaim], found: Checklist, *, asked: bool) -> None:
    """Step 24, where there is a freeze or one is asked for. Raises Stopped where it fails."""
    # 24. What a hospital froze before the run is what the hub says that it had before it took anything of it.
    if asked or aggregation.freezes is not None or any(site.release.freeze for site in sites):
        with found.step("The hub had each hospital's freeze before its first round") as say:
            if asked:
                chain.check_all_froze(aggregation)
            say(chain.check_freezes(aggregation, sites))


def _claim_of(folder: ModelFolder, path: str, found: Checklist) -> tuple[Claim, Seen]:
    """Steps 1 to 19: the claim, and what was seen of it in the log and by the time stamper. Raises Stopped at the first that fails."""
    bundle, payload, key = _signed_bytes(folder, path, found)
    claim = understood(path, payload, found)
    # 9. Nobody signs for another.
    with found.step("The signer speaks for itself") as say:
        if (named := speaker(claim)) != key.owner:
            raise Unproven(f"the statement is about {named}, but the key is of {key.owner}")
        say(f"key and statement are both of {named}")
    # 10. It is about this study.
    with found.step("The study is the one in this folder") as say:
        study = study_of(folder.study, claim)
        told = as_asked(claim.release, study) if isinstance(claim, SiteClaim) else ""
        say(f"{study.study}, {digest(folder.study or b'')}{told}")
    # 11. The files are here, unchanged; only what the study did not ask back may be absent.
    with found.step("The files it vouches for are here, unchanged") as say:
        say(check_files(folder.digests, claim, study))
    log, witnesses = _check_log(folder, bundle, key, found)
    seen = _check_certified(folder, path, bundle, (key, log), found)
    return claim, replace(seen, witnesses=seen.witnesses & witnesses)


def _check_log(
    folder: ModelFolder, bundle: Bundle, key: TrustedKey, found: Checklist
) -> tuple[tuple[TrustedKey, ...], frozenset[str]]:
    """Steps 12 to 15: the log's keys, and the witnesses that have seen the log, by key id. Raises Stopped at the first that fails."""
    entry = entry_of(bundle)
    # 12. What the log holds is this very signature.
    with found.step("The log's entry is of this receipt") as say:
        check_hint(bundle)
        say(check_entry(entry, log_entry(bundle.dsseEnvelope, keys.public_from_pem(key.public_key))))
    # 13. It is in the tree that the checkpoint is of.
    with found.step("The entry is in the log") as say:
        checkpoint = check_inclusion(entry)
        say(f"entry {entry.logIndex} of {checkpoint.size}")
    # 14. A log that is known stands by that tree.
    with found.step("The log's checkpoint is signed by a known log") as say:
        log = logged.check_signed_by_log(entry, checkpoint, folder.known, folder.where)
        say(f"{checkpoint.origin}, {checkpoint.size} entries{', with ML-DSA-44 too' if log[1:] else ''}")
    # 15. Others have seen that tree, and none before it that contradicts it.
    with found.step("As many witnesses as asked for have seen the log") as say:
        seen = logged.check_witnesses(checkpoint, folder.known)
        say(f"seen by {', '.join(seen.values())}" if seen else "no witness, and none asked for")
    return log, frozenset(seen)


def _check_certified(
    folder: ModelFolder, path: str, bundle: Bundle, by: tuple[TrustedKey, tuple[TrustedKey, ...]], found: Checklist
) -> Seen:
    """Steps 16 to 19: what was seen on the way. `by`: the key that signed, and the log's keys of the first entry. Raises Stopped at the first
    that fails."""
    (key, first), second, receipt = by, certified_path(path), bundle.dsseEnvelope
    # 16. The form for Sigstore's clients says the same.
    with found.step("Its Sigstore form is the same envelope") as say:
        if second not in folder.certified:
            raise Unproven(f"{second} is missing: ask the hub for the folder again")
        certified = read_certified(folder.certified[second], receipt)
        say(f"{second}, byte for byte")
    material = certified.verificationMaterial
    certificate, entry = decoded(material.certificate.rawBytes), material.tlogEntries[0]
    # 17. The log holds it under that certificate.
    with found.step("The log holds it under its certificate too") as say:
        check_entry(entry, certified_entry(receipt, certificate))
        checkpoint = check_inclusion(entry)
        log = logged.check_signed_by_log(entry, checkpoint, folder.known, folder.where)
        witnesses = logged.check_witnesses(checkpoint, folder.known)
        say(f"entry {entry.logIndex} of {checkpoint.size}")
    # 18. A time stamper that is known saw the signature, and all keys were good then: each log's key by the end it has and the entry it is for.
    with found.step("A known time stamper has seen the signature while its key was good") as say:
        trusts = read_trust(folder.certified.get(TRUST_CONFIG_FILE), folder.known, folder.where)
        stamped = decoded(material.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp)
        trust, at = stamped_when(trusts, stamped, signature_of(receipt))
        places = (int(entry_of(bundle).logIndex), int(entry.logIndex))
        for one in (key, *trust.known):
            check_window(one, at, places)
        for signed, place in zip((first, log), places, strict=True):
            logged.check_good(signed, partial(check_window, at=at, indices=(place,)))
        say(f"RFC 3161, {at:%Y-%m-%d %H:%M:%S} UTC{window_in_words(key)}")
    # 19. An authority that is known says whose key it is.
    with found.step("A known authority's certificate is of this signer and key") as say:
        identity = signer_uri(key.role, key.owner)
        public = check_certificate(certificate, trust.authority, trust.certificate_log, identity, at)
        if keys.keyid(public) != key.keyid:
            raise Unproven("the certificate is of another key than the one that signed")
        say(identity)
    proofs = [one.inclusionProof for one in (entry_of(bundle), entry)]  # each is the checkpoint's, by steps 13 and 17
    trees = frozenset((proof.treeSize, proof.rootHash) for proof in proofs)
    return Seen(Placed(frozenset({first[0].owner, log[0].owner}), trees, places, at), frozenset(witnesses))


def _signed_bytes(folder: ModelFolder, path: str, found: Checklist) -> tuple[Bundle, bytes, TrustedKey]:
    # 1. A bundle with an envelope, and nothing else.
    with found.step("The bundle and its envelope are well formed") as say:
        if path not in folder.receipts:
            raise Unproven(f"{path} is missing: ask the hub for the folder again")
        bundle = read_bundle(folder.receipts[path])
        receipt = bundle.dsseEnvelope
        say("Sigstore bundle v0.3, DSSE, one signature, one log entry, strict base64")
    # 2. A key that is known; where it is known from makes all the difference, so it is said.
    with found.step("The signing key is known") as say:
        key = _known_key(folder, receipt.signatures[0].keyid)
        public = keys.public_from_pem(key.public_key)
        origin = "from the folder itself: shows integrity, not identity"
        say(f"{key.keyid[:16]} of {key.owner}, {origin if folder.pinned is None else 'one that you pinned'}")
    # 3. A key of the right role: the hub may not sign for a hospital, nor one hospital for another.
    with found.step("This key may sign this receipt") as say:
        say(_check_role(path, key))
    # 4. The signature covers the exact bytes and their type.
    with found.step("The signature fits the exact bytes") as say:
        payload = open_envelope(receipt, public)
        say(f"ECDSA P-256 over {len(payload)} bytes")
    return bundle, payload, key


def _known_key(folder: ModelFolder, keyid: str) -> TrustedKey:
    pinned = folder.pinned is not None
    named = folder.known.of_id(keyid)
    if not named:
        where = "not among the keys you pinned: do not rely on it" if pinned else f"not in {KEYS_FILE}"
        raise Unproven(f"the key {keyid[:16]} is {where}")
    if len(named) > 1:
        raise Unproven(f"the key {keyid[:16]} is listed for more than one owner")
    if keys.keyid_of_pem(named[0].public_key) != keyid:
        raise Unproven(f"the key listed as {keyid[:16]} is another one: its SHA-256 differs")
    return named[0]


def _check_role(path: str, key: TrustedKey) -> str:
    named = _RECEIPT.fullmatch(path)
    if named is None:
        raise Unproven(f"{path} has not the name of a receipt")
    role = "hub" if path == AGGREGATION_RECEIPT else "node"
    if key.role != role:
        raise Unproven(f"{path} has to be signed by a {role}'s key; this is a {key.role}'s, of {key.owner}")
    if role == "node" and key.owner != named["name"]:
        raise Unproven(f"{path} has to be signed by {named['name']}; this key is of {key.owner}")
    return f"a {role}'s key, of {key.owner}"


def _uncovered(folder: ModelFolder, claims: list[Claim]) -> list[str]:
    named = [claim.release for claim in claims if isinstance(claim, SiteClaim)]
    freezes = {f"{FREEZES}{release.site}.json" for release in named if release.freeze}
    judged = {path for path in (*folder.receipts, *folder.certified) if not _of_freeze(path)}
    files = {path for claim in claims for path in claim.files}
    covered = {KEYS_FILE, STUDY_FILE, *judged, *freezes, *map(certified_path, freezes), *files}
    rest = sorted(set(folder.digests) - covered)
    return [f"Anything about {', '.join(rest)}: no receipt covers them."] if rest else []


def _of_freeze(path: str) -> bool:
    """In either form; it is looked at only where a receipt names it."""
    return path.startswith(FREEZES) or path.endswith(".freeze.sigstore.json")
