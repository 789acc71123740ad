"""HL7's timestamps, YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ] (chapter 2A, DTM)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_FORM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?)?)?)?([+-](?:0\d|1[0-4])[0-5]\d)?", re.ASCII
)
_PRECISIONS = ("year", "month", "day", "day", "minute", "second")


@dataclass(frozen=True)
class Moment:
    """`start` and `over`: UTC; what is known to the day is over when the day is. `offset`: minutes, where it was said."""

    start: datetime
    over: datetime
    precision: str
    offset: int | None


def moment(text: str, zone: ZoneInfo) -> Moment | None:
    """None for what is no time between 1800 and 2300."""
    found = _FORM.fullmatch(text)
    if found is None or not 1800 <= int(found[1]) < 2300:
        return None
    given = [int(part) for part in found.groups()[:6] if part is not None]
    year, month, day, *clock = given + [1] * (3 - len(given))
    try:
        hour, minute, second = [*clock, 0, 0, 0][:3]
        local = datetime(year, month, day, hour, minute, second, round(float(found[7] or 0) * 1e6))
    except ValueError:
        return None
    offset = int(found[8][0] + "1") * (int(found[8][1:3]) * 60 + int(found[8][3:])) if found[8] else None

    def utc(wall: datetime) -> datetime:
        if offset is None:
            return wall.replace(tzinfo=zone).astimezone(UTC)
        return (wall - timedelta(minutes=offset)).replace(tzinfo=UTC)

    return Moment(utc(local), utc(_over(local, len(given))), _PRECISIONS[len(given) - 1], offset)


def _over(local: datetime, parts: int) -> datetime:
    if parts == 1:
        return local.replace(year=local.year + 1)
    if parts == 2:
        return (local + timedelta(days=31)).replace(day=1)
    return local + {3: timedelta(days=1), 4: timedelta(hours=1), 5: timedelta(minutes=1)}.get(parts, timedelta())
