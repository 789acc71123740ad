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

from rapha.records.cohort_spec import Duration, Window
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

    @property
    def order(self) -> tuple[datetime, datetime, str]:
        return self.at, self.known, self.id


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
                if concept.system == event.system and event.code in concept.codes:
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

    def within(self, names: Sequence[str], window: Window, index: datetime) -> list[Happening]:
        """The events of some concepts in a window, in time."""
        return [h for h in self.line if h.concept in names and _inside(h, window, index)]


def _inside(happening: Happening, window: Window, index: datetime) -> bool:
    if window.relation == "from":
        return happening.at > index and (window.length is None or happening.at <= shift(index, window.length, 1))
    if window.relation == "before" and happening.known >= index:
        return False
    return happening.known <= index and (window.length is None or happening.known > shift(index, window.length, -1))


def answer(people: Sequence[Person], events: Sequence[Event], study: Study, key: bytes) -> list[Row]:
    """The rows that the engine's statement gives, in its order, features under their own names."""
    rows = []
    for person in people:
        if person.opted_out:
            continue
        own = [event for event in events if event.patient == person.key]
        row = _row(Patient(person, own, study), study, key)
        if row is not None:
            rows.append((_hash(key, f"rapha order {study.digest}:{person.key}"), row))
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _hash(key: bytes, message: str) -> str:
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


def _row(patient: Patient, study: Study, key: bytes) -> Row | None:
    entries = [h.at for h in patient.line if h.concept in study.cohort.index.of and patient.period(h.at)]
    if not entries:
        return None
    index = min(entries) if study.cohort.index.pick == "first" else max(entries)
    if not all(_holds(c, patient, index) for c in study.cohort.include):
        return None
    if any(_holds(c, patient, index) for c in study.cohort.exclude):
        return None
    row: Row = {"split": _split(patient, study, key)}
    for feature in study.features:
        row[feature.name] = _feature(feature, patient, index)
    return row | _outcome(patient, study, index)


def _split(patient: Patient, study: Study, key: bytes) -> int:
    percent = int(_hash(key, f"rapha split:{patient.person.key}"), 16) * 100 / 2**256
    if percent < study.split.test_percent:
        return 2
    return 1 if percent < study.split.test_percent + study.split.validation_percent else 0


def _holds(criterion: object, patient: Patient, index: datetime) -> bool:
    match criterion.kind:
        case "sex":
            return patient.person.sex == criterion.sex
        case "age":
            if patient.birth is None or patient.birth > index:
                return False
            age = 0
            while shift(patient.birth, Duration(count=age + 1, unit="years"), 1) <= index:
                age += 1
            return criterion.at_least <= age <= criterion.at_most
        case "observed":
            start, _ = patient.period(index)
            return start <= shift(index, criterion.before, -1)
    found = patient.within(criterion.of, criterion.during, index)
    match criterion.match:
        case "any":
            return len({h.order for h in found}) >= criterion.at_least
        case "all":
            return {h.concept for h in found} == set(criterion.of)
        case "none":
            return not found
    raise AssertionError(criterion)


def _outcome(patient: Patient, study: Study, index: datetime) -> Row:
    outcome = study.outcome
    _, observed_to = patient.period(index)
    ends_at = shift(index, outcome.during.length, 1)
    ahead = [h for h in patient.line if index < h.at <= min(ends_at, observed_to)]
    event_at = next((h.at for h in ahead if h.concept == outcome.event), None)
    other_at = next((h.at for h in ahead if h.concept == outcome.competing), None)
    first = event_at is not None and (other_at is None or outcome.competing == "death" or event_at <= other_at)
    if outcome.kind == "binary":
        if not first and other_at is not None:
            fate = "competing"
        else:
            fate = "kept" if first or observed_to >= ends_at else "unobserved"
        return {"fate": fate, "label": int(first)}
    stop = event_at if first else min(t for t in (other_at, observed_to, ends_at) if t is not None)
    return {"fate": "kept" if stop > index else "unobserved", "time": (stop - index) / DAY, "event": int(first)}


def _feature(feature: object, patient: Patient, index: datetime) -> object:
    if feature.kind == "demographic":
        if feature.demographic == "sex":
            return {"male": 1.0, "female": 0.0}.get(patient.person.sex or "")
        known = patient.birth is not None and patient.birth <= index
        return (index - patient.birth) / DAY / 365.25 if known else None
    if feature.kind == "sequence":
        found = patient.within(feature.of, feature.during, index)
        found.sort(key=lambda h: h.order)
        return [
            {"concept": feature.of.index(h.concept), "value": h.value, "days": (index - h.at) / DAY}
            for h in found[-feature.at_most :]
        ]
    found = patient.within([feature.of], feature.during, index)
    values = [h.value for h in found if h.value is not None]
    match feature.aggregate:
        case "count":
            return float(len({h.order for h in found}))
        case "any":
            return float(bool(found))
        case "first":
            return values[0] if values else None
        case "last":
            return values[-1] if values else None
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
        case "mean":
            return math.fsum(values) / len(values) if values else None
    raise AssertionError(feature)
