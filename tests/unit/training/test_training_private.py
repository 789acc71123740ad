"""DP-SGD: gradients shortened row by row, noise of the right size and of nobody's seed, and an audit that finds it gone."""

import math

import numpy as np
import pytest
import torch
from made_up_site import make_dataset, make_study
from torch.nn.functional import binary_cross_entropy_with_logits

from rapha.egress.memorisation import DELTA, DOUBT, chance_of
from rapha.errors import TrainingFailed
from rapha.node.provenance import epsilon_of_a_round
from rapha.records.study import Study
from rapha.training import private
from rapha.training.accounting import epsilon_of, mechanism_of
from rapha.training.architectures import build
from rapha.training.inputs import make_inputs
from rapha.training.private import PLANTED, NoiseCheck, clipped_sum, gaussian, sampled, train_privately
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, weights_of

RANGES = {"hdl": [10, 120], "age": [18, 100], "sex": [0, 1]}


def private_study(architecture="logistic", epsilon=0.5, rate=0.25, ranges=None, features=None, **training) -> Study:
    plain = make_study(architecture).as_json()
    terms = {"epsilon": epsilon, "delta": 1e-5, "clip": 1.0, "sampling_rate": rate, "ranges": ranges or RANGES}
    plain["privacy"] = {"min_cohort": 10, "differential_privacy": terms}
    plain["training"] = {"rounds": 2, "learning_rate": 0.05, **training}
    if features:
        plain["features"] = features
        plain["concepts"] |= {f["last"]: {"system": "local", "codes": [f["last"]]} for f in features}
    return Study.model_validate(plain)


@pytest.mark.parametrize(("architecture", "clip"), [("logistic", 0.3), ("mlp", 0.3), ("mlp", 1e6)])
def test_each_rows_gradient_is_shortened_by_itself(tmp_path, architecture, clip):
    study = private_study(architecture)
    dataset = make_dataset(study, tmp_path, rows=60)
    start = start_of(feature_statistics(study, dataset.train))
    network, rows = build(study), torch.arange(20)
    load_into(network, start)
    inputs = make_inputs(dataset.train, start)
    expected = [torch.zeros_like(p) for p in network.parameters()]
    for row in rows:
        loss = binary_cross_entropy_with_logits(network(inputs, row[None]), inputs.event[row[None]])
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        length = math.sqrt(sum(float(g.pow(2).sum()) for g in gradients))
        for total, gradient in zip(expected, gradients, strict=True):
            total += gradient * min(1.0, clip / length)
    found = clipped_sum(network, inputs, rows, clip)
    for want, have in zip(expected, found, strict=True):
        assert torch.allclose(want.double(), have, rtol=1e-4, atol=1e-5)


def test_one_row_is_never_longer_than_the_clip(tmp_path):
    study = private_study()
    dataset = make_dataset(study, tmp_path)
    network = build(study)
    inputs = make_inputs(dataset.train, start_of(feature_statistics(study, dataset.train)))
    for row in range(30):
        parts = clipped_sum(network, inputs, torch.tensor([row]), 0.01)
        assert math.sqrt(sum(float(p.double().pow(2).sum()) for p in parts)) <= 0.01


def test_a_network_with_other_layers_is_refused(tmp_path):
    study = make_study("gru")
    dataset = make_dataset(study, tmp_path)
    inputs = make_inputs(dataset.train, start_of(feature_statistics(study, dataset.train)))
    with pytest.raises(TrainingFailed) as refused:
        clipped_sum(build(study), inputs, torch.arange(3), 1.0)
    assert refused.value.reason == "not-yet-possible"


def test_a_sample_is_drawn_row_by_row_and_may_be_empty():
    sizes = np.array([len(sampled(200, 0.05)) for _ in range(400)])
    assert abs(sizes.mean() - 10) < 6 * math.sqrt(9.5 / 400)
    assert sizes.std() > 2  # a batch of a fixed size has none
    assert not len(sampled(0, 0.5))
    assert any(not len(sampled(2, 0.05)) for _ in range(50))


def test_noise_is_normal_and_never_the_same():
    numbers = gaussian(100_000)
    assert abs(numbers.mean()) < 0.02 and abs(numbers.std() - 1) < 0.02
    assert abs((np.abs(numbers) < 1).mean() - 0.6827) < 0.01
    torch.manual_seed(0)
    first = gaussian(5)
    torch.manual_seed(0)
    assert not np.array_equal(first, gaussian(5))


def test_two_rounds_of_the_same_weights_differ_and_statistics_do_not_see_a_row(tmp_path):
    study = private_study("mlp")
    sites = [make_dataset(study, tmp_path, rows=200, seed=seed) for seed in (1, 2)]
    starts = [start_of(feature_statistics(study, site.train)) for site in sites]
    assert all((starts[0][name] == starts[1][name]).all() for name in starts[0])
    assert starts[0]["features.mean"].tolist() == [65.0, 59.0, 0.5]
    assert starts[0]["features.scale"].tolist() == [27.5, 20.5, 0.25]
    made = []
    for _ in range(2):
        network = build(study)
        load_into(network, starts[0])
        train_privately(study, network, make_inputs(sites[0].train, starts[0]), 1)
        made.append(weights_of(network))
    assert (made[0]["output.weight"] != made[1]["output.weight"]).any()


def test_the_noise_keeps_to_the_epsilon_and_is_no_more_than_needed():
    study = private_study(epsilon=1.0, rounds=10, rate=0.05)
    mechanism = mechanism_of(study)
    assert mechanism.steps == 200
    assert 0.95 < mechanism.epsilon <= 1.0
    assert epsilon_of(mechanism.noise_multiplier, 0.05, 200, 1e-5) == mechanism.epsilon
    assert epsilon_of(mechanism.noise_multiplier * 0.9, 0.05, 200, 1e-5) > 1.0


def test_epsilon_is_that_of_the_literature():
    """q = 0.01, sigma = 1, 2,000 steps, delta 1e-5: about 2.58 by PLD, 2.87 by RDP."""
    assert 2.55 < epsilon_of(1.0, 0.01, 2000, 1e-5) < 2.65


@pytest.mark.parametrize("factor", [0.0, 0.5, 2.0])
def test_a_round_with_another_noise_does_not_leave(tmp_path, monkeypatch, factor):
    study = private_study("mlp")
    dataset = make_dataset(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study)
    monkeypatch.setattr(private, "gaussian", lambda count: factor * gaussian(count))
    with pytest.raises(TrainingFailed) as refused:
        train_privately(study, network, make_inputs(dataset.train, start), 1)
    assert refused.value.reason == "noise-missing"


def chance_of_a_round(study: Study, folder) -> float:
    """How likely the guesses of who of the planted was in are, if the round kept to its epsilon."""
    dataset = make_dataset(study, folder)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study)
    load_into(network, start)
    guesses = train_privately(study, network, make_inputs(dataset.train, start), 1)
    owed = epsilon_of_a_round(study)
    assert owed is not None and owed > 0
    return chance_of(guesses, owed, DELTA)


@pytest.mark.parametrize(
    ("architecture", "epsilon", "rate"), [("logistic", 0.5, 0.25), ("mlp", 3.0, 0.05), ("mlp", 8.0, 0.05)]
)
def test_the_audit_finds_noise_that_is_silently_gone(tmp_path, monkeypatch, architecture, epsilon, rate):
    monkeypatch.setattr(private, "gaussian", np.zeros)
    monkeypatch.setattr(NoiseCheck, "passed", lambda self: None)
    assert chance_of_a_round(private_study(architecture, epsilon, rate, rounds=10), tmp_path) < DOUBT


@pytest.mark.parametrize(("epsilon", "rate"), [(0.5, 0.25), (8.0, 0.5)])
def test_the_audit_finds_nothing_where_there_is_noise(tmp_path, epsilon, rate):
    assert chance_of_a_round(private_study("logistic", epsilon, rate, rounds=4), tmp_path) > 0.5


def test_the_planted_leave_no_trace_in_the_model(tmp_path, monkeypatch):
    """Without noise, and with everybody in each step, the weights are the same whoever of the planted was in."""
    study = private_study("mlp")
    dataset = make_dataset(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    monkeypatch.setattr(private, "gaussian", np.zeros)
    monkeypatch.setattr(NoiseCheck, "passed", lambda self: None)
    real = private.sampled
    monkeypatch.setattr(private, "sampled", lambda n, rate: real(n, rate) if n == PLANTED else torch.arange(n))
    made = []
    for _ in range(2):
        network = build(study)
        load_into(network, start)
        train_privately(study, network, make_inputs(dataset.train, start), 1)
        made.append(weights_of(network))
    assert all((made[0][name] == made[1][name]).all() for name in made[0])
