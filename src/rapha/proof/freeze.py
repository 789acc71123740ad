"""A freeze as a signed statement, and the check that it came before the receipt of its run. Pure.

A hospital that freezes a cohort signs the root of its patients' tree and has it logged before the run's first round, so that it cannot
choose afterwards whom to say it used. Same envelope, same log, same two forms as a receipt; docs/receipt.md has it field by field.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from rapha.canonical import canonical_bytes, digest
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.claim import STATEMENT_TYPE, Json, SiteClaim
from rapha.proof.envelope import open_envelope, seal
from rapha.proof.refusal import STUDY_FILE
from rapha.proof.statement import read_canonical
from rapha.records.freeze import Freeze
from rapha.records.receipt import Receipt, Tier
from rapha.records.record import Digest
from rapha.records.release import Release

FREEZE_TYPE = "https://rapha.dev/freeze/v1"
FREEZES = "freezes/"
"""Where what hospitals froze before a run lies in a model folder, one file each."""
NOT_FROZEN_BEFORE = "That whom the hospital says it used was settled before the run (enrolment before the run): no freeze of its cohort is signed and logged."
NO_FREEZE = "the receipt names no freeze of its cohort, and one is asked for: whom to name could be chosen when the run had ended"
FREEZE_NOT_SHOWN = (
    "That no work was done on the patients before their freeze was logged: the log has it before the receipt, and that nothing of the run was "
    "taken before it is the hub's word."
)
WITHIN = timedelta(minutes=20)
"""A hospital says its time by the quarter of an hour that it lies in; five minutes more for clocks that differ."""


@dataclass(frozen=True)
class FreezeClaim:
    """What a hospital signs that it froze."""

    freeze: Freeze
    not_shown: tuple[str, ...] = ()
    tier: Tier = "T0"

    @property
    def files(self) -> dict[str, Digest]:
        """What it is about."""
        return {STUDY_FILE: self.freeze.study_digest}

    @property
    def digest(self) -> Digest:
        """What a receipt names it by: SHA-256 of the statement."""
        return digest(freeze_statement(self.freeze))


@dataclass(frozen=True)
class Placed:
    """Where and when something was seen: the logs of both its entries, the trees that they are proven in (size and root, as written), their
    places, and the RFC 3161 time."""

    logs: frozenset[str]
    trees: frozenset[tuple[str, str]]
    places: tuple[int, int]
    stamped: datetime


def signed_freeze(
    site: str,
    study_digest: Digest,
    approval: Digest,
    commitment: Digest,
    patients_root: Digest,
    private: keys.PrivateKey,
) -> Receipt:
    """The hospital's word for what it froze, with a nonce of its own."""
    said = {"site": site, "study_digest": study_digest, "approval": approval, "commitment": commitment}
    freeze = Freeze.model_validate({**said, "patients_root": patients_root, "nonce": secrets.token_hex(16)})
    return seal(freeze_statement(freeze), private)


def freeze_statement(freeze: Freeze) -> bytes:
    """RFC 8785 bytes of the statement."""
    return canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": STUDY_FILE, "digest": {"sha256": freeze.study_digest.removeprefix("sha256:")}}],
            "predicateType": FREEZE_TYPE,
            "predicate": freeze.as_json(),
        }
    )


def check_freeze_type(value: Json) -> str:
    """The predicate's type. Raises Unproven where it is another."""
    if value.get("_type") != STATEMENT_TYPE:
        raise Unproven("this is not an in-toto Statement v1")
    if value.get("predicateType") != FREEZE_TYPE:
        raise Unproven("the statement is no freeze (predicateType)")
    return FREEZE_TYPE


def read_freeze(value: Json, payload: bytes) -> FreezeClaim:
    """The claim of a canonical statement of this type. Raises Unproven: anything is missing or besides."""
    try:
        freeze = Freeze.model_validate(value["predicate"], strict=True)
    except (KeyError, ValueError):
        raise Unproven("the statement lacks a field of this format, or has one that cannot be read") from None
    if freeze_statement(freeze) != payload:
        raise Unproven("the statement has a field that this format does not know, or a name that contradicts another")
    return FreezeClaim(freeze)


def is_freeze(payload: bytes) -> bool:
    """Whether these bytes mean to be one: to choose how to read them, not to rely on. Raises Unproven: not canonical."""
    return read_canonical(payload).get("predicateType") == FREEZE_TYPE


def parse_freeze(payload: bytes) -> FreezeClaim:
    """As `statement.parse_statement`, of a freeze."""
    value = read_canonical(payload)
    check_freeze_type(value)
    return read_freeze(value, payload)


def check_freeze(
    receipt: Receipt, site: str, study_digest: Digest, approval: Digest, public: keys.PublicKey
) -> FreezeClaim:
    """The freeze that this hospital signed, of that run. Raises Unproven where it is another."""
    claim = parse_freeze(open_envelope(receipt, public))
    if (claim.freeze.site, claim.freeze.study_digest, claim.freeze.approval) != (site, study_digest, approval):
        raise Unproven(f"{site}: the signed freeze is of another hospital, study or approval than this run")
    return claim


def has_first_round(release: Release) -> bool:
    """Whether the hospital worked on the run's first round, which starts from nothing. One that joined later had seen weights of the run before
    its first work, and a freeze of it would not be before the run."""
    return any(trace.round == 0 for trace in release.rounds)


def check_before(claim: SiteClaim, seen: Placed, freeze: FreezeClaim, logged: Placed) -> str:
    """That a receipt names this freeze, says the same of the cohort, and came after it.

    Raises:
        Unproven: it does not, or did not.
    """
    release, frozen, site = claim.release, freeze.freeze, claim.release.site
    # 1. The very freeze that the receipt names, of this run.
    if freeze.digest != release.freeze:
        raise Unproven(f"the freeze that is here is {freeze.digest}, the receipt names {release.freeze}")
    if (frozen.site, frozen.study_digest, frozen.approval) != (site, release.study_digest, release.approval):
        raise Unproven("the freeze is of another hospital, study or approval than the receipt")
    if not has_first_round(release):
        raise Unproven(
            "the receipt names a freeze, and not the run's first round: the hospital had seen weights of the run before its work"
        )
    # 2. The same patients, and the same rows.
    if frozen.patients_root != release.cohort.patients_root:
        raise Unproven("the receipt has another tree of patients than the hospital froze before the run")
    if frozen.commitment != release.cohort.commitment:
        raise Unproven("the receipt is of other rows than the hospital froze before the run")
    # 3. Both of its entries come before both of the receipt's, in one tree of one log: of two trees nothing says that one became the other.
    if len(seen.logs | logged.logs) != 1:
        raise Unproven("freeze and receipt are in different logs: which came first is not shown")
    if len(seen.trees | logged.trees) != 1:
        raise Unproven("freeze and receipt are not proven in one tree of the log: which came first is not shown")
    if max(logged.places) >= min(seen.places):
        raise Unproven("the log has the freeze after the receipt: whom to name could be chosen afterwards")
    # 4. It was stamped no later than the receipt, and before the run ended, by the hospital's own word.
    if logged.stamped > seen.stamped:
        raise Unproven("the freeze was time-stamped after the receipt")
    if logged.stamped > claim.at + WITHIN:
        raise Unproven("the freeze was time-stamped after the run had ended, by the hospital's own word")
    first, second = logged.places
    return f"entries {first} and {second}, stamped {logged.stamped:%Y-%m-%d %H:%M:%S} UTC; the same tree of patients, the same rows"
