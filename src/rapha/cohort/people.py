"""Who there is: patients, and what happened to them.

Tables made here:

    wanted     concept, system, code                                    the study's codes
    person     subject_key, birth, sex, died, ended                     who has not opted out
    happening  subject_key, concept, happened, known, value, place,     events that count, of wanted codes; and deaths
               ends, unit, comparator

`died` is the moment of death as the source gave it; `ended` the last moment of the day, month or year it was given to.
A death given to the day at midnight must not undo what happened that afternoon.
"""

from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.records.study import DEATH
from rapha.timeline.schema import USABLE_STATUSES

_PERSON = """
person AS MATERIALIZED (
  SELECT subject_key, min(birth) AS birth, CASE WHEN count(DISTINCT sex) = 1 THEN min(sex) END AS sex,
         min(died) AS died, min(ended) AS ended
  FROM (
    SELECT subject_key, opted_out, sex, timezone('UTC', birth) AS birth, timezone('UTC', death) AS died,
           CASE death_precision
             WHEN 'day' THEN timezone('UTC', death) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND
             WHEN 'month' THEN timezone('UTC', death) + INTERVAL 1 MONTH - INTERVAL 1 MICROSECOND
             WHEN 'year' THEN timezone('UTC', death) + INTERVAL 1 YEAR - INTERVAL 1 MICROSECOND
             ELSE timezone('UTC', death)
           END AS ended
    FROM subjects
  )
  GROUP BY subject_key
  HAVING NOT bool_or(opted_out)
)"""


def people(plan: Plan, bound: Parameters) -> list[str]:
    """The tables `wanted`, `person` and `happening`: enough to ask which concepts anybody has."""
    return [_wanted(plan, bound), _PERSON, _happening(plan, bound)]


def _wanted(plan: Plan, bound: Parameters) -> str:
    concepts = bound.bind([entry.concept for entry in plan.codes], "INTEGER[]")
    systems = bound.bind([entry.system for entry in plan.codes], "VARCHAR[]")
    codes = bound.bind([entry.code for entry in plan.codes], "VARCHAR[]")
    return f"""
wanted AS (
  SELECT unnest({concepts}) AS concept, unnest({systems}) AS system, unnest({codes}) AS code
)"""


def _happening(plan: Plan, bound: Parameters) -> str:
    """`place` numbers a patient's events in time: by when they happened, then by when they were known, then by id."""
    usable = bound.bind(list(USABLE_STATUSES), "VARCHAR[]")
    return f"""
happening AS MATERIALIZED (
  SELECT subject_key, concept, happened, known, value, ends, unit, comparator,
         dense_rank() OVER (PARTITION BY subject_key ORDER BY happened, known, event_id) AS place
  FROM (
    SELECT events.subject_key, wanted.concept, events.event_id, timezone('UTC', t_start) AS happened,
           timezone('UTC', greatest(t_start, coalesce(t_available, t_start))) AS known,
           CASE WHEN isfinite(coalesce(num_canonical, num)) THEN coalesce(num_canonical, num) END AS value,
           timezone('UTC', CASE WHEN t_end >= t_start THEN t_end END) AS ends,
           CASE WHEN num_canonical IS NULL THEN unit ELSE unit_ucum END AS unit, comparator
    FROM events
    JOIN wanted ON wanted.system = events.system AND wanted.code = events.code
    JOIN person ON person.subject_key = events.subject_key
    WHERE list_contains({usable}, status) AND polarity = 'affirmed' AND NOT deleted AND t_start IS NOT NULL
      AND (person.ended IS NULL OR timezone('UTC', t_start) <= person.ended){_deaths(plan, bound)}
  )
)"""


def _deaths(plan: Plan, bound: Parameters) -> str:
    if DEATH not in plan.concepts:
        return ""
    return f"""
    UNION ALL
    SELECT subject_key, {bound.bind(plan.number(DEATH), "INTEGER")}, '', died, died, CAST(NULL AS DOUBLE), died,
           CAST(NULL AS VARCHAR), CAST(NULL AS VARCHAR)
    FROM person
    WHERE died IS NOT NULL"""
