"""What all networks share: the standards of their inputs, and how first weights are drawn."""

import torch
from torch import Tensor, nn

from rapha.training.inputs import Inputs


class Standards(nn.Module):
    """Mean and scale [width] of the inputs, as all sites agreed. Kept with the weights, not learnt; `Inputs` are
    standardised with them beforehand, in float64."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))


class Network(nn.Module):
    """A model over `Inputs`. `noise` is where dropout takes its chance from; the loop seeds it for every epoch."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = Standards(features)
        self.outcome: Standards | None = None  # of a numeric outcome, in whose standard deviations the output is
        self.noise = torch.Generator()

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        """One number [b] for each of the rows [b] of the inputs; of a categorical outcome one for each class [b, K]."""
        raise NotImplementedError

    def reset(self, chance: torch.Generator) -> None:
        """Draw all parameters anew: uniform in +-1/sqrt(fan in), a bias like its layer's weight. A norm leaves what it is
        given as it is."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.GroupNorm):
                    module.weight.fill_(1)
                    module.bias.fill_(0)
                else:
                    _draw(module, chance)


def by_row(given: Tensor) -> Tensor:
    """What the last layer gives [b, outputs], as a network gives it: [b] where it is one number a row."""
    return given.squeeze(1) if given.shape[1] == 1 else given


def _draw(module: nn.Module, chance: torch.Generator) -> None:
    bound = 1.0
    for parameter in module.parameters(recurse=False):
        if parameter.dim() > 1:
            bound = max(parameter[0].numel(), 1) ** -0.5
        parameter.uniform_(-bound, bound, generator=chance)
