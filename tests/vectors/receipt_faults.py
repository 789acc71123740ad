"""One fault for each way in which a receipt can be wrong, and the step that is there to catch it."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import certified_samples as second
import log_samples
import record_samples as made_up
from receipt_samples import (
    AGGREGATION,
    HUB,
    NORTH,
    SITES,
    WEIGHTS,
    Fault,
    Files,
    Parts,
    asking,
    in_mode,
    of_the_best_round,
    payload_of,
    privately,
    sealed,
    without_weights,
)

from rapha.canonical import canonical_bytes, digest
from rapha.proof import keys
from rapha.proof.certified import TRUST_CONFIG_FILE
from rapha.records.metrics import Count
from rapha.records.record import SiteId
from rapha.records.release import RoundTrace
from rapha.records.wire import TrustedKeys


def restated(path: str, owner: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Files], None]:
    """Change a statement's JSON and have its owner sign it again, canonically."""

    def after(files: Files) -> None:
        value = json.loads(payload_of(files, path))
        change(value)
        files[path] = sealed(canonical_bytes(value), owner)

    return after


def resigned(path: str, owner: str, change: Callable[[bytes], bytes]) -> Callable[[Files], None]:
    """Change a statement's bytes and have its owner sign them again."""

    def after(files: Files) -> None:
        files[path] = sealed(change(payload_of(files, path)), owner)

    return after


def rewrapped(path: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Files], None]:
    """Change the envelope and sign nothing."""

    def after(files: Files) -> None:
        value = json.loads(files[path])
        change(value["dsseEnvelope"])
        files[path] = json.dumps(value).encode()

    return after


def relogged(path: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Files], None]:
    """Change what the bundle says of the log, and leave the envelope as it is."""

    def after(files: Files) -> None:
        value = json.loads(files[path])
        change(value["verificationMaterial"])
        files[path] = json.dumps(value).encode()

    return after


def release_with(of: str, /, **changes: Any) -> Callable[[Parts], None]:
    def before(parts: Parts) -> None:
        parts.releases[of] = parts.releases[of].model_copy(update=changes)

    return before


def both(*changes: Callable[[Parts], None]) -> Callable[[Parts], None]:
    def before(parts: Parts) -> None:
        for change in changes:
            change(parts)

    return before


def spent_with(of: str, /, **changes: Any) -> Callable[[Parts], None]:
    def before(parts: Parts) -> None:
        spent = parts.releases[of].privacy.model_copy(update=changes)
        parts.releases[of] = parts.releases[of].model_copy(update={"privacy": spent})

    return before


def aggregation_with(**changes: Any) -> Callable[[Parts], None]:
    def before(parts: Parts) -> None:
        parts.aggregation = parts.aggregation.model_copy(update=changes)

    return before


def best_round(**changes: Any) -> Callable[[Parts], None]:
    def before(parts: Parts) -> None:
        of_the_best_round(parts)
        aggregation_with(**changes)(parts)

    return before


def signed_by(path_owner: str, owner: str) -> Callable[[Parts], None]:
    return lambda parts: parts.signers.update({path_owner: owner})


def traces(site: str, number: int, **changes: Any) -> Callable[[Parts], None]:
    """Change what a site signs of one round."""

    def before(parts: Parts) -> None:
        old: tuple[RoundTrace, ...] = parts.releases[site].rounds
        new = tuple(t.model_copy(update=changes) if t.round == number else t for t in old)
        parts.releases[site] = parts.releases[site].model_copy(update={"rounds": new})

    return before


def members(number: int, **changes: Any) -> Callable[[Parts], None]:
    """Change what the hub signs of one round."""

    def before(parts: Parts) -> None:
        new = tuple(m.model_copy(update=changes) if m.round == number else m for m in parts.aggregation.rounds)
        parts.aggregation = parts.aggregation.model_copy(update={"rounds": new})

    return before


def _edit_payload(value: dict[str, Any]) -> None:
    payload = base64.b64decode(value["payload"])
    value["payload"] = base64.b64encode(payload.replace(b'"about":1700', b'"about":9700')).decode()


def _high_s(value: dict[str, Any]) -> None:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    r, s = decode_dss_signature(base64.b64decode(value["signatures"][0]["sig"]))
    value["signatures"][0]["sig"] = base64.b64encode(encode_dss_signature(r, keys.GROUP_ORDER - s)).decode()


def _other_nonce(nonce: str) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["predicate"]["runDetails"]["metadata"].update(invocationId=nonce)


def _relist(files: Files, old: str, new: dict[str, str]) -> None:
    """Change one entry of the folder's own keys file."""
    listed = TrustedKeys.from_bytes(files["receipts/keys.json"])
    changed = tuple(key.model_copy(update=new) if key.owner == old else key for key in listed.keys)
    files["receipts/keys.json"] = TrustedKeys(keys=changed).as_bytes()


def _drop(mapping: dict[str, Any], *names: str) -> None:
    for name in names:
        del mapping[name]


def _twice(material: dict[str, Any]) -> None:
    material["rfc3161Timestamps"] *= 2


def _stranger(parts: Parts) -> None:
    """A hospital whose key nobody listed signs in the place of another."""
    parts.signers["north"] = "stranger"


def _other_study(parts: Parts) -> None:
    other = made_up.example("time-to-death")
    release = parts.releases["north"]
    cohort = release.cohort.model_copy(update={"study_digest": other.digest})
    parts.releases["north"] = release.model_copy(update={"study_digest": other.digest, "cohort": cohort})


def _internal(value: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = value["predicate"]["buildDefinition"]["internalParameters"]
    return found


def _one_more(parts: Parts) -> None:
    """North signs a round more than there was."""
    more = RoundTrace(round=4, weights_in=digest(WEIGHTS), weights_out=made_up.blob("one more"))
    release_with("north", rounds=(*parts.releases["north"].rounds, more))(parts)


TOO_SHORT = made_up.transcript("north").model_copy(update={"waypoints": made_up.ROUNDS - 1})
"""Every round has a waypoint."""
OFTENER = made_up.transcript("north").model_copy(update={"every_steps": 32})

FAULTS: dict[str, Fault] = {
    # 1. envelope
    "not-json": Fault(NORTH, 1, after=lambda files: files.update({NORTH: b"a receipt, honestly"})),
    "loose-base64": Fault(NORTH, 1, after=rewrapped(NORTH, lambda v: v.update(payload=v["payload"] + "\n"))),
    "two-signatures": Fault(NORTH, 1, after=rewrapped(NORTH, lambda v: v.update(signatures=v["signatures"] * 2))),
    "other-payload-type": Fault(NORTH, 1, after=rewrapped(NORTH, lambda v: v.update(payloadType="text/plain"))),
    "missing-aggregation": Fault(AGGREGATION, 1, after=lambda files: _drop(files, AGGREGATION)),
    # 2. key known
    "unknown-key": Fault(NORTH, 2, before=_stranger),
    "keyid-of-another-key": Fault(
        NORTH, 2, after=lambda files: _relist(files, "north", {"public_key": made_up.trusted("stranger").public_key})
    ),
    "key-listed-twice": Fault(
        NORTH, 2, after=lambda files: _relist(files, "south", made_up.trusted("north").model_dump(include={"keyid"}))
    ),
    # 3. key may sign this
    "hub-key-on-site-receipt": Fault(NORTH, 3, before=signed_by("north", HUB)),
    "site-key-on-aggregation": Fault(AGGREGATION, 3, before=signed_by(HUB, "north")),
    "wrong-key": Fault(NORTH, 3, before=signed_by("north", "south")),
    # 4. signature
    "edited-payload": Fault(NORTH, 4, after=rewrapped(NORTH, _edit_payload)),
    "borrowed-keyid": Fault(
        NORTH, 4, before=signed_by("north", "south"),
        after=rewrapped(NORTH, lambda v: v["signatures"][0].update(keyid=made_up.trusted("north").keyid)),
    ),
    "high-s": Fault(NORTH, 4, after=rewrapped(NORTH, _high_s)),
    # 5. canonical
    "not-canonical": Fault(NORTH, 5, after=resigned(NORTH, "north", lambda p: json.dumps(json.loads(p)).encode())),
    "key-twice": Fault(NORTH, 5, after=resigned(NORTH, "north", lambda p: b'{"_type":"x",' + p[1:])),
    "bare-real": Fault(NORTH, 5, after=resigned(NORTH, "north", lambda p: p.replace(b'"about":1700', b'"about":1.7'))),
    # 6. types
    "other-statement-type": Fault(NORTH, 6, after=restated(NORTH, "north", lambda v: v.update(_type="https://x/v0"))),
    "other-predicate": Fault(NORTH, 6, after=restated(NORTH, "north", lambda v: v.update(predicateType="https://x/v1"))),
    "aggregation-as-site-receipt": Fault(
        NORTH, 6, after=lambda files: files.update({NORTH: sealed(payload_of(files, AGGREGATION), "north")})
    ),
    # 7. nonce
    "short-nonce": Fault(NORTH, 7, after=restated(NORTH, "north", _other_nonce("00112233"))),
    # 8. fields
    "unknown-field": Fault(NORTH, 8, after=restated(NORTH, "north", lambda v: _internal(v).update(extra="a word"))),
    "missing-field": Fault(NORTH, 8, after=restated(NORTH, "north", lambda v: _drop(_internal(v), "sandbox"))),
    "transcript-of-nothing": Fault(
        NORTH, 8, after=restated(NORTH, "north", lambda v: _internal(v).update(transcript=None))
    ),
    "transcript-without-its-root": Fault(
        NORTH, 8, after=restated(NORTH, "north", lambda v: _drop(_internal(v)["transcript"], "root"))
    ),
    "higher-tier": Fault(NORTH, 8, after=restated(NORTH, "north", lambda v: _internal(v).update(tier="T2"))),
    "bad-count": Fault(
        NORTH, 8, after=restated(NORTH, "north", lambda v: _internal(v)["cohort"].update(patients={"about": -1}))
    ),
    # 9. the signer speaks for itself
    "site-speaks-for-another": Fault(NORTH, 9, before=release_with("north", site=SiteId("south"))),
    "hub-speaks-for-another": Fault(AGGREGATION, 9, before=aggregation_with(hub="other-hub")),
    # 11. files
    "swapped-weights": Fault(NORTH, 11, after=lambda files: files.update({"model.safetensors": WEIGHTS + b"\x00"})),
    "edited-metrics": Fault(NORTH, 11, after=lambda files: files.update({"metrics/north.json": b"{}"})),
    "missing-metrics": Fault(NORTH, 11, after=lambda files: _drop(files, "metrics/north.json")),
    "missing-weights": Fault(AGGREGATION, 11, after=lambda files: _drop(files, "model.safetensors")),
    "edited-pooled-metrics": Fault(AGGREGATION, 11, after=lambda files: files.update({"metrics.json": b"{}"})),
    # 10. study
    "other-study": Fault(NORTH, 10, before=_other_study),
    "edited-study": Fault(AGGREGATION, 10, after=lambda files: files.update({"study.json": b"{}"})),
    "cohort-of-other-study": Fault(
        NORTH, 10,
        before=lambda parts: release_with(
            "north",
            cohort=parts.releases["north"].cohort.model_copy(
                update={"study_digest": made_up.blob("another study"), "patients": Count(about=30)}
            ),
        )(parts),
    ),
    "missing-study": Fault(AGGREGATION, 10, after=lambda files: _drop(files, "study.json")),
    "other-architecture": Fault(NORTH, 10, before=release_with("north", architecture="gru")),
    "transcript-of-fewer-steps": Fault(NORTH, 10, before=release_with("north", transcript=TOO_SHORT)),
    "transcript-at-another-distance": Fault(NORTH, 10, before=release_with("north", transcript=OFTENER)),
    "transcript-of-a-script": Fault(
        NORTH, 10, before=both(in_mode("C"), release_with("north", transcript=made_up.transcript("north")))
    ),
    "transcript-of-scaffold": Fault(NORTH, 10, before=asking(aggregation={"kind": "scaffold"}, optimizer="sgd")),
    "transcript-of-smaller-updates": Fault(NORTH, 10, before=asking(updates="int8")),
    "transcript-of-a-private-study": Fault(
        NORTH, 10, before=both(privately, release_with("north", transcript=made_up.transcript("north")))
    ),
    "private-by-no-mechanism": Fault(NORTH, 10, before=both(privately, spent_with("north", mechanism="none"))),
    "private-with-less-than-no-noise": Fault(
        NORTH, 10, before=both(privately, spent_with("north", noise_multiplier=-1.1))
    ),
    "other-mode": Fault(NORTH, 10, before=release_with("north", mode="C")),
    "mode-not-stated": Fault(NORTH, 10, before=both(in_mode("C"), release_with("north", mode="A"))),
    "mode-b-with-a-sampling-rate": Fault(NORTH, 10, before=both(in_mode("B"), spent_with("north", sampling_rate=0.05))),
    "mode-b-by-another-mechanism": Fault(NORTH, 10, before=both(in_mode("B"), spent_with("north", mechanism="dp-sgd"))),
    "mode-b-with-another-clip": Fault(NORTH, 10, before=both(in_mode("B"), spent_with("north", clip=2.0))),
    "study-by-another-name": Fault(NORTH, 10, before=release_with("north", study="a-nicer-name")),
    # 12. the log's entry
    "entry-of-another-receipt": Fault(NORTH, 12, after=relogged(NORTH, log_samples.other_entry)),
    "entry-edited": Fault(NORTH, 12, after=relogged(NORTH, log_samples.edited_entry)),
    "hint-of-another-key": Fault(NORTH, 12, after=relogged(NORTH, log_samples.other_hint)),
    # 13. in the log
    "hash-of-proof-swapped": Fault(NORTH, 13, after=relogged(NORTH, log_samples.swapped_hash)),
    "proof-cut-short": Fault(NORTH, 13, after=relogged(NORTH, log_samples.cut_proof)),
    "proof-too-long": Fault(NORTH, 13, after=relogged(NORTH, log_samples.long_proof)),
    "other-index": Fault(NORTH, 13, after=relogged(NORTH, log_samples.other_index)),
    "two-indices": Fault(NORTH, 13, after=relogged(NORTH, log_samples.two_indices)),
    "other-tree-size": Fault(NORTH, 13, after=relogged(NORTH, log_samples.other_size)),
    "other-root-hash": Fault(NORTH, 13, after=relogged(NORTH, log_samples.other_root)),
    "checkpoint-malformed": Fault(NORTH, 13, after=relogged(NORTH, log_samples.malformed_checkpoint)),
    "checkpoint-of-another-tree": Fault(NORTH, 13, after=relogged(NORTH, log_samples.other_tree)),
    # 14. the log's signature
    "checkpoint-edited": Fault(NORTH, 14, after=relogged(NORTH, log_samples.edited_signature)),
    "unknown-log": Fault(NORTH, 14, after=relogged(NORTH, log_samples.unknown_log)),
    "log-id-of-another-log": Fault(NORTH, 14, after=relogged(NORTH, log_samples.other_log_id)),
    "log-signature-missing": Fault(NORTH, 14, after=relogged(NORTH, log_samples.unsigned)),
    # 15. witnesses
    "cosignature-does-not-fit": Fault(NORTH, 15, after=relogged(NORTH, log_samples.false_witness)),
    "cosignature-time-edited": Fault(NORTH, 15, after=relogged(NORTH, log_samples.edited_time)),
    # 16. the Sigstore form
    "certified-missing": Fault(NORTH, 16, at_last=lambda files: _drop(files, second.SECOND)),
    "certified-not-json": Fault(NORTH, 16, at_last=lambda files: files.update({second.SECOND: b"{}"})),
    "certified-other-envelope": Fault(NORTH, 16, at_last=second.other_envelope),
    "certified-two-stamps": Fault(
        NORTH, 16, at_last=second.changed(lambda v: _twice(v["verificationMaterial"]["timestampVerificationData"]))
    ),
    # 17. its log entry
    "certified-entry-of-the-key": Fault(NORTH, 17, at_last=second.entry_of_the_key),
    "certified-log-signature-missing": Fault(NORTH, 17, at_last=second.unsigned_log),
    "certified-proof-cut-short": Fault(
        NORTH, 17, at_last=second.changed(lambda v: log_samples.cut_proof(v["verificationMaterial"]))
    ),
    # 18. time stamp
    "trust-missing": Fault(NORTH, 18, at_last=lambda files: _drop(files, TRUST_CONFIG_FILE)),
    "trust-not-json": Fault(NORTH, 18, at_last=lambda files: files.update({TRUST_CONFIG_FILE: b"{}"})),
    "unknown-authority": Fault(NORTH, 18, at_last=second.without("authority")),
    "unknown-time-stamper": Fault(NORTH, 18, at_last=second.without("time-stamper")),
    "unknown-certificate-log": Fault(NORTH, 18, at_last=second.without("certificate-log")),
    "stamped-by-a-stranger": Fault(NORTH, 18, at_last=second.stamped(second.stranger())),
    "stamp-over-other-bytes": Fault(NORTH, 18, at_last=second.stamped(second.known(), message=b"another signature")),
    "stamped-before-the-stamper-was": Fault(NORTH, 18, at_last=second.stamped(second.known(), minutes=-9)),
    # 19. certificate
    "certified-by-a-stranger": Fault(NORTH, 19, at_last=second.certified_by(second.stranger())),
    "certificate-not-stamped": Fault(NORTH, 19, at_last=second.certified_by(second.unstamped())),
    "certificate-edited": Fault(NORTH, 19, at_last=second.changed(second.edit_certificate)),
    "certificate-of-another-site": Fault(
        NORTH, 19,
        certifying=lambda asked: replace(asked, signer=asked.signer.model_copy(update={"owner": "south"})),
    ),
    "certificate-of-another-key": Fault(
        NORTH, 19,
        certifying=lambda asked: replace(
            asked, signer=asked.signer.model_copy(update={"public_key": made_up.trusted("south").public_key})
        ),
    ),
    "certificate-expired": Fault(NORTH, 19, at_last=second.stamped(second.known(), minutes=11)),
    # 20. rounds
    "missing-round": Fault(
        AGGREGATION, 20,
        before=lambda parts: aggregation_with(
            rounds=tuple(m for m in parts.aggregation.rounds if m.round != 1)
        )(parts),
    ),
    "last-round-gave-other-weights": Fault(AGGREGATION, 20, before=members(3, weights_out=made_up.blob("other"))),
    "empty-round": Fault(AGGREGATION, 20, before=members(2, updates={}, weights_of_sites={})),
    "best-round-not-named": Fault(AGGREGATION, 20, before=best_round(released_round=None)),
    "best-round-that-is-not": Fault(AGGREGATION, 20, before=best_round(released_round=4)),
    "weights-of-another-round": Fault(AGGREGATION, 20, before=best_round(released_round=3)),
    "best-round-nobody-asked-for": Fault(AGGREGATION, 20, before=aggregation_with(released_round=3)),
    "updates-in-another-form": Fault(AGGREGATION, 20, before=aggregation_with(updates="int8")),
    # 21. approvals
    "other-approval": Fault(AGGREGATION, 21, before=release_with("north", approval=made_up.blob("another approval"))),
    "unapproved-site": Fault(
        AGGREGATION, 21,
        before=lambda parts: aggregation_with(approvals={"north": parts.aggregation.approvals["north"]})(parts),
    ),
    "no-site-receipts": Fault(
        AGGREGATION, 21, after=lambda files: _drop(files, *(f"receipts/{site}.json" for site in SITES))
    ),
    # 22. what went in
    "swapped-update": Fault(AGGREGATION, 22, before=traces("north", 2, weights_out=made_up.blob("another update"))),
    "unsigned-round": Fault(
        AGGREGATION, 22,
        before=lambda parts: release_with("north", rounds=parts.releases["north"].rounds[:-1])(parts),
    ),
    # 23. what each round started from
    "broken-chain": Fault(AGGREGATION, 23, before=traces("north", 2, weights_in=made_up.blob("other weights"))),
    "head-start": Fault(AGGREGATION, 23, before=traces("north", 0, weights_in=made_up.blob("weights from before"))),
    "other-weights-at-a-hospital": Fault(
        AGGREGATION, 23, before=both(without_weights, release_with("north", weights=made_up.blob("other weights")))
    ),
    "extra-round": Fault(
        AGGREGATION, 23,
        before=both(asking(rounds=20, early_stopping={"metric": "auroc", "patience": 2}), _one_more),
    ),
}  # fmt: skip
