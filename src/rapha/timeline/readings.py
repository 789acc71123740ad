"""How a text is read as a time or a number, in SQL; and what makes a row be set aside."""

from collections.abc import Iterable
from dataclasses import dataclass

_ZONE = r"(Z|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)?"
_TIME = rf"^(\d{{4}})(?:-(\d{{2}})(?:-(\d{{2}})(?:[T ](\d{{2}}:\d{{2}})(:\d{{2}}(?:\.\d+)?)? ?{_ZONE})?)?)?$"
_NUMBER = r"^(<=|>=|<|>|≤|≥)? *([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)$"

MACROS = (
    f"CREATE TEMP MACRO text_parts(v) AS regexp_extract(v, '{_TIME}', ['y', 'm', 'd', 'clock', 'seconds', 'zone'])",
    """CREATE TEMP MACRO parts_precision(parts) AS CASE WHEN parts.y = '' THEN NULL WHEN parts.m = '' THEN 'year'
        WHEN parts.d = '' THEN 'month' WHEN parts.clock = '' THEN 'day' WHEN parts.seconds = '' THEN 'minute'
        ELSE 'second' END""",
    """CREATE TEMP MACRO parts_clock(parts) AS TRY_CAST(
        parts.y || '-' || if(parts.m = '', '01', parts.m) || '-' || if(parts.d = '', '01', parts.d)
        || ' ' || if(parts.clock = '', '00:00', parts.clock) || if(parts.seconds = '', ':00', parts.seconds)
        AS TIMESTAMP)""",
    """CREATE TEMP MACRO parts_offset(parts) AS CASE WHEN parts.zone = '' THEN NULL WHEN parts.zone = 'Z' THEN 0
        ELSE if(parts.zone[1] = '-', -1, 1) * (CAST(parts.zone[2:3] AS INTEGER) * 60
            + if(length(parts.zone) > 3, CAST(right(parts.zone, 2) AS INTEGER), 0)) END""",
    """CREATE TEMP MACRO any_time(parts) AS
        {'clock': parts_clock(parts), 'exact': parts_precision(parts), 'ahead': parts_offset(parts)}""",
    # What most hospitals write, `2020-01-31 23:59:59`, is read without being taken apart: it is what its moment is written as.
    """CREATE TEMP MACRO time_parts(v) AS CASE WHEN length(v) = 19 AND CAST(TRY_CAST(v AS TIMESTAMP) AS VARCHAR) = v
        THEN {'clock': TRY_CAST(v AS TIMESTAMP), 'exact': 'second', 'ahead': CAST(NULL AS INTEGER)}
        ELSE any_time(text_parts(v)) END""",
    "CREATE TEMP MACRO clock_of(parts) AS parts.clock",
    "CREATE TEMP MACRO precision_of(parts) AS parts.exact",
    "CREATE TEMP MACRO offset_of(parts) AS parts.ahead",
    """CREATE TEMP MACRO sane(moment) AS
        CASE WHEN moment >= TIMESTAMP '1800-01-01' AND moment < TIMESTAMP '2300-01-01' THEN moment END""",
    "CREATE TEMP MACRO utc_in(clock, zone) AS make_timestamp(epoch_us(timezone(zone, clock)))",
    r"""CREATE TEMP MACRO days_of(v) AS
        CAST(TRY_CAST(CASE WHEN regexp_full_match(v, '[+-]?\d{1,6}(\.0*)?') THEN v END AS DOUBLE) AS INTEGER)""",
    r"""CREATE TEMP MACRO minutes_of(v) AS
        CAST(TRY_CAST(CASE WHEN regexp_full_match(v, '[+-]?\d{1,9}(\.0*)?') THEN v END AS DOUBLE) AS BIGINT)""",
    f"CREATE TEMP MACRO number_parts(v) AS regexp_extract(v, '{_NUMBER}', ['comparator', 'number'])",
    """CREATE TEMP MACRO finite(number) AS CASE WHEN isfinite(number) THEN number END""",
    """CREATE TEMP MACRO comparator_of(parts) AS CASE parts.comparator
        WHEN '' THEN NULL WHEN '≤' THEN '<=' WHEN '≥' THEN '>=' ELSE parts.comparator END""",
)
"""Defined once on the connection of an ingest. All take a trimmed text, or what another gives; none raises: what cannot
be read is NULL."""


@dataclass(frozen=True)
class Fault:
    """Where the SQL `condition` holds, the row is set aside; `reason` is SQL too, a placeholder."""

    condition: str
    reason: str


def first_reason(faults: Iterable[Fault]) -> str:
    """SQL: the reason of the first fault that holds, else NULL."""
    cases = " ".join(f"WHEN {fault.condition} THEN {fault.reason}" for fault in faults)
    return f"CASE {cases} END" if cases else "CAST(NULL AS VARCHAR)"
