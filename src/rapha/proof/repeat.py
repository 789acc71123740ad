"""A second machine's signed word that it did a run again, bit for bit: what makes of a hospital's receipt one of tier T1.

An in-toto Statement v1 whose one subject is the receipt's own statement. It counts only where the reader has pinned the key as a
repeater's of that hospital, and where it is not the key that signed the receipt: nobody raises their own word.
"""

import secrets
from datetime import datetime
from typing import Final

from rapha.canonical import canonical_bytes, digest
from rapha.clock import stamp
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.bundle import read_bundle
from rapha.proof.claim import EVIDENCE_NOT_SHOWN, STATEMENT_TYPE, T0_NOT_SHOWN, SiteClaim
from rapha.proof.envelope import open_envelope, read_receipt, seal, unverified_payload
from rapha.proof.evidence.appraise import REMARKS
from rapha.proof.shown import NOT_REPEATED_NOT_SHOWN
from rapha.proof.statement import parse_statement, read_canonical
from rapha.proof.verify import ModelFolder
from rapha.records.receipt import Receipt, Step, Verdict
from rapha.records.record import Digest
from rapha.records.transcript import Repeat

REPEAT_TYPE = "https://rapha.dev/repeat/v1"
ROLE: Final = "repeater"
CHECK = "A machine whose key you pinned did the run again, bit for bit"
T1_NOT_SHOWN = (
    "That whoever did the run again is independent of the hospital: they were given its rows (tier T1).",
    "That the rows were made of the hospital's records as stated: both runs began from the rows as they were frozen.",
)


def signed_repeat(payload: bytes, root: Digest, waypoints: int, at: datetime, private: keys.PrivateKey) -> Receipt:
    """The word of whoever holds the key, that the run of the receipt with this statement came out again with this root, of so many
    waypoints.

    Raises:
        Unproven: the statement is no hospital's, or its transcript has another root or another number of waypoints.
    """
    claim = parse_statement(payload)
    stated = claim.release.transcript if isinstance(claim, SiteClaim) else None
    if not isinstance(claim, SiteClaim) or stated is None or (stated.root, stated.waypoints) != (root, waypoints):
        raise Unproven("the run did not come out as this receipt has it: there is nothing to sign")
    repeat = Repeat(
        site=claim.release.site,
        study_digest=claim.release.study_digest,
        statement=digest(payload),
        root=root,
        waypoints=waypoints,
        at=stamp(at),
        nonce=secrets.token_hex(16),
    )
    return seal(repeat_statement(repeat), private)


def repeat_statement(repeat: Repeat) -> bytes:
    """RFC 8785 bytes of the statement."""
    return canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [
                {"name": f"receipts/{repeat.site}.json", "digest": {"sha256": repeat.statement.removeprefix("sha256:")}}
            ],
            "predicateType": REPEAT_TYPE,
            "predicate": repeat.as_json(),
        }
    )


def raised(verdict: Verdict, folder: ModelFolder, word: bytes) -> Verdict:
    """The verdict on a hospital's receipt, with one step more; of tier T1 where that holds, or T2 where it was; of T0, and failed, where it does not, whatever words came
    before. A receipt that does not hold stays as it is."""
    if not verdict.ok:
        return verdict
    number = len(verdict.steps) + 1
    try:
        said = _check(verdict.subject, folder, word)
    except Unproven as problem:
        failed = Step(number=number, check=CHECK, passed=False, detail=str(problem))
        evidenced = (EVIDENCE_NOT_SHOWN,) if verdict.tier == "T2" else ()
        rest = [remark for remark in _but_the_tier(verdict.not_shown) if remark not in REMARKS]
        remarks = (T0_NOT_SHOWN[0], *evidenced, *rest)
        return verdict.model_copy(
            update={"ok": False, "tier": "T0", "steps": (*verdict.steps, failed), "not_shown": remarks}
        )
    passed = Step(number=number, check=CHECK, passed=True, detail=said)
    remarks = (*T1_NOT_SHOWN, *_but_the_tier(verdict.not_shown))
    return verdict.model_copy(
        update={"tier": max(verdict.tier, "T1"), "steps": (*verdict.steps, passed), "not_shown": remarks}
    )


def _but_the_tier(remarks: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(remark for remark in remarks if remark not in (T0_NOT_SHOWN[0], NOT_REPEATED_NOT_SHOWN, *T1_NOT_SHOWN))


def site_of(word: bytes) -> str:
    """Whose run a word is about: to find the receipt by, not to rely on. Raises Unproven: it is no such word."""
    return _read(unverified_payload(read_receipt(word))).site


def _check(path: str, folder: ModelFolder, word: bytes) -> str:
    """The step. Raises Unproven."""
    # 1. A key that the reader has from somewhere else, as a repeater's; not the receipt's own.
    envelope, receipt = read_receipt(word), read_bundle(folder.receipts[path]).dsseEnvelope
    signer = envelope.signatures[0].keyid
    if folder.pinned is None:
        raise Unproven("no keys are pinned: a key that came with the folder cannot raise its receipts")
    named = [key for key in folder.pinned.keys if key.keyid == signer and key.role == ROLE]
    if not named:
        raise Unproven(f"the key {signer[:16]} is not pinned as that of a {ROLE}")
    pinned = [key for key in named if path == f"receipts/{key.owner}.json"]
    if len(pinned) > 1:
        raise Unproven(f"the key {signer[:16]} is pinned twice for one hospital")
    key = (pinned or named)[0]
    if signer == receipt.signatures[0].keyid:
        raise Unproven("it is signed with the key that signed the receipt: nobody raises their own word")
    # 2. Its signature, over the one form of such a statement.
    payload = unverified_payload(receipt)
    repeat = _read(open_envelope(envelope, keys.public_from_pem(key.public_key)))
    # 3. About this receipt, this hospital, and what this receipt's transcript says.
    claim = parse_statement(payload)
    if repeat.site != key.owner or path != f"receipts/{repeat.site}.json":
        raise Unproven(f"the key is pinned for {key.owner}, the word is about {repeat.site}")
    if repeat.statement != digest(payload):
        raise Unproven("it is about another receipt than the one in this folder")
    stated = claim.release.transcript if isinstance(claim, SiteClaim) else None
    if stated is None or (repeat.root, repeat.waypoints) != (stated.root, stated.waypoints):
        raise Unproven("what came out again is not what the receipt's transcript says")
    return f"key {signer[:16]}; {repeat.waypoints} waypoints came out the same, root {repeat.root}"


def _read(payload: bytes) -> Repeat:
    value = read_canonical(payload)
    if value.get("predicateType") != REPEAT_TYPE:
        raise Unproven("this is not the word of a machine that did a run again (predicateType)")
    try:
        repeat = Repeat.model_validate(value["predicate"], strict=True)
    except (KeyError, ValueError):
        raise Unproven("the statement lacks a field of this format, or has one that cannot be read") from None
    if repeat_statement(repeat) != payload:
        raise Unproven("the statement has a field that this format does not know, or a name that contradicts another")
    return repeat
