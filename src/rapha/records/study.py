"""Study: what the researcher asks for. Its digest is what everyone approves, runs and signs."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.cohort_spec import CohortSpec, Criterion, EventCriterion, events_in, needs_encounter
from rapha.records.concept import ANY_UNIT, Concept
from rapha.records.dense import DENSE_KINDS, DenseFeature, Modality
from rapha.records.feature import AggregateFeature, DemographicFeature, Feature, SequenceFeature
from rapha.records.learning import (
    READS,
    SURVIVAL,
    ArchitectureSpec,
    LateFusion,
    PrivacyTerms,
    Reads,
    SplitSpec,
    TrainingSpec,
)
from rapha.records.moments import Window
from rapha.records.named_windows import written_out
from rapha.records.outcome import OutcomeSpec, RiseRule, ValueRule
from rapha.records.private import check_private
from rapha.records.record import Record, Sentence, Slug, Word

DEATH = "death"
"""The one concept that need not be declared: it is of the patient, not of a code system."""

DataUse = Annotated[str, StringConstraints(pattern=r"^DUO:\d{7}$")]


class Purpose(Record):
    """One plain sentence, and GA4GH Data Use Ontology terms."""

    sentence: Sentence
    data_use: Annotated[tuple[DataUse, ...], Field(min_length=1, max_length=20)]


class DataNeeds(Record):
    modalities: Annotated[tuple[Modality, ...], Field(min_length=1, max_length=8)]


class SiteSelector(Record):
    """`at_least` sites must take part, in every round; `only` names them where it matters which."""

    at_least: Annotated[int, Field(ge=1, le=10_000)] = 1
    only: tuple[Slug, ...] = ()


class Study(Record):
    """See the fields' own pages. Refused when written: undeclared concepts, numbers in two units, an outcome the model cannot learn,
    a sequence without an architecture that reads it, features that share a name."""

    study: Slug
    purpose: Purpose
    data: DataNeeds
    concepts: Annotated[dict[Word, Concept], Field(min_length=1, max_length=500)]
    cohort: CohortSpec
    outcome: OutcomeSpec
    features: Annotated[tuple[Feature, ...], Field(min_length=1, max_length=2000)]
    model: ArchitectureSpec
    training: TrainingSpec = TrainingSpec()
    split: SplitSpec = SplitSpec()
    privacy: PrivacyTerms = PrivacyTerms()
    sites: SiteSelector = SiteSelector()
    release: Annotated[tuple[Literal["weights", "metrics"], ...], Field(min_length=1)] = ("weights", "metrics")

    @model_validator(mode="before")
    @classmethod
    def _windows_written_out(cls, value: Any) -> Any:
        """`windows: {...}` and their names are short forms; see `named_windows.py`."""
        return written_out(value)

    @model_validator(mode="after")
    def _declared(self) -> "Study":
        if DEATH in self.concepts:
            raise PydanticCustomError("death", "`death` is built in: it cannot be declared as a concept")
        for place, name in self._mentions():
            if name != DEATH and name not in self.concepts:
                raise PydanticCustomError(
                    "undeclared",
                    "{place}: the concept `{name}` is not declared under concepts",
                    {"place": place, "name": name, "known": [*self.concepts, DEATH]},
                )
        return self

    @model_validator(mode="after")
    def _learnable(self) -> "Study":
        survival = self.model.architecture in SURVIVAL
        if self.outcome.kind in ("categorical", "numeric"):
            raise PydanticCustomError(
                "learnable",
                "model: no architecture of this version learns a {kind} outcome; `{architecture}` does not",
                {"kind": self.outcome.kind, "architecture": self.model.architecture},
            )
        if survival != (self.outcome.kind == "time-to-event"):
            wanted = "time-to-event" if survival else "binary"
            raise PydanticCustomError(
                "learnable",
                "model: `{architecture}` learns a {wanted} outcome; the outcome is {kind}",
                {"architecture": self.model.architecture, "wanted": wanted, "kind": self.outcome.kind},
            )
        self._readable()
        names = [f.name for f in self.features]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise PydanticCustomError("twice", "features: `{name}` is asked for twice", {"name": twice[0]})
        check_private(self)
        return self

    def _readable(self) -> None:
        """The features that are more than numbers are those that the architecture reads."""
        reads = READS.get(self.model.architecture, Reads())
        found = [f.kind for f in self.features if f.kind in ("sequence", *DENSE_KINDS)]
        for kind in found:
            if kind not in reads.kinds:
                readers = " or ".join(f"`{name}`" for name, each in READS.items() if kind in each.kinds)
                raise PydanticCustomError(
                    "learnable", "features: `{architecture}` reads no `{kind}`; {readers} does",
                    {"architecture": self.model.architecture, "kind": kind, "readers": readers},
                )  # fmt: skip
        if reads.kinds and not 1 <= len(found) <= reads.at_most:
            wanted = "exactly one" if reads.at_most == 1 else f"one to {reads.at_most}"
            raise PydanticCustomError(
                "learnable", "features: `{architecture}` reads {wanted} of {kinds}; the study has {found}",
                {"architecture": self.model.architecture, "wanted": wanted, "found": len(found),
                 "kinds": " and ".join(f"`{kind}`" for kind in reads.kinds)},
            )  # fmt: skip
        if isinstance(self.model, LateFusion) and (idle := sorted(set(self.model.said) - set(found))):
            raise PydanticCustomError(
                "learnable", "model: `{kind}` says how a feature is read that the study has not", {"kind": idle[0]}
            )
        for at, feature in enumerate(self.features):
            if isinstance(feature, DenseFeature) and feature.modality not in self.data.modalities:
                raise PydanticCustomError(
                    "modality", "features.{at}: a `{kind}` is of the modality `{modality}`: name it under data.modalities",
                    {"at": at, "kind": feature.kind, "modality": feature.modality},
                )  # fmt: skip

    @model_validator(mode="after")
    def _placed(self) -> "Study":
        if self.cohort.encounter:
            return self
        for place, window in self._windows():
            if any(bound.anchor.startswith("encounter") for bound in window.bounds):
                raise PydanticCustomError(
                    "encounter",
                    "{place}: a window at an encounter needs `encounter: [...]` under cohort: the concepts that are stays",
                    {"place": place},
                )
        if needs_encounter((*self.cohort.include, *self.cohort.exclude)):
            raise PydanticCustomError(
                "encounter", "cohort: `within: encounter` needs `encounter: [...]`: the concepts that are stays"
            )
        return self

    @model_validator(mode="after")
    def _one_unit(self) -> "Study":
        said = {name: concept.unit for name, concept in self.concepts.items() if concept.unit}
        for place, name, unit in self._compared():
            if unit != ANY_UNIT and name in self.concepts and said.setdefault(name, unit) != unit:
                raise PydanticCustomError(
                    "unit",
                    "{place}: `{name}` is compared in {unit}, and its numbers are in {other}: a concept has one unit in a "
                    "study; state it as its `unit`, others under `convert`",
                    {"place": place, "name": name, "unit": unit, "other": said[name]},
                )
        return self

    def units(self) -> dict[str, str | None]:
        """The unit of each concept's numbers, stated with the concept or where they are compared; None where neither."""
        said = {name: concept.unit for name, concept in self.concepts.items()}
        stated = {name: unit for _, name, unit in self._compared() if unit != ANY_UNIT}
        return {name: unit or stated.get(name) for name, unit in said.items()}

    def numeric(self) -> frozenset[str]:
        """The concepts whose numbers are used, in a unit or in the one that all have: compared, summed up in a feature, read in a sequence, or predicted."""
        names = {name for _, name, unit in self._compared() if unit != ANY_UNIT}
        for feature in self.features:
            if isinstance(feature, SequenceFeature):
                names.update(feature.of)
            elif isinstance(feature, AggregateFeature) and feature.aggregate not in ("count", "any", "since"):
                names.add(feature.of)
        return frozenset(names - {DEATH})

    def _compared(self) -> Iterator[tuple[str, str, str]]:
        """(place, concept, unit) of every number that is compared or predicted."""
        for place, criterion in self._criteria():
            if criterion.value:
                yield from ((place, name, criterion.value.unit) for name in criterion.of)
        match self.outcome.event:
            case ValueRule() as rule:
                yield "outcome.event", rule.first, rule.value.unit
            case RiseRule() as rule:
                yield "outcome.event", rule.rise, rule.unit
        if self.outcome.value:
            yield "outcome.value", self.outcome.value.of, self.outcome.value.unit

    def _mentions(self) -> Iterator[tuple[str, str]]:
        yield from (("cohort.index", name) for name in self.cohort.index.of)
        yield from (("cohort.encounter", name) for name in self.cohort.encounter)
        for place, criterion in self._criteria():
            yield from ((place, name) for name in criterion.of)
        yield from ((f"outcome.{key}", name) for key, name in self.outcome.mentions())
        yield from (("outcome.competing", name) for name in self.outcome.competing)
        for at, feature in enumerate(self.features):
            if isinstance(feature, AggregateFeature | DenseFeature):
                yield f"features.{at}", feature.of
            elif isinstance(feature, SequenceFeature):
                yield from ((f"features.{at}", name) for name in feature.of)
        for place, window in self._windows():
            yield from ((place, bound.concept) for bound in window.bounds if bound.concept)

    def _criteria(self) -> Iterator[tuple[str, EventCriterion]]:
        for part in ("include", "exclude"):
            criteria: tuple[Criterion, ...] = getattr(self.cohort, part)
            for at, criterion in enumerate(criteria):
                yield from ((f"cohort.{part}.{at}", one) for one in events_in((criterion,)))

    def _windows(self) -> Iterator[tuple[str, Window]]:
        """Every window of the study, and where it is written."""
        yield from ((place, criterion.during) for place, criterion in self._criteria())
        yield "outcome.during", self.outcome.during
        for at, feature in enumerate(self.features):
            if not isinstance(feature, DemographicFeature):
                yield f"features.{at}", feature.during
            if isinstance(feature, AggregateFeature) and feature.baseline:
                yield f"features.{at}", feature.baseline.during

    def windows(self) -> Iterator[Window]:
        """Every window of the study, in the order they are written."""
        return (window for _, window in self._windows())

    def mentioned(self) -> tuple[str, ...]:
        """The concepts that the study uses, in order of first use."""
        return tuple(dict.fromkeys(name for _, name in self._mentions()))
