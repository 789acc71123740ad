"""A network of one's own. `python model.py` writes model.pt2 beside this file, which study.yaml names."""

from pathlib import Path

import torch
from torch import Tensor, nn

import rapha

FEATURES = 9
"""As many as the study has."""


class Block(nn.Module):
    """Adds what two layers see to what it is given."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.layers = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(2 * width, width)
        )

    def forward(self, state: Tensor) -> Tensor:
        return state + self.layers(self.norm(state))


class Mortality(nn.Module):
    """Takes for each patient the standardised values, then a flag for each that is missing; gives the logit of the risk."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        self.enter = nn.Linear(2 * FEATURES, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))
        self.leave = nn.Linear(width, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.leave(self.blocks(self.enter(features))).squeeze(1)


if __name__ == "__main__":
    torch.manual_seed(0)
    print(rapha.export_model(Mortality(), torch.randn(2, 2 * FEATURES), Path(__file__).with_name("model.pt2")))
