"""Time as an argument: whoever needs the time is given a `Clock`, so that tests can set it."""

from collections.abc import Callable
from datetime import UTC, datetime

QUARTER_MINUTES = 15
Clock = Callable[[], datetime]
"""Returns the present moment, timezone-aware, UTC."""


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


def coarse(moment: datetime) -> datetime:
    """The quarter of an hour, UTC, that the moment lies in: its beginning. What a site states of its own time is of this kind, so that it
    tells nobody how long the site's patients took to compute on."""
    moment = moment.astimezone(UTC)
    return moment.replace(minute=moment.minute - moment.minute % QUARTER_MINUTES, second=0, microsecond=0)


def stamp(moment: datetime) -> str:
    """`2026-11-23T08:00:00.000Z`: RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
