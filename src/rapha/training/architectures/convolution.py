"""Convolutions over a picture or volume. Sites average soundly: nothing here depends on who else is in a batch (Wu and He
2018, ECCV: group normalisation)."""

import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.learning import ImageClassifier
from rapha.records.study import Study
from rapha.records.tensors import dense_of, feature_names
from rapha.training.architectures.network import Network
from rapha.training.inputs import Inputs


class Convolutional(Network):
    """Each layer halves the sides. A patient without a picture has the vector zero in the place of what is seen in it."""

    def __init__(self, features: int, image: str, sides: int, channels: tuple[int, ...]) -> None:
        super().__init__(features)
        self.image = image
        layer: type[nn.Conv2d] | type[nn.Conv3d] = nn.Conv3d if sides == 3 else nn.Conv2d
        widths = zip((1, *channels), channels, strict=False)
        self.layers = nn.ModuleList(layer(given, taken, 3, stride=2, padding=1) for given, taken in widths)
        self.norms = nn.ModuleList(nn.GroupNorm(1, taken) for taken in channels)
        self.output = nn.Linear(channels[-1] + 2 * features, 1)

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        if self.image not in inputs.arrays:
            raise TrainingFailed("the rows have no image")
        arrays, places = inputs.arrays[self.image], rows.numpy()
        state = torch.from_numpy(arrays.batch(places)).float().unsqueeze(1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            state = torch.relu(norm(layer(state)))
        seen = state.flatten(2).amax(dim=2)  # a finding is small: its strongest trace counts, not the mean
        seen = seen * torch.from_numpy(arrays.present[places]).unsqueeze(1)
        score: Tensor = self.output(torch.cat([seen, inputs.features[rows]], dim=1))
        return score.squeeze(1)

    def reset(self, chance: torch.Generator) -> None:
        """As every network, by the fan in of each kernel; a norm leaves what it is given as it is."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.Conv2d | nn.Conv3d | nn.Linear):
                    bound = module.weight[0].numel() ** -0.5
                    module.weight.uniform_(-bound, bound, generator=chance)
                    if module.bias is not None:
                        module.bias.uniform_(-bound, bound, generator=chance)
                elif isinstance(module, nn.GroupNorm):
                    module.weight.fill_(1)
                    module.bias.fill_(0)


def build_image_classifier(study: Study) -> Convolutional:
    model = study.model
    if not isinstance(model, ImageClassifier):
        raise TrainingFailed(f"{model.architecture} reads no image")
    (image,) = dense_of(study)
    return Convolutional(len(feature_names(study)), image.name, len(image.dims), model.channels)
