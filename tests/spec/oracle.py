"""The cohort language once more: slow, in plain Python, one patient at a time, obviously right.

It shares no code with `rapha.cohort`; the two are compared on generated timelines.
"""

import calendar
import hashlib
import hmac
import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from little_timeline import Event, Person, when

from rapha.records.moments import Bound, Duration, Window
from rapha.records.study import Study

Row = dict[str, object]
TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)


def shift(moment: datetime, length: Duration, sign: int) -> datetime:
    """`moment` moved by a calendar interval; the 31st becomes the last day of a shorter month."""
    if length.unit in ("hours", "days", "weeks"):
        return moment + sign * timedelta(**{length.unit: length.count})
    months = length.count * (12 if length.unit == "years" else 1)
    year, month = divmod(moment.year * 12 + moment.month - 1 + sign * months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


class Happening:
    """One event that counts, or a death, under the name of one concept."""

    def __init__(self, concept: str, event: Event | None, at: datetime, known: datetime) -> None:
        self.concept, self.at, self.known = concept, at, max(at, known)
        self.id = event.id if event else ""
        value = None if event is None else event.value if event.canonical is None else event.canonical
        self.value = value if value is not None and math.isfinite(value) else None
        self.unit = None if event is None else event.unit if event.canonical is None else event.ucum
        self.comparator = event.comparator if event else None
        self.ends = when(event.until) if event else at
        if self.ends is not None and self.ends < at:
            self.ends = None

    @property
    def order(self) -> tuple[datetime, datetime, bool, float]:
        return self.at, self.known, self.value is None, self.value or 0.0


class Patient:
    """What is known of one person."""

    def __init__(self, person: Person, events: Sequence[Event], study: Study) -> None:
        self.person, self.birth, self.died = person, when(person.birth), when(person.death)
        self.ended = self._last_moment()
        self.line = sorted(self._happenings(events, study), key=lambda h: h.order)
        self.periods = self._periods()

    def _last_moment(self) -> datetime | None:
        units = {"day": "1 day", "month": "1 month", "year": "1 year"}
        if self.died is None or self.person.death_precision not in units:
            return self.died
        return shift(self.died, Duration.model_validate(units[self.person.death_precision]), 1) - TICK

    def _happenings(self, events: Sequence[Event], study: Study) -> list[Happening]:
        found = []
        for event in events:
            at = when(event.at)
            usable = event.status in ("final", "preliminary", "amended")
            if at is None or not usable or event.polarity != "affirmed" or event.deleted:
                continue
            if self.ended is not None and at > self.ended:
                continue
            for name, concept in study.concepts.items():
                if (event.system, event.code) in concept.written_codes():
                    found.append(Happening(name, event, at, when(event.known) or at))
        if self.died is not None:
            found.append(Happening("death", None, self.died, self.died))
        return found

    def _periods(self) -> list[tuple[datetime, datetime]]:
        merged: list[tuple[datetime, datetime]] = []
        for start, end in sorted((when(a), when(b)) for a, b in self.person.observed):
            assert start and end
            if start > end:
                continue
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        if self.ended is None:
            return merged
        return [(start, min(end, self.ended)) for start, end in merged]

    def period(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """The period of observation that holds a moment."""
        return next((p for p in self.periods if p[0] <= moment <= p[1]), None)

    def stay(self, names: Sequence[str], moment: datetime) -> tuple[datetime | None, datetime | None]:
        """The stay that began last up to a moment and has not ended before it: its start and end."""
        stays = [h for h in self.line if h.concept in names and h.at <= moment]
        if not stays:
            return None, None
        began = max(h.at for h in stays)
        ends = [h.ends for h in stays if h.at == began]
        ended = None if None in ends else max(ends)
        return (began, ended) if ended is None or ended >= moment else (None, None)


class Entry:
    """One row: a patient at one index, with the moments that windows are anchored to."""

    def __init__(self, patient: Patient, study: Study, index: datetime, looked_up: datetime) -> None:
        self.patient, self.index = patient, index
        self.began, self.ended = patient.stay(study.cohort.encounter, looked_up)

    def moment(self, bound: Bound) -> datetime | None:
        """When a bound is for this row, or None."""
        line = self.patient.line
        match bound.anchor:
            case "index":
                at = self.index
            case "encounter start":
                at = self.began
            case "encounter end":
                at = self.ended
            case "next":
                at = min((h.at for h in line if h.concept == bound.concept and h.at > self.index), default=None)
            case "last":
                at = max((h.at for h in line if h.concept == bound.concept and h.known <= self.index), default=None)
        if at is None or bound.offset is None:
            return at
        return shift(at, bound.offset, 1 if bound.side == "after" else -1)

    def span(self, window: Window) -> tuple[datetime | None, datetime | None] | None:
        """From when to when a window lasts, None for unbounded; or None where it has no place in this row."""
        anchor = self.moment(window.anchor)
        if anchor is None:
            return None
        match window.relation:
            case "between":
                end = self.moment(window.end)
                return None if end is None else (anchor, end)
            case "from":
                return anchor, shift(anchor, window.length, 1) if window.length else None
            case _:
                return shift(anchor, window.length, -1) if window.length else None, anchor

    def within(self, names: Sequence[str], window: Window) -> list[Happening]:
        """The events of some concepts in a window, in time."""
        span = self.span(window)
        if span is None:
            return []
        start, end = span
        found = []
        for happening in self.patient.line:
            at = happening.known if window.past else happening.at
            late = end is not None and (at >= end if window.relation == "before" else at > end)
            if happening.concept in names and not late and (start is None or at > start):
                found.append(happening)
        return found


def in_range(happening: Happening, value: object) -> bool:
    """Whether the number of an event is known to lie in a range."""
    if value is None:
        return True
    number, sign = happening.value, happening.comparator
    if number is None or (value.unit != "any" and happening.unit != value.unit):
        return False
    lowest, highest = number, number  # of the numbers it may be
    if sign in ("<", "<="):
        lowest = -math.inf
    if sign in (">", ">="):
        highest = math.inf
    return (
        (value.at_least is None or lowest >= value.at_least)
        and (value.above is None or lowest > value.above or (sign == ">" and lowest >= value.above))
        and (value.at_most is None or highest <= value.at_most)
        and (value.below is None or highest < value.below or (sign == "<" and highest <= value.below))
    )


def answer(people: Sequence[Person], events: Sequence[Event], study: Study, key: bytes) -> list[Row]:
    """The rows that the engine's statement gives, in its order, features under their own names."""
    rows = []
    for person in people:
        if person.opted_out:
            continue
        own = [event for event in events if event.patient == person.key]
        for entry in _entries(Patient(person, own, study), study):
            row = _row(entry, study, key)
            if row is not None:
                rows.append((_hash(key, f"rapha order {study.digest}:{person.key}"), entry.index, row))
    return [row for _, _, row in sorted(rows, key=lambda each: each[:2])]


def _entries(patient: Patient, study: Study) -> list[Entry]:
    """The rows of a patient, before the criteria."""
    index = study.cohort.index
    events = [h for h in patient.line if h.concept in index.of]
    at = {"start": lambda h: h.at, "end": lambda h: h.ends}[index.at]
    moments = sorted({at(h) for h in events if at(h) is not None})
    found = []
    for number, moment in enumerate(moments):
        moved = shift(moment, index.after, 1) if index.after else moment
        period = patient.period(moved)
        if period is None:
            continue
        if index.washout:
            clean = shift(moment, index.washout, -1)
            if period[0] > clean or (number and moments[number - 1] > clean):
                continue
        stays = [h.at for h in events if at(h) == moment and h.concept in study.cohort.encounter]
        found.append(Entry(patient, study, moved, max(stays, default=moment)))
    return {"first": found[:1], "last": found[-1:], "every": found}[index.pick]


def _hash(key: bytes, message: str) -> str:
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


def _row(entry: Entry, study: Study, key: bytes) -> Row | None:
    if not all(_holds(c, entry) for c in study.cohort.include):
        return None
    if any(_holds(c, entry) for c in study.cohort.exclude):
        return None
    row: Row = {"patient": entry.patient.person.key, "split": _split(entry.patient, study, key)}
    for feature in study.features:
        row[feature.name] = _feature(feature, entry)
    return row | _outcome(entry, study)


def _split(patient: Patient, study: Study, key: bytes) -> int:
    percent = int(_hash(key, f"rapha split:{patient.person.key}"), 16) * 100 / 2**256
    if percent < study.split.test_percent:
        return 2
    return 1 if percent < study.split.test_percent + study.split.validation_percent else 0


def _holds(criterion: object, entry: Entry) -> bool:
    patient, index = entry.patient, entry.index
    match criterion.kind:
        case "and":
            return all(_holds(each, entry) for each in criterion.of)
        case "or":
            return any(_holds(each, entry) for each in criterion.of)
        case "not":
            return not _holds(criterion.of, entry)
        case "within":
            return entry.began is not None and entry.began <= index and (entry.ended is None or index < entry.ended)
        case "sex":
            return patient.person.sex == criterion.sex
        case "age":
            if patient.birth is None or patient.birth > index:
                return False
            age = 0
            while shift(patient.birth, Duration(count=age + 1, unit="years"), 1) <= index:
                age += 1
            return criterion.at_least <= age and (age <= criterion.at_most or criterion.at_most == 130)
        case "observed":
            start, _ = patient.period(index)
            return start <= shift(index, criterion.before, -1)
    found = [h for h in entry.within(criterion.of, criterion.during) if in_range(h, criterion.value)]
    match criterion.match:
        case "any":
            count = len({h.id for h in found})
            return criterion.at_least <= count and (criterion.at_most is None or count <= criterion.at_most)
        case "all":
            return {h.concept for h in found} == set(criterion.of)
        case "none":
            return not found
    raise AssertionError(criterion)


def _risen(patient: Patient, rule: object, happening: Happening) -> bool:
    numbers = [
        h for h in patient.line
        if h.concept == rule.rise and h.value is not None and h.value > 0 and rule.unit in ("any", h.unit) and h.at <= happening.at
    ]  # fmt: skip
    if happening not in numbers:
        return False
    if rule.ratio is not None:
        least = min(h.value for h in numbers if h.at >= shift(happening.at, rule.within, -1))
        if round(happening.value / least, 9) >= rule.ratio:
            return True
    if rule.by is None:
        return False
    least = min(h.value for h in numbers if h.at >= shift(happening.at, rule.by_within, -1))
    return round(happening.value - least, 9) >= rule.by


def _is_outcome(happening: Happening, outcome: object, patient: Patient) -> bool:
    if outcome.kind == "categorical":
        return happening.concept in outcome.events
    if outcome.kind == "numeric":
        return False
    if isinstance(outcome.event, str):
        return happening.concept == outcome.event
    if hasattr(outcome.event, "rise"):
        return _risen(patient, outcome.event, happening)
    return happening.concept == outcome.event.first and in_range(happening, outcome.event.value)


def _outcome(entry: Entry, study: Study) -> Row:
    outcome, patient, index = study.outcome, entry.patient, entry.index
    _, observed_to = patient.period(index)
    starts_at, ends_at = entry.span(outcome.during) or (entry.moment(outcome.during.anchor), None)
    ahead = [h for h in patient.line if ends_at and index < h.at <= min(ends_at, observed_to)]
    window = [h for h in ahead if h.at > starts_at]
    event_at = next((h.at for h in window if _is_outcome(h, outcome, patient)), None)
    rivals = sorted((h.at, outcome.competing.index(h.concept)) for h in ahead if h.concept in outcome.competing)
    other_at = rivals[0][0] if rivals else None
    first = event_at is not None and (other_at is None or set(outcome.competing) == {"death"} or event_at <= other_at)
    if outcome.kind == "time-to-event":
        stops = [t for t in (other_at, observed_to, ends_at) if t is not None]
        stop = event_at if first else min(stops) if ends_at else None
        row = {"fate": "kept" if stop and stop > index else "unobserved", "event": int(first)}
        if outcome.competing:
            row["cause"] = 1 if first else rivals[0][1] + 2 if rivals and stop == other_at else 0
        return row | {"time": None if stop is None else (stop - index) / DAY}
    watched = ends_at is not None and observed_to >= ends_at and ends_at > index
    row: Row = {"label": int(first)}
    if outcome.kind == "categorical":
        classes = [outcome.events.index(h.concept) for h in window if h.at == event_at and h.concept in outcome.events]
        row = {"label": min(classes) + 1 if first else 0}
    if outcome.kind == "numeric":
        numbers = [h.value for h in window if h.concept == outcome.value.of and h.value is not None
                   and outcome.value.unit in ("any", h.unit)]  # fmt: skip
        row = {"value": _aggregate(outcome.value.pick, numbers)}
        first, watched = bool(numbers), False
    if not first and other_at is not None:
        return row | {"fate": "competing"}
    return row | {"fate": "kept" if first or watched else "unobserved"}


def _feature(feature: object, entry: Entry) -> object:
    patient, index = entry.patient, entry.index
    if feature.kind == "demographic":
        if feature.demographic == "sex":
            return {"male": 1.0, "female": 0.0}.get(patient.person.sex or "")
        known = patient.birth is not None and patient.birth <= index
        return (index - patient.birth) / DAY / 365.25 if known else None
    if feature.kind == "sequence":
        found = entry.within(feature.of, feature.during)
        found.sort(key=lambda h: h.order)
        return [
            {"concept": feature.of.index(h.concept), "value": h.value, "days": (index - h.at) / DAY}
            for h in found[-feature.at_most :]
        ]
    found = entry.within([feature.of], feature.during)
    numbers = [h.value for h in found if h.value is not None]
    match feature.aggregate:
        case "count":
            return float(len({h.id for h in found}))
        case "any":
            return float(bool(found))
        case "since":
            return (index - max(h.at for h in found)) / DAY if found else None
        case "slope":
            return _slope([h for h in found if h.value is not None], 365.25 if feature.per == "year" else 1.0)
        case "ratio":
            before = entry.within([feature.of], feature.baseline.during)
            least = _aggregate(feature.baseline.pick, [h.value for h in before if h.value is not None])
            return numbers[-1] / least if numbers and least else None
    return _aggregate(feature.aggregate, numbers)


def _aggregate(word: str, numbers: Sequence[float]) -> float | None:
    if not numbers:
        return None
    match word:
        case "first":
            return numbers[0]
        case "last":
            return numbers[-1]
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
        case "sum":
            return math.fsum(numbers)
        case "mean":
            return math.fsum(numbers) / len(numbers)
    raise AssertionError(word)


def _slope(found: Sequence[Happening], days: float) -> float | None:
    """Sum of (t - mean t)(v - mean v) over sum of (t - mean t) squared."""
    if len({h.at for h in found}) < 2:
        return None
    times = [(h.at - found[0].at) / DAY / days for h in found]
    mean_time, mean = math.fsum(times) / len(times), math.fsum(h.value for h in found) / len(found)
    above = math.fsum((t - mean_time) * (h.value - mean) for t, h in zip(times, found, strict=True))
    return above / math.fsum((t - mean_time) ** 2 for t in times)
