"""Typed records -> `samples`: of one of our codes, at a moment of UTC, in one unit; or set aside, counted by type and reason."""

import pyarrow as pa

from rapha.sources.apple_health.days import EDGE, Span
from rapha.sources.apple_health.typed import OF_A_KIND
from rapha.sources.apple_health.vocabulary import FRACTIONS_UP_TO, TYPES
from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.staging import Staging

LONGEST_HOURS = 24
_OWN = "t_start >= $start AND t_start < $end"
UNREAD = "is of a type that is not read"
_FAULTS = (
    Fault("code IS NULL", f"'{UNREAD}'"),
    Fault("t_start IS NULL OR t_end IS NULL", "'start or end is not a time'"),
    Fault("t_end < t_start", "'ends before it starts'"),
    Fault(f"t_end > t_start + INTERVAL {LONGEST_HOURS} HOURS AND way <> 'sample'", f"'lasts longer than {LONGEST_HOURS} hours'"),
    Fault("way = 'sleep' AND stage IS NULL", "'is of a stage of sleep that is not known'"),
    Fault("way IN ('mean', 'sum', 'sample') AND factor IS NULL", "'is in a unit that is not known for its type'"),
    Fault("way IN ('mean', 'sum', 'sample') AND given IS NULL", "'the value is not a number'"),
    Fault("num < at_least OR num > at_most", "'the value is none that a body has'"),
    Fault("by_hand", "'was entered by hand, not measured'"),
)  # fmt: skip
_SAMPLES = """
CREATE OR REPLACE TABLE samples (code SMALLINT, source SMALLINT, t_start TIMESTAMP, t_end TIMESTAMP,
  utc_offset SMALLINT, num DOUBLE, given DOUBLE, unit VARCHAR)"""
_ZONES = "CREATE OR REPLACE TABLE told_zones (begun TIMESTAMP, kind SMALLINT, zone VARCHAR)"
_UNREAD = "CREATE TABLE unread (export INTEGER, type VARCHAR, reason VARCHAR, records BIGINT)"
_READ = f"""
SELECT *, {first_reason(_FAULTS)} AS reason FROM (
  SELECT *, CASE way WHEN 'sleep' THEN CAST(stage AS DOUBLE) WHEN 'notice' THEN NULL
      ELSE given * factor * if(ucum = '%' AND given <= {FRACTIONS_UP_TO}, 100, 1) END AS num
  FROM (
    SELECT incoming.code, coalesce(incoming.type, codes.type) AS type, unit, factor, stage, by_hand, extra, source, utc_offset, way, ucum, at_least, at_most,
      sane(t_start) AS t_start, sane(t_end) AS t_end, finite(TRY_CAST(value AS DOUBLE)) AS given
    FROM incoming LEFT JOIN codes ON codes.code = incoming.code))"""
_TOLD = rf"""
INSERT INTO told_zones SELECT t_start, source // {OF_A_KIND}, told_zone FROM (
  SELECT *, regexp_extract(extra, 'key="HKTimeZone" value="([A-Za-z0-9_+/-]{{1,60}})"', 1) AS told_zone
  FROM ({_READ}) WHERE reason IS NULL AND extra IS NOT NULL)
WHERE told_zone <> ''"""
_ASIDE = rf"""
INSERT INTO unread
SELECT $export, if(regexp_full_match(type, 'HK[A-Za-z0-9]{{1,100}}'), type, 'another type') AS named, reason, count(*)
FROM ({_READ}) WHERE reason IS NOT NULL GROUP BY named, reason"""


def prepare(staging: Staging) -> None:
    """The table of codes, and an empty `unread`."""
    staging.execute(_UNREAD)
    columns = ("code", "type", "name", "way", "ucum", "at_least", "at_most", "worn")
    rows = [(n, name, k.code, k.way, k.ucum, k.low, k.high, k.worn) for n, (name, k) in enumerate(TYPES.items())]
    incoming = pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))
    staging.connection.register("incoming", incoming)
    staging.execute("CREATE TABLE codes AS FROM incoming")
    staging.connection.unregister("incoming")


def begin(staging: Staging) -> None:
    """Empty `samples` and `told_zones`, for the next export."""
    staging.execute(_SAMPLES)
    staging.execute(_ZONES)


def end(staging: Staging) -> None:
    """Let go of what the last export has left."""
    for table in ("samples", "chosen", "minute_values", "minute_amounts", "minute_stages", "worn"):
        staging.execute(f"DROP TABLE IF EXISTS {table}")


def take(staging: Staging, export: int, batch: pa.RecordBatch) -> None:
    """Add what `typed` gives to `samples`, the zones it tells of to `told_zones`, what cannot be read to `unread`. A type's name is told
    only where it is Apple's own."""
    staging.connection.register("incoming", pa.table(batch))
    [(good,)] = staging.execute(
        f"""INSERT INTO samples SELECT code, source, t_start, t_end, utc_offset, num, given, unit
            FROM ({_READ}) WHERE reason IS NULL"""
    )
    if batch.column("extra").null_count < batch.num_rows:
        staging.execute(_TOLD)
    if good < batch.num_rows:
        staging.execute(_ASIDE, {"export": export})
    staging.connection.unregister("incoming")


def choose(staging: Staging, span: Span) -> int:
    """`chosen`: the samples that may reach into these days, one of those that are the same in everything, in an order of their own;
    `own` are those that begin in them. How many of these were there twice."""
    [(before,)] = staging.execute(f"SELECT count(*) FROM samples WHERE {_OWN}", span._asdict())
    staging.execute(
        f"""CREATE OR REPLACE TABLE chosen AS SELECT *, {_OWN} AS own FROM (
              FROM samples WHERE t_start >= $start - {EDGE} AND t_start < $end + INTERVAL 1 HOUR GROUP BY ALL)
            ORDER BY code, t_start, t_end, source, num, utc_offset, given, unit""",
        span._asdict(),
    )
    [(after,)] = staging.execute("SELECT count(*) FROM chosen WHERE own")
    return int(before - after)
