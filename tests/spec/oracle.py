"""The cohort language once more: slow, in plain Python, one patient at a time, obviously right.

It shares no code with `rapha.cohort`; the two are compared on generated timelines.
"""

import hashlib
import hmac
import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from little_timeline import Event, Person, Term, when
from oracle_features import predicted, seen
from oracle_mentions import means, of_concept
from oracle_moments import last_moment, shift
from oracle_terms import Vocabulary, in_unit
from oracle_variants import answered, is_uncalled, told_again

from rapha.records.moments import Bound, Duration, Window
from rapha.records.study import Study

Row = dict[str, object]
DAY = timedelta(days=1)


class Happening:
    """One event that counts, or a death, under the name of one concept."""

    def __init__(
        self, concept: str, event: Event | None, at: datetime, known: datetime, latest: datetime, study: Study
    ) -> None:
        self.concept, self.at, self.known, self.latest = concept, at, max(at, known), latest
        self.id = event.id if event else ""
        self.lost: datetime | None = None  # since when it is known not to be so
        self.patient = event.patient if event else None
        self.number = [*study.mentioned(), concept].index(concept)
        value = None if event is None else event.value if event.canonical is None else event.canonical
        self.given = value if value is not None and math.isfinite(value) else None
        self.unit = None if event is None else event.unit if event.canonical is None else event.ucum
        self.value = in_unit(self.given, self.unit, concept, study)
        self.comparator = event.comparator if event else None
        self.ends = when(event.until) if event else at
        if self.ends is not None and self.ends < at:
            self.ends = None

    def seen_from(self, index: datetime) -> datetime:
        """When it happened: a death given to a day that the index lies in, at the end of that day."""
        return self.at if self.at > index else self.latest

    @property
    def order(self) -> tuple[datetime, datetime, bool, float]:
        return self.at, self.known, self.value is None, self.value or 0.0


class Patient:
    """What is known of one person."""

    def __init__(self, person: Person, events: Sequence[Event], study: Study, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.person, self.birth, self.died = person, when(person.birth), when(person.death)
        self.ended = self._last_moment()
        self.line = sorted(self._happenings(events, study), key=lambda h: h.order)
        self.periods = self._periods()

    def _last_moment(self) -> datetime | None:
        if self.died is None:
            return None
        return last_moment(self.died, self.person.death_precision, ("day", "month", "year"))

    def _happenings(self, events: Sequence[Event], study: Study) -> list[Happening]:
        found = []
        self.settled = {}  # of rules that ask who was called well: when it was known of the patient
        calls = [event for event in events if self._counts(event, ("affirmed", "negated"))]
        lost_of = {id(event): told_again(event, calls, self._known) for event in calls}
        for name, rule in study.variant_rules().items():
            if rule.called:
                counting = [event for event in events if self._counts(event)]
                self.settled[name], free, lost = answered(rule, counting, self._known, lambda event: lost_of[id(event)])
                for event in free:
                    found.append(Happening(name, event, when(event.at), self._known(event), when(event.at), study))
                    found[-1].lost = lost
        for event in events:
            if not self._counts(event) or not lost_of[id(event)][0]:
                continue
            at = when(event.at)
            for name, concept in study.concepts.items():
                if self.vocabulary.is_of(concept, event) or means(concept, event, study, self.vocabulary):
                    found.append(Happening(name, of_concept(event, concept), at, self._known(event), at, study))
                    found[-1].lost = lost_of[id(event)][1]
        if self.died is not None:
            found.append(Happening("death", None, self.died, self.ended, self.ended, study))
        return found

    def _counts(self, event: Event, polarities: Sequence[str] = ("affirmed",)) -> bool:
        at, usable = when(event.at), event.status in ("final", "preliminary", "amended")
        if at is None or not usable or event.polarity not in polarities or event.deleted:
            return False
        return self.ended is None or at <= self.ended

    def _known(self, event: Event) -> datetime:
        at = when(event.at)
        return max(at, when(event.known) or at, last_moment(at, event.precision, ("month", "year")))

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
        self.line = [each for each in patient.line if each.lost is None or each.lost > index]
        self.began, self.ended = patient.stay(study.cohort.encounter, looked_up)

    def moment(self, bound: Bound) -> datetime | None:
        """When a bound is for this row, or None."""
        line = self.line
        match bound.anchor:
            case "index":
                at = self.index
            case "encounter start":
                at = self.began
            case "encounter end":
                at = self.ended
            case "next":
                seen = [h.seen_from(self.index) for h in line if h.concept == bound.concept]
                at = min((moment for moment in seen if moment > self.index), default=None)
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
        for happening in self.line:
            at = happening.known if window.past else happening.seen_from(self.index)
            late = end is not None and (at >= end if window.relation == "before" else at > end)
            if happening.concept in names and not late and (start is None or at > start):
                found.append(happening)
        return found


def in_range(happening: Happening, value: object) -> bool:
    """Whether the number of an event is known to lie in a range."""
    if value is None:
        return True
    number, sign = happening.value, happening.comparator
    if number is None:
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


def answer(
    people: Sequence[Person], events: Sequence[Event], study: Study, key: bytes, terms: Sequence[Term] = ()
) -> list[Row]:
    """The rows that the engine's statement gives, in its order, features under their own names."""
    rows = []
    for person in people:
        if person.opted_out:
            continue
        own = [event for event in events if event.patient == person.key]
        for entry in _entries(Patient(person, own, study, Vocabulary(terms)), study):
            row = _row(entry, study, key)
            if row is not None:
                rows.append((_hash(key, f"rapha order {study.digest}:{person.key}"), entry.index, row))
    return [row for _, _, row in sorted(rows, key=lambda each: each[:2])]


def refusal(people: Sequence[Person], events: Sequence[Event], study: Study, terms: Sequence[Term] = ()) -> str | None:
    """Why a site with these cannot answer, whatever its numbers; None where it can."""
    vocabulary = Vocabulary(terms)
    used = [name for name in study.mentioned() if name != "death"]
    for name in used:
        concept = study.concepts[name]
        if any(vocabulary.cannot_say(each) for each in (*concept.any_of, *concept.exclude)):
            return "no-hierarchy"
    here = [
        happening
        for person in people
        if not person.opted_out
        for happening in Patient(person, [e for e in events if e.patient == person.key], study, vocabulary).line
    ]
    if not {h.concept for h in here} >= set(used):
        return "unknown-concept"
    rare = [name for name in used if study.concepts[name].mention or study.concepts[name].variant]
    saying = {name: {h.patient for h in here if h.concept == name and h.lost is None} for name in rare}
    if any(len(patients) < study.privacy.min_cohort for patients in saying.values()):
        return "unknown-concept"
    numbers = {name: [h for h in here if h.concept == name and h.given is not None] for name in study.numeric()}
    stated = [name for name in numbers if study.units()[name]]
    if any(numbers[name] and all(h.value is None for h in numbers[name]) for name in stated):
        return "unknown-unit"
    mixed = any(len({h.unit for h in of}) > 1 for name, of in numbers.items() if name not in stated)
    return "mixed-units" if mixed else None


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
        row[feature.name] = seen(feature, entry)
    row |= _outcome(entry, study)
    return row | {"fate": "uncalled"} if is_uncalled(entry, study) else row


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
        if h.concept == rule.rise and h.value is not None and h.value > 0 and h.at <= happening.at
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
    ahead = [h for h in entry.line if ends_at and index < h.seen_from(index) <= min(ends_at, observed_to)]
    window = [h for h in ahead if h.seen_from(index) > starts_at]
    # What is on the record happened before a death of the same day: so things are put in order by when they happened at the latest.
    events = sorted((h.latest, h.seen_from(index)) for h in window if _is_outcome(h, outcome, patient))
    rivals = sorted(
        (h.latest, outcome.competing.index(h.concept), h.seen_from(index))
        for h in ahead
        if h.concept in outcome.competing
    )
    event_at = events[0][1] if events else None
    other_at = rivals[0][2] if rivals else None
    first = bool(events) and (not rivals or events[0][0] <= rivals[0][0])
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
        classes = [
            outcome.events.index(h.concept)
            for h in window
            if events and h.latest == events[0][0] and h.concept in outcome.events
        ]
        own = min(classes) + (outcome.none == "class") if first else 0
        row, watched = {"label": own}, watched and outcome.none == "class"
    if outcome.kind == "numeric":
        found = [h for h in window if h.concept == outcome.value.of and h.value is not None]
        row = {"value": predicted(outcome.value, found)}
        first, watched = row["value"] is not None, False
    if not first and other_at is not None:
        return row | {"fate": "competing"}
    return row | {"fate": "kept" if first or watched else "unobserved"}
