"""Moments as Apple writes them, 2024-03-31 08:00:00 +0200, read by their places where all of them are written so, and else one by one.

A moment is what the text says with its own offset. Apple writes the offset of the phone that exported, so it says when,
and not where: days are those of the patient's clock (`zones.py`), and the offset is kept as it was given.
"""

import re

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_CLOCK, _CLOCK_LETTERS = "%Y-%m-%d %H:%M:%S", 19
_ZONE = re.compile(r" ([+-])(0\d|1[0-4])([0-5]\d)")
_WRITTEN = np.frombuffer(b"0000-00-00 00:00:00 +0000", np.uint8)
_SIGN = 20
_DIGITS = np.flatnonzero(ord("0") == _WRITTEN)
_MARKS = np.array([4, 7, 10, 13, 16, 19])
_PARTS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19), (21, 23), (23, 25))
_BEFORE = np.array([0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365], np.int64)
"""Days before each month, numbered from 1, of a year that is no leap year."""
_Numbers = npt.NDArray[np.int64]


def moments(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Zoneless UTC, and minutes of offset; null where a text is none."""
    return _by_places(texts) or _one_by_one(texts)


def _one_by_one(texts: pa.Array) -> tuple[pa.Array, pa.Array]:
    zones = pc.utf8_slice_codeunits(texts, _CLOCK_LETTERS).dictionary_encode()
    minutes = pa.array([_offset_minutes(zone) for zone in zones.dictionary.to_pylist()], pa.int16()).take(zones.indices)
    written = pc.utf8_slice_codeunits(texts, 0, _CLOCK_LETTERS)
    clocks = pc.strptime(written, format=_CLOCK, unit="s", error_is_null=True)
    clocks = pc.if_else(
        pc.equal(pc.strftime(clocks, format=_CLOCK), written), clocks, None
    )  # 30 February is no 2 March
    shift = pc.multiply(minutes.cast(pa.int64()), 60).cast(pa.duration("s"))
    return pc.subtract(clocks, shift).cast(pa.timestamp("us")), minutes


def _offset_minutes(zone: str) -> int | None:
    found = _ZONE.fullmatch(zone)
    return (-1 if found[1] == "-" else 1) * (int(found[2]) * 60 + int(found[3])) if found else None


def _by_places(texts: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    """None where one of them is written otherwise."""
    letters = _letters(texts)
    if letters is None or (letters[_MARKS] != _WRITTEN[_MARKS, None]).any():
        return None
    digits = letters - ord("0")
    if digits[_DIGITS].max() > 9 or not np.isin(letters[_SIGN], (ord("+"), ord("-"))).all():
        return None
    year, month, day, hour, minute, second, zone_hour, zone_minute = (
        _number(digits[begin:end]) for begin, end in _PARTS
    )
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    if not ((year > 0) & (month > 0) & (month < 13)).all():
        return None
    late = leap & (month > 2)
    of_month = _BEFORE[month + 1] - _BEFORE[month] + (leap & (month == 2))
    if (
        (day < 1)
        | (day > of_month)
        | (hour > 23)
        | (minute > 59)
        | (second > 59)
        | (zone_hour > 14)
        | (zone_minute > 59)
    ).any():
        return None
    before = year - 1
    days = 365 * before + before // 4 - before // 100 + before // 400 + _BEFORE[month] + late + day - _DAYS_BEFORE_1970
    offset = np.where(letters[_SIGN] == ord("-"), -1, 1) * (zone_hour * 60 + zone_minute)
    clock = ((days * 24 + hour) * 60 + minute - offset) * 60 + second
    return pa.array(clock * 1_000_000).cast(pa.timestamp("us")), pa.array(offset.astype(np.int16))


_DAYS_BEFORE_1970 = 719_163
"""From the first of January of the year 1, which is day 1."""


def _letters(texts: pa.Array) -> npt.NDArray[np.uint8] | None:
    """A row for each place of the texts; None where one is longer or shorter than a moment, or there is none."""
    _, places, data = texts.buffers()
    if texts.null_count or not len(texts):
        return None
    ends = np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    if (np.diff(ends) != len(_WRITTEN)).any():
        return None
    letters = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(len(texts), len(_WRITTEN))
    by_place: npt.NDArray[np.uint8] = np.ascontiguousarray(letters.T)
    return by_place


def _number(digits: npt.NDArray[np.uint8]) -> _Numbers:
    number: _Numbers = digits[0].astype(np.int64)
    for digit in digits[1:]:
        number *= 10
        number += digit
    return number
