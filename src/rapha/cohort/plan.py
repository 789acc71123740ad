"""A study's cohort with its concepts numbered: what the statement is made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rapha.records.cohort_spec import CohortSpec, EventCriterion, OutcomeSpec
from rapha.records.feature import AggregateFeature, Feature, SequenceFeature
from rapha.records.learning import SplitSpec
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

    def number(self, concept: str) -> int:
        """The number of a concept that the study uses."""
        return self.concepts.index(concept)

    def numbers(self, concepts: Iterable[str]) -> list[int]:
        """The numbers of concepts, each once, in the order given."""
        return [self.number(concept) for concept in dict.fromkeys(concepts)]


def plan_of(study: Study) -> Plan:
    """The plan of a study. Pure; a valid study always has one."""
    used = tuple(dict.fromkeys(_used(study)))
    codes = (
        CodeEntry(number, study.concepts[name].system, code)
        for number, name in enumerate(used)
        if name != DEATH
        for code in dict.fromkeys(study.concepts[name].codes)
    )
    return Plan(used, tuple(codes), study.cohort, study.outcome, study.features, study.split, study.digest)


def _used(study: Study) -> Iterator[str]:
    yield from study.cohort.index.of
    for criterion in (*study.cohort.include, *study.cohort.exclude):
        if isinstance(criterion, EventCriterion):
            yield from criterion.of
    yield study.outcome.event
    if study.outcome.competing is not None:
        yield study.outcome.competing
    for feature in study.features:
        if isinstance(feature, AggregateFeature):
            yield feature.of
        elif isinstance(feature, SequenceFeature):
            yield from feature.of
