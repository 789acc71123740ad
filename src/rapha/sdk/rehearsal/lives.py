"""Who the made-up people are: from when to when they are watched, how old, of which sex. By the profile where it says so, else
as the study asks for some of them."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from rapha.records.cohort_spec import AgeCriterion, BothCriterion, Criterion
from rapha.records.metrics import Count
from rapha.records.site import Group, SiteProfile
from rapha.records.study import Study

FIRST_YEAR, LAST_YEAR = 2005, 2022
DYING, WANTED_AGE = 0.08, 0.7
OLDEST, YEAR = 100, 365.25


def number_of(count: Count) -> int:
    """What a suppressed count says at most."""
    return count.about if count.about is not None else (count.below or 1) - 1


def life(dice: random.Random, profile: SiteProfile) -> tuple[datetime, datetime, datetime | None]:
    """From when to when somebody is watched; and their death, if that ends it."""
    start = datetime(profile.first_year or FIRST_YEAR, 1, 1, tzinfo=UTC)
    end = datetime(profile.last_year or LAST_YEAR, 12, 31, tzinfo=UTC)
    death = start + (end - start) * dice.random() if dice.random() < DYING else None
    return start, death or end, death


def birth(dice: random.Random, profile: SiteProfile, study: Study, at: datetime, end: datetime) -> datetime:
    """`at`: the index, where there is one. A profile's ages are those at the end of observation."""
    if band := _drawn(dice, [group for group in profile.ages if group.group[0].isdigit()]):
        low = int(band.split("-")[0].split()[0])
        return end - timedelta(days=dice.uniform(low, low + 10) * YEAR)
    low, high = 0, OLDEST
    for criterion in _ages(study.cohort.include):
        low, high = max(low, criterion.at_least), min(high, criterion.at_most)
    if low > high or dice.random() > WANTED_AGE:
        low, high = 20, 80
    return at - timedelta(days=dice.uniform(low, min(high, low + 60) + 0.99) * YEAR)


def sex(dice: random.Random, profile: SiteProfile) -> str | None:
    """Female, male, other or None."""
    drawn = _drawn(dice, profile.sexes) or dice.choice(("female", "male"))
    return None if drawn == "unknown" else drawn


def subject(key: int, born: datetime, of: str | None, death: datetime | None, source: str) -> dict[str, Any]:
    """A row of `subjects`."""
    return {
        "subject_key": key, "birth": born, "birth_precision": "day", "sex": of, "death": death,
        "death_precision": "second" if death else None, "opted_out": False, "ingest_batch": source,
    }  # fmt: skip


def _drawn(dice: random.Random, groups: "list[Group] | tuple[Group, ...]") -> str | None:
    weights = [number_of(group.patients) for group in groups]
    return dice.choices([group.group for group in groups], weights)[0] if any(weights) else None


def _ages(criteria: tuple[Criterion, ...]) -> Iterator[AgeCriterion]:
    for criterion in criteria:
        match criterion:
            case AgeCriterion():
                yield criterion
            case BothCriterion():
                yield from _ages(criterion.of)
            case _:
                pass
