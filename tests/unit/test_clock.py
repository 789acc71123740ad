"""Moments as they are told: to the quarter of an hour, in UTC."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from rapha.clock import coarse, stamp

INDIA = timezone(timedelta(hours=5, minutes=30))
NEPAL = timezone(timedelta(hours=5, minutes=45))


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (datetime(2026, 11, 28, 10, 22, 33, 456_789, UTC), "2026-11-28T10:15:00.000Z"),
        (datetime(2026, 11, 28, 10, 15, tzinfo=UTC), "2026-11-28T10:15:00.000Z"),
        (datetime(2026, 11, 28, 10, 14, 59, 999_999, UTC), "2026-11-28T10:00:00.000Z"),
        (datetime(2026, 11, 28, 23, 59, 59, tzinfo=UTC), "2026-11-28T23:45:00.000Z"),
        (datetime(2026, 11, 29, 0, 3, tzinfo=INDIA), "2026-11-28T18:30:00.000Z"),
        (datetime(2026, 11, 28, 10, 50, tzinfo=NEPAL), "2026-11-28T05:00:00.000Z"),
    ],
)
def test_a_moment_is_told_by_the_quarter_it_lies_in(moment: datetime, told: str) -> None:
    assert stamp(coarse(moment)) == told
