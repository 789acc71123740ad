"""Ages at the ends of what a calendar holds, and how exactly they were given."""

from datetime import UTC, datetime

import pytest

from rapha.sources.phenopackets.moments import Onset, age_of, onset_of


def onset(age: str, birth: datetime) -> Onset:
    return onset_of({"age": {"iso8601duration": age}}, birth)


@pytest.mark.parametrize(
    ("birth", "age"), [(datetime(9950, 1, 1, tzinfo=UTC), "P100Y"), (datetime(9999, 12, 1, tzinfo=UTC), "P90D")]
)
def test_an_age_beyond_the_calendar_is_no_moment(birth: datetime, age: str) -> None:
    assert onset(age, birth).moment is None


def test_nobody_is_older_than_130_in_whatever_unit() -> None:
    assert age_of("P99999D") is None
    assert age_of("P131Y") is None


@pytest.mark.parametrize(("age", "precision"), [("P0D", "day"), ("P0Y", "year"), ("P14Y3M", "month"), ("P2W", "day")])
def test_an_age_is_as_exact_as_it_is_given(age: str, precision: str) -> None:
    assert onset(age, datetime(2000, 1, 1, tzinfo=UTC)).precision == precision
