"""In which units the numbers of each code are, as they stand in the timeline: for the steward who writes `units:` of a mapping.

A spelling that hardly anybody has may be no unit at all but a cell gone astray, so it is counted and not shown.
"""

from dataclasses import dataclass

from rapha.timeline.reader import LockedConnection
from rapha.timeline.schema import USABLE_STATUSES

FEWEST = 5
"""Patients with a spelling for it to be shown."""


@dataclass(frozen=True)
class UnitLine:
    """Of one code: numbers of one spelling, `unit` None where they come without one, and its UCUM code if there is one. All
    spellings of few patients are one line, `rare`."""

    system: str
    code: str
    unit: str | None
    ucum: str | None
    numbers: int
    rare: bool = False


_STATEMENT = """
WITH lines AS (
  SELECT system, code, unit, unit_ucum, count(*) AS numbers, count(DISTINCT subject_key) < $fewest AS few
  FROM events
  WHERE num IS NOT NULL AND NOT deleted AND polarity = 'affirmed' AND list_contains($statuses, status)
    AND system IS NOT NULL AND code IS NOT NULL
  GROUP BY system, code, unit, unit_ucum
), shown AS (
  SELECT system, code, CASE WHEN few THEN NULL ELSE unit END AS unit, CASE WHEN few THEN NULL ELSE unit_ucum END AS ucum,
         CAST(sum(numbers) AS BIGINT) AS numbers, few AND (unit IS NOT NULL OR unit_ucum IS NOT NULL) AS rare
  FROM lines
  GROUP BY ALL
)
SELECT system, code, unit, ucum, numbers, rare, count(*) OVER (PARTITION BY system, code) AS spellings
FROM shown ORDER BY system, code, numbers DESC, unit, ucum, rare
"""


def unit_lines(connection: LockedConnection, *, every: bool = False) -> list[UnitLine]:
    """The codes with more than one unit, or with `every` all that have numbers; by code, the most frequent spelling first."""
    asked = {"fewest": FEWEST, "statuses": list(USABLE_STATUSES)}
    rows = connection.execute(_STATEMENT, asked).fetchall()
    return [UnitLine(*row[:-1]) for row in rows if every or row[-1] > 1]
