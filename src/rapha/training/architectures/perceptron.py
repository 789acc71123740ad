"""Layers with ReLU: a binary risk, and DeepSurv (Katzman et al. 2018, BMC Med Res Methodol 18:24)."""

import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.learning import DeepSurvival, Mlp
from rapha.records.study import Study
from rapha.records.tensors import feature_names, outputs_of
from rapha.training.architectures.network import Network, by_row
from rapha.training.inputs import Inputs


class Perceptron(Network):
    """Hidden layers of the widths given, each with ReLU and dropout, and one output, or one a class."""

    def __init__(self, features: int, hidden: tuple[int, ...], dropout: float, bias: bool, outputs: int = 1) -> None:
        super().__init__(features)
        widths = zip((2 * features, *hidden), hidden, strict=False)
        self.layers = nn.ModuleList(nn.Linear(given, taken) for given, taken in widths)
        self.output = nn.Linear(hidden[-1], outputs, bias=bias)
        self.dropout = dropout

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        state = inputs.features[rows]
        for layer in self.layers:
            state = self._drop(torch.relu(layer(state)))
        score: Tensor = self.output(state)
        return by_row(score)

    def _drop(self, state: Tensor) -> Tensor:
        if not (self.training and self.dropout):
            return state
        kept = torch.empty_like(state).bernoulli_(1 - self.dropout, generator=self.noise)
        return state * kept / (1 - self.dropout)


def build_mlp(study: Study) -> Perceptron:
    return _build(study, bias=True)


def build_deep_survival(study: Study) -> Perceptron:
    """Without a last bias: the baseline hazard takes it up."""
    return _build(study, bias=False)


def _build(study: Study, bias: bool) -> Perceptron:
    model = study.model
    if not isinstance(model, Mlp | DeepSurvival):
        raise TrainingFailed(f"{model.architecture} has no hidden layers")
    return Perceptron(len(feature_names(study)), model.hidden, model.dropout, bias, outputs_of(study))
