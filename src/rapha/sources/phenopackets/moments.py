"""When a feature began, as a packet gives it: an age (ISO 8601, `P6M`, `P14Y3M`), a date, or a word; and what that is as a moment."""

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

_AGE = re.compile(r"P(?=\d)(?:(\d{1,3})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T[0-9HMS.]+)?")
DAYS_A_YEAR = 365.25


class Age(NamedTuple):
    """Completed time since birth."""

    years: int
    months: int
    days: int
    precision: str
    """The finest unit in which it was given: `P14Y` is of a year."""

    @property
    def in_years(self) -> float:
        return self.years + self.months / 12 + self.days / DAYS_A_YEAR

    def after(self, birth: datetime) -> datetime | None:
        """The first moment at which somebody born then is so old; None where no calendar has it."""
        year, month = divmod(birth.year * 12 + birth.month - 1 + self.years * 12 + self.months, 12)
        try:
            day = min(birth.day, calendar.monthrange(year, month + 1)[1])
            return birth.replace(year=year, month=month + 1, day=day) + timedelta(days=self.days)
        except (ValueError, OverflowError, IndexError):
            return None


class Onset(NamedTuple):
    """`moment` and `precision` where it can be dated; `age` in years where it is given, or follows."""

    moment: datetime | None = None
    precision: str | None = None
    age: float | None = None


def age_of(text: object) -> Age | None:
    """The age that an ISO 8601 duration is; None where it is none."""
    found = _AGE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    years, months, weeks, days = (int(part or 0) for part in found.groups())
    _, of_months, *of_days = found.groups()
    precision = "day" if any(of_days) else "month" if of_months else "year"
    age = Age(years, months, 7 * weeks + days, precision)
    return age if age.in_years <= 130 else None


def moment_of(text: object) -> datetime | None:
    """A timestamp as protobuf writes it, in UTC; None where it is none. One without an offset is none."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def onset_of(element: Any, birth: datetime | None) -> Onset:
    """A TimeElement. A range of ages, an interval, and a word of an ontology are no moment: what they say is not made more exact."""
    if not isinstance(element, dict):
        return Onset()
    if moment := moment_of(element.get("timestamp")):
        since = (moment - birth).days / DAYS_A_YEAR if birth and moment >= birth else None
        return Onset(moment, "second", since)
    given = element.get("age")
    age = age_of(given.get("iso8601duration")) if isinstance(given, dict) else None
    if age is None:
        return Onset()
    moment = age.after(birth) if birth else None
    return Onset(moment, age.precision, age.in_years)
