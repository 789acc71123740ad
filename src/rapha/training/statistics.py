"""Prepare: mean and variance of each feature, and of a numeric outcome, over the training rows, and what the hub makes of them for one site."""

import numpy as np

from rapha.errors import TrainingFailed
from rapha.records.private import counts_by_patient, declared_moments
from rapha.records.study import Study
from rapha.records.tensors import learns_in_deviations, sequence_of
from rapha.training.dataset import Floats, Rows
from rapha.training.inputs import Weights


def feature_statistics(study: Study, rows: Rows) -> dict[str, Floats]:
    """The tensors of `declared_statistics`: count, mean and population variance of what is not missing.

    All three are 0 where fewer than `min_cohort` patients have a value: a mean over a few people is about them. Of a patient of several
    rows the first counts, and no other: the rules of the gate are of patients. For a sequence, patients are counted for that rule, and
    values for the figures. Under differential privacy they are those
    of the declared ranges, with a count of 1, and no row is looked at.

    Raises:
        TrainingFailed: values so large that their variance is no number (`not-finite`); rows that do not say whose they are, where a
            patient may have several (`internal`).
    """
    if study.privacy.differential_privacy:
        return _declared(study)
    if counts_by_patient(study):
        rows = _one_of_each(rows)
    few = study.privacy.min_cohort
    columns = [column[~np.isnan(column)] for column in rows.features.T]
    statistics = _table("features", columns, [len(column) >= few for column in columns])
    if rows.value is not None and learns_in_deviations(study):
        statistics |= _table("outcome", [rows.value], [len(rows) >= few])
    sequence, steps = sequence_of(study), rows.sequences
    if sequence is not None and steps is not None:
        patient = np.repeat(np.arange(len(rows)), np.diff(steps.offsets))
        have = ~np.isnan(steps.value)
        chosen = [have & (steps.concept == place) for place in range(len(sequence.of))]
        shown = [len(np.unique(patient[at])) >= few for at in chosen]
        statistics |= _table("sequence", [steps.value[at] for at in chosen], shown)
    if not all(np.isfinite(tensor).all() for tensor in statistics.values()):
        raise TrainingFailed(
            "the variance of a feature or of the outcome is no number: look for absurd values", "not-finite"
        )
    return statistics


def start_of(statistics: dict[str, Floats]) -> Weights:
    """The start of training from one site's statistics alone: mean, and standard deviation (1 where that is 0)."""
    start: Weights = {}
    for group in dict.fromkeys(name.partition(".")[0] for name in statistics):
        scale = np.sqrt(statistics[f"{group}.variance"]).astype(np.float32)
        start[f"{group}.mean"] = statistics[f"{group}.mean"].astype(np.float32)
        start[f"{group}.scale"] = np.where(scale > 0, scale, np.float32(1))
    return start


def _one_of_each(rows: Rows) -> Rows:
    """The first row of each patient; the order of the rows is by a keyed hash."""
    if rows.patient is None:
        raise TrainingFailed("the frozen rows do not say whose they are: a version before froze them", "internal")
    return rows.take(np.sort(np.unique(rows.patient, return_index=True)[1]))


def _declared(study: Study) -> dict[str, Floats]:
    mean, scale = np.array(declared_moments(study), dtype=np.float64).reshape(-1, 2).T
    return {"features.count": np.ones_like(mean), "features.mean": mean, "features.variance": scale**2}


def _table(group: str, columns: list[Floats], shown: list[bool]) -> dict[str, Floats]:
    kept = [column if show else column[:0] for column, show in zip(columns, shown, strict=True)]
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            f"{group}.count": np.array([len(column) for column in kept], dtype=np.float64),
            f"{group}.mean": np.array([column.mean() if len(column) else 0.0 for column in kept], dtype=np.float64),
            f"{group}.variance": np.array([column.var() if len(column) else 0.0 for column in kept], dtype=np.float64),
        }
