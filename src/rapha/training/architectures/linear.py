"""One linear layer: logistic and linear regression, and Cox's model."""

import torch
from torch import Tensor, nn

from rapha.records.study import Study
from rapha.records.tensors import feature_names, outputs_of
from rapha.training.architectures.network import Network, by_row
from rapha.training.inputs import Inputs


class Linear(Network):
    """weight · features (+ bias). Starts at zero: its loss is convex, so the start is of no matter."""

    def __init__(self, features: int, bias: bool, outputs: int = 1) -> None:
        super().__init__(features)
        self.linear = nn.Linear(2 * features, outputs, bias=bias)

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        score: Tensor = self.linear(inputs.features[rows])
        return by_row(score)

    def reset(self, chance: torch.Generator) -> None:
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


def build_regression(study: Study) -> Linear:
    """Logistic where the outcome is binary, multinomial where it is categorical, linear where it is numeric."""
    return Linear(len(feature_names(study)), bias=True, outputs=outputs_of(study))


def build_cox(study: Study) -> Linear:
    """Without a bias: the baseline hazard takes it up."""
    return Linear(len(feature_names(study)), bias=False)
