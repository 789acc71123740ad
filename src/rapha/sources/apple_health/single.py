"""What is an event by itself: samples that are asked for, notices, workouts and electrocardiograms."""

import re

import pyarrow as pa

from rapha.sources.apple_health.ecg import Ecg
from rapha.sources.apple_health.moments import moments
from rapha.sources.apple_health.stream import Element
from rapha.sources.apple_health.vocabulary import ACTIVITIES, SINGLE
from rapha.timeline.staging import Staging

_MINUTES = {"min": 1.0, "s": 1 / 60, "hr": 60.0, "h": 60.0}
_DAY_END = "utc_in(date_trunc('day', timezone($zone, make_timestamptz(epoch_us(t_end)))) + INTERVAL 1 DAY, $zone)"
_KNOWN = f"greatest(t_end, {_DAY_END})"
"""As of everything of a day: at the day's end, in the patient's zone."""


def write_samples(staging: Staging, export: int, zone: str, asked: tuple[str, ...]) -> None:
    """Add to `happened` every notice, every `sample`, and every sample of the codes asked for, of the span chosen. One minute and kind may have
    several: a sample of a Watch and one of a phone are both what they are."""
    staging.execute(
        f"""INSERT INTO happened BY NAME
            SELECT $export AS export, $system AS system, name AS code, if(way = 'notice', 'device', 'measurement') AS kind,
              t_start, t_end, {_KNOWN} AS t_available, 'second' AS precision, utc_offset,
              CASE WHEN way <> 'notice' THEN given END AS num, CASE WHEN way <> 'notice' THEN unit END AS unit,
              CASE WHEN way <> 'notice' THEN ucum END AS unit_ucum, num AS num_canonical
            FROM chosen JOIN codes USING (code)
            WHERE own AND (way IN ('sample', 'notice') OR list_contains($asked, name) AND way IN ('mean', 'sum'))""",
        {"export": export, "system": SINGLE, "zone": zone, "asked": list(asked)},
    )


def write_workouts(staging: Staging, export: int, zone: str, workouts: list[Element]) -> int:
    """Add each workout, its minutes its number. The same from two sources is one where it starts and ends alike. How many
    could not be read."""
    rows = [_workout(element) for element in workouts]
    return _write(staging, export, zone, [row for row in rows if row], "observation")


def write_ecgs(staging: Staging, export: int, zone: str, ecgs: list[Ecg]) -> int:
    """Add each electrocardiogram; its finding is in its code. How many could not be read."""
    rows = [(f"ecg-{ecg.found}", ecg.moment, ecg.moment, "", 0.0) for ecg in ecgs]
    return _write(staging, export, zone, rows, "measurement")


_Row = tuple[str, str, str, str, float]


def _workout(element: Element) -> _Row:
    given = element.attributes
    words = re.findall("[A-Z][a-z]*", given.get("workoutActivityType", "").removeprefix("HKWorkoutActivityType"))
    name = "-".join(words).lower()
    unit = _MINUTES.get(given.get("durationUnit", "min"))
    try:
        minutes = float(given.get("duration", "")) * (unit or 0.0)
    except ValueError:
        minutes = 0.0
    code = f"workout-{name if name in ACTIVITIES else 'other'}"
    return (code, given.get("startDate", ""), given.get("endDate", ""), "min", minutes)


def _write(staging: Staging, export: int, zone: str, rows: list[_Row], kind: str) -> int:
    """Texts of moments are read here; a row whose moments are none is left out and counted."""
    if not rows:
        return 0
    code, start, end, unit, number = (list(column) for column in zip(*rows, strict=True))
    (starts, offsets), (ends, _) = moments(pa.array(start, pa.string())), moments(pa.array(end, pa.string()))
    read = {"code": code, "unit": unit, "number": number, "t_start": starts, "t_end": ends, "utc_offset": offsets}
    staging.connection.register("incoming", pa.table(read))
    staging.execute(
        """CREATE OR REPLACE TEMP TABLE told AS
           SELECT code, sane(t_start) AS t_start, sane(t_end) AS t_end, nullif(unit, '') AS unit, utc_offset,
             finite(nullif(number, 0)) AS number FROM incoming"""
    )
    staging.connection.unregister("incoming")
    [(bad,)] = staging.execute("SELECT count(*) FROM told WHERE coalesce(t_end < t_start, true)")
    staging.execute(
        f"""INSERT INTO happened BY NAME
            SELECT $export AS export, $system AS system, code, $kind AS kind, t_start, t_end, {_KNOWN} AS t_available,
              'second' AS precision, utc_offset, number AS num, unit, unit AS unit_ucum, number AS num_canonical
            FROM (SELECT DISTINCT ON (code, t_start, t_end) * FROM told WHERE t_end >= t_start
                  ORDER BY code, t_start, t_end, number)""",
        {"export": export, "system": SINGLE, "zone": zone, "kind": kind},
    )
    return int(bad)
