"""The gate of `prepare`: count, mean and variance of each input, where enough patients stand behind them.

Three things are done to each input, in this order; where one fails, count, mean and variance are all 0:

1. fewer values than the threshold: none is shown.
2. too few patients that make the mean: none is shown. A mean is also a count: 3000 values of a yes-or-no feature with
   mean 0.001 are 3 patients. Of a yes-or-no feature, known by v = m (1 - m), both the yeses and the noes must reach
   the threshold. Of any other, by Cauchy and Schwarz, at least (sum x)^2 / sum x^2 = n m^2 / (v + m^2) values are not
   zero, whatever the unit: that number must reach ten.
3. the count is rounded as every count. The mean of a yes-or-no feature is made anew from the rounded numbers of yeses
   and of all. Any other mean, and the variance, are rounded to what five patients would move them by, to a step of
   1, 2 or 5 times a power of ten, and to 4 significant digits: a model standardises as well with these, and a mean
   times a count would be a sum, from which two studies that differ by one patient, or a sum of whole numbers by
   itself, would give exact numbers. How far one patient moves a mean: by d / n, where d is the standard deviation, or
   v / |m| where that is more, which is what those stand out by who have something that most have not.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rapha.egress.disclosure import round_significant, suppress
from rapha.egress.weights import read_array, read_layout, write_canonical
from rapha.errors import EgressRefused
from rapha.records.tensors import TensorSpec

SIGNIFICANT_DIGITS = 4
PATIENTS = 5
LEAST_CONTRIBUTORS = 10
LARGEST_COUNT = 1e9
LARGEST_VALUE = 1e15
Reals = NDArray[np.floating]
_NONE = (0.0, 0.0, 0.0)


def canonical_statistics(data: bytes, declared: Mapping[str, TensorSpec], min_cohort: int) -> bytes:
    """The declared statistics, suppressed and rounded, in the one form that leaves.

    `declared`: for each group `<group>.count`, `.mean`, `.variance` of one shape [n], F64.

    Raises:
        EgressRefused: as `canonical_weights`; `not-finite` also for what no count, mean or variance can be.
    """
    placed = read_layout(data, declared)
    arrays: dict[str, Reals] = {}
    for group in sorted({name.rpartition(".")[0] for name in declared}):
        names = [f"{group}.{figure}" for figure in ("count", "mean", "variance")]
        count, mean, variance = (read_array(data, placed[name]) for name in names)
        _check_possible(group, count, mean, variance)
        rows = [_release(int(n), m, v, min_cohort) for n, m, v in zip(count, mean, variance, strict=True)]
        released = np.array(rows, dtype=np.float64).reshape(-1, 3)
        arrays |= {name: released[:, column] for column, name in enumerate(names)}
    return write_canonical(arrays, declared)


def _check_possible(group: str, count: Reals, mean: Reals, variance: Reals) -> None:
    """NaN fails every comparison, so it fails here."""
    with np.errstate(invalid="ignore"):
        counts = (count >= 0) & (count <= LARGEST_COUNT) & (np.floor(count) == count)
        values = (np.abs(mean) <= LARGEST_VALUE) & (variance >= 0) & (variance <= LARGEST_VALUE)
    if not (counts & values).all():
        raise EgressRefused(f"statistics: {group} holds what is no count, mean or variance", "not-finite")


def _release(count: int, mean: float, variance: float, min_cohort: int) -> tuple[float, float, float]:
    """(count, mean, variance) of one input as they may leave."""
    shown = suppress(count, min_cohort).about
    if shown is None or mean * mean == 0.0:  # a mean of zero is made by nobody
        return _NONE
    mean, variance = float(mean), float(variance)
    if 0.0 <= mean <= 1.0 and math.isclose(variance, mean * (1.0 - mean), rel_tol=1e-6):
        return _yes_or_no(count, shown, mean, min_cohort)
    if count * mean * mean / (variance + mean * mean) < LEAST_CONTRIBUTORS:
        return _NONE
    moved = max(math.sqrt(variance), variance / abs(mean))
    return (
        float(shown),
        _rounded(mean, PATIENTS * moved / shown, least=0),
        _rounded(variance, PATIENTS * max(variance, moved * moved) / shown, least=1),
    )


def _yes_or_no(count: int, shown: int, mean: float, min_cohort: int) -> tuple[float, float, float]:
    yes = round(count * mean)
    about = suppress(yes, min_cohort).about
    if about is None or count - yes < min_cohort:
        return _NONE
    rate = about / shown
    digits = SIGNIFICANT_DIGITS
    return float(shown), round_significant(rate, digits), round_significant(rate * (1.0 - rate), digits)


def _rounded(value: float, step: float, least: int) -> float:
    """To a multiple of the next step of 1, 2 or 5 times a power of ten, at least so many of them."""
    if step > 0.0:
        power = 10.0 ** math.floor(math.log10(step))
        step = next((each * power for each in (1.0, 2.0, 5.0) if each * power >= step), 10.0 * power)
        value = math.copysign(max(round(abs(value) / step), least) * step, value)
    return round_significant(value, SIGNIFICANT_DIGITS)
