import numpy as np
import pytest
from lifelines.utils import concordance_index
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    r2_score,
    roc_auc_score,
    roc_curve,
)

from rapha.training.calibration import bins, brier, calibration_intercept, calibration_slope, risk_of
from rapha.training.concordance import c_index
from rapha.training.dataset import Rows
from rapha.training.discrimination import ROC_GRID, auprc, auroc, roc
from rapha.training.distance import mae, r2, rmse
from rapha.training.metrics import evaluation, hazard_loss, risk_loss

CHANCE = np.random.default_rng(7)


def made_up(rows=800, digits=1):
    """Logits with ties, and outcomes that follow them."""
    logit = np.round(CHANCE.normal(-0.5, 1.2, rows), digits)
    return logit, (CHANCE.random(rows) < risk_of(0.8 * logit + 0.3)).astype(np.int64)


def survivors(rows):
    """Times and risks with many ties."""
    time = CHANCE.integers(1, 12, rows).astype(float)
    return np.round(CHANCE.normal(0, 1, rows) - 0.1 * time, 1), time, CHANCE.integers(0, 2, rows)


def test_figures_agree_with_scikit_learn():
    logit, event = made_up()
    risk = risk_of(logit)
    assert auroc(logit, event).value == pytest.approx(roc_auc_score(event, logit), abs=1e-12)
    assert auprc(logit, event).value == pytest.approx(average_precision_score(event, logit), abs=1e-12)
    assert brier(logit, event).value == pytest.approx(brier_score_loss(event, risk), abs=1e-12)
    assert risk_loss(logit, event).value == pytest.approx(log_loss(event, risk), abs=1e-12)


def test_distances_agree_with_scikit_learn():
    chance = np.random.default_rng(11)
    value = chance.normal(120, 20, 500)
    predicted = 0.7 * value + chance.normal(36, 9, 500)
    assert r2(predicted, value).value == pytest.approx(r2_score(value, predicted), abs=1e-12)
    assert mae(predicted, value).value == pytest.approx(mean_absolute_error(value, predicted), abs=1e-12)
    assert rmse(predicted, value).value == pytest.approx(mean_squared_error(value, predicted) ** 0.5, abs=1e-12)


def test_intervals_of_distances_hold_what_they_promise():
    chance = np.random.default_rng(11)
    value = chance.normal(120, 20, 60_000)
    predicted = 0.7 * value + chance.normal(36, 9, 60_000)
    truths = [figure(predicted, value) for figure in (r2, mae, rmse)]
    hits = np.zeros(3)
    for block in np.array_split(np.arange(60_000), 200):
        found = [figure(predicted[block], value[block]) for figure in (r2, mae, rmse)]
        hits += [one.low <= truth.value <= one.high for one, truth in zip(found, truths, strict=True)]
    assert (hits >= 180).all() and (hits < 200).all(), hits


def test_numbers_that_are_all_the_same_explain_nothing():
    same = np.full(30, 7.0)
    assert r2(same, same) is None
    assert rmse(same, same).value == 0
    assert mae(same[:0], same[:0]) is None and rmse(same[:0], same[:0]) is None and r2(same[:0], same[:0]) is None


def test_delong_s_variance_is_that_of_all_pairs():
    logit, event = made_up(rows=120)
    cases, controls = logit[event == 1], logit[event == 0]
    wins = (cases[:, None] > controls) + 0.5 * (cases[:, None] == controls)
    variance = wins.mean(axis=1).var(ddof=1) / len(cases) + wins.mean(axis=0).var(ddof=1) / len(controls)
    found = auroc(logit, event)
    assert (found.high - found.value) / 1.959963984540054 == pytest.approx(variance**0.5, rel=1e-12)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_intervals_hold_what_they_promise():
    """Over many samples, about 95 in 100 intervals hold the truth (here: the value in a very large sample)."""
    logit, event = made_up(rows=60_000, digits=3)
    score, time, happened = survivors(60_000)
    truths = [auroc(logit, event), auprc(logit, event), brier(logit, event), risk_loss(logit, event)]
    truths += [calibration_slope(logit, event), calibration_intercept(logit, event), c_index(score, time, happened)]
    hits = np.zeros(len(truths))
    for block in np.array_split(np.arange(60_000), 200):
        x, y = logit[block], event[block]
        found = [auroc(x, y), auprc(x, y), brier(x, y), risk_loss(x, y), calibration_slope(x, y)]
        found += [calibration_intercept(x, y), c_index(score[block], time[block], happened[block])]
        hits += [one.low <= truth.value <= one.high for one, truth in zip(found, truths, strict=True)]
    assert (hits >= 180).all() and (hits < 200).all(), hits


def test_the_curve_lies_on_scikit_learn_s():
    logit, event = made_up(digits=3)
    x, y, _ = roc_curve(event, logit, drop_intermediate=False)
    points = roc(logit, event)
    assert tuple(rate for rate, _ in points) == ROC_GRID
    for rate, height in points:
        assert height == pytest.approx(np.interp(rate + 1e-8, x + np.arange(len(x)) * 1e-12, y), abs=1e-6)
    assert points[-1] == (1.0, 1.0)


def test_calibration_agrees_with_a_logistic_regression():
    logit, event = made_up()
    fitted = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit[:, None], event)
    slope = calibration_slope(logit, event)
    assert slope.value == pytest.approx(fitted.coef_[0, 0], rel=1e-5)
    intercept = calibration_intercept(logit, event).value
    assert risk_of(logit + intercept).sum() == pytest.approx(event.sum(), rel=1e-9)


@pytest.mark.parametrize("logit", [np.array([-3.0, -2, 2, 3]), np.array([1.0, 1, 1, 1])])
def test_a_regression_without_an_answer_gives_no_slope(logit):
    assert calibration_slope(logit, np.array([0, 0, 1, 1])) is None


def test_bins_are_tenths_and_lose_nobody():
    logit, event = made_up(rows=803)
    groups = bins(logit, event)
    assert len(groups) == 10 and {group.rows for group in groups} == {80, 81}
    assert sum(group.cases for group in groups) == event.sum()
    assert [group.predicted for group in groups] == sorted(group.predicted for group in groups)


@pytest.mark.parametrize("rows", [2, 3, 17, 64, 301])
def test_concordance_agrees_with_lifelines(rows):
    for _ in range(5):
        risk, time, event = survivors(rows)
        try:
            wanted = concordance_index(time, -risk, event)
        except ZeroDivisionError:
            assert c_index(risk, time, event) is None
        else:
            assert c_index(risk, time, event).value == pytest.approx(wanted, abs=1e-12)


def test_concordance_s_variance_is_that_of_all_pairs():
    risk, time, event = survivors(150)
    earlier = (time[:, None] < time) | ((time[:, None] == time) & (event[:, None] > event))
    comparable = earlier & (event[:, None] == 1)
    won = comparable * ((risk[:, None] > risk) + 0.5 * (risk[:, None] == risk))
    value = won.sum() / comparable.sum()
    each = (won + won.T).sum(axis=1) - value * (comparable + comparable.T).sum(axis=1)
    found = c_index(risk, time, event)
    assert found.value == pytest.approx(value)
    assert (found.high - found.low) / 2 / 1.959963984540054 == pytest.approx((each**2).sum() ** 0.5 / comparable.sum())


def test_hazard_loss_is_breslow_s():
    score, time, event = survivors(60)
    terms = [np.log(np.exp(score[time >= time[i]]).sum()) - score[i] for i in np.flatnonzero(event)]
    assert hazard_loss(score, time, event) == pytest.approx(np.mean(terms))


@pytest.mark.parametrize(
    "event", [np.zeros(5, dtype=np.int64), np.ones(5, dtype=np.int64), np.zeros(0, dtype=np.int64)]
)
def test_what_the_rows_do_not_determine_is_left_out(event):
    score, features = np.linspace(-1, 1, len(event)), np.zeros((len(event), 1))
    binary = evaluation(score, Rows(features, event, None, None), "federated")
    assert {figure.name for figure in binary.figures} == ({"loss", "brier"} if len(event) else set())
    assert binary.roc == ()
    survival = evaluation(score, Rows(features, event, np.ones(len(event)), None), "local")
    assert {figure.name for figure in survival.figures} == ({"loss"} if event.any() else set())
