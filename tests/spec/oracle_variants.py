"""The oracle's reading of a rule over variants: one event, one fact after the other. It shares no code with `rapha.cohort`."""

from little_timeline import Event, Fact

from rapha.records.variant_rule import VariantRule


def holds_of(rule: VariantRule | None, event: Event) -> bool:
    """Whether an event is of a variant that the rule means, had as it says."""
    if rule is None or event.system != f"dosage:{rule.build}" or event.genotype not in rule.genotype:
        return False
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
