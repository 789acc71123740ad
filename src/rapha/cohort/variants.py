"""Which events a concept is made of that is a rule over variants: those of `dosage:BUILD` whose variant is one of them.

    qualifying   concept, system, code, genotypes     each variant here of which the rule holds, at one of its transcripts at
                                                      least; and how it must be had

The rule is asked of the site's table `variants`, which says where each lies and what it does. Nothing is looked up elsewhere. A variant
that nobody here has a call of is in no row of it. `carrying`, for rules that ask who was called well (see `called.py`): how it is had by
whom the rule is answered of.
"""

from collections.abc import Mapping

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.records.variant import DOSAGE
from rapha.records.variant_rule import CARRIERS, Genotype, VariantRule


def qualifying(plan: Plan, bound: Parameters) -> list[str]:
    """The table, for a plan that has such concepts."""
    if not plan.variants:
        return []
    parts = (_one(number, rule, bound, bool(plan.called)) for number, rule in sorted(plan.variants.items()))
    return [f"\nqualifying AS MATERIALIZED ({'    UNION ALL'.join(parts)})"]


def of_variants(columns: str) -> str:
    """SQL: `qualifying.concept` and these columns of every event of one of these variants, once."""
    return f"""
    SELECT qualifying.concept, {columns}
    FROM (SELECT * FROM events WHERE code IN (SELECT code FROM qualifying)) AS events
    JOIN qualifying ON qualifying.system = events.system AND qualifying.code = events.code
      AND list_contains(qualifying.genotypes, events.value_code)"""


def _one(number: int, rule: VariantRule, bound: Parameters, asks: bool) -> str:
    rules = [f"build = {bound.bind(rule.build, 'VARCHAR')}"]
    if rule.variants:
        rules.append(f"code IN (SELECT unnest({bound.bind(list(rule.variants), 'VARCHAR[]')}))")
    if rule.regions:
        rules.append(_lies_in(rule, bound))
    if rule.genes:
        genes = bound.bind(list(rule.genes), "VARCHAR[]")
        rules.append(f"coalesce(list_contains({genes}, gene) OR list_contains({genes}, gene_id), false)")
        by_file = bound.bind(rule.coordinates, "VARCHAR") if rule.coordinates else "NULL"
        rules.append(f"coordinates IS NOT DISTINCT FROM {by_file}")
    if rule.terms:
        rules.append(f"list_has_any(consequences, {bound.bind(sorted(rule.terms), 'VARCHAR[]')})")
    if rule.frequency:
        rules.append(f"population = {bound.bind(rule.frequency.of, 'VARCHAR')}")
        rules.append(f"coalesce(frequency, 0) <= {bound.bind(rule.frequency.at_most, 'DOUBLE')}")
    system = bound.bind(f"{DOSAGE}:{rule.build}", "VARCHAR")
    had = [genotype for genotype in rule.genotype if not (rule.called and genotype == "reference")]
    genotypes = bound.bind(had, "VARCHAR[]")
    carrying = ""
    if asks:
        carrying = f", {bound.bind(list(_settling(rule)) if rule.called else [], 'VARCHAR[]')} AS carrying"
    return f"""
  SELECT DISTINCT {bound.bind(number, "INTEGER")} AS concept, {system} AS system, code, {genotypes} AS genotypes{carrying}
  FROM variants
  WHERE {" AND ".join(rules)}
"""


def _settling(rule: VariantRule) -> tuple[Genotype, ...]:
    """How a variant is had by whom a rule that asks who was called well is answered of."""
    return CARRIERS if "reference" in rule.genotype else rule.genotype


def unsure(rules: Mapping[int, VariantRule], bound: Parameters) -> list[str]:
    """The table `unsure` (see `called.py`), after `placed`. Of a variant that the annotation speaks of, a row without a gene says nothing."""
    parts = [_unsure(number, rule, bound) for number, rule in sorted(rules.items())]
    return [f"\nunsure AS MATERIALIZED ({'    UNION ALL'.join(parts)})"]


def _unsure(number: int, rule: VariantRule, bound: Parameters) -> str:
    """Variants in the rule's bases at which all that it asks holds, or is not said. Those that surely are of it may be among them."""
    concept, build = bound.bind(number, "INTEGER"), bound.bind(rule.build, "VARCHAR")
    asks = rule.genes or rule.terms or rule.frequency
    rules = [f"build = {build}", *([] if asks else ["false"])]
    looked_up = "false"
    if rule.terms or (rule.genes and not rule.coordinates):
        rules.append("coordinates IS NULL")
    if rule.genes and not rule.coordinates:
        genes = bound.bind(list(rule.genes), "VARCHAR[]")
        rules.append(
            f"(coalesce(list_contains({genes}, gene) OR list_contains({genes}, gene_id), false) OR NOT annotated)"
        )
    if rule.terms:
        silent = "(len(consequences) = 0 AND (coalesce(gene, gene_id) IS NOT NULL OR NOT annotated))"
        rules.append(f"(list_has_any(consequences, {bound.bind(sorted(rule.terms), 'VARCHAR[]')}) OR {silent})")
    if rule.frequency:
        looked_up = f"population = {bound.bind(rule.frequency.of, 'VARCHAR')}"
        rare = f"coalesce(frequency, 0) <= {bound.bind(rule.frequency.at_most, 'DOUBLE')}"
        rules.append(f"(coalesce({looked_up}, false) AND {rare} OR NOT looked_up)")
    return f"""
  SELECT DISTINCT {concept} AS concept, {bound.bind(f"{DOSAGE}:{rule.build}", "VARCHAR")} AS system, code,
         {bound.bind(list(_settling(rule)), "VARCHAR[]")} AS genotypes
  FROM (
    SELECT *,
      bool_or(coordinates IS NULL AND (coalesce(gene, gene_id) IS NOT NULL OR len(consequences) > 0)) OVER same AS annotated,
      bool_or(coalesce({looked_up}, false)) OVER same AS looked_up
    FROM variants
    WINDOW same AS (PARTITION BY build, code)
  ) AS known
  WHERE {" AND ".join(rules)} AND EXISTS (
    SELECT 1
    FROM placed
    WHERE placed.concept = {concept} AND placed.chromosome = known.chromosome AND placed."first" <= known."last"
      AND placed."last" >= known."first")
"""


def _lies_in(rule: VariantRule, bound: Parameters) -> str:
    """A base that it changes lies in one of the regions."""
    places, firsts, lasts = [], [], []
    for region in rule.regions:
        place, _, span = region.partition(":")
        first, _, last = span.partition("-")
        places.append(place)
        firsts.append(int(first))
        lasts.append(int(last))
    return f"""EXISTS (
    SELECT 1
    FROM (
      SELECT unnest({bound.bind(places, "VARCHAR[]")}) AS place, unnest({bound.bind(firsts, "INTEGER[]")}) AS starts,
             unnest({bound.bind(lasts, "INTEGER[]")}) AS ends
    )
    WHERE place = chromosome AND starts <= "last" AND ends >= "first")"""
