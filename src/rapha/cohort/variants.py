"""Which events a concept is made of that is a rule over variants: those of `dosage:BUILD` whose variant is one of them.

    qualifying   concept, system, code, genotypes     each variant here of which the rule holds, at one of its transcripts at
                                                      least; and how it must be had

The rule is asked of the site's table `variants`, which says where each lies and what it does. Nothing is looked up elsewhere. A variant
that nobody here has a call of is in no row of it. `carrying`, for rules that ask who was called well (see `called.py`): how it is had by
whom the rule is answered of.
"""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.records.variant import DOSAGE
from rapha.records.variant_rule import CARRIERS, VariantRule


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
        settling = CARRIERS if "reference" in rule.genotype else rule.genotype
        carrying = f", {bound.bind(list(settling) if rule.called else [], 'VARCHAR[]')} AS carrying"
    return f"""
  SELECT DISTINCT {bound.bind(number, "INTEGER")} AS concept, {system} AS system, code, {genotypes} AS genotypes{carrying}
  FROM variants
  WHERE {" AND ".join(rules)}
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
