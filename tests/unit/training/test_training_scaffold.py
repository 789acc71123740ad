"""SCAFFOLD at the hospital: what its gradients are corrected by, and what that is good for."""

import numpy as np
import pytest
import torch
from made_up_site import make_study
from pydantic import ValidationError

from rapha.records.learning import TrainingSpec
from rapha.training.architectures import build
from rapha.training.numerics import generator
from rapha.training.optimizers import Correction, Sgd
from rapha.training.weights import weights_of


@pytest.mark.parametrize("architecture", ["logistic", "mlp", "gru"])
def test_every_learnt_tensor_gets_its_own_correction(architecture):
    study = make_study(architecture, aggregation="scaffold", optimizer="sgd")
    network = build(study, None)
    network.reset(generator(1, "weights"))
    before, dice = weights_of(network), np.random.default_rng(1)
    learnt = [name for name in before if not name.startswith(("features.", "sequence."))]
    added = {name: dice.normal(size=before[name].shape).astype(np.float32) for name in learnt}
    optimizer, correction = Sgd(network.parameters(), 0.5, 0.0), Correction(network, added)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    correction.add_gradients()
    optimizer.step()
    after = weights_of(network)
    for name in before:
        expected = before[name] - 0.5 * (1 + added[name]) if name in added else before[name]
        np.testing.assert_allclose(after[name], expected, rtol=1e-5, atol=1e-6)


def test_without_one_nothing_is_added():
    network = build(make_study("logistic"), None)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    Correction(network, None).add_gradients()
    assert all((parameter.grad == 1).all() for parameter in network.parameters())


def test_it_is_for_plain_gradient_steps():
    with pytest.raises(ValidationError, match="optimizer: sgd"):
        TrainingSpec(aggregation="scaffold", optimizer="adamw")
