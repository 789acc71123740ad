"""Whether a predicted risk of one in five happens to one in five: Brier score, slope, intercept, bins."""

import numpy as np

from rapha.records.outputs import RawBin
from rapha.training.dataset import Floats, Ints
from rapha.training.discrimination import Estimate, interval

BINS = 10
_ITERATIONS, _TOLERANCE, _FARTHEST_STEP = 50, 1e-10, 8.0


def risk_of(logit: Floats) -> Floats:
    """Logits to risks, without overflow at either end."""
    smaller = np.exp(-np.abs(logit))
    risk: Floats = np.where(logit >= 0, 1, smaller) / (1 + smaller)
    return risk


def brier(logit: Floats, event: Ints) -> Estimate | None:
    """Mean squared distance of risk and outcome; normal interval. None without rows."""
    if not len(event):
        return None
    squares = (risk_of(logit) - event) ** 2
    return interval(float(squares.mean()), float(squares.std()) / len(event) ** 0.5, 0.0, 1.0)


def calibration_slope(logit: Floats, event: Ints) -> Estimate | None:
    """Slope of the outcome's logistic regression on the logit (Cox, Biometrika 1958; 45:562): 1 is right, below 1 the
    risks are too extreme. Wald interval. None where the regression has no finite answer."""
    return _regress(np.stack([logit, np.ones_like(logit)], axis=1), np.zeros_like(logit), event)


def calibration_intercept(logit: Floats, event: Ints) -> Estimate | None:
    """Calibration in the large: the intercept with the slope held at 1. 0 is right, above 0 the risks are too low.
    Wald interval. None where the regression has no finite answer."""
    return _regress(np.ones((len(logit), 1)), logit, event)


def bins(logit: Floats, event: Ints) -> tuple[RawBin, ...]:
    """Ten groups of rising risk, as equal in size as can be. Exact: the gate merges what is too small."""
    risk = risk_of(logit)
    groups = np.array_split(np.argsort(risk, kind="stable"), BINS)
    return tuple(
        RawBin(predicted=float(risk[group].mean()), rows=len(group), cases=int(event[group].sum()))
        for group in groups
        if len(group)
    )


def _regress(columns: Floats, offset: Floats, event: Ints) -> Estimate | None:
    """The first coefficient of a logistic regression, by Newton's method from 0."""
    if len(set(event.tolist())) < 2:
        return None
    beta = np.zeros(columns.shape[1])
    for _ in range(_ITERATIONS):
        risk = risk_of(columns @ beta + offset)
        curvature = (columns * (risk * (1 - risk))[:, None]).T @ columns
        if not np.linalg.cond(curvature) < 1 / np.finfo(float).eps:
            return None
        step = np.linalg.solve(curvature, columns.T @ (event - risk))
        beta = beta + np.clip(step, -_FARTHEST_STEP, _FARTHEST_STEP)
        if np.abs(step).max() < _TOLERANCE * (1 + np.abs(beta).max()):
            return interval(float(beta[0]), float(np.linalg.inv(curvature)[0, 0] ** 0.5), -np.inf, np.inf)
    return None
