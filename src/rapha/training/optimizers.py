"""One step down the gradient: AdamW and SGD, in the few lines they take.

The same arithmetic, in the same order, as `torch.optim` (a test compares the bits). Not `torch.optim` itself: to
construct one of its optimisers imports the compiler, which costs a process two seconds before its first step and
needs a directory that it may write to.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rapha.records.averaging import FedProx
from rapha.records.learning import TrainingSpec
from rapha.training.architectures.network import Network

BETAS, EPSILON = (0.9, 0.999), 1e-8


class Optimizer(Protocol):
    def step(self) -> None:
        """Move every parameter along its gradient, and clear the gradients."""

    def state(self) -> Iterable[Tensor]:
        """What it carries from step to step, in an order of its own, beside the number of steps."""


class Sgd:
    """Plain gradient descent; weight decay is added to the gradient."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float) -> None:
        self._parameters = list(parameters)
        self._learning_rate, self._weight_decay = learning_rate, weight_decay

    @torch.no_grad()
    def step(self) -> None:
        for parameter, gradient in _with_gradients(self._parameters):
            if self._weight_decay:
                gradient = gradient.add(parameter, alpha=self._weight_decay)
            parameter.add_(gradient, alpha=-self._learning_rate)
            parameter.grad = None

    def state(self) -> Iterable[Tensor]:
        return ()


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""

    def __init__(self, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float) -> None:
        self._parameters = list(parameters)
        self._learning_rate, self._weight_decay = learning_rate, weight_decay
        self._mean = {id(p): torch.zeros_like(p) for p in self._parameters}
        self._square = {id(p): torch.zeros_like(p) for p in self._parameters}
        self._steps = 0

    @torch.no_grad()
    def step(self) -> None:
        self._steps += 1
        size = self._learning_rate / (1 - BETAS[0] ** self._steps)
        correction = (1 - BETAS[1] ** self._steps) ** 0.5
        for parameter, gradient in _with_gradients(self._parameters):
            mean, square = self._mean[id(parameter)], self._square[id(parameter)]
            parameter.mul_(1 - self._learning_rate * self._weight_decay)
            mean.lerp_(gradient, 1 - BETAS[0])
            square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            parameter.addcdiv_(mean, (square.sqrt() / correction).add_(EPSILON), value=-size)
            parameter.grad = None

    def state(self) -> Iterable[Tensor]:
        return (kept[id(p)] for p in self._parameters for kept in (self._mean, self._square))


class Pull:
    """FedProx's proximal term: the gradient of mu / 2 times the squared distance to where the round began. Li et al.
    2020, https://arxiv.org/abs/1812.06127, equation 2. Of any other aggregation: nothing."""

    def __init__(self, spec: TrainingSpec, parameters: Iterable[Tensor]) -> None:
        self._mu = spec.aggregation.mu if isinstance(spec.aggregation, FedProx) else 0.0
        self._start = [(p, p.detach().clone()) for p in parameters] if self._mu else []

    @torch.no_grad()
    def add_gradients(self) -> None:
        """After the loss's own gradients, before the step."""
        for parameter, start in self._start:
            if parameter.grad is not None:
                parameter.grad.add_(parameter - start, alpha=self._mu)


class Correction:
    """SCAFFOLD's: what is added to each learnt tensor's gradient, the same in every step of a round. None: nothing."""

    def __init__(self, network: Network, added: Mapping[str, NDArray[np.float32]] | None) -> None:
        places = {tensor.data_ptr(): name for name, tensor in network.state_dict().items() if tensor.numel()}
        learnt = [(p, places[p.data_ptr()]) for p in network.parameters() if p.numel()] if added is not None else []
        self._added = [(p, torch.from_numpy(np.array((added or {})[name]))) for p, name in learnt]

    @torch.no_grad()
    def add_gradients(self) -> None:
        """After the loss's own gradients, before the step. One that the loss does not reach is as if it gave 0."""
        for parameter, added in self._added:
            parameter.grad = added.clone() if parameter.grad is None else parameter.grad.add_(added)


def make_optimizer(spec: TrainingSpec, parameters: Iterable[Tensor]) -> Optimizer:
    """The study's optimiser with empty state: every round begins anew, so that a round depends on nothing but the
    weights it was given."""
    make = AdamW if spec.optimizer == "adamw" else Sgd
    return make(parameters, spec.learning_rate, spec.weight_decay)


def _with_gradients(parameters: list[Tensor]) -> Iterable[tuple[Tensor, Tensor]]:
    return ((p, p.grad) for p in parameters if p.grad is not None)
