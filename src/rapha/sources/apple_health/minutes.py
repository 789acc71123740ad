"""Samples of one export -> one value a minute, whatever wore the patient; and the days and hours of minutes.

The rule for a Watch and a phone that measured the same: in every minute the best source that has anything of this kind
there counts alone, a Watch before a phone before anything else. An amount over several minutes is spread evenly over them
first, so that ten minutes of the phone lose to the Watch only those minutes in which the Watch counted too.
"""

from rapha.sources.apple_health.days import Span
from rapha.sources.apple_health.vocabulary import AWAKE, IN_BED
from rapha.timeline.staging import Staging

_MINUTE = 60_000_000
EXACT = "CAST({} AS DECIMAL(38, 15))"
"""What is added up. Sums of floating point depend on the order of their terms, which is another in each run."""
_VALUES = f"""
CREATE OR REPLACE TABLE minute_values AS
SELECT code, minute, arg_min(mean, source) AS mean, arg_min(low, source) AS low, arg_min(high, source) AS high FROM (
  SELECT code, source, epoch_us(t_start) // {_MINUTE} AS minute, avg({EXACT.format("num")}) AS mean, min(num) AS low, max(num) AS high
  FROM chosen JOIN codes USING (code) WHERE way = 'mean' GROUP BY code, source, minute)
GROUP BY code, minute"""
_AMOUNTS = f"""
CREATE OR REPLACE TABLE minute_amounts AS
SELECT code, minute, arg_min(amount, source) AS amount FROM (
  SELECT code, source, minute, sum({EXACT.format("share")}) AS amount FROM (
    SELECT code, source, minute, if(first = last, num,
        num * (least(ends, (minute + 1) * {_MINUTE}) - greatest(starts, minute * {_MINUTE})) / (ends - starts)) AS share
    FROM (
      SELECT *, unnest(range(first, last + 1)) AS minute FROM (
        SELECT code, source, num, epoch_us(t_start) AS starts, epoch_us(t_end) AS ends,
          epoch_us(t_start) // {_MINUTE} AS first,
          greatest(epoch_us(t_start) // {_MINUTE}, (epoch_us(t_end) - 1) // {_MINUTE}) AS last
        FROM chosen JOIN codes USING (code) WHERE way = 'sum')))
  GROUP BY code, source, minute)
GROUP BY code, minute"""
_STAGES = f"""
CREATE OR REPLACE TABLE minute_stages AS
SELECT minute, arg_min(stage, source) AS stage, bool_or(bed) AS in_bed FROM (
  SELECT minute, source, max(stage) FILTER (WHERE stage >= {AWAKE}) AS stage, bool_or(stage = {IN_BED}) AS bed FROM (
    SELECT source, num AS stage,
      unnest(range((epoch_us(t_start) + {_MINUTE // 2 - 1}) // {_MINUTE}, (epoch_us(t_end) + {_MINUTE // 2 - 1}) // {_MINUTE}))
        AS minute
    FROM chosen JOIN codes USING (code) WHERE way = 'sleep')
  GROUP BY minute, source)
GROUP BY minute"""
"""A minute is slept in when its middle is: intervals that meet in a minute share it once."""
_QUARTERS = """
CREATE OR REPLACE TABLE quarters AS
SELECT quarter, CASE WHEN told.day >= $start AND told.day < $end THEN told.day END AS day,
  CASE WHEN noons.day >= $start AND noons.day < $end THEN noons.day END AS night,
  make_timestamp((quarter * 15 - minute(clock)) * 60000000) AS hour
FROM (
  SELECT quarter, begun, days.day, timezone(zone, make_timestamptz(quarter * 900000000)) AS clock
  FROM (
    SELECT quarter, make_timestamp(quarter * 900000000) AS begun FROM (
      SELECT minute // 15 AS quarter FROM minute_values UNION SELECT minute // 15 FROM minute_amounts
      UNION SELECT minute // 15 FROM minute_stages))
  ASOF JOIN runs ON begun >= t_from
  ASOF JOIN days ON begun >= days.day) AS told
ASOF JOIN noons ON told.begun < noon"""
"""Zones are whole quarters of an hour from UTC; of the hour that comes twice in autumn, each is an hour of its own. What is of a day
outside of the span is of none here."""


def to_minutes(staging: Staging, span: Span) -> None:
    """`minute_values`, `minute_amounts`, `minute_stages` of the samples at hand, and `quarters` (of hours, with the day and night of
    the span that they are of, and their hour). After `days.lay_out`, and after `samples.choose` for this span.

    A night is from noon to noon and is of the day on which it ends.
    """
    for statement in (_VALUES, _AMOUNTS, _STAGES):
        staging.execute(statement)
    staging.execute(_QUARTERS, span._asdict())
