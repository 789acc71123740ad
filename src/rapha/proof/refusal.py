"""A refusal as a signed statement: an in-toto Statement v1 about `study.json`, with a predicate of its own.

Same envelope, same log, same two forms as a receipt; docs/receipt.md has it field by field.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from rapha.canonical import canonical_bytes
from rapha.clock import stamp
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.claim import STATEMENT_TYPE, Json
from rapha.proof.envelope import open_envelope, seal
from rapha.proof.statement import read_canonical
from rapha.records.receipt import Receipt, Tier
from rapha.records.record import Digest
from rapha.records.refusal import STAGES, Refusal, stated_reason
from rapha.records.release import ReasonCode

REFUSALS = "refusals/"
"""Where the hospitals that said no are heard, one file each."""
REFUSAL_TYPE = "https://rapha.dev/refusal/v1"
STUDY_FILE = "study.json"
REFUSAL_NOT_SHOWN = (
    "Why the hospital refused, beyond a code: the reason stays there, and nobody else has looked at it.",
    "That a refusal is missing: a hospital that never answers signs nothing.",
    "That it was refused at the time it names: the signer's own clock says so.",
)
_SHORT = "the nonce is not 128 bits in hex, so the statement might be guessed from its hash"


@dataclass(frozen=True)
class RefusalClaim:
    """What a hospital signs that it did not let happen."""

    refusal: Refusal
    not_shown: tuple[str, ...] = REFUSAL_NOT_SHOWN
    tier: Tier = "T0"

    @property
    def files(self) -> dict[str, Digest]:
        """What it is about."""
        return {STUDY_FILE: self.refusal.study_digest}


def signed_refusal(
    site: str, study_digest: Digest, reason: ReasonCode, at: datetime, private: keys.PrivateKey
) -> Receipt | None:
    """The hospital's signed no; None where the reason is none of a refusal."""
    stated = stated_reason(reason)
    if stated is None:
        return None
    said = {"site": site, "study_digest": study_digest, "stage": STAGES[stated], "reason": stated}
    refusal = Refusal.model_validate({**said, "at": stamp(at), "nonce": secrets.token_hex(16)})
    return seal(refusal_statement(refusal), private)


def refusal_statement(refusal: Refusal) -> bytes:
    """RFC 8785 bytes of the statement."""
    return canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": STUDY_FILE, "digest": {"sha256": refusal.study_digest.removeprefix("sha256:")}}],
            "predicateType": REFUSAL_TYPE,
            "predicate": refusal.as_json(),
        }
    )


def check_refusal_type(value: Json) -> str:
    """The predicate's type. Raises Unproven where it is another."""
    if value.get("_type") != STATEMENT_TYPE:
        raise Unproven("this is not an in-toto Statement v1")
    if value.get("predicateType") != REFUSAL_TYPE:
        raise Unproven("the statement is no refusal (predicateType)")
    return REFUSAL_TYPE


def check_refusal_nonce(value: Json) -> str:
    """The 128-bit nonce. Raises Unproven."""
    predicate = value.get("predicate")
    nonce = predicate.get("nonce") if isinstance(predicate, dict) else None
    if not isinstance(nonce, str) or len(nonce) != 32 or set(nonce) - set("0123456789abcdef"):
        raise Unproven(_SHORT)
    return nonce


def read_refusal(value: Json, payload: bytes) -> RefusalClaim:
    """The claim of a canonical statement of this type. Raises Unproven: anything is missing or besides."""
    try:
        refusal = Refusal.model_validate(value["predicate"], strict=True)
    except (KeyError, ValueError):
        raise Unproven("the statement lacks a field of this format, or has one that cannot be read") from None
    if refusal_statement(refusal) != payload:
        raise Unproven("the statement has a field that this format does not know, or a name that contradicts another")
    return RefusalClaim(refusal)


def is_refusal(payload: bytes) -> bool:
    """Whether these bytes mean to be one: to choose how to read them, not to rely on. Raises Unproven: not canonical."""
    return read_canonical(payload).get("predicateType") == REFUSAL_TYPE


def parse_refusal(payload: bytes) -> RefusalClaim:
    """As `statement.parse_statement`, of a refusal."""
    value = read_canonical(payload)
    check_refusal_type(value)
    check_refusal_nonce(value)
    return read_refusal(value, payload)


def check_refusal(
    receipt: Receipt, site: str, study_digest: Digest, reason: ReasonCode, public: keys.PublicKey
) -> Refusal:
    """The refusal that this hospital signed, of that study, for that reason. Raises Unproven where it is another."""
    refusal = parse_refusal(open_envelope(receipt, public)).refusal
    if (refusal.site, refusal.study_digest, refusal.reason) != (site, study_digest, stated_reason(reason)):
        raise Unproven(
            f"{site}: the signed refusal says another hospital, study or reason than the answer it came with"
        )
    return refusal
