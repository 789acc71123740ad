"""One made-up patient's way through a study: an index, the stay around it, and in each of the study's windows what it asks for.

A profile says how many patients have a code, and not when. Events strewn over years would hardly ever lie within 30 days of
one another, or 20 of them within 28 days. So the study itself says where they may lie. That anybody is found then says that
the study's words can be met together, and nothing of how many hospitals would find.

A criterion that asks for more than `MOST` events of one concept is not met.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from rapha.records.cohort_spec import BothCriterion, Criterion, EitherCriterion, EventCriterion, NotCriterion
from rapha.records.dense import DenseFeature
from rapha.records.feature import AggregateFeature, SequenceFeature
from rapha.records.moments import Bound, Window
from rapha.records.outcome import RiseRule, ValueRule
from rapha.records.study import DEATH, Study
from rapha.sdk.rehearsal.numbers import Level, inside, long, usual

MOST = 300
HAVING_OUTCOME, HAVING_FEATURE = 0.4, 0.9
STAY_DAYS, YEAR = (3, 14), timedelta(days=365)
Pair = tuple[str, str]
"""System and code."""


@dataclass(frozen=True)
class Placed:
    """An event of a concept: from when to when (a moment without end), and its number."""

    concept: str
    start: datetime
    end: datetime | None
    number: float


@dataclass
class Scene:
    """`held`: the codes of each concept that this patient may have. `death`: where the scene ends in it."""

    study: Study
    dice: random.Random
    life: tuple[datetime, datetime]
    held: Mapping[str, Sequence[Pair]]
    index: datetime = field(init=False)
    stay: tuple[datetime, datetime] | None = None
    death: datetime | None = None
    events: list[Placed] = field(default_factory=list)
    levels: dict[str, Level] = field(default_factory=dict)
    moments: dict[Bound, datetime] = field(default_factory=dict)

    def played(self) -> bool:
        """Fill `events`; whether this patient has an index concept at all."""
        cohort = self.study.cohort
        present = [name for name in cohort.index.of if self.held.get(name)]
        if not present:
            return False
        self._settle(self.dice.choice(present))
        for criterion in cohort.include:
            self._meet(criterion)
        for feature in self.study.features:
            if isinstance(feature, AggregateFeature | SequenceFeature | DenseFeature):
                self._feature(feature)
        if self.dice.random() < having_outcome(self.study):
            self._outcome()
        for segment in self.study.outcome.drawn:
            self._strew(segment, self.study.outcome.during, 1, needed=True)
        if reading := self.study.outcome.value:
            self._strew(reading.of, self.study.outcome.during, 3 if reading.pick == "slope" else 1, needed=True)
        return True

    def _settle(self, concept: str) -> None:
        """Where the index lies, what event it is of, and in which stay."""
        rule, encounters = self.study.cohort.index, self.study.cohort.encounter
        self.index = _within(self.dice, self.life, _room(self.study))
        event = self.index - (long(rule.after) if rule.after else timedelta())
        days = timedelta(days=self.dice.uniform(*STAY_DAYS))
        if concept in encounters:
            self.stay = (event - days, event) if rule.at == "end" else (event, self.index + days)
            self._add(concept, *self.stay)
        else:
            self._add(concept, event - days if rule.at == "end" else event, event if rule.at == "end" else None)
            if name := next((name for name in encounters if self.held.get(name)), None):
                self.stay = (self.index - timedelta(hours=self.dice.uniform(6, 48)), self.index + days)
                self._add(name, *self.stay)

    def _meet(self, criterion: Criterion) -> None:
        """Events that a criterion of `include` asks for. What is asked not to be is not strewn: see `barred`."""
        match criterion:
            case EventCriterion(match="any") if criterion.at_most != 0:
                few = max(criterion.at_least, 1)
                most = min(few + 2, MOST if criterion.at_most is None else criterion.at_most)
                if few <= most and (names := [name for name in criterion.of if self.held.get(name)]):
                    self._strew(self.dice.choice(names), criterion.during, self.dice.randint(few, most), needed=True)
            case EventCriterion(match="all"):
                for name in criterion.of:
                    self._strew(name, criterion.during, 1, needed=True)
            case BothCriterion():
                for each in criterion.of:
                    self._meet(each)
            case EitherCriterion():
                self._meet(self.dice.choice(criterion.of))
            case _:
                pass

    def _feature(self, feature: AggregateFeature | SequenceFeature | DenseFeature) -> None:
        for name in feature.of if isinstance(feature, SequenceFeature) else (feature.of,):
            if self.dice.random() < HAVING_FEATURE:
                self._strew(name, feature.during, self.dice.randint(1, 4))
            if isinstance(feature, AggregateFeature) and feature.baseline:
                self._strew(name, feature.baseline.during, 1)

    def _outcome(self) -> None:
        outcome, during = self.study.outcome, self.study.outcome.during
        match outcome.event:
            case str() as name if name == DEATH:
                self.death = self._time(during)
            case str() as name:
                self._strew(name, during, 1, needed=True)
            case ValueRule() as rule:
                self._strew(rule.first, during, 1, needed=True, number=inside(self.dice, [rule.value]))
            case RiseRule() as rule:
                self._rise(rule, during)
            case None:
                if names := [name for name in outcome.events if self.held.get(name)]:
                    self._strew(self.dice.choice(names), during, 1, needed=True)

    def _rise(self, rule: RiseRule, during: Window) -> None:
        at, level = self._time(during), self._level(rule.rise).middle
        within = min(long(each) for each in (rule.within, rule.by_within) if each is not None)
        risen = max(level * (rule.ratio or 1) * 1.2, level + (rule.by or 0) * 1.2)
        if at and self.held.get(rule.rise):
            self._add(rule.rise, at - within * 0.4, None, level)
            self._add(rule.rise, at, None, risen)

    def _strew(
        self, name: str, during: Window, count: int, *, needed: bool = False, number: float | None = None
    ) -> None:
        """So many events of a concept, anywhere in the window; none where it would move the index or keep the patient out. What
        only a feature asks for lies before the index, and may be of the outcome's concept. A mention that nothing but a feature asks
        for is left to the notes that are there."""
        left = admitting(self.study) | self.study.said_in_notes().keys()
        if not self.held.get(name) or (not needed and name in left):
            return
        for _ in range(count):
            at = self._time(during)
            if at is None or self._moves_the_index(name, at):
                return
            days = timedelta(days=self.dice.uniform(*STAY_DAYS)) if name in self.study.cohort.encounter else None
            self._add(name, at, at + days if days else None, number)

    def _moves_the_index(self, name: str, at: datetime) -> bool:
        rule, said = self.study.cohort.index, self.study.said_in_notes()
        if not {name, *(said[name].notes if name in said else ())} & set(rule.of):
            return False
        return (at < self.index and (rule.pick == "first" or rule.washout is not None)) or (
            at > self.index and rule.pick == "last"
        )

    def _add(self, name: str, start: datetime, end: datetime | None, number: float | None = None) -> None:
        given = self._level(name).number(self.dice) if number is None else number
        self.events.append(Placed(name, start, end, given))

    def _level(self, name: str) -> Level:
        if name not in self.levels:
            self.levels[name] = usual(self.dice, self.study, name)
        return self.levels[name]

    def _time(self, during: Window) -> datetime | None:
        """Any moment in the window, within this life; None where there is none."""
        anchor = self._moment(during.anchor)
        end = self._moment(during.end) if during.end else None
        length = long(during.length) if during.length else YEAR
        if anchor is None or (during.end and end is None):
            return None
        match during.relation:
            case "until" | "before":
                low, high = anchor - length, anchor
            case "from":
                low, high = anchor, anchor + length
            case "between":
                low, high = anchor, end or anchor
        low, high = max(low, self.life[0]), min(high, self.life[1])
        return low + (high - low) * self.dice.uniform(0.02, 0.98) if low < high else None

    def _moment(self, bound: Bound) -> datetime | None:
        """Where a bound lies here. The `next` or `last` of a concept is made up the first time that it is asked for."""
        if bound not in self.moments:
            at = self._anchor(bound)
            if at is None:
                return None
            self.moments[bound] = at
        offset = long(bound.offset) if bound.offset else timedelta()
        return self.moments[bound] + (offset if bound.side == "after" else -offset)

    def _anchor(self, bound: Bound) -> datetime | None:
        away = timedelta(days=self.dice.uniform(1, 20))
        match bound.anchor:
            case "index":
                return self.index
            case "encounter start":
                return self.stay[0] if self.stay else None
            case "encounter end":
                return self.stay[1] if self.stay else None
            case "next" | "last":
                name = bound.concept
                if name is None or not self.held.get(name):
                    return None
                at = self.index + away if bound.anchor == "next" else self.index - away
                if not self._moves_the_index(name, at):
                    self._add(name, at, None)
                return at


def having_outcome(study: Study) -> float:
    """The chance of a made-up patient to have the outcome: of several classes all are as likely."""
    outcome = study.outcome
    return len(outcome.events) / len(outcome.classes) if outcome.classes else HAVING_OUTCOME


def barred(study: Study) -> frozenset[str]:
    """The concepts that decide who is in, at which moment and with which outcome: not to be strewn at random."""
    return admitting(study) | {*study.outcome.concepts, *study.outcome.competing}


def admitting(study: Study) -> frozenset[str]:
    """The concepts that decide who is in and at which moment, whatever comes after it."""
    names = {*study.cohort.index.of, *study.cohort.encounter}
    names.update(name for criterion in study.cohort.include for name in _denied(criterion, wanted=True))
    names.update(name for criterion in study.cohort.exclude for name in _denied(criterion, wanted=False))
    return frozenset(names)


def _denied(criterion: Criterion, *, wanted: bool) -> Iterator[str]:
    """The concepts of which an event, of whatever number, may keep a patient out."""
    match criterion:
        case EventCriterion():
            none = criterion.match == "none" or criterion.at_most is not None
            if criterion.value is None and none == wanted:
                yield from criterion.of
        case BothCriterion() | EitherCriterion():
            for each in criterion.of:
                yield from _denied(each, wanted=wanted)
        case NotCriterion():
            yield from _denied(criterion.of, wanted=not wanted)
        case _:
            return


def _room(study: Study) -> tuple[timedelta, timedelta]:
    """How long before and after the index a patient has to be watched for the study's sake."""
    rule = study.cohort.index
    before = [long(each) for each in (rule.washout, rule.after) if each] + [timedelta(days=30)]
    before += [long(criterion.before) for criterion in study.cohort.include if criterion.kind == "observed"]
    after = long(study.outcome.during.length) if study.outcome.during.length else timedelta(days=60)
    return max(before), after


def _within(dice: random.Random, life: tuple[datetime, datetime], room: tuple[timedelta, timedelta]) -> datetime:
    low, high = life[0] + room[0], life[1] - room[1]
    if low >= high:
        low, high = life
    return low + (high - low) * dice.random()
