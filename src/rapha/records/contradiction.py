"""Two conditions that no patient can meet together: a record is asked for where another condition allows none.

Only what is certain from the words alone: the one asks for a record of a concept that the other rules out, in the same time or in one
that holds it, and no range of numbers tells the two apart. Two concepts that share a code are not looked into.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from pydantic_core import PydanticCustomError

from rapha.records.cohort_spec import (
    BothCriterion,
    CohortSpec,
    Criterion,
    EitherCriterion,
    EventCriterion,
    NotCriterion,
    ValueRange,
)
from rapha.records.moments import Duration, Window

DAYS_OR_MONTHS = {"hours": (1, "hours"), "days": (24, "hours"), "weeks": (168, "hours"), "months": (1, "months"), "years": (12, "months")}  # fmt: skip


class Demand(NamedTuple):
    """Of everybody: a record of one of these concepts (`there`), or none of any of them."""

    there: bool
    of: frozenset[str]
    during: Window
    value: ValueRange | None
    place: str


def check_possible(cohort: CohortSpec) -> None:
    """Raises PydanticCustomError where two conditions of a cohort cannot both hold."""
    demands = [*_of_all(cohort.include, "include", wanted=True), *_of_all(cohort.exclude, "exclude", wanted=False)]
    for asked, ruled_out in product(demands, demands):
        if asked.there and not ruled_out.there and _within(asked, ruled_out):
            later, earlier = max(asked.place, ruled_out.place), min(asked.place, ruled_out.place)
            beside = f"what {_written(earlier)} says" if later != earlier else "what else is asked here"
            raise PydanticCustomError(
                "contradiction",
                "{place}: no patient can meet this and {beside}: one needs a record of {names}, the other allows none in that same time; "
                "leave one out, or give it another time",
                {"place": later, "beside": beside, "names": " or ".join(f"`{name}`" for name in sorted(asked.of))},
            )


def _of_all(criteria: tuple[Criterion, ...], part: str, *, wanted: bool) -> Iterator[Demand]:
    for at, criterion in enumerate(criteria):
        yield from _demands(criterion, f"cohort.{part}.{at}", wanted=wanted)


def _demands(criterion: Criterion, place: str, *, wanted: bool) -> Iterator[Demand]:
    match criterion:
        case EventCriterion():
            said = [("none", frozenset(criterion.of))]
            if criterion.match == "all":
                said = [("some", frozenset([name])) for name in criterion.of]
            elif criterion.match == "any" and criterion.at_most != 0:
                said = [("some" if criterion.at_least else "", frozenset(criterion.of))]
            if not wanted:
                said = _denied(criterion, said)
            for word, of in said:
                if word:
                    yield Demand(word == "some", of, criterion.during, criterion.value, place)
        case BothCriterion() if wanted:
            for each in criterion.of:
                yield from _demands(each, place, wanted=True)
        case EitherCriterion() if not wanted:
            for each in criterion.of:
                yield from _demands(each, place, wanted=False)
        case NotCriterion():
            yield from _demands(criterion.of, place, wanted=not wanted)
        case _:
            return


def _denied(criterion: EventCriterion, said: list[tuple[str, frozenset[str]]]) -> list[tuple[str, frozenset[str]]]:
    """What holds of whom the criterion does not hold: of a count, or of several that are all asked for, nothing certain."""
    if len(said) > 1 or (criterion.at_least, criterion.at_most) not in ((1, None), (0, 0)):
        return []
    return [("none" if word == "some" else "some", of) for word, of in said]


def _within(asked: Demand, ruled_out: Demand) -> bool:
    """Every record that could meet the one would break the other."""
    told_apart = ruled_out.value is not None and ruled_out.value != asked.value
    return asked.of <= ruled_out.of and not told_apart and _holds(ruled_out.during, asked.during)


def _holds(wide: Window, narrow: Window) -> bool:
    """Whether the one window holds all of the other, in every row."""
    if wide == narrow:
        return True
    if wide.relation == "until" and wide.length is None and narrow.end == wide.anchor:
        return True
    alike = wide.relation == narrow.relation or (wide.relation, narrow.relation) == ("until", "before")
    return alike and wide.end is None and wide.anchor == narrow.anchor and _as_long(wide.length, narrow.length)


def _as_long(wide: Duration | None, narrow: Duration | None) -> bool:
    if wide is None or narrow is None:
        return wide is None
    (many, unit), (few, same) = DAYS_OR_MONTHS[wide.unit], DAYS_OR_MONTHS[narrow.unit]
    return unit == same and wide.count * many >= narrow.count * few


def _written(place: str) -> str:
    """`cohort.include.1` as a study's reader counts: `cohort.include[1]`."""
    room, _, at = place.rpartition(".")
    return f"{room}[{at}]"
