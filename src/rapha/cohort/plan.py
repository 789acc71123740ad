"""A study's cohort with its concepts numbered: what the statement is made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rapha.records.cohort_spec import CohortSpec
from rapha.records.feature import Feature
from rapha.records.learning import SplitSpec
from rapha.records.mention import Mention
from rapha.records.moments import Bound
from rapha.records.outcome import OutcomeSpec
from rapha.records.study import DEATH, Study
from rapha.records.variant import DOSAGE, VARIANT
from rapha.records.variant_rule import VariantRule


@dataclass(frozen=True)
class CodeEntry:
    """One code of one concept: whether it stands for all below it, for what is mapped to it, and is excluded; the concept by
    its number."""

    concept: int
    system: str
    code: str
    descendants: bool = False
    mapped: bool = False
    excluded: bool = False


@dataclass(frozen=True)
class Reckoning:
    """How a concept's numbers of one unit come into its unit: number * times + plus; as they are where `times` is None."""

    concept: int
    unit: str
    times: float | None = None
    plus: float = 0.0


@dataclass(frozen=True)
class Penned:
    """By whom and in which language a note must be written; in the place of nobody and no language, any."""

    by: tuple[str, ...]
    languages: tuple[str, ...]


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
    reckonings: tuple[Reckoning, ...]  # of the concepts whose unit is stated; numbers of other units are none
    numeric: frozenset[str]  # the concepts whose numbers are used
    said: dict[int, Mention]  # the concepts that are what notes say, by their numbers
    variants: dict[int, VariantRule]  # the concepts that are variants, by their numbers
    penned: dict[int, Penned]  # the concepts that are of notes by who wrote them or in which language, by their numbers

    @property
    def by_vocabulary(self) -> bool:
        """Whether the site's vocabulary says which codes are meant."""
        return any(entry.descendants or entry.mapped for entry in self.codes)

    @property
    def carried(self) -> frozenset[int]:
        """The concepts that are of variants, by a rule or by their codes."""
        coded = (entry.concept for entry in self.codes if entry.system.partition(":")[0] in (VARIANT, DOSAGE))
        return frozenset((*self.variants, *coded))

    @property
    def by_dosage(self) -> frozenset[int]:
        """Of `carried` those whose events are of whoever was looked at, and not of carriers alone."""
        coded = (entry.concept for entry in self.codes if entry.system.partition(":")[0] == DOSAGE)
        return frozenset((*coded, *(number for number, rule in self.variants.items() if "reference" in rule.genotype)))

    @property
    def by_absence(self) -> frozenset[int]:
        """Of `by_dosage` those whose events are of who is known not to carry, and of nobody else."""
        return frozenset(number for number, rule in self.variants.items() if rule.genotype == ("reference",))

    @property
    def called(self) -> dict[int, VariantRule]:
        """The rules that ask who was called well."""
        return {number: rule for number, rule in self.variants.items() if rule.called}

    @property
    def excluding(self) -> frozenset[int]:
        """Of `called` those that set apart of whom nothing is known."""
        return frozenset(
            number for number, rule in self.variants.items() if rule.called and rule.called.unknown == "exclude"
        )

    @property
    def free(self) -> frozenset[int]:
        """Of `called` those whose events are also of who is free of the variants."""
        return frozenset(number for number, rule in self.called.items() if "reference" in rule.genotype)

    def number(self, concept: str) -> int:
        """The number of a concept that the study uses."""
        return self.concepts.index(concept)

    def numbers(self, concepts: Iterable[str]) -> list[int]:
        """The numbers of concepts, each once, in the order given."""
        return [self.number(concept) for concept in dict.fromkeys(concepts)]


def plan_of(study: Study) -> Plan:
    """The plan of a study. Pure; a valid study always has one."""
    used = study.mentioned()
    anchors = dict.fromkeys(
        Bound(anchor=bound.anchor, concept=bound.concept)
        for window in study.windows()
        for bound in window.bounds
        if bound.concept
    )
    return Plan(
        concepts=used,
        codes=tuple(dict.fromkeys(_codes(study, used))),
        cohort=study.cohort,
        outcome=study.outcome,
        features=study.features,
        split=study.split,
        study_digest=study.digest,
        anchors=tuple(anchors),
        reckonings=tuple(_reckonings(study, used)),
        numeric=study.numeric(),
        said={used.index(name): each for name, each in study.said_in_notes().items() if name in used},
        variants={used.index(name): each for name, each in study.variant_rules().items() if name in used},
        penned={
            used.index(name): Penned(each.written_by, each.language)
            for name, each in study.concepts.items()
            if name in used and each.of_notes_alone
        },
    )


def _codes(study: Study, used: Iterable[str]) -> Iterator[CodeEntry]:
    for number, name in enumerate(used):
        if name == DEATH:
            continue
        concept = study.concepts[name]
        for excluded, sets in ((False, concept.any_of), (True, concept.exclude)):
            for each in sets:
                for code in each.codes:
                    yield CodeEntry(number, each.system, code, each.descendants, each.mapped, excluded)


def _reckonings(study: Study, used: Iterable[str]) -> Iterator[Reckoning]:
    units = study.units()
    for number, name in enumerate(used):
        if unit := units.get(name):
            yield Reckoning(number, unit)
            for other, conversion in study.concepts[name].convert.items():
                yield Reckoning(number, other, conversion.times, conversion.plus)
