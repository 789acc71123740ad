"""Moments moved by calendar intervals, for the oracle."""

import calendar
from collections.abc import Sequence
from datetime import datetime, timedelta

from rapha.records.moments import Duration

TICK = timedelta(microseconds=1)


def shift(moment: datetime, length: Duration, sign: int) -> datetime:
    """`moment` moved by a calendar interval; the 31st becomes the last day of a shorter month."""
    if length.unit in ("hours", "days", "weeks"):
        return moment + sign * timedelta(**{length.unit: length.count})
    months = length.count * (12 if length.unit == "years" else 1)
    year, month = divmod(moment.year * 12 + moment.month - 1 + sign * months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def last_moment(moment: datetime, precision: str | None, units: Sequence[str]) -> datetime:
    """The last moment of the day, month or year that begins at about `moment`: as long as the nearest by UTC."""
    if precision not in units:
        return moment
    near = moment + timedelta(hours=15)
    near = datetime(
        near.year, near.month if precision != "year" else 1, near.day if precision == "day" else 1, tzinfo=near.tzinfo
    )
    return moment + (shift(near, Duration.model_validate(f"1 {precision}"), 1) - near) - TICK
