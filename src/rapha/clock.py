"""Time as an argument: whoever needs the time is given a `Clock`, so that tests can set it."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment, timezone-aware, UTC."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """`2026-11-23T08:00:00.000Z`: RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
