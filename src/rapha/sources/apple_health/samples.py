"""Records -> `samples`: of one of our codes, at a moment of UTC, in one unit; or set aside, counted by type and reason.

A moment is what the text says with its own offset. Apple writes the offset of the phone that exported, so it says when,
and not where: days are those of the patient's clock (`zones.py`), and the offset is kept as it was given.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from rapha.sources.apple_health.days import EDGE, Span
from rapha.sources.apple_health.records import DEVICES
from rapha.sources.apple_health.vocabulary import CODES, FRACTIONS_UP_TO, STAGES, TYPES
from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.staging import Staging

LONGEST_HOURS = 24
_MOST_SOURCES = 8_000
_OF_A_KIND = _MOST_SOURCES + 2
"""Numbers of sources that are of one kind."""
_OWN = "t_start >= $start AND t_start < $end"
_ZONE = re.compile(r" ([+-])(0\d|1[0-4])([0-5]\d)")
UNREAD = "is of a type that is not read"
_FAULTS = (
    Fault("code IS NULL", f"'{UNREAD}'"),
    Fault("t_start IS NULL OR t_end IS NULL", "'start or end is not a time'"),
    Fault("t_end < t_start", "'ends before it starts'"),
    Fault(f"t_end > t_start + INTERVAL {LONGEST_HOURS} HOURS AND way <> 'sample'", f"'lasts longer than {LONGEST_HOURS} hours'"),
    Fault("way = 'sleep' AND stage IS NULL", "'is of a stage of sleep that is not known'"),
    Fault("way IN ('mean', 'sum', 'sample') AND factor IS NULL", "'is in a unit that is not known for its type'"),
    Fault("way IN ('mean', 'sum', 'sample') AND given IS NULL", "'the value is not a number'"),
    Fault("num < low OR num > high", "'the value is none that a body has'"),
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
    SELECT incoming.type, incoming.unit, types.code, types.way, types.ucum, types.low, types.high, units.factor, source,
      sane(t_start) AS t_start, sane(t_end) AS t_end, utc_offset,
      finite(TRY_CAST(value AS DOUBLE)) AS given, stages.stage,
      contains(extra, 'key="HKWasUserEntered" value="1"') AS by_hand,
      CASE WHEN contains(extra, 'key="HKTimeZone"') THEN regexp_extract(extra, 'key="HKTimeZone" value="([A-Za-z0-9_+/-]{{1,60}})"', 1) END
        AS told_zone
    FROM incoming
    LEFT JOIN types ON types.type = incoming.type
    LEFT JOIN units ON units.code = types.code AND units.unit = incoming.unit
    LEFT JOIN stages ON types.way = 'sleep' AND stages.word = incoming.value))"""  # fmt: skip


def moments(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Texts as Apple writes moments, 2024-03-31 08:00:00 +0200, as zoneless UTC and minutes of offset; null where none."""
    zones = pc.utf8_slice_codeunits(texts, 19).dictionary_encode()
    minutes = pa.array([_offset_minutes(zone) for zone in zones.dictionary.to_pylist()], pa.int16()).take(zones.indices)
    clocks = _clocks(pc.utf8_slice_codeunits(texts, 0, 19))
    shift = pc.multiply(minutes.cast(pa.int64()), 60_000_000).cast(pa.duration("us"))
    return pc.subtract(clocks, shift), minutes


def _clocks(texts: pa.Array) -> pa.Array:
    try:
        return texts.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:  # one of them is none: then each is looked at
        return pc.strptime(texts, format="%Y-%m-%d %H:%M:%S", unit="us", error_is_null=True)


def _offset_minutes(zone: str) -> int | None:
    found = _ZONE.fullmatch(zone)
    return (-1 if found[1] == "-" else 1) * (int(found[2]) * 60 + int(found[3])) if found else None


class Sources:
    """The apps and devices of one export, numbered: a Watch before a phone before anything else, then as they come."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, int], int] = {}

    def numbered(self, batch: pa.RecordBatch) -> pa.Array:
        """The number of the source of each row; the lower goes before."""
        names, devices = (batch.column(at).dictionary_encode() for at in ("source", "device"))
        classes = devices.dictionary.to_pylist()
        pairs = zip(names.indices.to_pylist(), devices.indices.to_pylist(), strict=True)
        named = names.dictionary.to_pylist()
        known: dict[tuple[int, int], int] = {}
        return pa.array([known.get(pair) or self._number(pair, known, named, classes) for pair in pairs], pa.int16())

    def _number(
        self, pair: tuple[int, int], known: dict[tuple[int, int], int], names: list[str], classes: list[str]
    ) -> int:
        name = names[pair[0]]
        kind = kind_of(name, classes[pair[1]])
        number = self._numbers.setdefault((name, kind), min(len(self._numbers), _MOST_SOURCES) + 1)
        known[pair] = kind * _OF_A_KIND + number
        return known[pair]


_WATCH, _PHONE, _OTHER = range(3)
_KINDS = dict(zip(DEVICES, (_WATCH, _PHONE, _OTHER), strict=True))


def kind_of(name: str, device: str) -> int:
    """Of a source: the lower is believed before the higher. By its name where no device is told, one of `DEVICES`; a name may hold
    non-breaking spaces."""
    if device in _KINDS:
        return _KINDS[device]
    plain = name.replace("\xa0", " ").lower()
    return _WATCH if "watch" in plain else _PHONE if "iphone" in plain else _OTHER


def prepare(staging: Staging) -> None:
    """The tables of types, units and stages, and an empty `unread`."""
    staging.execute(_UNREAD)
    numbered = {name: (at, kind) for at, (name, kind) in enumerate(TYPES.items())}
    types = [(name, at, kind.way, kind.ucum, kind.low, kind.high) for name, (at, kind) in numbered.items()]
    units = [(at, unit, factor) for at, kind in numbered.values() for unit, factor in kind.units]
    for table, columns, rows in (
        ("types", ("type", "code", "way", "ucum", "low", "high"), types),
        ("units", ("code", "unit", "factor"), units),
        ("stages", ("word", "stage"), list(STAGES.items())),
        (
            "codes",
            ("code", "name", "way", "ucum", "worn"),
            [(n, k.code, k.way, k.ucum, k.worn) for n, k in enumerate(CODES)],
        ),
    ):
        incoming = pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))
        staging.connection.register("incoming", incoming)
        staging.execute(f"CREATE TABLE {table} AS FROM incoming")
        staging.connection.unregister("incoming")


def begin(staging: Staging) -> None:
    """Empty `samples` and `told_zones`, for the next export."""
    staging.execute(_SAMPLES)
    staging.execute(_ZONES)


def end(staging: Staging) -> None:
    """Let go of what the last export has left."""
    for table in ("samples", "reading", "chosen", "minute_values", "minute_amounts", "minute_stages", "worn"):
        staging.execute(f"DROP TABLE IF EXISTS {table}")


def take(staging: Staging, export: int, batch: pa.RecordBatch, sources: Sources) -> None:
    """Add the batch to `samples`, the zones it tells of to `told_zones`, what cannot be read to `unread`. A type's name is told only where it is Apple's own."""
    starts, offsets = moments(batch.column("start"))
    ends, _ = moments(batch.column("end"))
    columns = {name: batch.column(name) for name in ("type", "unit", "value", "extra")}
    read = columns | {"source": sources.numbered(batch), "t_start": starts, "t_end": ends, "utc_offset": offsets}
    staging.connection.register("incoming", pa.table(read))
    staging.execute(f"CREATE OR REPLACE TEMP TABLE reading AS {_READ}")
    staging.connection.unregister("incoming")
    [(good,)] = staging.execute(
        """INSERT INTO samples SELECT code, source, t_start, t_end, utc_offset, num, given, unit
           FROM reading WHERE reason IS NULL"""
    )
    staging.execute(
        f"INSERT INTO told_zones SELECT t_start, source // {_OF_A_KIND}, told_zone FROM reading WHERE reason IS NULL AND told_zone <> ''"
    )
    if good < batch.num_rows:
        staging.execute(
            r"""INSERT INTO unread SELECT $export, if(regexp_full_match(type, 'HK[A-Za-z0-9]{1,100}'), type, 'another type')
                 AS named, reason, count(*) FROM reading WHERE reason IS NOT NULL GROUP BY named, reason""",
            {"export": export},
        )


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
