"""An element's value in the form that a question about it needs. Pure."""

from datetime import datetime, timedelta

from rapha.sources.dicom.elements import Elements, Value


def items(found: Elements, name: str) -> tuple[Elements, ...]:
    return tuple([each for each in found.get(name, ()) if isinstance(each, dict)])


def values(found: Elements, name: str) -> tuple[Value, ...]:
    return tuple([each for each in found.get(name, ()) if not isinstance(each, dict)])


def words(found: Elements, name: str) -> str:
    """All values, as a file writes them: one backslash between two."""
    return "\\".join(map(str, values(found, name)))


def word(found: Elements, name: str) -> str:
    """The first value, or nothing."""
    given = values(found, name)
    return str(given[0]) if given else ""


def whole_number(found: Elements, name: str, otherwise: int) -> int:
    given = values(found, name)
    return int(given[0]) if given else otherwise


def real(found: Elements, name: str, otherwise: float) -> float:
    given = values(found, name)
    return float(given[0]) if given else otherwise


def clock(day: str, time: str) -> datetime | None:
    """A day, with what is plain of the time of day; None where the day is no `YYYYMMDD`."""
    if len(day) < 8 or not day[:8].isdecimal():
        return None
    try:
        moment = datetime(int(day[:4]), int(day[4:6]), int(day[6:8]))
    except ValueError:
        return None
    digits = time.partition(".")[0][:6]
    if len(digits) in (2, 4, 6) and digits.isdecimal():
        hours, minutes, seconds = (int(digits[at : at + 2] or 0) for at in (0, 2, 4))
        if hours < 24 and minutes < 60 and seconds < 60:
            moment += timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return moment


def exact_clock(day: str, time: str) -> datetime | None:
    """A day and a time of day to the second; None where one of them is not said plainly."""
    if not (len(day) == 8 and len(time) >= 6 and time[:6].isdecimal() and (len(time) == 6 or time[6] == ".")):
        return None
    in_range = int(time[:2]) < 24 and int(time[2:4]) < 60 and int(time[4:6]) < 60
    return clock(day, time) if in_range else None


def numbers(found: Elements, name: str, count: int) -> tuple[float, ...]:
    """So many finite numbers, or none."""
    given = tuple(float(each) for each in values(found, name))
    return given if len(given) == count and all(abs(each) < 1e6 for each in given) else ()


def moment_of(text: str) -> datetime | None:
    """A day and a time of day in one."""
    return clock(text[:8], text[8:14])


def offset_minutes(text: str) -> int | None:
    """Minutes from UTC of `+0200`."""
    if len(text) == 5 and text[0] in "+-" and text[1:].isdigit():
        minutes = int(text[1:3]) * 60 + int(text[3:])
        return (minutes if text[0] == "+" else -minutes) if minutes <= 14 * 60 else None
    return None
