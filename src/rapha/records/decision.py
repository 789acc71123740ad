"""What a hospital's rules were asked, what each line of them answered, and what came of it. Kept by the node."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

from rapha.records.dense import Modality
from rapha.records.language import learns_text
from rapha.records.ledger import Spend
from rapha.records.record import Digest, DispatchId, Record, Slug
from rapha.records.release import ReasonCode
from rapha.records.script import Mode
from rapha.records.study import DataUse, Disease, Study

Stage = Literal["offer", "question", "signature", "task"]
"""When it was asked: a study was offered, only a count was asked for, a person signs, work is about to touch data."""


Outcome = Literal["allowed", "needs-person", "refused"]


class Facts(Record):
    """All that rules may look at, and nothing of a patient. `epsilon_micro` and `delta_pico` as the ledger counts, 0 without
    differential privacy. `runs_before`: runs of the same project that came before this one; None where nobody counted.
    `at`: by the node's clock; None where there is none."""

    study: Slug
    researcher: Annotated[str, Field(min_length=1, max_length=120)]
    modalities: tuple[Modality, ...]
    data_use: Annotated[tuple[DataUse, ...], Field(max_length=20)]
    diseases: tuple[Disease, ...] = ()
    institution: str | None = None
    country: str | None = None
    ethics_approval: str | None = None
    architecture: str
    mode: Mode = "A"
    generative: bool = False
    min_cohort: int
    rounds: int = 1
    epsilon_micro: int = 0
    delta_pico: int = 0
    isolated: bool = False
    layers: tuple[str, ...] = ()
    runs_before: int | None = None
    at: datetime | None = None

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Facts of mode A, and of what cannot write, are written as they were before there was another."""
        written: dict[str, Any] = serialise(self)
        return {
            key: value for key, value in written.items() if (key, value) not in (("mode", "A"), ("generative", False))
        }

    @classmethod
    def of(
        cls,
        study: Study,
        researcher: str,
        isolated: bool,
        layers: tuple[str, ...] = (),
        runs_before: int | None = None,
        at: datetime | None = None,
    ) -> "Facts":
        """The facts of a study, on a node that can (`isolated`) or cannot build walls, of these layers."""
        purpose, spend = study.purpose, Spend.of_study(study)
        return cls.model_construct(
            study=study.study,
            researcher=researcher,
            modalities=study.data.modalities,
            data_use=purpose.data_use,
            diseases=purpose.diseases,
            institution=purpose.institution,
            country=purpose.country,
            ethics_approval=purpose.ethics_approval,
            architecture=study.model.architecture,
            mode=study.mode,
            generative=learns_text(study),
            min_cohort=study.privacy.min_cohort,
            rounds=study.training.rounds,
            epsilon_micro=spend.epsilon_micro,
            delta_pico=spend.delta_pico,
            isolated=isolated,
            layers=layers,
            runs_before=runs_before,
            at=at,
        )


class Reading(Record):
    """What one line of the rules answered. `reason`: why not, where it does not hold."""

    line: Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
    holds: bool
    reason: ReasonCode | None = None


class DecisionRecord(Record):
    """One decision, whole. Its digest goes into the approval or the denial; the record stays at the hospital.

    `nonce`: 128 random bits, so that nobody who has the digest can find out the facts by trying. `approval`: the digest of the
    yes that was held against the rules again, before a task.
    """

    dispatch: DispatchId
    study_digest: Digest
    policy_digest: Digest
    stage: Stage
    facts: Facts
    readings: tuple[Reading, ...]
    outcome: Outcome
    by: str
    reason: ReasonCode | None = None
    approval: Digest | None = None
    at: datetime
    nonce: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]

    def says_the_same(self, other: "DecisionRecord") -> bool:
        """Whether nothing differs but the moment."""
        return self._without_moment() == other._without_moment()

    def _without_moment(self) -> "DecisionRecord":
        facts = self.facts.model_copy(update={"at": None})
        return self.model_copy(update={"at": None, "nonce": None, "facts": facts})
