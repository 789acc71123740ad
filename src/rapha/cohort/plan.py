"""A study's cohort with its concepts numbered: what the statement is made from."""

from collections.abc import Iterable
from dataclasses import dataclass

from rapha.records.cohort_spec import CohortSpec
from rapha.records.feature import Feature
from rapha.records.learning import SplitSpec
from rapha.records.moments import Bound
from rapha.records.outcome import OutcomeSpec
from rapha.records.study import DEATH, Study


@dataclass(frozen=True)
class CodeEntry:
    """One code of one concept; the concept by its number."""

    concept: int
    system: str
    code: str


@dataclass(frozen=True)
class Plan:
    """Everything a statement needs of a study. `concepts` are those that the study uses, in order of first use; a
    concept's number is its place there. A concept that is declared and never used is not asked for."""

    concepts: tuple[str, ...]
    codes: tuple[CodeEntry, ...]
    cohort: CohortSpec
    outcome: OutcomeSpec
    features: tuple[Feature, ...]
    split: SplitSpec
    study_digest: str
    anchors: tuple[Bound, ...]  # to events: `next a`, `last b`, each once, without their offsets

    def number(self, concept: str) -> int:
        """The number of a concept that the study uses."""
        return self.concepts.index(concept)

    def numbers(self, concepts: Iterable[str]) -> list[int]:
        """The numbers of concepts, each once, in the order given."""
        return [self.number(concept) for concept in dict.fromkeys(concepts)]


def plan_of(study: Study) -> Plan:
    """The plan of a study. Pure; a valid study always has one."""
    used = study.mentioned()
    codes = (
        CodeEntry(number, system, code)
        for number, name in enumerate(used)
        if name != DEATH
        for system, code in dict.fromkeys(study.concepts[name].written_codes())
    )
    anchors = dict.fromkeys(
        Bound(anchor=bound.anchor, concept=bound.concept)
        for window in study.windows()
        for bound in window.bounds
        if bound.concept
    )
    return Plan(
        used, tuple(codes), study.cohort, study.outcome, study.features, study.split, study.digest, tuple(anchors)
    )
