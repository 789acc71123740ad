"""Used tokens, across restarts, over time, and with a disk that does not take them."""

import resource
from datetime import UTC, datetime, timedelta

import pytest

from rapha.errors import DiskFull, NotPermitted
from rapha.hub.seen_tokens import LONGEST, SeenTokens

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)


def jti(number: int) -> str:
    return f"{number:032x}"


def use(seen: SeenTokens, number: int, now: datetime) -> None:
    seen.check_first("north", jti(number), now + LONGEST, now)


@pytest.mark.parametrize("step", [timedelta(seconds=1), LONGEST / 2, LONGEST])
def test_whatever_is_alive_is_remembered_by_the_next_hub(tmp_path, step):
    seen, now = SeenTokens(tmp_path, NOW), NOW
    for number in range(8):
        now = NOW + number * step
        use(seen, number, now)
        after = SeenTokens(tmp_path, now)
        for old in range(number + 1):
            if NOW + old * step + LONGEST >= now:
                with pytest.raises(NotPermitted, match="used before"):
                    use(after, old, now)


def test_what_is_dead_is_forgotten_so_that_the_files_stay_small(tmp_path):
    seen = SeenTokens(tmp_path, NOW)
    for number in range(50):
        use(seen, number, NOW + number * (LONGEST + timedelta(seconds=1)))
    assert sum(len(file.read_bytes().splitlines()) for file in tmp_path.iterdir()) == 2


def test_a_hub_that_nobody_came_to_for_long_still_takes_the_first(tmp_path):
    seen, late = SeenTokens(tmp_path, NOW), NOW + 10 * LONGEST
    use(seen, 1, late)
    with pytest.raises(NotPermitted, match="used before"):
        use(SeenTokens(tmp_path, late), 1, late)


def test_a_line_cut_by_a_death_hides_no_other(tmp_path):
    use(SeenTokens(tmp_path, NOW), 1, NOW)
    with (tmp_path / "now").open("ab") as file:
        file.write(b"17620668")
    use(SeenTokens(tmp_path, NOW), 2, NOW)
    after = SeenTokens(tmp_path, NOW)
    for number in (1, 2):
        with pytest.raises(NotPermitted, match="used before"):
            use(after, number, NOW)


def test_a_token_that_cannot_be_written_down_opens_nothing(tmp_path):
    seen = SeenTokens(tmp_path / "seen", NOW)
    (tmp_path / "seen" / "now").mkdir()
    with pytest.raises(DiskFull):
        use(seen, 1, NOW)


def test_a_token_that_was_written_down_by_half_opens_nothing(tmp_path):
    """As on a disk that fills up in the middle of a line: a file may be no longer than ten bytes here."""
    seen, (soft, hard) = SeenTokens(tmp_path, NOW), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(DiskFull, match="no space left"):
            use(seen, 1, NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "now").stat().st_size == 10


def test_a_site_has_so_many_and_no_more(tmp_path):
    seen = SeenTokens(tmp_path, NOW, per_site=2)
    use(seen, 1, NOW)
    use(seen, 2, NOW)
    with pytest.raises(NotPermitted, match="too many"):
        use(seen, 3, NOW)
