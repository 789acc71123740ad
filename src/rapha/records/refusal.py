"""Refusal: that a hospital said no to a study, or that its gate stopped an output, as the hospital signs it."""

from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Digest, Record, Slug
from rapha.records.release import ReasonCode

Stage = Literal["policy", "steward", "gate"]
"""Who stopped it: the hospital's rules, a person there, or the gate that every output has to pass."""

PolicyReason = Literal[
    "modality-not-offered", "purpose-not-allowed", "researcher-not-allowed", "architecture-not-allowed",
    "minimum-cohort-too-low", "cohort-not-answerable", "policy-changed", "study-changed", "not-approved", "not-yet-possible",
    "sandbox-unavailable", "sandbox-layer-missing", "budget-not-offered", "budget-exhausted",
    "data-use-not-met", "policy-not-met", "too-many-runs", "mode-not-offered",
]  # fmt: skip
StewardReason = Literal["steward-denied"]
GateReason = Literal[
    "weights-unreadable", "not-finite", "wrong-shape", "wrong-dtype", "missing-tensor", "extra-tensor",
    "output-malformed", "output-too-large", "metric-not-allowed", "round-already-left", "noise-missing", "patients-remembered",
    "graph-refused", "operator-not-allowed", "graph-mismatch",
]  # fmt: skip

STAGES: dict[str, Stage] = {
    **dict.fromkeys(get_args(PolicyReason), "policy"),
    **dict.fromkeys(get_args(StewardReason), "steward"),
    **dict.fromkeys(get_args(GateReason), "gate"),
}
"""Which stage has which reasons: one has to fit the other."""

OF_THE_DATA = ("unknown-concept", "no-hierarchy", "unknown-unit", "mixed-units", "cohort-empty", "cohort-too-small", "too-few-events")  # fmt: skip
"""What tells of the records themselves: signed as one reason, `cohort-not-answerable`."""


class Refusal(Record):
    """A code and nothing else: no text, no count. `at`: by the hospital's clock. `nonce`: random; keeps the statement from
    being guessed from its hash."""

    site: Slug
    study_digest: Digest
    stage: Stage
    reason: PolicyReason | StewardReason | GateReason
    at: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$")]
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

    @model_validator(mode="after")
    def _fits(self) -> "Refusal":
        if STAGES[self.reason] != self.stage:
            raise PydanticCustomError("stage", "the reason is one of another stage")
        try:
            datetime.fromisoformat(self.at)
        except ValueError:
            raise PydanticCustomError("at", "there is no such day or time") from None
        return self


def stated_reason(reason: ReasonCode) -> str | None:
    """The reason as a hospital signs it for everybody; None where nothing was refused: something broke, or was too late.

    Whatever tells of the records themselves reads alike: who sees a cohort fail for too few events, and not for too few
    patients, has learned a count."""
    if reason in OF_THE_DATA:
        return "cohort-not-answerable"
    return reason if reason in STAGES else None
