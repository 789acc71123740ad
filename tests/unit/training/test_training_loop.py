import numpy as np
import pandas
import pytest
import torch
from lifelines import CoxPHFitter
from made_up_site import ARCHITECTURES, make_dataset, make_study

from rapha.errors import TrainingFailed
from rapha.training import loop
from rapha.training.architectures import build
from rapha.training.inputs import make_inputs
from rapha.training.loop import train_round
from rapha.training.pooled import evaluate_on, score, train_alone
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, weights_of


def one_round(study, dataset, weights, number):
    network = build(study)
    load_into(network, weights)
    loss = train_round(study, network, make_inputs(dataset.train, weights), number)
    return weights_of(network), loss


def figure(evaluation, name):
    return next(figure.value for figure in evaluation.figures if figure.name == name)


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        ("mlp", "auroc"),
        ("gru", "auroc"),
        ("deep-survival", "c_index"),
        ("text-classifier", "auroc"),
        ("image-classifier", "auroc"),
        ("variant-classifier", "auroc"),
        ("late-fusion", "auroc"),
        ("mlp, numeric", "r2"),
        ("gru, numeric", "r2"),
        ("late-fusion, numeric", "r2"),
        ("logistic, classes", "macro_auroc"),
        ("mlp, classes", "macro_auroc"),
        ("gru, classes", "macro_auroc"),
        ("text-classifier, classes", "macro_auroc"),
        ("image-classifier, classes", "macro_auroc"),
        ("variant-classifier, classes", "macro_auroc"),
        ("late-fusion, classes", "macro_auroc"),
    ],
)
def test_sites_together_learn(tmp_path, architecture, name):
    architecture, _, of = architecture.partition(", ")
    numeric, classes = of == "numeric", ("mild", "grave") if of == "classes" else ()
    study = make_study(architecture, numeric=numeric, classes=classes, **({"local_epochs": 3} if of else {}))
    sites = [make_dataset(study, tmp_path, rows=300, seed=seed) for seed in (1, 2, 3)]
    weights = start_of(feature_statistics(study, sites[0].train))
    quality = []
    for number in range(1, 9):
        updates = [one_round(study, site, weights, number)[0] for site in sites]
        weights = {name: np.mean([update[name] for update in updates], axis=0) for name in updates[0]}
        if number in (1, 8):
            quality.append(np.mean([figure(evaluate_on(study, weights, site.test), name) for site in sites]))
    assert quality[-1] > quality[0] + 0.01
    assert quality[-1] > (0.5 if numeric else 0.7 if classes else 0.72)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_round_depends_on_weights_and_number_alone(tmp_path, architecture):
    study = make_study(architecture)
    dataset = make_dataset(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    first, loss = one_round(study, dataset, start, 1)
    torch.manual_seed(5)
    again, same_loss = one_round(study, dataset, start, 1)
    other, _ = one_round(study, dataset, start, 2)
    assert loss == same_loss
    assert all((first[name] == again[name]).all() for name in first)
    assert any((first[name] != other[name]).any() for name in first)


def test_dropout_takes_its_chance_from_the_seed(tmp_path):
    study = make_study("mlp", model={"dropout": 0.4})
    dataset = make_dataset(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    runs = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        runs.append(one_round(study, dataset, start, 1)[0])
    assert all((runs[0][name] == runs[1][name]).all() for name in start)
    without = one_round(make_study("mlp"), dataset, start, 1)[0]
    assert (without["output.weight"] != runs[0]["output.weight"]).any()


def test_cox_finds_the_coefficients_of_lifelines(tmp_path):
    study = make_study("cox", rounds=30, local_epochs=2, batch_size=65_536, optimizer="sgd", learning_rate=1.0)
    dataset = make_dataset(study, tmp_path, rows=500)
    start = start_of(feature_statistics(study, dataset.train))
    inputs = make_inputs(dataset.train, start)
    weights, _ = train_alone(study, [dataset])
    frame = pandas.DataFrame(inputs.features.numpy()[:, :4], columns=["hdl", "age", "sex", "missing"])
    frame["time"] = dataset.train.time + np.arange(len(frame)) * 1e-7  # no ties: where Breslow and Efron agree
    frame["event"] = dataset.train.event
    fitted = CoxPHFitter().fit(frame, "time", "event").params_.to_numpy()
    assert weights["linear.weight"][0, :4] == pytest.approx(fitted, abs=0.02)


def test_linear_finds_the_coefficients_of_least_squares(tmp_path):
    study = make_study("linear", rounds=40, local_epochs=5, batch_size=65_536, optimizer="sgd", learning_rate=0.2)
    dataset = make_dataset(study, tmp_path, rows=500)
    inputs = make_inputs(dataset.train, start_of(feature_statistics(study, dataset.train)))
    weights, measured = train_alone(study, [dataset])
    columns = np.column_stack([inputs.features.numpy()[:, :4].astype(float), np.ones(len(inputs))])
    fitted = np.linalg.lstsq(columns, dataset.train.value, rcond=None)[0]
    assert weights["linear.weight"][0, :4] * weights["outcome.scale"] == pytest.approx(fitted[:4], abs=0.02)
    start = weights["linear.bias"] * weights["outcome.scale"] + weights["outcome.mean"]
    assert start == pytest.approx(fitted[4:], abs=0.02)
    assert figure(measured, "rmse") == pytest.approx(10, rel=0.2)  # the noise that was put in


@pytest.mark.parametrize("stratum", [16_384, 100])
def test_the_first_loss_is_that_of_the_risk_sets(tmp_path, monkeypatch, stratum):
    """With all scores equal, an event costs the logarithm of how many were at risk; ties are at risk together."""
    monkeypatch.setattr(loop, "STRATUM_ROWS", stratum)
    study = make_study("cox", batch_size=16, learning_rate=1e-9)
    train = make_dataset(study, tmp_path, rows=300).train
    train.time[:] = np.ceil(train.time / 200)
    start = start_of(feature_statistics(study, train))
    network = build(study)
    loss = train_round(study, network, make_inputs(train, start), 1)
    if stratum > len(train):
        at_risk = np.array([(train.time >= time).sum() for time in train.time])
        assert loss == pytest.approx(np.log(at_risk)[train.event == 1].mean(), rel=1e-6)
    else:
        assert loss < np.log(stratum)


def test_training_that_runs_away_is_said(tmp_path):
    study = make_study("mlp", optimizer="sgd", learning_rate=10, weight_decay=1, local_epochs=100)
    dataset = make_dataset(study, tmp_path)
    with pytest.raises(TrainingFailed) as caught:
        train_alone(study, [dataset])
    assert caught.value.reason == "not-finite"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_no_number_after_the_last_step_is_said(tmp_path, monkeypatch, value):
    made = loop.make_optimizer

    def breaking(spec, parameters):
        found = list(parameters)
        optimizer = made(spec, found)
        step = optimizer.step

        def then_break():
            step()
            found[0].data.view(-1)[0] = value

        optimizer.step = then_break
        return optimizer

    study = make_study("mlp", batch_size=512)
    train = make_dataset(study, tmp_path, rows=100).train
    start = start_of(feature_statistics(study, train))
    monkeypatch.setattr(loop, "make_optimizer", breaking)
    with pytest.raises(TrainingFailed) as caught:
        train_round(study, build(study), make_inputs(train, start), 1)
    assert caught.value.reason == "not-finite"


@pytest.mark.parametrize(("keep", "reason"), [(slice(0), "cohort-empty"), ("censored", "too-few-events")])
def test_rows_that_teach_nothing_are_refused(tmp_path, keep, reason):
    study = make_study("cox")
    train = make_dataset(study, tmp_path).train
    kept = train.take(np.flatnonzero(train.event == 0) if keep == "censored" else np.arange(len(train))[keep])
    network = build(study)
    with pytest.raises(TrainingFailed) as caught:
        train_round(study, network, make_inputs(kept, weights_of(network)), 1)
    assert caught.value.reason == reason


def test_padding_does_not_change_a_sequence_s_score(tmp_path):
    study = make_study("gru")
    rows = make_dataset(study, tmp_path).test
    network = build(study)
    inputs = make_inputs(rows, weights_of(network))
    together = score(network, inputs)
    lengths = np.diff(rows.sequences.offsets)
    assert 0 in lengths and 7 in lengths
    alone = [network(inputs, torch.tensor([row])).item() for row in range(len(rows))]
    assert together == pytest.approx(alone, abs=1e-6)
