"""How far predicted numbers are from those that came: mean absolute and root mean squared distance, and the share of the
variance that is explained. Normal intervals at 95 %, by the delta method from the patients' own contributions."""

import numpy as np

from rapha.training.dataset import Floats
from rapha.training.discrimination import Estimate, interval


def mae(predicted: Floats, value: Floats) -> Estimate | None:
    """Mean absolute distance, in the unit of the values. None without rows."""
    if not len(value):
        return None
    distances = np.abs(predicted - value)
    return interval(float(distances.mean()), _error_of_mean(distances), 0.0, np.inf)


def rmse(predicted: Floats, value: Floats) -> Estimate | None:
    """Root of the mean squared distance, in the unit of the values. None without rows."""
    if not len(value):
        return None
    squares = (predicted - value) ** 2
    root = float(squares.mean()) ** 0.5
    return interval(root, _error_of_mean(squares) / (2 * root) if root else 0.0, 0.0, np.inf)


def r2(predicted: Floats, value: Floats) -> Estimate | None:
    """1 - mean squared distance / variance of these values: 1 is right, 0 no better than their mean, below 0 worse. None
    where the values are all the same."""
    if not len(value):
        return None
    squares, spread = (predicted - value) ** 2, (value - value.mean()) ** 2
    if not spread.mean() > 0:
        return None
    ratio = squares.mean() / spread.mean()
    return interval(float(1 - ratio), _error_of_mean((squares - ratio * spread) / spread.mean()), -np.inf, 1.0)


def _error_of_mean(parts: Floats) -> float:
    return float(parts.std() / np.sqrt(len(parts)))
