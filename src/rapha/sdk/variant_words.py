"""Which variants a concept means, as a sentence."""

from rapha.records.variant_rule import CARRIERS, CalledWell, VariantRule
from rapha.sdk.cohort_words import or_words

_GENOTYPES = {
    "heterozygous": "one copy of two",
    "homozygous": "two copies",
    "hemizygous": "the only copy",
    "reference": "no copy, as far as was looked",
}


def rule_in_words(rule: VariantRule) -> str:
    """`a variant (GRCh38) in the gene BRCA1 that is a stop_gained or a kind of it, in any number of copies`"""
    said = f"a variant ({rule.build})"
    if rule.variants:
        said += f", which is {or_words(rule.variants)},"
    if rule.regions:
        said += f" in {or_words(rule.regions)}"
    if rule.genes:
        said += f" in the gene {or_words(rule.genes)}"
        said += f", as it lies by the file {rule.coordinates}," if rule.coordinates else ""
    if rule.consequences:
        said += f" that is {or_words(rule.consequences)}, or a kind of it"
    if rule.as_severe_as:
        said += f" that is as severe as {rule.as_severe_as} or more"
    if rule.frequency and rule.frequency.at_most:
        said += f", no more common than {rule.frequency.at_most:g} in {rule.frequency.of}"
    elif rule.frequency:
        said += f", not seen in {rule.frequency.of}"
    had = f"of which one has {or_words(tuple(_GENOTYPES[each] for each in rule.genotype))}"
    said = f"{said.removesuffix(',')}, {'whoever carries it' if rule.genotype == CARRIERS else had}"
    return said + (_called_in_words(rule.called, "genes" if rule.genes else "regions") if rule.called else "")


def _called_in_words(called: CalledWell, where: str) -> str:
    kept = {"exclude": "set apart and counted", "keep": "kept, as one who has no such event"}[called.unknown]
    return f"; whoever is not known to have one, and was called well in less than {called.at_least:.0%} of these {where}, is {kept}"
