"""Minutes -> what is said of days and hours, and of days on which the device was worn.

A mean is of minutes, so that a run measured every five seconds does not outweigh the day around it. The device was worn in
a quarter of an hour in which a sensor that needs skin gave a sample: `wear-hours` are the quarters that were.
"""

from rapha.sources.apple_health.mapping import Observation
from rapha.sources.apple_health.minutes import EXACT
from rapha.sources.apple_health.vocabulary import ASLEEP, AWAKE, CORE, DAILY, DEEP, HOURLY, REM
from rapha.timeline.staging import Staging

WEAR = "wear-hours"
_SLEEP = {
    "sleep-hours": f"stage >= {ASLEEP}",
    "sleep-core-hours": f"stage = {CORE}",
    "sleep-rem-hours": f"stage = {REM}",
    "sleep-deep-hours": f"stage = {DEEP}",
    "sleep-awake-hours": f"stage = {AWAKE}",
    "in-bed-hours": "in_bed",
}
_WORN = """
CREATE OR REPLACE TABLE worn AS
SELECT DISTINCT minute // 15 AS quarter FROM minute_values JOIN codes USING (code) WHERE worn"""
_SUMMED = f"""
WITH seen AS MATERIALIZED (
  SELECT name, ucum, worn, {{span}}, avg({EXACT.format("mean")}) AS mean, min(low) AS low, max(high) AS high
  FROM minute_values JOIN codes USING (code) JOIN quarters ON quarters.quarter = minute // 15 WHERE {{often}} GROUP BY ALL)
SELECT name, {{span}}, mean AS num, ucum, '' AS which FROM seen
UNION ALL SELECT name, {{span}}, low, ucum, '-min' FROM seen WHERE worn
UNION ALL SELECT name, {{span}}, high, ucum, '-max' FROM seen WHERE worn
UNION ALL SELECT name, {{span}}, CAST(sum(amount) AS DOUBLE), ucum, ''
  FROM minute_amounts JOIN codes USING (code) JOIN quarters ON quarters.quarter = minute // 15 GROUP BY ALL
UNION ALL SELECT $wear, {{span}}, count(*) / 4, 'h', '' FROM worn JOIN quarters USING (quarter) GROUP BY ALL"""
_NIGHTS = " UNION ALL ".join(
    f"SELECT '{name}' AS name, night AS day, count(*) FILTER (WHERE {minutes}) / 60 AS num, 'h' AS ucum, '' AS which FROM nights GROUP BY night"
    for name, minutes in _SLEEP.items()
)


def write_worn(staging: Staging) -> None:
    """`worn`: the quarters of an hour in which the device was. After `to_minutes`, before all below."""
    staging.execute(_WORN)


def write_days(staging: Staging, export: int) -> None:
    """Add each day's events to `happened`: from midnight to midnight, known at its end."""
    staging.execute(
        "CREATE OR REPLACE TABLE nights AS SELECT * FROM minute_stages JOIN quarters ON quarters.quarter = minute // 15"
    )
    summed = _SUMMED.format(span="day", often="true")
    staging.execute(
        f"""INSERT INTO happened BY NAME
            SELECT $export AS export, $system AS system, name || which AS code, 'measurement' AS kind, day AS t_start, t_end,
              t_end AS t_available, 'day' AS precision, utc_offset, num, ucum AS unit, ucum AS unit_ucum, num AS num_canonical
            FROM (FROM ({summed}) UNION ALL FROM ({_NIGHTS}) WHERE num > 0) JOIN days USING (day)""",
        {"export": export, "system": DAILY, "wear": WEAR},
    )


def write_hours(staging: Staging, export: int) -> None:
    """The same of hours, for what is taken many times a day; known at the end of the day."""
    summed = _SUMMED.format(span="day, hour", often="worn")
    staging.execute(
        f"""INSERT INTO happened BY NAME
            SELECT $export AS export, $system AS system, name || which AS code, 'measurement' AS kind, hour AS t_start,
              hour + INTERVAL 1 HOUR AS t_end, days.t_end AS t_available, 'minute' AS precision, utc_offset, num,
              ucum AS unit, ucum AS unit_ucum, num AS num_canonical
            FROM ({summed}) JOIN days USING (day)""",
        {"export": export, "system": HOURLY, "wear": WEAR},
    )


def write_worn_days(staging: Staging, export: int, rule: Observation) -> None:
    """Add to `worn_days` those on which the device was worn as long as the mapping asks."""
    staging.execute(
        """INSERT INTO worn_days
           SELECT $export, day, t_end FROM worn JOIN quarters USING (quarter) JOIN days USING (day)
           GROUP BY ALL HAVING count(*) / 4 >= $hours""",
        {"export": export, "hours": rule.at_least_hours},
    )


def write_periods(staging: Staging, batch: str, rule: Observation) -> None:
    """Each patient's runs of worn days, of all exports, from the first midnight to the last. Half a day more than is bridged is for
    days that are longer or shorter than others."""
    staging.execute(
        """INSERT INTO observation_periods BY NAME
           SELECT subject_key, min(day) AS t_start, max(t_end) AS t_end, $batch AS ingest_batch FROM (
             SELECT *, sum(CASE WHEN day < before + to_hours(24 * $bridge + 12) THEN 0 ELSE 1 END) OVER (PARTITION BY subject_key ORDER BY day) AS run
             FROM (
               SELECT *, max(t_end) OVER (PARTITION BY subject_key ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
               FROM (
                 SELECT subject_key, day, max(t_end) AS t_end
                 FROM worn_days JOIN people_told USING (export) JOIN people USING (id) GROUP BY subject_key, day)))
           GROUP BY subject_key, run""",
        {"batch": batch, "bridge": rule.bridge_days},
    )
