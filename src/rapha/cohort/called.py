"""Of whom a rule over variants can be answered, where it asks who was called well (`called` of the rule).

    placed     concept, build, chromosome, first, last, share    the bases of the rule's genes or regions, none of them twice
    covered    concept, event_id               samples that were called well in that share of them, by the table `called`
    carrying   concept, subject_key, known, lost    who has such a variant, by each sample; since when another says otherwise
    unsure     concept, system, code, genotypes    variants there of which the site's table does not say enough to tell whether the rule
                                               holds: no gene, no consequences, or never looked up
    against    concept, subject_key, since     since when a patient is not known to be free: by a variant of `carrying`, or of `unsure`
    settled    concept, subject_key, read, against    since when it is known by such a sample, and is not
    uncalled   row                             rows at whose index it is not known, of the concepts that set such rows apart

A gene lies where the table `genes` says; where one of a rule's genes is not in it, nobody was called there. Samples of one patient are
not put together.
"""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.cohort.retold import JOIN
from rapha.cohort.variants import unsure
from rapha.records.variant import CALLED_WELL
from rapha.records.variant_rule import VariantRule
from rapha.timeline.schema import USABLE_STATUSES

_PLACED = """
placed AS MATERIALIZED (
  SELECT concept, build, chromosome, any_value(share) AS share, min("first") AS "first", max("last") AS "last"
  FROM (
    SELECT *, count(*) FILTER (WHERE opens) OVER (PARTITION BY concept, chromosome ORDER BY "first", "last" ROWS UNBOUNDED PRECEDING)
        AS stretch
    FROM (
      SELECT *, "first" > coalesce(max("last") OVER (PARTITION BY concept, chromosome ORDER BY "first", "last"
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS opens
      FROM lying
    )
  )
  GROUP BY concept, build, chromosome, stretch
)"""
_COVERED = """
covered AS MATERIALIZED (
  SELECT placed.concept, event_id
  FROM placed
  JOIN called ON called.build = placed.build AND called.chromosome = placed.chromosome AND called."first" <= placed."last"
    AND called."last" >= placed."first"
  JOIN (SELECT concept, sum("last" - "first" + 1) AS bases FROM placed GROUP BY concept) AS whole ON whole.concept = placed.concept
  GROUP BY placed.concept, event_id, bases, share
  HAVING sum(least(called."last", placed."last") - greatest(called."first", placed."first") + 1) >= round(share * bases, 6)
)"""


def called(plan: Plan, bound: Parameters, known: str) -> list[str]:
    """The tables up to `settled`, after `person`, for a plan that has such concepts. `known`: SQL, when an event was known."""
    if not plan.called:
        return []
    parts = [
        part
        for number, rule in sorted(plan.called.items())
        for part in (_regions(number, rule, bound) if rule.regions else [_genes(number, rule, bound)])
    ]
    usable = f"list_contains({bound.bind(list(USABLE_STATUSES), 'VARCHAR[]')}, status) AND polarity = 'affirmed' AND NOT deleted"
    counts = f"{usable} AND t_start IS NOT NULL AND (ended IS NULL OR timezone('UTC', t_start) <= ended)"
    return [
        f"\nlying AS ({'    UNION ALL'.join(parts)})",
        _PLACED,
        _COVERED,
        f"""
carrying AS MATERIALIZED (
  SELECT qualifying.concept, events.subject_key, {known} AS known, lost
  FROM (SELECT * FROM events WHERE code IN (SELECT code FROM qualifying)) AS events
  JOIN qualifying ON qualifying.system = events.system AND qualifying.code = events.code
    AND list_contains(qualifying.carrying, events.value_code)
  JOIN person ON person.subject_key = events.subject_key
  {JOIN.format(events="events")}
  WHERE {counts}
)""",
        *unsure(plan.called, bound),
        f"""
against AS MATERIALIZED (
  SELECT concept, subject_key, min(known) AS since
  FROM (
    SELECT concept, subject_key, known FROM carrying
    UNION ALL
    SELECT unsure.concept, events.subject_key, {known}
    FROM (SELECT * FROM events WHERE code IN (SELECT code FROM unsure)) AS events
    JOIN unsure ON unsure.system = events.system AND unsure.code = events.code AND list_contains(unsure.genotypes, events.value_code)
    JOIN person ON person.subject_key = events.subject_key
    WHERE {counts}
  )
  GROUP BY concept, subject_key
)""",
        f"""
settled AS MATERIALIZED (
  SELECT concept, subject_key, min(read) AS read, min(since) AS against
  FROM (
    SELECT covered.concept, events.subject_key, {known} AS read
    FROM (SELECT * FROM events WHERE system = '{CALLED_WELL}') AS events
    JOIN covered ON covered.event_id = events.event_id
    JOIN person ON person.subject_key = events.subject_key
    WHERE {counts}
  )
  LEFT JOIN against USING (concept, subject_key)
  GROUP BY concept, subject_key
)""",
    ]


def of_the_free(columns: str, free: str, known: str) -> str:
    """SQL: `covered.concept` and these columns of the event of each sample that was called well, of a patient of whom nothing was
    known against it by then; its number is the copies, 0. `free`: the concepts that ask for it. `against.since` may be among the columns:
    from when on the event is none."""
    return f"""
    SELECT covered.concept, {columns}
    FROM (SELECT * REPLACE (CAST(0 AS DOUBLE) AS num) FROM events WHERE system = '{CALLED_WELL}') AS events
    JOIN covered ON covered.event_id = events.event_id
    LEFT JOIN against ON against.concept = covered.concept AND against.subject_key = events.subject_key
    WHERE list_contains({free}, covered.concept) AND (against.since IS NULL OR against.since > {known})"""


def set_apart(plan: Plan, bound: Parameters) -> list[str]:
    """The table `uncalled`, after `cohort`, for a plan that sets such rows apart."""
    if not plan.excluding:
        return []
    return [
        f"""
uncalled AS (
  SELECT DISTINCT cohort.row
  FROM cohort
  CROSS JOIN (SELECT unnest({bound.bind(sorted(plan.excluding), "INTEGER[]")}) AS concept) AS asked
  LEFT JOIN settled ON settled.concept = asked.concept AND settled.subject_key = cohort.subject_key
  WHERE NOT (EXISTS (
      SELECT 1
      FROM carrying
      WHERE carrying.concept = asked.concept AND carrying.subject_key = cohort.subject_key AND known <= index_at
        AND coalesce(lost > index_at, true))
    OR coalesce(read <= index_at, false) AND NOT coalesce(against <= index_at, false))
)"""
    ]


def _regions(number: int, rule: VariantRule, bound: Parameters) -> list[str]:
    parts = []
    for region in rule.regions:
        place, _, span = region.partition(":")
        first, _, last = span.partition("-")
        ends = f'{bound.bind(int(first), "INTEGER")} AS "first", {bound.bind(int(last), "INTEGER")} AS "last"'
        parts.append(f"""
  SELECT {_asked(number, rule, bound)}, {bound.bind(place, "VARCHAR")} AS chromosome, {ends}
""")
    return parts


def _genes(number: int, rule: VariantRule, bound: Parameters) -> str:
    build, names = bound.bind(rule.build, "VARCHAR"), bound.bind(list(rule.genes), "VARCHAR[]")
    here = f"build = {build}"
    if rule.coordinates:
        here += f" AND coordinates = {bound.bind(rule.coordinates, 'VARCHAR')}"
    named = f"(SELECT gene AS name FROM genes WHERE {here} UNION ALL SELECT gene_id FROM genes WHERE {here})"
    return f"""
  SELECT {_asked(number, rule, bound)}, chromosome, "first", "last"
  FROM genes
  WHERE {here} AND coalesce(list_contains({names}, gene) OR list_contains({names}, gene_id), false)
    AND (SELECT count(DISTINCT name) FROM {named} WHERE list_contains({names}, name)) = {bound.bind(len(rule.genes), "INTEGER")}
"""


def _asked(number: int, rule: VariantRule, bound: Parameters) -> str:
    assert rule.called
    share = bound.bind(rule.called.at_least, "DOUBLE")
    return f"{bound.bind(number, 'INTEGER')} AS concept, {bound.bind(rule.build, 'VARCHAR')} AS build, {share} AS share"
