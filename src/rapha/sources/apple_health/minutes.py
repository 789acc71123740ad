"""`samples` of one export -> one value a minute, whatever wore the patient; and the local days and hours of minutes.

The rule for a Watch and a phone that measured the same: in every minute the best source that has anything of this kind
there counts alone, a Watch before a phone before anything else. An amount over several minutes is spread evenly over them
first, so that ten minutes of the phone lose to the Watch only those minutes in which the Watch counted too.
"""

from rapha.sources.apple_health.vocabulary import AWAKE, IN_BED
from rapha.timeline.staging import Staging

_MINUTE = 60_000_000
_VALUES = f"""
CREATE OR REPLACE TABLE minute_values AS
SELECT code, minute, arg_min(mean, source) AS mean, arg_min(low, source) AS low, arg_min(high, source) AS high FROM (
  SELECT code, source, epoch_us(t_start) // {_MINUTE} AS minute, avg(num) AS mean, min(num) AS low, max(num) AS high
  FROM samples JOIN codes USING (code) WHERE way = 'mean' GROUP BY code, source, minute)
GROUP BY code, minute"""
_AMOUNTS = f"""
CREATE OR REPLACE TABLE minute_amounts AS
SELECT code, minute, arg_min(amount, source) AS amount FROM (
  SELECT code, source, minute, sum(share) AS amount FROM (
    SELECT code, source, minute, if(first = last, num,
        num * (least(ends, (minute + 1) * {_MINUTE}) - greatest(starts, minute * {_MINUTE})) / (ends - starts)) AS share
    FROM (
      SELECT *, unnest(range(first, last + 1)) AS minute FROM (
        SELECT code, source, num, epoch_us(t_start) AS starts, epoch_us(t_end) AS ends,
          epoch_us(t_start) // {_MINUTE} AS first,
          greatest(epoch_us(t_start) // {_MINUTE}, (epoch_us(t_end) - 1) // {_MINUTE}) AS last
        FROM samples JOIN codes USING (code) WHERE way = 'sum')))
  GROUP BY code, source, minute)
GROUP BY code, minute"""
_STAGES = f"""
CREATE OR REPLACE TABLE minute_stages AS
SELECT minute, arg_min(stage, source) AS stage, bool_or(bed) AS in_bed FROM (
  SELECT minute, source, max(stage) FILTER (WHERE stage >= {AWAKE}) AS stage, bool_or(stage = {IN_BED}) AS bed FROM (
    SELECT source, num AS stage,
      unnest(range((epoch_us(t_start) + {_MINUTE // 2 - 1}) // {_MINUTE}, (epoch_us(t_end) + {_MINUTE // 2 - 1}) // {_MINUTE}))
        AS minute
    FROM samples JOIN codes USING (code) WHERE way = 'sleep')
  GROUP BY minute, source)
GROUP BY minute"""
"""A minute is slept in when its middle is: intervals that meet in a minute share it once."""
_QUARTERS = """
CREATE OR REPLACE TABLE quarters AS
SELECT quarter, CAST(clock AS DATE) AS day, CAST(clock + INTERVAL 12 HOURS AS DATE) AS night,
  make_timestamp((quarter * 15 - minute(clock)) * 60000000) AS hour
FROM (
  SELECT quarter, timezone($zone, make_timestamptz(quarter * 900000000)) AS clock FROM (
    SELECT minute // 15 AS quarter FROM minute_values UNION SELECT minute // 15 FROM minute_amounts
    UNION SELECT minute // 15 FROM minute_stages))"""
"""Zones are whole quarters of an hour from UTC; of the hour that comes twice in autumn, each is an hour of its own."""
_DAYS = """
CREATE OR REPLACE TABLE days AS
SELECT day, utc_in(CAST(day AS TIMESTAMP), $zone) AS t_start, utc_in(CAST(day + 1 AS TIMESTAMP), $zone) AS t_end,
  CAST((epoch_us(CAST(day AS TIMESTAMP)) - epoch_us(utc_in(CAST(day AS TIMESTAMP), $zone))) // 60000000 AS SMALLINT) AS utc_offset
FROM (SELECT day FROM quarters UNION SELECT night FROM quarters)"""


def to_minutes(staging: Staging, zone: str) -> None:
    """`minute_values`, `minute_amounts`, `minute_stages`; `quarters` (of hours, with their day, night and hour) and `days`.

    A night is from noon to noon and is of the day on which it ends.
    """
    for statement in (_VALUES, _AMOUNTS, _STAGES):
        staging.execute(statement)
    for statement in (_QUARTERS, _DAYS):
        staging.execute(statement, {"zone": zone})
