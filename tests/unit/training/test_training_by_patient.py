"""Differential privacy of patients with several rows: the same sums as by a plain loop, and no patient longer than the clip."""

import math

import numpy as np
import pytest
import torch
from made_up_site import make_dataset
from test_training_exported import Own, own
from test_training_private import chance_of_a_round, private_study
from torch.nn.functional import binary_cross_entropy_with_logits

from rapha.egress.memorisation import DOUBT
from rapha.errors import TrainingFailed
from rapha.records.study import Study
from rapha.training import by_patient, private
from rapha.training.architectures import build
from rapha.training.by_patient import Patients, squared_lengths
from rapha.training.dataset import pool
from rapha.training.inputs import make_inputs
from rapha.training.optimizers import make_optimizer
from rapha.training.private import NoiseCheck, clipped_sum, train_privately
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, weights_of


def several(study: Study) -> Study:
    """The same of every index."""
    return Study.model_validate(study.as_json() | {"cohort": {"index": {"every": ["hdl"]}}})


def ready(study, folder, graph=None, **made):
    dataset = make_dataset(study, folder, **made)
    start = start_of(feature_statistics(study, dataset.train))
    network, inputs = build(study, graph), make_inputs(dataset.train, start)
    load_into(network, weights_of(network) | start)
    return network, inputs


def reference(network, inputs, patients, clip):
    """Algorithm 1 with a patient for an example: one backward pass for each of their rows, one after another."""
    expected = [torch.zeros_like(p) for p in network.parameters()]
    for patient in patients:
        of_patient = [torch.zeros_like(p) for p in network.parameters()]
        for row in torch.nonzero(inputs.patient == patient):
            loss = binary_cross_entropy_with_logits(network(inputs, row), inputs.event[row], reduction="sum")
            add_shortened(of_patient, torch.autograd.grad(loss, list(network.parameters())), clip)
        add_shortened(expected, of_patient, clip)
    return expected


def add_shortened(sums, gradients, clip):
    length = math.sqrt(sum(float(g.double().pow(2).sum()) for g in gradients))
    for total, gradient in zip(sums, gradients, strict=True):
        total += gradient * min(1.0, clip / length)


def length_of(one, other):
    return math.sqrt(sum(float((a.double() - b.double()).pow(2).sum()) for a, b in zip(one, other, strict=True)))


@pytest.mark.parametrize("clip", [0.3, 1e6])
@pytest.mark.parametrize("architecture", ["logistic", "mlp", "exported"])
def test_each_patients_gradient_is_shortened_as_one(tmp_path, architecture, clip):
    graph, study = None, several(private_study("mlp" if architecture == "exported" else architecture))
    if architecture == "exported":
        study, graph = own(tmp_path, study, Own(norm=False))
    network, inputs = ready(study, tmp_path, graph)
    network.eval()
    patients = Patients(inputs.patient, len(inputs))
    numbers = inputs.patient.unique()
    assert len(numbers) == len(patients) < len(inputs) / 2
    drawn = torch.tensor([0, 1, 2, 5, 6, 40])
    rows, whose = patients.rows_of(drawn)
    assert len(rows) > 40 and torch.bincount(whose).max() > 30  # the first has a quarter of all
    found = clipped_sum(network, inputs, rows, clip, whose)
    for want, have in zip(reference(network, inputs, numbers[drawn], clip), found, strict=True):
        assert torch.allclose(want.double(), have, rtol=1e-4, atol=1e-4)


def test_but_for_chance_a_round_is_that_of_a_plain_loop_over_patients(tmp_path, monkeypatch):
    """Everybody is in each step, and there is no noise."""
    study = several(private_study("mlp"))
    (network, inputs), (plain, _) = (ready(study, tmp_path, rows=60) for _ in range(2))
    real = private.sampled
    monkeypatch.setattr(private, "sampled", lambda n, rate: real(n, rate) if n == private.PLANTED else torch.arange(n))
    monkeypatch.setattr(private, "gaussian", np.zeros)
    monkeypatch.setattr(NoiseCheck, "passed", lambda self: None)
    train_privately(study, network, inputs, 1)
    optimizer, terms = make_optimizer(study.training, plain.parameters()), study.privacy.differential_privacy
    for _ in range(terms.steps_per_epoch):
        summed = reference(plain, inputs, inputs.patient.unique(), terms.clip)
        for parameter, gradient in zip(plain.parameters(), summed, strict=True):
            parameter.grad = gradient / (terms.sampling_rate * study.privacy.min_cohort)
        optimizer.step()
    learnt, expected = weights_of(network), weights_of(plain)
    assert all(np.allclose(learnt[name], expected[name], rtol=1e-3, atol=1e-4) for name in expected)


def test_a_patient_with_a_hundred_rows_is_no_longer_than_the_clip(tmp_path):
    network, inputs = ready(several(private_study("mlp")), tmp_path)
    patients = Patients(inputs.patient, len(inputs))
    for drawn in (torch.tensor([0]), torch.tensor([3])):
        rows, whose = patients.rows_of(drawn)
        parts = clipped_sum(network, inputs, rows, 0.01, whose)
        assert 0.0099 < math.sqrt(sum(float(p.double().pow(2).sum()) for p in parts)) <= 0.01


@pytest.mark.parametrize("weight", [1.0, 1e8, 1e10])
@pytest.mark.parametrize("apart", [0.0, 1e-7])
def test_a_hub_whose_weights_make_rows_cancel_moves_a_step_by_no_more_than_the_clip(tmp_path, weight, apart):
    """A patient of alike rows and opposite answers, under weights that make each row's gradient enormous: their sum is short, and
    beside rows so long float32 would lose everybody else's."""
    network, inputs = ready(several(private_study("mlp")), tmp_path)
    network.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.layers[0].bias[0] = 1e-30  # the unit is active for everybody, and next to nothing
        for layer in network.layers[1:]:
            layer.weight[0, 0] = 1
        network.output.weight[0, 0] = weight
    rows = torch.arange(44)
    inputs.features[:4] = inputs.features[0] + apart * torch.arange(4).unsqueeze(1)
    inputs.event[:] = 1
    inputs.event[1:4:2] = 0
    inputs.patient[:44] = torch.cat([torch.zeros(4, dtype=torch.int64), torch.arange(1, 41)])
    with_them = clipped_sum(network, inputs, rows, 1.0, inputs.patient[:44])
    without = clipped_sum(network, inputs, rows[4:], 1.0, inputs.patient[4:44] - 1)
    assert length_of(with_them, without) <= 1 + 1e-6


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("large", [1e19, 1e21, 1e22, 3e22])
def test_gradients_that_float32_cannot_shorten_are_no_longer_than_the_clip_either(tmp_path, large, alone):
    """Up to 1e45 long: what they are shortened by has no more than a few bits in float32."""
    model = {"architecture": "mlp", "hidden": [4, 4]}
    study = several(Study.model_validate(private_study("mlp").as_json() | {"model": model}))
    network, inputs = ready(study, tmp_path)
    network.eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.layers[0].bias[0] = large
        network.layers[1].weight[0, 0] = 1e37 / large / large
        network.output.weight[0, 0] = large
    inputs.event[:] = 0
    whose = None if alone else torch.zeros(1, dtype=torch.int64)
    parts = clipped_sum(network, inputs, torch.arange(1), 1.0, whose)
    assert 0.999 < length_of(parts, [torch.zeros_like(part) for part in parts]) <= 1


def test_dropout_is_drawn_from_no_seed(tmp_path, monkeypatch):
    """By the study's seed, one patient more in a step would shift the masks of all who come after."""
    model = {"architecture": "mlp", "hidden": [8], "dropout": 0.3}
    study = several(Study.model_validate(private_study("mlp").as_json() | {"model": model}))
    real, learnt = private.sampled, []
    monkeypatch.setattr(private, "sampled", lambda n, rate: real(n, rate) if n == private.PLANTED else torch.arange(n))
    monkeypatch.setattr(private, "gaussian", np.zeros)
    monkeypatch.setattr(NoiseCheck, "passed", lambda self: None)
    for _ in range(2):
        network, inputs = ready(study, tmp_path, rows=60)
        train_privately(study, network, inputs, 1)
        learnt.append(weights_of(network))
    assert any((learnt[0][name] != learnt[1][name]).any() for name in learnt[0])


def test_who_is_drawn_comes_with_all_of_their_rows_and_nobody_else():
    patient = torch.tensor([7, 3, 7, 9, 3, 7])
    patients = Patients(patient, 6, planted=2)
    assert len(patients) == 5  # 3, 7, 9, and each of what is planted
    rows, whose = patients.rows_of(torch.tensor([1, 2, 4]))
    assert (rows.tolist(), whose.tolist()) == ([0, 2, 5, 3, 7], [0, 0, 0, 1, 2])
    assert [part.tolist() for part in by_patient.each_patients(rows, whose)] == [[0, 2, 5], [3], [7]]
    nobody, of_nobody = patients.rows_of(torch.tensor([], dtype=torch.int64))
    assert not len(nobody) and not len(of_nobody)


def test_a_step_draws_patients_and_not_rows(tmp_path, monkeypatch):
    study = several(private_study())
    network, inputs = ready(study, tmp_path)
    seen, real = set(), private.sampled
    monkeypatch.setattr(private, "sampled", lambda count, rate: seen.add(count) or real(count, rate))
    train_privately(study, network, inputs, 1)
    assert seen == {len(inputs.patient.unique()), private.PLANTED}


def test_a_row_that_is_no_number_counts_its_patient_for_nothing_and_no_other(tmp_path):
    network, inputs = ready(several(private_study("mlp")), tmp_path)
    rows, whose = Patients(inputs.patient, len(inputs)).rows_of(torch.tensor([1, 2, 3]))
    inputs.features[rows[whose == 1][0]] = math.nan
    with_it = clipped_sum(network, inputs, rows, 0.3, whose)
    kept = whose != 1
    without = clipped_sum(
        network, inputs, rows[kept], 0.3, torch.unique_consecutive(whose[kept], return_inverse=True)[1]
    )
    assert all(torch.allclose(one, other) for one, other in zip(with_it, without, strict=True))


@pytest.mark.parametrize("at_once", [1, 64, 1 << 22])
def test_lengths_are_the_same_by_pairs_laid_out_and_in_any_parts(monkeypatch, at_once):
    monkeypatch.setattr(by_patient, "LARGEST", at_once)
    chance = torch.Generator().manual_seed(3)
    whose = torch.repeat_interleave(torch.arange(30), torch.randint(1, 9, (30,), generator=chance))
    layers = [
        (torch.randn(len(whose), wide, generator=chance).double(), torch.randn(len(whose), high, generator=chance).double(), bias)
        for wide, high, bias in ((1, 3, True), (8, 7, False), (2, 2, True))
    ]  # fmt: skip
    found = squared_lengths(layers, whose)
    for patient in range(30):
        mine = whose == patient
        sums = [back[mine].T @ given[mine] for back, given, _ in layers]
        biases = [back[mine].sum(0) for back, _, bias in layers if bias]
        assert torch.allclose(found[mine], sum(each.pow(2).sum() for each in (*sums, *biases)))


def test_the_audit_finds_noise_that_is_silently_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(private, "gaussian", np.zeros)
    with pytest.raises(TrainingFailed) as refused:
        chance_of_a_round(several(private_study("mlp", 3.0, 0.05, rounds=10)), tmp_path)
    assert refused.value.reason == "noise-missing"
    monkeypatch.setattr(NoiseCheck, "passed", lambda self: None)
    assert chance_of_a_round(several(private_study("mlp", 3.0, 0.05, rounds=10)), tmp_path) < DOUBT


def test_patients_of_several_sites_stay_apart(tmp_path):
    study = several(private_study())
    sites = [make_dataset(study, tmp_path, rows=80, seed=seed) for seed in (1, 2)]
    numbers = pool(sites).train.patient
    assert len(np.unique(numbers)) == sum(len(np.unique(site.train.patient)) for site in sites)


def test_rows_without_their_patients_are_not_read(tmp_path):
    with pytest.raises(TrainingFailed, match="patient"):
        ready(several(private_study()), tmp_path, whose=False)
