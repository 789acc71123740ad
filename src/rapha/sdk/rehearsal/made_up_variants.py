"""Made-up variants for the rules of a study: one for each concept, which is as the rule says, and how made-up people have it; and where
made-up samples were called, for rules that ask it: all over, or, of one person in ten, nowhere."""

import random
from collections.abc import Iterator
from typing import Any

from rapha.records.concept import Concept
from rapha.records.consequence import BY_SEVERITY
from rapha.records.study import Study
from rapha.records.variant import CALLED_WELL, DOSAGE, VARIANT, Build
from rapha.records.variant_rule import VariantRule

LENGTH = 1000
"""Bases of a made-up gene."""
NOWHERE = "sha256:" + 64 * "0"
"""The digest of no file: of where genes lie, where the study names none."""
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


def builds_called(study: Study) -> list[Build]:
    """The builds that samples are called against, for rules that ask where they were called."""
    return sorted({rule.build for rule in study.variant_rules().values() if rule.called})


def carried_elsewhere(study: Study) -> list[VariantRule]:
    """Rules that ask who is free alone: some made-up people carry one, as a hospital tells of the free only where some do."""
    return [rule for rule in study.variant_rules().values() if rule.genotype == ("reference",)]


def gene_rows(study: Study, batch: str) -> Iterator[dict[str, Any]]:
    """Rows of the table `genes`: each where the rule's variant lies."""
    for rule in (rule for rule in study.variant_rules().values() if rule.called):
        for gene in rule.genes:
            place, first, last = _stretches(rule)[0]
            yield {"build": rule.build, "gene": gene, "chromosome": place, "first": first, "last": last,
                   "coordinates": rule.coordinates or NOWHERE, "ingest_batch": batch}  # fmt: skip


def called_rows(study: Study, build: str, event: str, batch: str) -> Iterator[dict[str, Any]]:
    """Rows of the table `called`, of a sample that was called well wherever a rule asks."""
    rules = (rule for rule in study.variant_rules().values() if rule.called and rule.build == build)
    for place, first, last in sorted({stretch for rule in rules for stretch in _stretches(rule)}):
        yield {
            "event_id": event,
            "build": build,
            "chromosome": place,
            "first": first,
            "last": last,
            "ingest_batch": batch,
        }


def _stretches(rule: VariantRule) -> list[tuple[str, int, int]]:
    """Where a rule's regions lie, or its genes."""
    if not rule.regions:
        place, first, *_ = code_of(rule).split("-")
        return [(place, int(first), int(first) + LENGTH - 1)]
    return [(place, *map(int, span.split("-"))) for place, _, span in (each.partition(":") for each in rule.regions)]  # type: ignore[misc]


def copies(person: int, system: str, code: str) -> dict[str, Any]:
    """How many copies somebody has of a variant that is asked for by its code: always as many. Nothing of what is no variant."""
    told = {DOSAGE: (0.0, 1.0, 2.0), VARIANT: (1.0, 2.0)}.get(system.partition(":")[0])
    return {"num": random.Random(f"{person} {system} {code}").choice(told)} if told else {}  # noqa: S311


def as_had(rule: VariantRule, person: int) -> dict[str, Any]:
    """One of the ways in which the rule wants it to be had, as columns of an event: who is free of all its variants was called. Of one person
    always the same one, as their samples would tell."""
    genotype = random.Random(f"{person} {rule.digest}").choice(rule.genotype)  # noqa: S311
    if rule.called and genotype == "reference":
        return {"system": CALLED_WELL, "code": rule.build, "num": None, "unit": None, "kind": "procedure"}
    return {"num": COPIES[genotype], "unit": None, "value_code": genotype, "kind": "measurement"}
