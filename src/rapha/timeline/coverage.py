"""What is there, counted exactly. Nothing of this page leaves as it is: the node suppresses and rounds it first.

An event counts when its status is usable, it is affirmed and not deleted, and its patient has not opted out. Each question is
one statement; what does not fit in the connection's memory is spilled. Of codes, only those of enough patients are asked about:
the rare ones, which are most, never come out of the database. Nor do those of variants: a hospital has events of everybody it looked
at, so the name of one that a single patient carries would be told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rapha.records.variant import DOSAGE, VARIANT
from rapha.timeline.reader import LockedConnection
from rapha.timeline.schema import USABLE_STATUSES

MOST_CODES = 20_000
LONGEST_NAME = 200
AGE_BANDS = ("0-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70-79", "80-89", "90 or older", "unknown")
SEXES = ("female", "male", "other", "unknown")
OBSERVED_BANDS = ("none", "under 1 year", "1 to 2 years", "2 to 5 years", "5 to 10 years", "10 years or more")
Aspect = Literal["unit", "value", "precision", "known"]

Code = tuple[str, str]
"""System and code."""


@dataclass(frozen=True)
class Part:
    """A kind of event among those of one code: the patients who have any, and the sum over them of the share that this kind has
    in a patient's events, in millionths. So each patient counts once, however many events there are."""

    patients: int
    millionths: int


@dataclass(frozen=True)
class CodeCount:
    """How many patients have any usable event of this code; in which years (UTC); of which kinds, by aspect:

    unit        the unit of events with a number (UCUM where known, else as given)
    value       what an event says: number, code, text or nothing
    precision   of its time: year, month, day, minute, second
    known       later than it happened, at once, or unstated
    """

    system: str
    code: str
    patients: int
    years: Mapping[int, int] = field(default_factory=dict)
    parts: Mapping[Aspect, Mapping[str, Part]] = field(default_factory=dict)


@dataclass(frozen=True)
class Coverage:
    """`patients`: all who have not opted out, with or without events; `sexes`, `ages` (at the end of their last observation
    period, or at their death) and `observed` (length of all their observation periods together) each deal all of them.
    `years`: patients with any usable event in a year. `codes` by system, then code."""

    patients: int
    sexes: Mapping[str, int]
    ages: Mapping[str, int]
    observed: Mapping[str, int]
    years: Mapping[int, int]
    codes: tuple[CodeCount, ...]


_IN = "SELECT subject_key FROM subjects GROUP BY subject_key HAVING NOT bool_or(opted_out)"
"""Whoever opted out in one source opted out."""
_USABLE = f"""
    SELECT * FROM events WHERE subject_key IN ({_IN}) AND NOT deleted AND polarity = 'affirmed'
      AND list_contains($statuses, status)
"""
_YEAR = "CAST(year(make_timestamp(epoch_us(t_start))) AS INTEGER)"
"""The UTC year, whatever the connection's time zone."""

_WANTED = f"""
    SELECT system, code, count(DISTINCT subject_key) AS patients FROM ({_USABLE})
    WHERE system IS NOT NULL AND code IS NOT NULL AND NOT list_contains({[DOSAGE, VARIANT]}, split_part(system, ':', 1))
      AND length(system) <= {LONGEST_NAME} AND length(code) <= {LONGEST_NAME}
    GROUP BY system, code HAVING count(DISTINCT subject_key) >= $least
    ORDER BY patients DESC, system, code LIMIT {MOST_CODES}
"""
_PEOPLE = f"""
WITH watched AS (
  SELECT subject_key, max(t_end) AS last, sum(epoch_us(t_end) - epoch_us(t_start)) / 31557600000000.0 AS years
  FROM observation_periods GROUP BY subject_key
), people AS (
  SELECT subject_key, any_value(sex) AS sex, min(birth) AS birth, min(death) AS death
  FROM subjects WHERE subject_key IN ({_IN}) GROUP BY subject_key
), told AS (
  SELECT CASE WHEN sex IN ('female', 'male', 'other') THEN sex ELSE 'unknown' END AS sex,
         date_diff('year', birth, seen) - CASE WHEN birth + to_years(CAST(date_diff('year', birth, seen) AS INTEGER)) > seen
           THEN 1 ELSE 0 END AS age,
         years
  FROM (SELECT *, least(coalesce(death, last), coalesce(last, death)) AS seen FROM people LEFT JOIN watched USING (subject_key))
)
SELECT sex,
       CASE WHEN age IS NULL OR age < 0 THEN '{AGE_BANDS[-1]}' WHEN age >= 90 THEN '{AGE_BANDS[-2]}'
            ELSE CAST(age // 10 * 10 AS VARCHAR) || '-' || CAST(age // 10 * 10 + 9 AS VARCHAR) END AS band,
       CASE WHEN years IS NULL THEN 0 WHEN years < 1 THEN 1 WHEN years < 2 THEN 2 WHEN years < 5 THEN 3
            WHEN years < 10 THEN 4 ELSE 5 END AS observed,
       count(*)
FROM told GROUP BY ALL
"""
_ASPECTS: dict[Aspect, tuple[str, str]] = {
    "unit": ("num IS NOT NULL", f"CASE WHEN length(coalesce(unit_ucum, unit)) <= {LONGEST_NAME} "
             "THEN coalesce(unit_ucum, unit) WHEN coalesce(unit_ucum, unit) IS NULL THEN '' END"),
    "value": ("true", "CASE WHEN num IS NOT NULL THEN 'number' WHEN value_code IS NOT NULL THEN 'code' "
              "WHEN text_ref IS NOT NULL THEN 'text' ELSE 'nothing' END"),
    "precision": ("true", "coalesce(precision, 'unstated')"),
    "known": ("true", "CASE WHEN t_available IS NULL OR t_start IS NULL THEN 'unstated' "
              "WHEN t_available > t_start THEN 'later' ELSE 'at once' END"),
}  # fmt: skip


def measure(connection: LockedConnection, least: int = 1) -> Coverage:
    """Count a timeline through its locked connection; of codes, those of at least so many patients, at most 20,000."""
    asked: dict[str, object] = {"statuses": list(USABLE_STATUSES), "least": least}
    people = connection.execute(_PEOPLE).fetchall()
    wanted: dict[Code, int] = {(s, c): n for s, c, n in connection.execute(_WANTED, asked).fetchall()}
    years = _years(connection, asked)
    by_year = _code_years(connection, asked)
    parts = {aspect: _parts(connection, asked, aspect) for aspect in _ASPECTS}
    codes = tuple(
        CodeCount(*code, wanted[code], by_year.get(code, {}), {name: found.get(code, {}) for name, found in parts.items()})
        for code in sorted(wanted)
    )  # fmt: skip
    return Coverage(
        patients=sum(row[3] for row in people),
        sexes={sex: sum(row[3] for row in people if row[0] == sex) for sex in SEXES},
        ages={band: sum(row[3] for row in people if row[1] == band) for band in AGE_BANDS},
        observed={band: sum(row[3] for row in people if row[2] == at) for at, band in enumerate(OBSERVED_BANDS)},
        years=years,
        codes=codes,
    )


def _years(connection: LockedConnection, asked: dict[str, object]) -> dict[int, int]:
    statement = f"""SELECT {_YEAR}, count(DISTINCT subject_key) FROM ({_USABLE}) WHERE t_start IS NOT NULL
                    GROUP BY ALL ORDER BY ALL"""
    return dict(connection.execute(statement, {"statuses": asked["statuses"]}).fetchall())


def _code_years(connection: LockedConnection, asked: dict[str, object]) -> dict[Code, dict[int, int]]:
    statement = f"""
        WITH wanted AS ({_WANTED})
        SELECT system, code, {_YEAR} AS at, count(DISTINCT subject_key) FROM ({_USABLE}) JOIN wanted USING (system, code)
        WHERE t_start IS NOT NULL GROUP BY ALL ORDER BY ALL"""
    found: dict[Code, dict[int, int]] = {}
    for system, code, year, patients in connection.execute(statement, asked).fetchall():
        found.setdefault((system, code), {})[year] = patients
    return found


def _parts(connection: LockedConnection, asked: dict[str, object], aspect: Aspect) -> dict[Code, dict[str, Part]]:
    """The kinds of at least `least` patients. Summed in whole millionths, so that the sum is the same in any order."""
    which, kind = _ASPECTS[aspect]
    statement = f"""
        WITH wanted AS ({_WANTED}),
        lines AS (SELECT system, code, subject_key, {kind} AS kind, count(*) AS events FROM ({_USABLE})
                  JOIN wanted USING (system, code) WHERE {which} GROUP BY ALL),
        shares AS (SELECT *, CAST(1000000 * events // sum(events) OVER (PARTITION BY system, code, subject_key) AS BIGINT)
                   AS share FROM lines)
        SELECT system, code, kind, count(*), CAST(sum(share) AS BIGINT) FROM shares
        WHERE kind IS NOT NULL GROUP BY ALL HAVING count(*) >= $least ORDER BY ALL"""
    found: dict[Code, dict[str, Part]] = {}
    for system, code, name, patients, millionths in connection.execute(statement, asked).fetchall():
        found.setdefault((system, code), {})[name] = Part(patients, millionths)
    return found
