"""Convolutions over a picture or volume. Sites average soundly: nothing here depends on who else is in a batch (Wu and He
2018, ECCV: group normalisation)."""

import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.dense import DenseFeature
from rapha.records.readers import ConvolutionReader, ReaderSpec
from rapha.training.architectures.reader import Reader
from rapha.training.arrays import Arrays


class Convolutions(Reader):
    """Each layer halves the sides."""

    def __init__(self, dims: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__(channels[-1])
        seen, sides = (dims[0], 3) if len(dims) == 4 else (1, len(dims))
        self.channelled = len(dims) == 4
        layer: type[nn.Conv2d] | type[nn.Conv3d] = nn.Conv3d if sides == 3 else nn.Conv2d
        widths = zip((seen, *channels), channels, strict=False)
        self.layers = nn.ModuleList(layer(given, taken, 3, stride=2, padding=1) for given, taken in widths)
        self.norms = nn.ModuleList(nn.GroupNorm(1, taken) for taken in channels)

    def forward(self, arrays: Arrays, rows: Tensor) -> Tensor:
        state = torch.from_numpy(arrays.batch(rows.numpy())).float()
        state = state if self.channelled else state.unsqueeze(1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            state = torch.relu(norm(layer(state)))
        return state.flatten(2).amax(dim=2)  # a finding is small: its strongest trace counts, not the mean


def build_convolutions(spec: ReaderSpec, image: DenseFeature) -> Convolutions:
    if not isinstance(spec, ConvolutionReader):
        raise TrainingFailed("an image is read by convolutions")
    return Convolutions(image.dims, spec.channels)
