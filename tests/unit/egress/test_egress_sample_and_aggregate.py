"""Mode B in whole numbers: how long a shard's update may be, how far one patient moves the sum, and how much noise hides that."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rapha.egress.sample_and_aggregate import (
    GRID,
    SENSITIVITY,
    clipped,
    deviation_of,
    noised_mean,
    squared_length,
)
from rapha.errors import EgressRefused
from rapha.training.accounting import epsilon_of_rounds

CLIP, SHARDS, SIZE = 0.5, 8, 6
HUGE = np.full(SIZE, 1e30)


def same(deviation, below):
    """No chance: so that two sums can be compared number by number."""
    return deviation


def in_steps(updates) -> np.ndarray:
    """The released sum in steps of the grid, exactly, without the constant that stands for noise."""
    mean = noised_mean(updates, SHARDS, SIZE, CLIP, 1.0, same)
    return np.rint(mean * GRID * SHARDS / CLIP).astype(np.int64) - deviation_of(1.0)


@given(
    arrays(np.float64, st.integers(1, 40), elements=st.floats(allow_nan=True, allow_infinity=True)),
    st.floats(1e-6, 1e6),
)
def test_no_update_is_longer_than_the_grid_in_whole_numbers(update, clip):
    assert squared_length(clipped(update, clip)) <= GRID**2


def test_a_short_update_keeps_its_length():
    update = np.array([0.3, -0.1, 0.0])
    assert clipped(update, 1.0) / GRID == pytest.approx(update, abs=1 / GRID)
    assert clipped(3 * update, 0.5) / GRID == pytest.approx(update / np.linalg.norm(update), abs=2 / GRID)


@pytest.mark.parametrize("others", [None, np.zeros(SIZE), HUGE, -HUGE], ids=["none", "zero", "huge", "minus"])
@pytest.mark.parametrize(
    "without", [None, np.zeros(SIZE), -HUGE, np.full(SIZE, np.nan)], ids=["fails", "zero", "minus", "nan"]
)
def test_a_script_that_looks_for_one_patient_moves_the_sum_by_no_more_than_the_sensitivity(others, without):
    """Hostile: a constant, huge vector where the patient is in the shard, and anything else where not."""
    rest = [others] * (SHARDS - 1)
    moved = in_steps([HUGE, *rest]) - in_steps([without, *rest])
    assert 0 < squared_length(moved) <= SENSITIVITY**2


def test_half_of_the_sensitivity_would_be_too_little():
    """From one side of the ball to the other: not C/m, which would hold only if a patient were a whole shard."""
    rest = [None] * (SHARDS - 1)
    moved = in_steps([HUGE, *rest]) - in_steps([-HUGE, *rest])
    assert squared_length(moved) > (0.999 * SENSITIVITY) ** 2


def test_what_a_shard_does_not_give_is_no_update_and_counts_as_one():
    one = np.full(SIZE, 1e-3)
    assert (in_steps([one, *[None] * (SHARDS - 1)]) == in_steps([one, np.ones(SIZE + 1), *[None] * (SHARDS - 2)])).all()
    with pytest.raises(EgressRefused, match="other shards"):
        noised_mean([one] * (SHARDS - 1), SHARDS, SIZE, CLIP, 1.0)


@pytest.mark.parametrize(("draw", "size"), [(lambda d, b: 0, 1), (lambda d, b: 0, 500), (lambda d, b: d // 2, 500)])
def test_noise_that_is_none_or_too_little_does_not_leave(draw, size):
    with pytest.raises(EgressRefused) as refused:
        noised_mean([np.zeros(size)] * SHARDS, SHARDS, size, CLIP, 1.0, draw)
    assert refused.value.reason == "noise-missing"


def test_the_noise_is_as_wide_as_it_has_to_be():
    mean = noised_mean([None] * SHARDS, SHARDS, 2000, CLIP, 1.5)
    assert mean.std() == pytest.approx(1.5 * 2 * CLIP / SHARDS, rel=0.1)
    assert abs(mean.mean()) < 6 * mean.std() / math.sqrt(2000)


def shown(multiplier: float, rounds: int, epsilon: float) -> float:
    """delta of Gaussian noise at this epsilon, for a move of one sensitivity a round (Balle and Wang 2018, theorem 8)."""
    step = math.sqrt(rounds) / multiplier

    def below(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    return below(step / 2 - epsilon / step) - math.exp(epsilon) * below(-step / 2 - epsilon / step)


@pytest.mark.parametrize(("multiplier", "rounds"), [(0.8, 1), (1.5, 1), (3.0, 10), (12.0, 50)])
def test_the_stated_epsilon_is_above_what_the_noise_really_hides(multiplier, rounds):
    delta = 1e-5
    epsilon = epsilon_of_rounds(multiplier, rounds, delta)
    assert shown(multiplier, rounds, epsilon) <= delta < shown(multiplier, rounds, 0.8 * epsilon)


def test_an_attacker_who_knows_all_else_tells_two_neighbours_apart_no_better_than_epsilon_says():
    """The outputs themselves: the best guess between a sum with the patient and one without, over many draws."""
    multiplier, delta, draws = 2.0, 1e-5, 1500
    epsilon = epsilon_of_rounds(multiplier, 1, delta)
    rest = [None] * (SHARDS - 1)
    present, absent = np.array([1e30]), np.array([-1e30])
    with_it = [noised_mean([present, *rest], SHARDS, 1, CLIP, multiplier)[0] for _ in range(draws)]
    without = [noised_mean([absent, *rest], SHARDS, 1, CLIP, multiplier)[0] for _ in range(draws)]
    for place in np.quantile(with_it, [0.1, 0.5, 0.9]):
        told, wrong = np.mean(np.array(with_it) > place), np.mean(np.array(without) > place)
        slack = 4 * math.sqrt(0.25 / draws) * (1 + math.exp(epsilon))
        assert told <= math.exp(epsilon) * wrong + delta + slack
    assert (
        np.mean(np.array(with_it) > 0) - np.mean(np.array(without) > 0) > 0.1
    )  # it does tell something: the test can fail
