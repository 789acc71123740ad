"""Made-up variants for the rules of a study: one for each concept, which is as the rule says, and how made-up people have it."""

import random
from collections.abc import Iterator
from typing import Any

from rapha.records.concept import Concept
from rapha.records.consequence import BY_SEVERITY
from rapha.records.study import Study
from rapha.records.variant import DOSAGE
from rapha.records.variant_rule import VariantRule

COPIES = {"reference": 0.0, "heterozygous": 1.0, "homozygous": 2.0, "hemizygous": 1.0}


def pairs_of(concept: Concept) -> set[tuple[str, str]]:
    """The codes that a concept writes; of a rule over variants, that of the made-up one."""
    rule = concept.variant
    return {(f"{DOSAGE}:{rule.build}", code_of(rule))} if rule else set(concept.written_codes())


def code_of(rule: VariantRule) -> str:
    """A variant where the rule wants it: named, in its first region, or anywhere."""
    if rule.variants:
        return rule.variants[0]
    if not rule.regions:
        return f"1-{1 + int(rule.digest[7:14], 16) % 200_000_000}-A-G"
    chromosome, _, span = rule.regions[0].partition(":")
    return f"{chromosome}-{span.partition('-')[0]}-A-{'CGT'[int(rule.digest[7:9], 16) % 3]}"


def variant_rows(study: Study, batch: str) -> Iterator[dict[str, Any]]:
    """Rows of the table `variants`."""
    for rule in study.variant_rules().values():
        chromosome, position, reference, _ = code_of(rule).split("-")
        terms = [term for term in BY_SEVERITY if term in rule.terms]
        yield {
            "build": rule.build, "code": code_of(rule), "chromosome": chromosome, "first": int(position),
            "last": int(position) + len(reference) - 1, "gene": rule.genes[0] if rule.genes else None,
            "coordinates": rule.coordinates, "consequences": terms[-1:], "population": rule.frequency and rule.frequency.of,
            "ingest_batch": batch,
        }  # fmt: skip


def as_had(rule: VariantRule, dice: random.Random) -> dict[str, Any]:
    """One of the ways in which the rule wants it to be had, as columns of an event."""
    genotype = dice.choice(rule.genotype)
    return {"num": COPIES[genotype], "unit": None, "value_code": genotype, "kind": "measurement"}
