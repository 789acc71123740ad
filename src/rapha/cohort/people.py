"""Who there is: patients, and what happened to them.

Tables made here, after those of `terms`:

    person     subject_key, birth, sex, died, ended                     who has not opted out
    reckoned   concept, unit, times, plus                               units, and how their numbers are brought together
    found      of OPTIONAL, and what says whether it counts             events of the study's codes, where notes are asked
    happening  subject_key, concept, happened, known, and of OPTIONAL   events of the study that count; and deaths. With `lost`, where
               variants are asked: from when on the event is known to be none. Another sample says otherwise (see `retold.py`), or who
               was free of a variant is not

`died` is the first moment of the day, month or year that a death was given to, `ended` the last: a death given to the
day must not undo what happened that afternoon. What is given to the month or the year is known when that is over.

What notes say are events too: `mentions` (see `notes/events.py`) holds concept, note and event_id of each note that says so, and
such an event is the note's own under the mention's concept, without its text.
"""

import re

from rapha.cohort.called import called, of_the_free
from rapha.cohort.parameters import Parameters
from rapha.cohort.plan import Plan
from rapha.cohort.retold import COUNTS, JOIN, retold
from rapha.cohort.terms import of_the_study, terms
from rapha.records.study import DEATH
from rapha.timeline.schema import USABLE_STATUSES


def _last_moment(moment: str, precision: str, *units: str) -> str:
    """SQL: the last moment of the day, month or year that begins at a moment.

    A month begins when the hospital's clocks say so, up to 14 hours off UTC: its length is that of the nearest in UTC.
    """
    cases = ""
    for unit in units:
        nearest = f"date_trunc('{unit}', {moment} + INTERVAL 15 HOUR)"
        end = f"{moment} + (({nearest} + INTERVAL 1 {unit.upper()}) - {nearest}) - INTERVAL 1 MICROSECOND"
        cases += f" WHEN '{unit}' THEN {end}"
    return f"CASE {precision}{cases} ELSE {moment} END"


_PERSON = f"""
person AS MATERIALIZED (
  SELECT subject_key, min(birth) AS birth, CASE WHEN count(DISTINCT sex) = 1 THEN min(sex) END AS sex,
         min(died) AS died, min(ended) AS ended
  FROM (
    SELECT subject_key, opted_out, sex, timezone('UTC', birth) AS birth, timezone('UTC', death) AS died,
           {_last_moment("timezone('UTC', death)", "death_precision", "day", "month", "year")} AS ended
    FROM subjects
  )
  GROUP BY subject_key
  HAVING NOT bool_or(opted_out)
)"""


OPTIONAL = (
    "place",
    "event_id",
    "value",
    "lasted_to",
    "latest",
    "comparator",
    "unit",
    "given",
    "asset",
    "asset_kind",
    "asset_of",
)
"""Columns of `happening` that are read from disk only for a statement that names them. `latest`: the last moment at which
it may have happened, other than `happened` for a death given to the day. `given`: the number before it is reckoned. `asset_of`: what the
parent event points at."""


def people(plan: Plan, bound: Parameters, used: frozenset[str] = frozenset()) -> list[str]:
    """The tables up to `happening`, with the optional columns that are `used`: enough to ask which concepts anybody
    has."""
    return [
        *terms(plan, bound),
        _PERSON,
        *retold(plan, bound, _KNOWN),
        *called(plan, bound, _KNOWN),
        *_reckoned(plan, bound, used),
        _happening(plan, bound, used),
    ]


def used_of(tables: list[str]) -> frozenset[str]:
    """The optional columns of `happening` that these tables name."""
    words = set(re.findall(r"\w+", " ".join(tables)))
    return frozenset(OPTIONAL) & words


_START = "timezone('UTC', t_start)"
_KNOWN = f"greatest({_last_moment(_START, 'precision', 'month', 'year')}, timezone('UTC', t_available))"
_VALUE = "CASE WHEN isfinite(coalesce(num_canonical, num)) THEN coalesce(num_canonical, num) END"
_COLUMNS = {
    "event_id": ("events.event_id", "''"),
    "value": (_VALUE, "CAST(NULL AS DOUBLE)"),
    "lasted_to": ("timezone('UTC', CASE WHEN t_end >= t_start THEN t_end END)", "died"),
    "latest": (_START, "ended"),
    "comparator": ("comparator", "CAST(NULL AS VARCHAR)"),
    "unit": ("CASE WHEN num_canonical IS NULL THEN unit ELSE unit_ucum END", "CAST(NULL AS VARCHAR)"),
    "asset": ("asset", "CAST(NULL AS VARCHAR)"),
    "asset_kind": (
        "(SELECT any_value(assets.kind) FROM assets WHERE assets.asset = events.asset)",
        "CAST(NULL AS VARCHAR)",
    ),
    "asset_of": (
        "(SELECT any_value(parent.asset) FROM events AS parent WHERE parent.event_id = events.parent_event)",
        "CAST(NULL AS VARCHAR)",
    ),
}
"""Of each optional column: what it is of an event, and of a death."""
_NEVER_LOST = ", CAST(NULL AS TIMESTAMP) AS lost"


def _reckoned(plan: Plan, bound: Parameters, used: frozenset[str]) -> list[str]:
    if not plan.reckonings or not used & {"value", "place"}:
        return []
    concepts = bound.bind([each.concept for each in plan.reckonings], "INTEGER[]")
    units = bound.bind([each.unit for each in plan.reckonings], "VARCHAR[]")
    times = bound.bind([each.times for each in plan.reckonings], "DOUBLE[]")
    plus = bound.bind([each.plus for each in plan.reckonings], "DOUBLE[]")
    return [
        f"""
reckoned AS MATERIALIZED (
  SELECT unnest({concepts}) AS concept, unnest({units}) AS unit, unnest({times}) AS times, unnest({plus}) AS plus
)"""
    ]


def _happening(plan: Plan, bound: Parameters, used: frozenset[str]) -> str:
    """`place` numbers a patient's events in time: by when they happened, then by when they were known, then by their
    numbers."""
    needed = set(used) | ({"value"} if "place" in used else set())
    reckon = bool(plan.reckonings) and "value" in needed
    needed |= {"unit"} if reckon else set()
    needed |= {"event_id"} if plan.said or plan.carried else set()
    columns = [name for name in _COLUMNS if name in needed]
    usable = bound.bind(list(USABLE_STATUSES), "VARCHAR[]")
    of_event = "".join(f", {_COLUMNS[name][0]} AS {name}" for name in columns)
    raw = f"events.subject_key, status, polarity, deleted, {_START} AS happened, {_KNOWN} AS known"
    place = ""
    if "place" in used:
        place = ",\n         dense_rank() OVER (PARTITION BY subject_key ORDER BY happened, known, value) AS place"
    value, joined = _number(plan, bound) if reckon else ("", "")
    given = ", value AS given" if "given" in used else ""
    listed = "".join(f", found.{name}" for name in columns if name != "value")
    value = value or (", value" if "value" in needed else "")
    lost, free = "", ""
    if plan.free:
        numbers, lost = bound.bind(sorted(plan.free), "INTEGER[]"), _NEVER_LOST
        free = of_the_free(f"{raw}, against.since AS lost{of_event}", numbers, _KNOWN)
    events, before = of_the_study(plan, f"{raw}{lost}{of_event}", free), ""
    again, once = "", ""
    if plan.carried:
        lost = ", least(found.lost, retold.lost) AS lost" if plan.free else ", retold.lost"
        again, once = f"\n    {JOIN.format(events='found')}", f"\n      AND {COUNTS}"
    if plan.said:
        before = f"""
found AS MATERIALIZED ({events}
),"""
        events = _with_mentions(columns)
    return f"""{before}
happening AS MATERIALIZED (
  SELECT *{place}
  FROM (
    SELECT found.subject_key, found.concept, happened, known{lost}{listed}{given}{value}
    FROM ({events}
    ) AS found
    JOIN person ON person.subject_key = found.subject_key{joined}{again}
    WHERE list_contains({usable}, status) AND polarity = 'affirmed' AND NOT deleted AND happened IS NOT NULL
      AND (person.ended IS NULL OR happened <= person.ended){once}{_deaths(plan, bound, columns, "given" in used)}
  )
)"""


def _with_mentions(columns: list[str]) -> str:
    """SQL: the events found, and the mentions in them. A mention has no number, end or text."""
    own = {"value": "DOUBLE", "comparator": "VARCHAR", "unit": "VARCHAR", "asset": "VARCHAR", "asset_kind": "VARCHAR",
           "asset_of": "VARCHAR"}  # fmt: skip
    none = "".join(f", CAST(NULL AS {own[name]}) AS {name}" for name in columns if name in own)
    none += ", CAST(NULL AS TIMESTAMP) AS lasted_to" if "lasted_to" in columns else ""
    return f"""
    SELECT * FROM found
    UNION ALL BY NAME
    SELECT found.* REPLACE (mentions.concept AS concept{none})
    FROM found
    JOIN mentions ON mentions.note = found.concept AND mentions.event_id = found.event_id"""


def _number(plan: Plan, bound: Parameters) -> tuple[str, str]:
    """The number in the concept's unit, and the join that it needs."""
    stated = bound.bind(sorted({each.concept for each in plan.reckonings}), "INTEGER[]")
    number = "CASE WHEN reckoned.times IS NULL THEN value ELSE value * reckoned.times + reckoned.plus END"
    value = f", CASE WHEN reckoned.unit IS NULL AND list_contains({stated}, found.concept) THEN NULL "
    value += f"WHEN isfinite({number}) THEN {number} END AS value"
    return value, "\n    LEFT JOIN reckoned ON reckoned.concept = found.concept AND reckoned.unit = found.unit"


def _deaths(plan: Plan, bound: Parameters, columns: list[str], given: bool) -> str:
    if DEATH not in plan.concepts:
        return ""
    of_death = _NEVER_LOST if plan.carried else ""
    of_death += "".join(f", {_COLUMNS[name][1]} AS {name}" for name in columns if name != "value")
    of_death += ", CAST(NULL AS DOUBLE) AS given" if given else ""
    of_death += ", CAST(NULL AS DOUBLE) AS value" if "value" in columns else ""
    return f"""
    UNION ALL
    SELECT subject_key, {bound.bind(plan.number(DEATH), "INTEGER")}, died, ended{of_death}
    FROM person
    WHERE died IS NOT NULL"""
