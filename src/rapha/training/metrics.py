"""Figures of one model on some rows: the closed set of `rapha.records.metrics`, exact, with 95 % intervals.

A figure that these rows do not determine (no case among them, say) is left out, not made up.
"""

import numpy as np

from rapha.records.metrics import MeasuredModel, MetricName
from rapha.records.outputs import Figure, RawEvaluation
from rapha.training.calibration import bins, brier, calibration_intercept, calibration_slope
from rapha.training.classes import accuracy, class_loss, confusion, macro_auroc
from rapha.training.concordance import c_index
from rapha.training.dataset import Floats, Ints, Rows
from rapha.training.discrimination import Estimate, auprc, auroc, interval, roc
from rapha.training.distance import mae, r2, rmse
from rapha.training.overlap import drawn, mean_loss, mean_overlap


def figures(score: Floats, rows: Rows) -> tuple[Figure, ...]:
    """Loss and quality of the scores [n] (logits, or log hazards; of classes logits [n, K]) on these rows.

    binary: loss (mean cross-entropy), auroc, auprc, brier, calibration_slope, calibration_intercept.
    time-to-event: loss (mean negative log partial likelihood per event, without an interval), c_index.
    numeric: r2, mae, rmse, the last two in the unit of the outcome.
    categorical: loss (log loss), macro_auroc, accuracy.
    segment: loss, dice; the scores are [n, 2 + segments], as `pooled.score` gives them.
    """
    event, time = rows.event, rows.time
    if rows.masks is not None:
        return _named({"loss": mean_loss(score[:, 1]), "dice": mean_overlap(score[:, 0])})
    if rows.label is not None:
        return _named(
            {
                "loss": class_loss(score, rows.label),
                "macro_auroc": macro_auroc(score, rows.label),
                "accuracy": accuracy(score, rows.label),
            }
        )
    if rows.value is not None:
        return _named({"r2": r2(score, rows.value), "mae": mae(score, rows.value), "rmse": rmse(score, rows.value)})
    if time is not None:
        return _named({"loss": hazard_loss(score, time, event), "c_index": c_index(score, time, event)})
    return _named(
        {
            "loss": risk_loss(score, event),
            "auroc": auroc(score, event),
            "auprc": auprc(score, event),
            "brier": brier(score, event),
            "calibration_slope": calibration_slope(score, event),
            "calibration_intercept": calibration_intercept(score, event),
        }
    )


def evaluation(score: Floats, rows: Rows, model: MeasuredModel) -> RawEvaluation:
    """All that is measured of one model on these rows."""
    binary = rows.time is None and rows.value is None and rows.label is None and rows.masks is None
    return RawEvaluation(
        model=model,
        positives=rows.positives,
        negatives=len(rows) - rows.positives,
        figures=figures(score, rows),
        roc=roc(score, rows.event) if binary else (),
        bins=bins(score, rows.event) if binary else (),
        classes=rows.classes(score.shape[1]) if rows.label is not None else (),
        confusion=confusion(score, rows.label) if rows.label is not None else (),
        segments=_of_segments(score[:, 2:]) if rows.masks is not None else (),
        drawn=drawn(rows.masks, score.shape[1] - 2) if rows.masks is not None and len(rows) else (),
    )


def _of_segments(dice: Floats) -> tuple[Figure, ...]:
    """The Dice [n, segments] of several segments, each by itself."""
    return tuple(figure for each in dice.T for figure in _named({"dice": mean_overlap(each)}))


def risk_loss(logit: Floats, event: Ints) -> Estimate | None:
    """Mean cross-entropy in nats; normal interval. None without rows."""
    if not len(event):
        return None
    losses = np.logaddexp(0, logit) - logit * event
    return interval(float(losses.mean()), float(losses.std()) / len(event) ** 0.5, 0.0, np.inf)


def hazard_loss(score: Floats, time: Floats, event: Ints) -> float | None:
    """Mean negative log partial likelihood per event, Breslow's ties, all rows one stratum. None without events."""
    if not event.any():
        return None
    order = np.argsort(-time, kind="stable")
    last = np.searchsorted(-time[order], -time, side="right") - 1
    log_risk = np.logaddexp.accumulate(score[order])[last]
    return float((log_risk - score)[event == 1].mean())


def _named(found: dict[MetricName, Estimate | float | None]) -> tuple[Figure, ...]:
    return tuple(_figure(name, estimate) for name, estimate in found.items() if estimate is not None)


def _figure(name: MetricName, estimate: Estimate | float) -> Figure:
    if isinstance(estimate, Estimate):
        return Figure(name=name, value=estimate.value, low=estimate.low, high=estimate.high)
    return Figure(name=name, value=estimate)
