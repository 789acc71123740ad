from dataclasses import replace

import numpy as np
import pytest
from made_up_site import make_dataset, make_study

from rapha.errors import TrainingFailed
from rapha.records.study import Study
from rapha.records.tensors import declared_start, declared_statistics
from rapha.training.dataset import Rows
from rapha.training.statistics import feature_statistics, start_of


def rows_of(features):
    return Rows(np.array(features, dtype=float), np.zeros(len(features), dtype=np.int64), None, None)


@pytest.mark.parametrize("architecture", ["mlp", "gru"])
def test_statistics_are_as_declared(tmp_path, architecture):
    study = make_study(architecture)
    statistics = feature_statistics(study, make_dataset(study, tmp_path).train)
    assert {n: (t.shape, "F64") for n, t in statistics.items()} == {
        n: (s.shape, s.dtype) for n, s in declared_statistics(study).items()
    }
    start = start_of(statistics)
    assert {n: t.shape for n, t in start.items()} == {n: s.shape for n, s in declared_start(study).items()}


def test_only_what_is_not_missing_counts():
    study = make_study("logistic")
    values = np.random.default_rng(0).normal(5, 2, (40, 3))
    values[:12, 0] = np.nan
    statistics = feature_statistics(study, rows_of(values))
    assert statistics["features.count"].tolist() == [28, 40, 40]
    assert np.allclose(statistics["features.mean"], np.nanmean(values, axis=0))
    assert np.allclose(statistics["features.variance"], np.nanvar(values, axis=0))


def test_a_feature_that_too_few_have_tells_nothing():
    values = np.ones((30, 3))
    values[9:, 0] = np.nan  # 9 have it, 10 are wanted
    statistics = feature_statistics(make_study("logistic"), rows_of(values))
    assert [statistics[f"features.{figure}"][0] for figure in ("count", "mean", "variance")] == [0, 0, 0]
    start = start_of(statistics)
    assert start["features.mean"].tolist() == [0, 1, 1]
    assert start["features.scale"].tolist() == [1, 1, 1]


def test_of_a_patient_of_several_rows_one_counts(tmp_path):
    """Sixty values of one person's drug are one patient's."""
    study = Study.model_validate(make_study("logistic").as_json() | {"cohort": {"index": {"every": ["hdl"]}}})
    values = np.random.default_rng(0).normal(5, 2, (100, 3))
    values[60:, 0] = np.nan
    rows = replace(rows_of(values), patient=np.array([7] * 60 + list(range(40)), dtype=np.int64))
    statistics = feature_statistics(study, rows)
    assert statistics["features.count"].tolist() == [0, 40, 40]  # the seventh of those with one row is the same patient
    with pytest.raises(TrainingFailed, match="whose they are"):
        feature_statistics(study, rows_of(values))


def test_a_variance_beyond_all_numbers_is_refused():
    with pytest.raises(TrainingFailed) as caught:
        feature_statistics(make_study("logistic"), rows_of([[1e200, 1, 1], [-1e200, 1, 1]] * 10))
    assert caught.value.reason == "not-finite"


def test_many_values_of_few_patients_tell_nothing(tmp_path):
    study = make_study("gru").model_copy(
        update={"privacy": make_study("gru").privacy.model_copy(update={"min_cohort": 300})}
    )
    train = make_dataset(study, tmp_path).train
    assert len(train.sequences.value) > 600
    statistics = feature_statistics(study, train)
    assert not statistics["sequence.count"].any() and not statistics["sequence.mean"].any()
