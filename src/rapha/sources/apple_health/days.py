"""The patient's days, and the spans of days that are worked on one after another.

A day is from one midnight of the patient's clock to the next. Days follow on one another without gap or overlap, so each
minute is of one day.
"""

import datetime as dt
from bisect import bisect_left
from typing import NamedTuple

from rapha.timeline.staging import Staging

SPAN_SAMPLES = 1 << 16
"""So many samples are worked on at once, more only where a single day has more: what an ingest holds does not grow with the export."""
EDGE = "INTERVAL 4 DAYS"
"""Further than a sample or a night reaches, in whatever zone."""
_DATES = """SELECT *, unnest(range(CAST(CAST(t_from AS DATE) - 1 AS TIMESTAMP), t_until + INTERVAL 2 DAYS, INTERVAL 1 DAY)) AS date
FROM runs"""
_AT_HOME = """SELECT $home AS zone, unnest(range(CAST(CAST(t_first AS DATE) - 1 AS TIMESTAMP), t_last + INTERVAL 2 DAYS, INTERVAL 1 DAY)) AS date
FROM (SELECT min(t_from) AS t_first, max(t_until) AS t_last FROM runs)"""
_MIDNIGHT = "utc_in(date - INTERVAL 1 MICROSECOND, zone) + INTERVAL 1 MICROSECOND"
"""A midnight is what follows the last moment of a date: where the clock jumps over it, or shows it twice, too."""
_NOON = "utc_in(date + INTERVAL 12 HOURS, zone)"


def _shown(moment: str) -> str:
    """Such moments of the patient's clock; and of the clock at home where for two days it showed none, as it may who goes to and fro."""
    return f"""
WITH clock AS (SELECT DISTINCT shown, zone FROM (SELECT *, {moment} AS shown FROM ({_DATES})) WHERE shown >= t_from AND shown < t_until),
gaps AS (SELECT shown AS t_from, lead(shown) OVER (ORDER BY shown) AS t_until FROM clock QUALIFY t_until > t_from + INTERVAL 2 DAYS)
FROM clock UNION ALL
SELECT shown, zone FROM (SELECT {moment} AS shown, zone FROM ({_AT_HOME})) home
JOIN gaps ON shown >= t_from + INTERVAL 1 DAY AND shown <= t_until - INTERVAL 1 DAY"""


_DAYS = f"""
CREATE OR REPLACE TABLE days AS
SELECT day, lead(day) OVER (ORDER BY day) AS t_end, utc_offset FROM (
  SELECT DISTINCT shown AS day, CAST((epoch_us(timezone(zone, make_timestamptz(epoch_us(shown)))) - epoch_us(shown)) // 60000000 AS SMALLINT) AS utc_offset
  FROM ({_shown(_MIDNIGHT)}))
QUALIFY t_end IS NOT NULL"""
_NOONS = f"""
CREATE OR REPLACE TABLE noons AS
SELECT noon, day FROM (SELECT DISTINCT shown AS noon FROM ({_shown(_NOON)})) ASOF JOIN days ON noon >= day"""


class Span(NamedTuple):
    """Whole days, from a midnight to a midnight; plain UTC."""

    start: dt.datetime
    end: dt.datetime


def lay_out(staging: Staging, home: str) -> None:
    """`days` and `noons` of all `samples`; after `zones.write_runs`. A day in which the zone changes lasts until the next midnight of the
    patient's clock, so it is longer or shorter than others."""
    for statement in (_DAYS, _NOONS):
        staging.execute(statement, {"home": home})


def spans(staging: Staging) -> list[Span]:
    """All days, in spans of some `SPAN_SAMPLES` samples; none where there are no samples."""
    midnights = [start for (start,) in staging.execute("SELECT day FROM days ORDER BY day")]
    if not midnights:
        return []
    [(last,)] = staging.execute("SELECT max(t_end) FROM days")
    cuts, held = [midnights[0]], 0
    for day, count in staging.execute(
        "SELECT date_trunc('day', t_start) AS day, count(*) FROM samples GROUP BY day ORDER BY day"
    ):
        if held + count > SPAN_SAMPLES and (cut := midnights[bisect_left(midnights, day)]) > cuts[-1]:
            cuts, held = [*cuts, cut], 0
        held += count
    return [Span(start, end) for start, end in zip(cuts, [*cuts[1:], last], strict=True)]
