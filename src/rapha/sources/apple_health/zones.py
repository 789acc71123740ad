"""In which zone the patient's clock was, from when until when.

Apple writes the zone in which a record was made, HKTimeZone, with sleep, workouts and some others. It holds from the record's start until
another is told, `HOLDS_HOURS` at most; then, and where nothing is told, the mapping's zone holds. Of a Watch and a phone that was left at
home the Watch is believed, as everywhere; of two Watches, or two apps of one, whichever told last.
"""

import pyarrow as pa

from rapha.sources.apple_health.days import EDGE
from rapha.sources.apple_health.moments import moments
from rapha.sources.apple_health.records import device_class
from rapha.sources.apple_health.stream import Element
from rapha.sources.apple_health.typed import kind_of
from rapha.timeline.staging import Staging

HOLDS_HOURS = 36
"""From one night to the next, and half a day more."""
_HELD = f"INTERVAL {HOLDS_HOURS} HOURS"
_RUNS = f"""
CREATE OR REPLACE TABLE runs AS
WITH believed AS (
  SELECT begun, zone FROM told_zones WHERE zone IN (SELECT name FROM pg_timezone_names())
  QUALIFY kind = min(kind) OVER (ORDER BY begun RANGE BETWEEN {_HELD} PRECEDING AND CURRENT ROW)),
told AS (
  SELECT make_timestamp(epoch_us(begun) // 900000000 * 900000000) AS begun, arg_max(zone, struct_pack(begun, zone)) AS zone
  FROM believed GROUP BY ALL),
held AS (SELECT *, lead(begun) OVER (ORDER BY begun) AS next FROM told),
points AS (
  SELECT begun AS t_from, zone FROM held
  UNION ALL SELECT begun + {_HELD}, $home FROM held WHERE next IS NULL OR next > begun + {_HELD}
  UNION ALL SELECT min(t_start) - {EDGE}, $home FROM samples HAVING count(*) > 0)
SELECT t_from, lead(t_from, 1, (SELECT max(t_start) + {EDGE} FROM samples)) OVER (ORDER BY t_from) AS t_until, zone
FROM (SELECT *, lag(zone) OVER (ORDER BY t_from) AS before FROM points QUALIFY zone IS DISTINCT FROM before)"""


def write_runs(staging: Staging, home: str, workouts: list[Element]) -> None:
    """`runs`: zones one after another, without a gap, from before the first of `samples` to after the last. After `samples.take` of
    all records; zones that are not known are passed over."""
    told = [each for each in workouts if "HKTimeZone" in each.extra]
    if told:
        begun, _ = moments(pa.array([each.attributes.get("startDate", "") for each in told], pa.string()))
        zones = pa.array([each.extra["HKTimeZone"] for each in told], pa.string())
        kinds = pa.array([_kind(each.attributes) for each in told], pa.int16())
        staging.connection.register("incoming", pa.table({"begun": begun, "kind": kinds, "zone": zones}))
        staging.execute(
            "INSERT INTO told_zones SELECT sane(begun), kind, zone FROM incoming WHERE sane(begun) IS NOT NULL"
        )
        staging.connection.unregister("incoming")
    staging.execute(_RUNS, {"home": home})


def _kind(workout: dict[str, str]) -> int:
    return kind_of(workout.get("sourceName", ""), device_class(workout.get("device", "").encode()))
