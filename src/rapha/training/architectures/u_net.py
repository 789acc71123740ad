"""A U-Net over a picture, a volume, or the slices of a volume (Ronneberger, Fischer and Brox 2015, MICCAI; in three directions: Cicek et
al. 2016, MICCAI). As in `convolution.py`, nothing depends on who else is in a batch."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from rapha.errors import TrainingFailed
from rapha.records.segmenter import Segmenter
from rapha.records.study import Study
from rapha.records.tensors import dense_of, outputs_of
from rapha.training.architectures.network import Network
from rapha.training.inputs import Inputs


class Block(nn.Module):
    """Two convolutions of 3; `stride` 2 halves the sides."""

    def __init__(self, sides: int, given: int, taken: int, stride: int = 1) -> None:
        super().__init__()
        layer: type[nn.Conv2d] | type[nn.Conv3d] = nn.Conv3d if sides == 3 else nn.Conv2d
        self.first = layer(given, taken, 3, stride=stride, padding=1)
        self.first_norm = nn.GroupNorm(1, taken)
        self.second = layer(taken, taken, 3, padding=1)
        self.second_norm = nn.GroupNorm(1, taken)

    def forward(self, state: Tensor) -> Tensor:
        state = torch.relu(self.first_norm(self.first(state)))
        return torch.relu(self.second_norm(self.second(state)))


class UNet(Network):
    """The logit of every voxel of the image `name`; or as many as `outputs`, one a class."""

    def __init__(self, name: str, sides: int, channels: tuple[int, ...], outputs: int = 1) -> None:
        super().__init__(0)
        self.name, self.sides, self.channels, self.outputs = name, sides, channels, outputs
        widths = zip((1, *channels), channels, strict=False)
        self.encoder = nn.ModuleList(
            Block(sides, given, taken, 2 if level else 1) for level, (given, taken) in enumerate(widths)
        )
        self.decoder = nn.ModuleList(Block(sides, own + below, own) for own, below in pairwise(channels))
        self.output = (nn.Conv3d if sides == 3 else nn.Conv2d)(channels[0], outputs, 1)

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        """Logits [b, *sides of the image] of the rows [b], or [b, outputs, *sides]. The image of a row without one is zeros, and so
        read."""
        if self.name not in inputs.arrays:
            raise TrainingFailed(f"the rows have no {self.name}")
        image = torch.from_numpy(inputs.arrays[self.name].batch(rows.numpy())).float()
        pictures = image.reshape(-1, 1, *image.shape[image.dim() - self.sides :])
        given = self._through(pictures)
        if self.outputs == 1:
            return given.reshape(image.shape)
        slices = image.shape[1 : image.dim() - self.sides]  # of a volume that is read slice by slice; else none
        by_row = given.reshape(len(rows), *slices, self.outputs, *given.shape[2:])
        return by_row.movedim(1 + len(slices), 1)

    def _through(self, state: Tensor) -> Tensor:
        seen = []
        for block in self.encoder:
            state = block(state)
            seen.append(state)
        for level in range(len(self.decoder) - 1, -1, -1):
            below = interpolate(state, size=seen[level].shape[2:], mode="nearest")
            state = self.decoder[level](torch.cat([seen[level], below], dim=1))
        logits: Tensor = self.output(state)
        return logits


def build_u_net(study: Study) -> UNet:
    model, (image,) = study.model, dense_of(study)
    if not isinstance(model, Segmenter):
        raise TrainingFailed(f"{model.architecture} segments nothing")
    return UNet(image.name, model.sides(image), model.channels, outputs_of(study))
