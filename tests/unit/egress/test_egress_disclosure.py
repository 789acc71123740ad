"""Small numbers suppressed, also those one gets by subtraction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapha.egress.disclosure import (
    round_figure,
    round_significant,
    step_of,
    suppress,
    suppress_keyed,
    suppress_pair,
    within,
)
from rapha.records.metrics import Count

people = st.integers(0, 2000)
thresholds = st.integers(10, 100)


@pytest.mark.parametrize(
    ("n", "threshold", "shown"),
    [
        (0, 25, Count(below=25)),
        (24, 25, Count(below=25)),
        (25, 25, Count(about=25)),
        (27, 25, Count(about=25)),
        (28, 25, Count(about=30)),
        (1002, 25, Count(about=1000)),
        (12, 12, Count(about=15)),
        (17, 12, Count(about=15)),
    ],
)
def test_a_count_is_below_or_about(n: int, threshold: int, shown: Count) -> None:
    assert suppress(n, threshold) == shown


@given(people, thresholds)
def test_what_is_shown_fits_at_least_three_numbers(n: int, threshold: int) -> None:
    shown = suppress(n, threshold)
    alike = [m for m in range(2100) if suppress(m, threshold) == shown]
    assert n in alike and len(alike) >= 3
    if shown.about is not None:
        assert shown.about % 5 == 0 and shown.about >= threshold and abs(shown.about - n) < 5


@pytest.mark.parametrize(("n", "threshold", "base"), [(-1, 25, 5), (5, 0, 5), (5, 25, 0)])
def test_impossible_counts_are_errors(n: int, threshold: int, base: int) -> None:
    with pytest.raises(ValueError, match="not negative"):
        suppress(n, threshold, base)


@pytest.mark.parametrize(
    ("rows", "events", "shown"),
    [
        (20, 5, (Count(below=25), Count(below=25))),
        (200, 12, (Count(about=200), Count(below=25))),
        (200, 0, (Count(about=200), Count(below=25))),
        (200, 60, (Count(about=200), Count(about=60))),
        (200, 190, (Count(about=200), Count(about=200))),
        (200, 200, (Count(about=200), Count(about=200))),
        (30, 15, (Count(about=30), Count(below=25))),
    ],
)
def test_a_pair_shows_no_small_group(rows: int, events: int, shown: tuple[Count, Count]) -> None:
    assert suppress_pair(rows, events, 25) == shown


@given(people, people, thresholds)
def test_a_small_third_number_is_any_small_number(rows: int, events: int, threshold: int) -> None:
    """Whoever sees the pair and subtracts cannot tell one small number of others from another."""
    rows, events = max(rows, events), min(rows, events)
    shown, others = suppress_pair(rows, events, threshold), rows - events
    if others < threshold <= events:
        for few in range(threshold):
            if rows - few >= threshold:
                assert suppress_pair(rows, rows - few, threshold) == shown
    if events < threshold:
        assert all(suppress_pair(rows, few, threshold) == shown for few in range(min(threshold, rows + 1)))


@pytest.mark.parametrize(("rows", "events"), [(5, 6), (-1, -2), (3, -1)])
def test_impossible_pairs_are_errors(rows: int, events: int) -> None:
    with pytest.raises(ValueError):
        suppress_pair(rows, events, 25)


KEY = b"the secret of one site"


@given(people, thresholds, st.text(max_size=5))
def test_a_keyed_count_is_one_of_many_numbers(n: int, threshold: int, what: str) -> None:
    shown = suppress_keyed(n, threshold, KEY, what)
    low, high = within(shown, threshold)
    assert low <= n <= high and high - low >= 9
    assert shown == suppress_keyed(n, threshold, KEY, what)
    assert (shown.about is None) == (n < threshold) and (shown.about or threshold) >= threshold


@given(st.integers(25, 9_999), st.integers(0, 200))
def test_one_patient_more_rarely_changes_a_keyed_count(n: int, what: int) -> None:
    """Of ten numbers in a row the shown one steps at most once, and at 1000, where the steps grow, twice."""
    seen = [suppress_keyed(n + more, 25, KEY, str(what)).about or 0 for more in range(step_of(n))]
    assert seen == sorted(seen) and len(set(seen)) <= 2 + (n < 1000 <= n + 9)


def test_where_a_keyed_count_steps_only_the_site_knows() -> None:
    def steps(key: bytes) -> list[int]:
        shown = [suppress_keyed(n, 25, key, "patients") for n in range(100, 140)]
        return [n for n in range(39) if shown[n] != shown[n + 1]]

    assert len({tuple(steps(bytes([key]))) for key in range(50)}) == 10


@pytest.mark.parametrize(
    ("n", "step"), [(0, 10), (999, 10), (1000, 100), (9999, 100), (10_000, 1000), (123_456, 10_000)]
)
def test_large_counts_have_two_digits(n: int, step: int) -> None:
    assert step_of(n) == step


@pytest.mark.parametrize(("n", "threshold"), [(-1, 25), (5, 0)])
def test_impossible_keyed_counts_are_errors(n: int, threshold: int) -> None:
    with pytest.raises(ValueError, match="not negative"):
        suppress_keyed(n, threshold, KEY, "patients")


def test_figures_are_rounded_by_name_and_zero_has_no_sign() -> None:
    assert round_figure("auroc", 0.74351) == 0.744
    assert round_figure("calibration_slope", 0.98765) == 0.99
    assert str(round_figure("calibration_intercept", -0.0001)) == "0.0"


@pytest.mark.parametrize(("value", "rounded"), [(123.456, 123.5), (0.00123456, 0.001235), (-98766, -98770), (0, 0)])
def test_significant_digits_do_not_depend_on_the_unit(value: float, rounded: float) -> None:
    assert round_significant(value, 4) == rounded
