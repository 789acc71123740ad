"""Calls of one variant of one patient by several samples: two laboratories read them, or two of their identifiers were joined.

    retold    event_id, counts, lost    each such call; whether it is an event, and since when it is known to be none

A patient has a variant once, so of several calls one is an event: the first that was known, of those known at once the one taken
first. Where another sample says otherwise, nobody knows which is right: from when both are known, none of them is an event. The calls
of `variant:BUILD` and of `dosage:BUILD` are told apart: an ingest writes both of each call.
"""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.records.variant import DOSAGE, VARIANT
from rapha.timeline.schema import USABLE_STATUSES

JOIN = "LEFT JOIN retold ON retold.event_id = {events}.event_id"
COUNTS = "coalesce(retold.counts, true)"


def retold(plan: Plan, bound: Parameters, known: str) -> list[str]:
    """The table, after `person` and the terms, for a plan that asks for variants. `known`: SQL, when an event was known. A call of the
    reference is one too, though of `variant:BUILD` it is negated."""
    if not plan.carried:
        return []
    codes = "SELECT code FROM wanted" + (" UNION SELECT code FROM qualifying" if plan.variants else "")
    systems = bound.bind([VARIANT, DOSAGE], "VARCHAR[]")
    usable = bound.bind(list(USABLE_STATUSES), "VARCHAR[]")
    one = "subject_key, system, code"
    return [
        f"""
calls AS (
  SELECT events.subject_key, system, code, event_id, timezone('UTC', t_start) AS happened, {known} AS known,
         coalesce(value_code, CAST(num AS VARCHAR)) AS genotype
  FROM (SELECT * FROM events WHERE code IN ({codes})) AS events
  JOIN person ON person.subject_key = events.subject_key
  WHERE list_contains({systems}, split_part(system, ':', 1)) AND list_contains({usable}, status)
    AND polarity IN ('affirmed', 'negated') AND NOT deleted AND t_start IS NOT NULL
    AND (ended IS NULL OR timezone('UTC', t_start) <= ended)
),
retold AS MATERIALIZED (
  SELECT event_id, place = 1 AND (lost IS NULL OR lost > known) AS counts, lost
  FROM (
    SELECT *, min(CASE WHEN genotype IS DISTINCT FROM own THEN known END) OVER (PARTITION BY {one}) AS lost
    FROM (
      SELECT *, first_value(genotype) OVER told AS own, row_number() OVER told AS place
      FROM calls
      SEMI JOIN (SELECT {one} FROM calls GROUP BY {one} HAVING count(*) > 1) AS several USING ({one})
      WINDOW told AS (PARTITION BY {one} ORDER BY known, happened, event_id)
    )
  )
)"""
    ]
