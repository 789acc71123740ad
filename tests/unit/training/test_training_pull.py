"""FedProx's pull, against the gradient of the term it stands for."""

import torch

from rapha.records.learning import TrainingSpec
from rapha.training.optimizers import Pull


def test_the_pull_is_the_gradient_of_the_proximal_term():
    start = torch.tensor([1.0, -2.0, 0.5])
    parameter = torch.nn.Parameter(start.clone())
    pull = Pull(TrainingSpec(aggregation={"kind": "fedprox", "mu": 0.3}), [parameter])
    with torch.no_grad():
        parameter.add_(torch.tensor([0.1, 0.2, -0.4]))
    loss = (parameter**3).sum()
    (expected,) = torch.autograd.grad(loss + 0.15 * ((parameter - start) ** 2).sum(), [parameter])
    torch.autograd.backward((parameter**3).sum())
    pull.add_gradients()
    torch.testing.assert_close(parameter.grad, expected)


def test_of_another_aggregation_there_is_none():
    parameter = torch.nn.Parameter(torch.ones(2))
    pull = Pull(TrainingSpec(), [parameter])
    parameter.grad = torch.ones(2)
    pull.add_gradients()
    torch.testing.assert_close(parameter.grad, torch.ones(2))
