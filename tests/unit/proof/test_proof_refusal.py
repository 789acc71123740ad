"""What a hospital signs that it refused: a code, and never more."""

from datetime import UTC, datetime
from typing import get_args

import pytest
from pydantic import ValidationError

from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.envelope import open_envelope
from rapha.proof.refusal import check_refusal, parse_refusal, refusal_statement, signed_refusal
from rapha.records.refusal import STAGES, Refusal, stated_reason
from rapha.records.release import ReasonCode

STUDY, AT = "sha256:" + "a" * 64, datetime(2026, 11, 23, 8, tzinfo=UTC)
NOT_SIGNED = {
    "feasibility-not-offered", "asked-too-often", "script-not-loaded", "script-failed", "answers-used-up",  # of a question, which is no study
    "sandbox-died", "training-failed", "disk-full", "hub-unreachable", "deadline", "outside-hours", "cancelled", "internal",
    "kept-state-lost",
}  # fmt: skip
OF_THE_DATA = {
    "unknown-concept", "no-hierarchy", "unknown-unit", "mixed-units", "cohort-empty", "cohort-too-small", "too-few-events",
}  # fmt: skip


@pytest.mark.parametrize("reason", get_args(ReasonCode))
def test_every_reason_is_a_refusal_or_something_else(reason: ReasonCode) -> None:
    key = keys.generate()
    receipt = signed_refusal("north", STUDY, reason, AT, key)
    assert (receipt is None) == (reason in NOT_SIGNED)
    if receipt is not None:
        refusal = parse_refusal(open_envelope(receipt, key.public_key())).refusal
        assert check_refusal(receipt, "north", STUDY, reason, key.public_key()) == refusal
        assert refusal.stage == STAGES[refusal.reason]
        assert (refusal.reason == "cohort-not-answerable") == (reason in OF_THE_DATA)


def test_what_the_data_say_reads_alike() -> None:
    assert {stated_reason(reason) for reason in OF_THE_DATA} == {"cohort-not-answerable"}  # type: ignore[arg-type]


def test_two_refusals_of_one_study_cannot_be_told_by_their_bytes() -> None:
    key = keys.generate()
    first, second = (signed_refusal("north", STUDY, "steward-denied", AT, key) for _ in range(2))
    assert first and second and first.payload != second.payload


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "gate"},
        {"reason": "cohort-too-small"},
        {"at": "2026-13-01T00:00:00.000Z"},
        {"at": "today"},
        {"nonce": "00"},
    ],
)
def test_nothing_else_can_be_said(change: dict[str, str]) -> None:
    said = {
        "site": "north", "study_digest": STUDY, "stage": "policy", "reason": "purpose-not-allowed",
        "at": "2026-11-23T08:00:00.000Z", "nonce": "0" * 32,
    }  # fmt: skip
    assert parse_refusal(refusal_statement(Refusal.model_validate(said))).refusal.as_json() == said
    with pytest.raises(ValidationError):
        Refusal.model_validate({**said, **change})


def test_a_refusal_of_another_key_is_refused() -> None:
    receipt = signed_refusal("north", STUDY, "steward-denied", AT, keys.generate())
    assert receipt is not None
    with pytest.raises(Unproven):
        check_refusal(receipt, "north", STUDY, "steward-denied", keys.generate().public_key())
