"""Statistics of too few patients show as none; the others are rounded."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from rapha.egress.statistics import canonical_statistics
from rapha.errors import EgressRefused
from rapha.records.tensors import TensorSpec

FIGURES = ("count", "mean", "variance")


def declared(width: int, *groups: str) -> dict[str, TensorSpec]:
    return {f"{g}.{f}": TensorSpec(shape=(width,), dtype="F64") for g in groups or ("features",) for f in FIGURES}


def file(*rows: tuple[float, float, float], group: str = "features") -> dict[str, np.ndarray]:
    return {f"{group}.{f}": np.array([row[i] for row in rows], dtype=np.float64) for i, f in enumerate(FIGURES)}


def release(*rows: tuple[float, float, float], min_cohort: int = 25) -> list[tuple[float, ...]]:
    found = load(canonical_statistics(save(file(*rows)), declared(len(rows)), min_cohort))
    return list(zip(*(found[f"features.{f}"].tolist() for f in FIGURES), strict=True))


def of(values: np.ndarray) -> tuple[float, float, float]:
    return float(len(values)), float(values.mean()), float(values.var())


NONE = (0.0, 0.0, 0.0)


def test_enough_values_leave_rounded_and_too_few_not_at_all() -> None:
    rows = release((1003, 121.4567, 225.12345), (24, 121.4567, 225.12345), (0, 0, 0), (25, -5.43219, 1.0))
    assert rows == [(1005.0, 121.5, 226.0), NONE, NONE, (25.0, -5.4, 1.0)]


@pytest.mark.parametrize(
    ("yes", "shown"), [(0, False), (3, False), (24, False), (25, True), (975, True), (976, False), (1000, False)]
)
def test_a_yes_or_no_feature_hides_a_few_of_either(yes: int, shown: bool) -> None:
    answers = np.repeat([1.0, 0.0], [yes, 1000 - yes])
    assert (release(of(answers)) != [NONE]) is shown


def released(values: np.ndarray) -> tuple[float, ...]:
    return release(of(values))[0]


@given(st.integers(50, 4000), st.floats(0.1, 0.9))
def test_the_mean_of_a_yes_or_no_feature_tells_no_exact_number(n: int, rate: float) -> None:
    yes = max(25, min(n - 25, round(n * rate)))
    count, mean, _ = released(np.repeat([1.0, 0.0], [yes, n - yes]))
    assert abs(count * mean - 5 * round(count * mean / 5)) < 0.5, "not a number that was rounded to five"
    assert abs(count * mean - yes) <= 5.5


def test_counts_of_events_tell_no_exact_sum() -> None:
    """Twice as many events of one patient, and one patient more with an event, are mostly not to be seen."""
    dice = np.random.default_rng(5)
    seen = 0
    for _ in range(200):
        values = (dice.random(3000) < 0.02).astype(float) * dice.integers(1, 4, 3000)
        other = values.copy()
        other[np.flatnonzero(values == 0)[0]] = 1.0
        seen += released(values)[:2] != released(other)[:2]
    assert seen < 60


def test_the_value_of_one_patient_cannot_be_had_by_subtraction() -> None:
    """Two studies that differ by one patient: what is read off their means says next to nothing of that patient."""
    dice = np.random.default_rng(6)
    read, true = [], []
    for _ in range(400):
        values = dice.normal(5, 1, 400)
        (_, with_, _), (_, without, _) = released(values), released(values[1:])
        read.append(400 * with_ - 399 * without)
        true.append(values[0])
    assert abs(np.corrcoef(read, true)[0, 1]) < 0.4


@given(st.integers(40, 5000), st.floats(0.5, 100.0), st.floats(0.01, 1.0), st.integers(0, 9))
def test_a_model_standardises_as_well_with_what_leaves(n: int, mean: float, spread: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(mean, mean * spread, n)
    shown = released(values)
    if shown != NONE:
        assert abs(shown[1] - values.mean()) < 0.35 * values.std()
        assert 0.7 < shown[2] / values.var() < 1.45


def test_a_mean_that_few_patients_make_does_not_leave() -> None:
    counts = np.zeros(3000)
    counts[:7] = [40, 3, 5, 1, 1, 2, 8]
    assert release(of(counts)) == [NONE]
    counts[:300] = 2
    assert release(of(counts)) == [(3000.0, 0.2, 0.36)]


@given(st.integers(10, 400), st.integers(0, 400), st.floats(1e-6, 1e6), st.integers(0, 9))
def test_whatever_leaves_has_enough_patients_behind_it_in_any_unit(n: int, few: int, unit: float, seed: int) -> None:
    values = np.zeros(n)
    present = min(few, n)
    values[:present] = np.random.default_rng(seed).lognormal(0, 1, present) * unit
    if release(of(values)) != [NONE]:
        assert n >= 25 and np.count_nonzero(values) >= 10


def test_means_that_vanish_do_not_leave() -> None:
    assert release((1000, 0, 1), (1000, 1e-200, 0), (1000, 0, 0)) == [NONE, NONE, NONE]


def test_ordinary_values_of_many_patients_leave() -> None:
    for values in (np.random.default_rng(0).lognormal(0, 1, 1000), np.random.default_rng(0).normal(55, 14, 100)):
        assert release(of(values)) != [NONE]


def test_two_groups_each_by_itself() -> None:
    both = declared(1, "features", "sequence")
    given_ = {**file((100, 5, 1)), **file((30, 7.77777, 2), group="sequence")}
    found = load(canonical_statistics(save(given_), both, 25))
    assert found["sequence.mean"].tolist() == [8.0] and found["features.count"].tolist() == [100]


def test_the_same_statistics_give_the_same_bytes() -> None:
    data = canonical_statistics(save(file((100, 5.00001, 1))), declared(1), 25)
    assert data == canonical_statistics(save(file((101, 5.00002, 1))), declared(1), 25) == save(load(data))


def test_no_feature_at_all_is_no_trouble() -> None:
    assert canonical_statistics(save(file()), declared(0), 25) == save(file())


@pytest.mark.parametrize(
    "row",
    [
        (np.nan, 5, 1), (np.inf, 5, 1), (-5, 5, 1), (100.5, 5, 1), (1e12, 5, 1),
        (100, np.nan, 1), (100, -np.inf, 1), (100, 1e16, 1),
        (100, 5, np.nan), (100, 5, np.inf), (100, 5, -1), (100, 5, 1e16),
        (3, np.nan, 1),
    ],
)  # fmt: skip
def test_what_is_no_statistic_is_refused(row: tuple[float, float, float]) -> None:
    with pytest.raises(EgressRefused) as caught:
        release((100, 5, 1), row)
    assert caught.value.reason == "not-finite"


def test_the_layout_is_checked_first() -> None:
    for wrong, reason in (({"features.count": np.zeros(2)}, "missing-tensor"), (file((1, 1, 1)), "wrong-shape")):
        with pytest.raises(EgressRefused) as caught:
            canonical_statistics(save(wrong), declared(2), 25)
        assert caught.value.reason == reason
