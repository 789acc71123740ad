"""Who there is: patients, and what happened to them.

Tables made here:

    wanted     concept, system, code                                    the study's codes
    person     subject_key, birth, sex, died, ended                     who has not opted out
    happening  subject_key, concept, happened, known, and of OPTIONAL   events that count, of wanted codes; and deaths

`died` is the moment of death as the source gave it; `ended` the last moment of the day, month or year it was given to.
A death given to the day at midnight must not undo what happened that afternoon.
"""

import re

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


OPTIONAL = ("place", "event_id", "value", "lasted_to", "unit", "comparator", "asset")
"""Columns of `happening` that are read from disk only for a statement that names them."""


def people(plan: Plan, bound: Parameters, used: frozenset[str] = frozenset()) -> list[str]:
    """The tables `wanted`, `person` and `happening`, with the optional columns that are `used`: enough to ask which
    concepts anybody has."""
    return [_wanted(plan, bound), _PERSON, _happening(plan, bound, used)]


def used_of(tables: list[str]) -> frozenset[str]:
    """The optional columns of `happening` that these tables name."""
    words = set(re.findall(r"\w+", " ".join(tables)))
    return frozenset(OPTIONAL) & words


def _wanted(plan: Plan, bound: Parameters) -> str:
    concepts = bound.bind([entry.concept for entry in plan.codes], "INTEGER[]")
    systems = bound.bind([entry.system for entry in plan.codes], "VARCHAR[]")
    codes = bound.bind([entry.code for entry in plan.codes], "VARCHAR[]")
    return f"""
wanted AS (
  SELECT unnest({concepts}) AS concept, unnest({systems}) AS system, unnest({codes}) AS code
)"""


_VALUE = "CASE WHEN isfinite(coalesce(num_canonical, num)) THEN coalesce(num_canonical, num) END"
_COLUMNS = {
    "event_id": ("events.event_id", "''"),
    "value": (_VALUE, "CAST(NULL AS DOUBLE)"),
    "lasted_to": ("timezone('UTC', CASE WHEN t_end >= t_start THEN t_end END)", "died"),
    "unit": ("CASE WHEN num_canonical IS NULL THEN unit ELSE unit_ucum END", "CAST(NULL AS VARCHAR)"),
    "comparator": ("comparator", "CAST(NULL AS VARCHAR)"),
    "asset": ("CASE WHEN asset IN (SELECT assets.asset FROM assets) THEN asset END", "CAST(NULL AS VARCHAR)"),
}
"""Of each optional column: what it is of an event, and of a death."""


def _happening(plan: Plan, bound: Parameters, used: frozenset[str]) -> str:
    """Codes are looked for first, while the file is read: few of a hospital's events are of a study.

    `place` numbers a patient's events in time: by when they happened, then by when they were known, then by their
    numbers."""
    usable = bound.bind(list(USABLE_STATUSES), "VARCHAR[]")
    columns = [name for name in _COLUMNS if name in used or (name == "value" and "place" in used)]
    of_event = "".join(f", {_COLUMNS[name][0]} AS {name}" for name in columns)
    place = ""
    if "place" in used:
        place = ",\n         dense_rank() OVER (PARTITION BY subject_key ORDER BY happened, known, value) AS place"
    return f"""
happening AS MATERIALIZED (
  SELECT *{place}
  FROM (
    SELECT events.subject_key, wanted.concept, timezone('UTC', t_start) AS happened,
           timezone('UTC', greatest(t_start, coalesce(t_available, t_start))) AS known{of_event}
    FROM (SELECT * FROM events WHERE code IN (SELECT code FROM wanted)) AS events
    JOIN wanted ON wanted.system = events.system AND wanted.code = events.code
    JOIN person ON person.subject_key = events.subject_key
    WHERE list_contains({usable}, status) AND polarity = 'affirmed' AND NOT deleted AND t_start IS NOT NULL
      AND (person.ended IS NULL OR timezone('UTC', t_start) <= person.ended){_deaths(plan, bound, columns)}
  )
)"""


def _deaths(plan: Plan, bound: Parameters, columns: list[str]) -> str:
    if DEATH not in plan.concepts:
        return ""
    of_death = "".join(f", {_COLUMNS[name][1]}" for name in columns)
    return f"""
    UNION ALL
    SELECT subject_key, {bound.bind(plan.number(DEATH), "INTEGER")}, died, died{of_death}
    FROM person
    WHERE died IS NOT NULL"""
