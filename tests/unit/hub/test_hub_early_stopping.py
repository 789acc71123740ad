"""When training has come to a stand, and that a study without such terms never stops early."""

import pytest

from rapha.hub.early_stopping import best_round, came_to_a_stand, rounds_to_train
from rapha.records.learning import EarlyStopping
from rapha.records.metrics import Score
from rapha.records.task import Update


@pytest.mark.parametrize(
    ("figures", "patience", "after"),
    [
        ([], 2, None),
        ([0.7, 0.71, 0.72], 1, None),
        ([0.7, 0.7], 1, 2),
        ([0.7, 0.69, 0.71, 0.70, 0.70], 2, 5),
        ([0.7, None, 0.6, None, 0.6], 2, 5),
        ([None, None, None], 1, None),
        ([0.7, 0.6, 0.6, 0.9], 2, 3),
    ],
)
def test_it_stands_when_the_best_is_too_old(figures, patience, after):
    assert came_to_a_stand(figures, patience) == after


def update(site, number, rows, **scores):
    blob = "sha256:" + "0" * 64
    named = tuple(Score.model_validate({"name": name, "value": value}) for name, value in scores.items())
    return Update(
        task="t-1", study_digest=blob, site=site, round=number, do="train", weights_in=blob, weights_out=blob,
        weight=rows, scores=named,
    )  # fmt: skip


def test_sites_count_by_their_rows_and_lower_brier_is_better():
    rounds = [
        {"north": update("north", 1, 300, brier=0.20), "south": update("south", 1, 100, brier=0.30)},
        {"north": update("north", 2, 300, brier=0.19), "south": update("south", 2, 100, brier=0.32)},
        {"north": update("north", 3, 300, brier=0.23), "south": update("south", 3, 100, brier=0.24)},
    ]
    assert rounds_to_train(20, EarlyStopping(metric="brier", patience=1), rounds) == 3
    assert rounds_to_train(20, EarlyStopping(metric="brier", patience=1), rounds[:2]) == 20
    assert rounds_to_train(20, EarlyStopping(metric="auroc", patience=1), rounds) == 20
    assert rounds_to_train(20, None, rounds) == 20


@pytest.mark.parametrize(
    ("metric", "figures", "best"),
    [
        ("auroc", [0.7, 0.74, 0.72], 2),
        ("auroc", [0.7, 0.74, 0.74], 2),
        ("brier", [0.2, 0.17, 0.18], 2),
        ("auroc", [None, 0.6, None], 2),
        ("auroc", [None, None], None),
        ("auroc", [], None),
    ],
)
def test_the_best_round_is_the_first_with_the_best_figure(metric, figures, best):
    rounds = [
        {"north": update("north", n, 10, **({metric: figure} if figure is not None else {}))}
        for n, figure in enumerate(figures, 1)
    ]
    assert best_round(metric, rounds) == best


def test_sites_count_by_their_rows_for_the_best_round_too():
    rounds = [
        {"north": update("north", 1, 300, auroc=0.80), "south": update("south", 1, 100, auroc=0.50)},
        {"north": update("north", 2, 300, auroc=0.70), "south": update("south", 2, 100, auroc=0.70)},
    ]
    assert best_round("auroc", rounds) == 1
