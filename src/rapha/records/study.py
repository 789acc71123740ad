"""Study: what the researcher asks for. Its digest is what everyone approves, runs and signs."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.association import check_association
from rapha.records.cohort_spec import CohortSpec, Criterion, EventCriterion, events_in, needs_encounter
from rapha.records.concept import ANY_UNIT, Concept
from rapha.records.contradiction import check_possible
from rapha.records.dense import DENSE_KINDS, DenseFeature, GenotypesFeature, Modality
from rapha.records.feature import AggregateFeature, DemographicFeature, Feature, SequenceFeature
from rapha.records.language import check_language
from rapha.records.learning import (
    LAST_LAYER_KNOWN,
    LEARNS,
    METRICS_OF,
    READS,
    ArchitectureSpec,
    Exported,
    LateFusion,
    PrivacyTerms,
    Reads,
    Script,
    SplitSpec,
    TrainingSpec,
)
from rapha.records.mention import Mention
from rapha.records.moments import Window
from rapha.records.named_windows import written_out
from rapha.records.of_notes import check_mentions
from rapha.records.of_variants import check_variants
from rapha.records.outcome import OutcomeSpec, RiseRule, ValueRule
from rapha.records.payment import Payment
from rapha.records.private import check_private
from rapha.records.record import Record, Sentence, Slug, Word
from rapha.records.script import Mode, check_script
from rapha.records.segmenter import Segmenter
from rapha.records.variant import GENOTYPES
from rapha.records.variant_rule import VariantRule

DEATH = "death"
"""The one concept that need not be declared: it is of the patient, not of a code system."""

_UNNUMBERED = ("count", "any", "since")
"""The aggregates that need no number."""

DataUse = Annotated[str, StringConstraints(pattern=r"^DUO:\d{7}$")]


Disease = Annotated[str, StringConstraints(pattern=r"^MONDO:\d{7}$")]
Stated = Annotated[str, StringConstraints(min_length=2, max_length=200, strip_whitespace=True)]


class Purpose(Record):
    """One plain sentence, and GA4GH Data Use Ontology terms: what it is for, and which conditions it undertakes to keep.

    `diseases`: MONDO terms, for data of named diseases only. `institution`, `country` (ISO 3166-1, two letters), `ethics_approval` (by
    whom, its number): stated by the researcher, for data under such conditions, and read by the steward.
    """

    sentence: Sentence
    data_use: Annotated[tuple[DataUse, ...], Field(min_length=1, max_length=20)]
    diseases: Annotated[tuple[Disease, ...], Field(max_length=50)] = ()
    institution: Stated | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    ethics_approval: Stated | None = None

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not stated is not written: a study of before has the digest it had."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if value or key in ("sentence", "data_use")}


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
    payment: Payment | None = None

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study that offers no payment is written as it was before there was any, and keeps its digest."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "payment" or value is not None}

    @model_validator(mode="before")
    @classmethod
    def _windows_written_out(cls, value: Any) -> Any:
        """`windows: {...}` and their names are short forms; see `named_windows.py`."""
        return written_out(value)

    @model_validator(mode="after")
    def _declared(self) -> "Study":
        if DEATH in self.concepts:
            raise PydanticCustomError("death", "`death` is built in: it cannot be declared as a concept")
        if DEATH in self.cohort.index.of:
            raise PydanticCustomError(
                "death_index",
                "cohort.index: `death` cannot be the index: nobody is observed after it, so no outcome can follow",
            )
        for place, name in self._mentions():
            if name != DEATH and name not in self.concepts:
                raise PydanticCustomError(
                    "undeclared",
                    "{place}: the concept `{name}` is not declared under concepts",
                    {"place": place, "name": name, "known": [*self.concepts, DEATH]},
                )
        check_possible(self.cohort)
        return self

    @model_validator(mode="after")
    def _learnable(self) -> "Study":
        kind, learns = self.outcome.kind, LEARNS[self.model.architecture]
        if kind not in learns:
            others = ", ".join(name for name, kinds in LEARNS.items() if kind in kinds)
            raise PydanticCustomError(
                "learnable",
                "model: `{architecture}` learns a {learns} outcome; the outcome is {kind}, which is learnt by {others}",
                {"architecture": self.model.architecture, "learns": " or ".join(learns), "kind": kind,
                 "others": others or "no architecture of this version"},
            )  # fmt: skip
        if self.training.personal and self.model.architecture not in LAST_LAYER_KNOWN:
            raise PydanticCustomError(
                "learnable", "training.personal: of `{architecture}` no last layer can be a hospital's own: leave it out",
                {"architecture": self.model.architecture},
            )  # fmt: skip
        self._judged()
        self._readable()
        names = [f.name for f in self.features]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise PydanticCustomError("twice", "features: `{name}` is asked for twice", {"name": twice[0]})
        if isinstance(self.model, Exported) and self.model.running and self.training.updates != "float32":
            raise PydanticCustomError(
                "travel",
                "training.updates: a batch norm's running figures cannot be rounded, a variance below 0 would come of it: leave it "
                "out, or use a group norm or a layer norm",
            )
        check_script(self)
        check_language(self)
        check_private(self)
        check_association(self)
        return self

    def _judged(self) -> None:
        """Early stopping, and what chooses a round, look at a figure that there is of this outcome."""
        stopping, keep, known = self.training.early_stopping, self.training.keep, METRICS_OF[self.outcome.kind]
        for term, metric in (("early_stopping", stopping and stopping.metric), ("keep", keep and keep.best)):
            if metric is not None and metric not in known:
                raise PydanticCustomError(
                    "learnable", "training.{term}: of a {kind} outcome there is no `{metric}`; there are: {known}",
                    {"term": term, "kind": self.outcome.kind, "metric": metric, "known": ", ".join(known)},
                )  # fmt: skip

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
        if reads.kinds and not reads.at_least <= len(found) <= reads.at_most:
            wanted = (
                "exactly one" if reads.at_most == 1 else f"{'one' if reads.at_least else 'none'} to {reads.at_most}"
            )
            raise PydanticCustomError(
                "learnable", "features: `{architecture}` reads {wanted} of {kinds}; the study has {found}",
                {"architecture": self.model.architecture, "wanted": wanted, "found": len(found),
                 "kinds": " and ".join(f"`{kind}`" for kind in reads.kinds)},
            )  # fmt: skip
        if isinstance(self.model, LateFusion) and (idle := sorted(set(self.model.said) - set(found))):
            raise PydanticCustomError(
                "learnable", "model: `{kind}` says how a feature is read that the study has not", {"kind": idle[0]}
            )
        if isinstance(self.model, Segmenter) and len(self.features) > 1:
            raise PydanticCustomError(
                "learnable", "features: a `segmenter` reads its image and nothing beside it: leave the others out"
            )
        if isinstance(self.model, Segmenter) and any(
            len(each.dims) > 3 for each in self.features if isinstance(each, DenseFeature)
        ):
            raise PydanticCustomError(
                "learnable", "features: a `segmenter` reads one volume, not two side by side: leave `beside` out"
            )
        self._of_one_build()
        for at, feature in enumerate(self.features):
            if isinstance(feature, DenseFeature) and feature.modality not in self.data.modalities:
                raise PydanticCustomError(
                    "modality", "features.{at}: a `{kind}` is of the modality `{modality}`: name it under data.modalities",
                    {"at": at, "kind": feature.kind, "modality": feature.modality},
                )  # fmt: skip

    def _of_one_build(self) -> None:
        """A matrix of another build has other positions: its concept says which build it is of."""
        for at, feature in enumerate(self.features):
            if isinstance(feature, GenotypesFeature):
                wanted = f"{GENOTYPES}:{feature.build}"
                codes = self.concepts[feature.of].written_codes() if feature.of != DEATH else ()
                if {system for system, _ in codes} != {wanted}:
                    raise PydanticCustomError(
                        "build", "features.{at}: `{name}` is to have codes of the system `{wanted}`, and no others",
                        {"at": at, "name": feature.of, "wanted": wanted},
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

    @property
    def mode(self) -> Mode:
        """The release mode: A unless the researcher's own script is run (`records/script.py`)."""
        return self.model.mode if isinstance(self.model, Script) else "A"

    def units(self) -> dict[str, str | None]:
        """The unit of each concept's numbers, stated with the concept or where they are compared; None where neither."""
        said = {name: concept.unit for name, concept in self.concepts.items()}
        stated = {name: unit for _, name, unit in self._compared() if unit != ANY_UNIT}
        return {name: unit or stated.get(name) for name, unit in said.items()}

    def compared_numbers(self) -> frozenset[str]:
        """The concepts whose numbers are compared, predicted, or summed up in a feature, whatever their unit."""
        summed = (f.of for f in self.features if isinstance(f, AggregateFeature) and f.aggregate not in _UNNUMBERED)
        return frozenset((*(name for _, name, _ in self._compared()), *summed))

    def numeric(self) -> frozenset[str]:
        """The concepts whose numbers are used, in a unit or in the one that all have: compared, summed up in a feature, read in a sequence, or predicted."""
        names = {name for _, name, unit in self._compared() if unit != ANY_UNIT}
        for feature in self.features:
            if isinstance(feature, SequenceFeature):
                names.update(feature.of)
            elif isinstance(feature, AggregateFeature) and feature.aggregate not in _UNNUMBERED:
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

    @model_validator(mode="after")
    def _of_notes(self) -> "Study":
        check_mentions(self)
        check_variants(self)
        return self

    def said_in_notes(self) -> dict[str, Mention]:
        """The concepts that are what notes say."""
        return {name: concept.mention for name, concept in self.concepts.items() if concept.mention}

    def variant_rules(self) -> dict[str, VariantRule]:
        """The concepts that are variants, and which."""
        return {name: concept.variant for name, concept in self.concepts.items() if concept.variant}

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
        """The concepts that the study uses, in order of first use; then the notes that they are said in."""
        used = dict.fromkeys(name for _, name in self._mentions())
        said = self.said_in_notes()
        return tuple(dict.fromkeys([*used, *(note for name in used if name in said for note in said[name].notes)]))
