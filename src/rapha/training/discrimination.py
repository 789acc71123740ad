"""How well a score tells cases from controls: AUROC, its interval, the curve, AUPRC."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.training.dataset import Floats, Ints

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

ROC_GRID: tuple[float, ...] = tuple(step / 20 for step in range(21))


class Estimate(NamedTuple):
    """A figure and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def auroc(score: Floats, event: Ints) -> Estimate | None:
    """Area under the ROC curve, ties counted half; interval by DeLong's variance (Biometrics 1988; 44:837), computed
    from midranks (Sun and Xu, IEEE SPL 2014; 21:1389), cut to 0..1. None without a case, or without a control."""
    cases, controls = score[event == 1], score[event == 0]
    if not len(cases) or not len(controls):
        return None
    above, below = _parts(cases, controls)
    variance = _spread(above) / len(cases) + _spread(below) / len(controls)
    return interval(float(above.mean()), variance**0.5, 0.0, 1.0)


def auroc_influence(score: Floats, event: Ints) -> Floats:
    """How far each row [n] moves the area from its mean: DeLong's parts, over how many there are of the row's class. The sum of
    their squares is the variance of the area. There is a case and a control."""
    moved = np.empty(len(event))
    parts = _parts(score[event == 1], score[event == 0])
    for side, part in zip((event == 1, event == 0), parts, strict=True):
        moved[side] = (part - part.mean()) / max(np.sqrt(len(part) * (len(part) - 1)), 1.0)
    return moved


def auprc(score: Floats, event: Ints) -> Estimate | None:
    """Average precision; logit interval of Boyd, Eng and Page (ECML 2013). None without a case or a control."""
    positives = int(event.sum())
    if not positives or positives == len(event):
        return None
    true, false = _cumulative(score, event)
    gained = np.diff(true, prepend=0) / positives
    value = float((gained * true / (true + false)).sum())
    if not 0 < value < 1:
        return Estimate(value, value, value)
    centre, half = np.log(value / (1 - value)), Z95 * (positives * value * (1 - value)) ** -0.5
    return Estimate(value, float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre))))


def roc(score: Floats, event: Ints) -> tuple[tuple[float, float], ...]:
    """(false-positive rate, true-positive rate) on the grid of 0.05, by linear interpolation; at a rate that the curve
    climbs straight up through, its upper end. Empty without a case, or without a control."""
    positives = int(event.sum())
    if not positives or positives == len(event):
        return ()
    true, false = (np.concatenate([[0], counts]) for counts in _cumulative(score, event))
    x, y = false / (len(event) - positives), true / positives
    points = []
    for rate in ROC_GRID:
        at = int(np.searchsorted(x, rate, side="right")) - 1
        if x[at] == rate or at + 1 == len(x):
            points.append((rate, float(y[at])))
        else:
            share = (rate - x[at]) / (x[at + 1] - x[at])
            points.append((rate, float(y[at] + share * (y[at + 1] - y[at]))))
    return tuple(points)


def interval(value: float, error: float, lowest: float, highest: float) -> Estimate:
    """Normal 95 % interval, cut to the range the figure can have."""
    return Estimate(value, max(lowest, value - Z95 * error), min(highest, value + Z95 * error))


def _cumulative(score: Floats, event: Ints) -> tuple[Ints, Ints]:
    """True and false positives at each distinct threshold, from the highest score down."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=np.inf))
    true = np.cumsum(event[order])[ends]
    return true, ends + 1 - true


def _parts(cases: Floats, controls: Floats) -> tuple[Floats, Floats]:
    """Of each case the share of controls below it, of each control that of cases above it."""
    overall = _midranks(np.concatenate([cases, controls]))
    above = (overall[: len(cases)] - _midranks(cases)) / len(controls)
    return above, 1 - (overall[len(cases) :] - _midranks(controls)) / len(cases)


def _midranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    highest = np.cumsum(counts)
    ranks: npt.NDArray[np.float64] = (highest - (counts - 1) / 2)[inverse]
    return ranks


def _spread(values: Floats) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0
