"""The oracle's reading of a rule over variants: one event, one fact after the other. It shares no code with `rapha.cohort`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from little_timeline import LIE, Event, Fact

from rapha.records.variant_rule import VariantRule


def holds_of(rule: VariantRule | None, event: Event) -> bool:
    """Whether an event is of a variant that the rule means, had as it says."""
    if rule is None or event.system != f"dosage:{rule.build}" or event.genotype not in rule.genotype:
        return False
    if rule.called and event.genotype == "reference":
        return False  # of one variant, and not of all
    if rule.variants and event.code not in rule.variants:
        return False
    if rule.regions and not any(_lies_in(event.code, region) for region in rule.regions):
        return False
    return any(_is_so(rule, fact) for fact in event.facts)


def _lies_in(code: str, region: str) -> bool:
    chromosome, position, reference, _ = code.split("-")
    place, span = region.split(":")
    first, last = map(int, span.split("-"))
    bases = range(int(position), int(position) + len(reference))
    return chromosome == place and any(first <= base <= last for base in bases)


def _is_so(rule: VariantRule, fact: Fact) -> bool:
    if rule.genes and not ({fact.gene, fact.gene_id} & set(rule.genes) and fact.coordinates == rule.coordinates):
        return False
    if rule.terms and not rule.terms & set(fact.consequences):
        return False
    if rule.frequency is None:
        return True
    return fact.population == rule.frequency.of and (fact.frequency or 0.0) <= rule.frequency.at_most


def bases_of(rule: VariantRule) -> set[tuple[str, int]] | None:
    """Every base of the rule's genes or regions; None where one of the genes lies nowhere by the site's file."""
    stretches = []
    for region in rule.regions:
        place, span = region.split(":")
        first, last = map(int, span.split("-"))
        stretches.append((place, first, last))
    for gene in rule.genes:
        own = [
            lies for lies in LIE
            if gene in (lies.gene, lies.gene_id) and lies.build == rule.build and rule.coordinates in (None, lies.coordinates)
        ]  # fmt: skip
        if not own:
            return None
        stretches += [(lies.chromosome, lies.first, lies.last) for lies in own]
    return {(place, base) for place, first, last in stretches for base in range(first, last + 1)}


def covers(rule: VariantRule, event: Event) -> bool:
    """Whether a sample was called well in enough of the rule's bases."""
    if event.called is None or event.code != rule.build:
        return False
    wanted = bases_of(rule)
    if wanted is None:
        return False
    here = {
        (place, base)
        for place, first, last in event.called
        for base in range(first, last + 1)
        if (place, base) in wanted
    }
    return len(here) >= round(rule.called.at_least * len(wanted), 6)


def has_one(rule: VariantRule, event: Event) -> bool:
    """Whether an event settles that the patient has such a variant: as the rule says, or where it asks who is free, in any way."""
    return holds_of(rule.model_copy(update={"genotype": _had(rule), "called": None}), event)


def _had(rule: VariantRule) -> tuple[str, ...]:
    return ("heterozygous", "homozygous", "hemizygous") if "reference" in rule.genotype else rule.genotype


def may_be_one(rule: VariantRule, event: Event) -> bool:
    """Whether an event is of a variant in the rule's bases, of which nobody here can say that the rule does not hold."""
    if event.system != f"dosage:{rule.build}" or event.genotype not in _had(rule):
        return False
    place, position, reference, _ = event.code.split("-")
    bases = {(place, int(position) + offset) for offset in range(len(reference))}
    if not bases & (bases_of(rule) or set()):
        return False
    said = [
        fact for fact in event.facts if fact.coordinates is None and (fact.gene or fact.gene_id or fact.consequences)
    ]
    of_genes = [fact for fact in said if {fact.gene, fact.gene_id} & set(rule.genes)]
    by_gene = of_genes if rule.genes and not rule.coordinates else said
    for fact in by_gene if (rule.genes and not rule.coordinates) or rule.terms else event.facts:
        if rule.terms and fact.consequences and not rule.terms & set(fact.consequences):
            continue
        if _may_be_rare(rule, fact, event):
            return True
    unannotated = not said and ((rule.genes and not rule.coordinates) or rule.terms)
    return bool(unannotated) and any(
        _may_be_rare(rule, fact, event) for fact in event.facts if fact.coordinates is None
    )


def _may_be_rare(rule: VariantRule, fact: Fact, event: Event) -> bool:
    asked = rule.frequency
    if asked is None or all(each.population != asked.of for each in event.facts):
        return True
    return fact.population == asked.of and (fact.frequency or 0.0) <= asked.at_most


@dataclass(frozen=True)
class Settled:
    """When what was known of a patient: that they have such a variant, that they were read, that they may have one."""

    having: tuple[tuple[datetime, datetime | None], ...]  # and since when another sample says otherwise
    read: tuple[datetime, ...]
    against: tuple[datetime, ...]

    def by(self, moment: datetime) -> bool:
        """Whether it is known by then whether the rule holds."""
        if any(known <= moment and (lost is None or lost > moment) for known, lost in self.having):
            return True
        return any(each <= moment for each in self.read) and not any(each <= moment for each in self.against)


def answered(
    rule: VariantRule,
    events: Sequence[Event],
    known: Callable[[Event], datetime],
    told: Callable[[Event], tuple[bool, datetime | None]],
) -> tuple[Settled, list[Event], datetime | None]:
    """When it was known of a patient whether the rule holds; the samples, with no copies, that were free of it as far as was
    known by then, where the rule asks for these; and since when they are not."""
    ones = [event for event in events if has_one(rule, event)]
    having = [(known(event), told(event)[1]) for event in ones if told(event)[0]]
    unsure = rule.genes or rule.terms or rule.frequency
    against = [*map(known, ones), *(known(event) for event in events if unsure and may_be_one(rule, event))]
    read = [event for event in events if covers(rule, event)]
    free = [replace(event, value=0.0) for event in read if not any(moment <= known(event) for moment in against)]
    settled = Settled(tuple(having), tuple(map(known, read)), tuple(against))
    return settled, free if "reference" in rule.genotype else [], min(against, default=None)


def told_again(
    event: Event, calls: Sequence[Event], known: Callable[[Event], datetime]
) -> tuple[bool, datetime | None]:
    """Whether a call counts among all calls of its patient, and since when another sample is known to say otherwise."""
    if event.system.split(":")[0] not in ("dosage", "variant"):
        return True, None
    same = [each for each in calls if (each.system, each.code) == (event.system, event.code)]
    first = min(same, key=lambda each: (known(each), each.at, each.id))
    lost = min((known(each) for each in same if each.genotype != first.genotype), default=None)
    return event is first and (lost is None or lost > known(event)), lost


def is_uncalled(entry: object, study: object) -> bool:
    """Whether it is not known of the patient at the index, whether a rule that must be answered holds."""
    rules = {name: rule for name, rule in study.variant_rules().items() if name in study.mentioned()}
    return any(
        rule.called and rule.called.unknown == "exclude" and not entry.patient.settled[name].by(entry.index)
        for name, rule in rules.items()
    )
