import pytest
import torch

from rapha.records.learning import TrainingSpec
from rapha.training.optimizers import make_optimizer

TORCH = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def walk(optimizer, layer):
    inputs = torch.linspace(-1, 1, 60).reshape(20, 3)
    for _ in range(30):
        layer.zero_grad()
        torch.tanh(layer(inputs)).square().mean().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in layer.parameters()]


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_steps_are_those_of_torch_bit_for_bit(name, weight_decay):
    ours, theirs = torch.nn.Linear(3, 5), torch.nn.Linear(3, 5)
    theirs.load_state_dict(ours.state_dict())
    spec = TrainingSpec(optimizer=name, learning_rate=0.05, weight_decay=weight_decay)
    stock = TORCH[name](theirs.parameters(), lr=0.05, weight_decay=weight_decay, foreach=False)
    for one, other in zip(walk(make_optimizer(spec, ours.parameters()), ours), walk(stock, theirs), strict=True):
        assert torch.equal(one, other)
