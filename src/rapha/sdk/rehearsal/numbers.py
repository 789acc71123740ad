"""Made-up numbers that a study can do something with: within the ranges it includes, outside of those it excludes."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import inf

from rapha.records.cohort_spec import (
    BothCriterion,
    Criterion,
    EitherCriterion,
    EventCriterion,
    NotCriterion,
    ValueRange,
)
from rapha.records.moments import Duration
from rapha.records.study import Study

MEAN, SPREAD = 100.0, 20.0
DAYS = {"hours": 1 / 24, "days": 1, "weeks": 7, "months": 30, "years": 365}
JITTER = 0.02
"""How far one number of a patient lies from another, as a part of their middle: less than any rise that is an outcome."""


def long(duration: Duration) -> timedelta:
    """About so long: a month has 30 days here, a year 365."""
    return timedelta(days=duration.count * DAYS[duration.unit])


@dataclass(frozen=True)
class Level:
    """One patient's numbers of one concept lie around `middle`, between `low` and `high`."""

    middle: float
    low: float
    high: float

    def number(self, dice: random.Random) -> float:
        return round(min(max(self.middle * dice.uniform(1 - JITTER, 1 + JITTER), self.low), self.high), 6)


def usual(dice: random.Random, study: Study, concept: str) -> Level:
    """Where a patient's numbers of a concept lie, so that criteria over numbers let them in."""
    wanted = [r for criterion in study.cohort.include for r in _ranges(criterion, concept, wanted=True)]
    shunned = [r for criterion in study.cohort.exclude for r in _ranges(criterion, concept, wanted=False)]
    return _between(dice, [*wanted, *shunned])


def inside(dice: random.Random, ranges: Sequence[ValueRange]) -> float:
    """A number in all of these ranges."""
    return _between(dice, [_ends(each) for each in ranges]).middle


def _between(dice: random.Random, ends: Iterable[tuple[float, float]]) -> Level:
    """Strictly between the highest of the lower ends and the lowest of the upper ones."""
    pairs = list(ends)
    low, high = max((a for a, _ in pairs), default=-inf), min((b for _, b in pairs), default=inf)
    if low == -inf and high == inf:
        return Level(dice.gauss(MEAN, SPREAD), low, high)
    bottom = low if low > -inf else high - abs(high) * 0.7 - (high == 0)
    top = high if high < inf else low + abs(low) + 1
    return Level(bottom + (top - bottom) * dice.uniform(0.1, 0.9), bottom, top)


def _ranges(criterion: Criterion, concept: str, *, wanted: bool) -> Iterator[tuple[float, float]]:
    match criterion:
        case EventCriterion() if criterion.value and concept in criterion.of:
            asked = criterion.match != "none" and criterion.at_most != 0
            yield _ends(criterion.value) if asked == wanted else _outside(criterion.value)
        case BothCriterion() | EitherCriterion():
            for each in criterion.of:
                yield from _ranges(each, concept, wanted=wanted)
        case NotCriterion():
            yield from _ranges(criterion.of, concept, wanted=not wanted)
        case _:
            return


def _ends(value: ValueRange) -> tuple[float, float]:
    low = value.above if value.above is not None else value.at_least
    high = value.below if value.below is not None else value.at_most
    return (-inf if low is None else low, inf if high is None else high)


def _outside(value: ValueRange) -> tuple[float, float]:
    """The side below the range, or above it where there is nothing below."""
    low, high = _ends(value)
    return (-inf, low) if low > -inf else (high, inf)
