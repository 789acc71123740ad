"""What readers see in a patient's arrays, joined with the features that are numbers: late fusion, of one array or several."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.dense import DenseFeature
from rapha.records.learning import ImageClassifier, LateFusion, TextClassifier, VariantClassifier, reader_of
from rapha.records.readers import ReaderSpec
from rapha.records.study import Study
from rapha.records.tensors import dense_of, feature_names, outputs_of
from rapha.training.architectures.convolution import build_convolutions
from rapha.training.architectures.network import Network, by_row
from rapha.training.architectures.reader import Reader
from rapha.training.architectures.variants import build_variants
from rapha.training.architectures.words import build_words
from rapha.training.inputs import Inputs

READERS: dict[str, Callable[[ReaderSpec, DenseFeature], Reader]] = {
    "note": build_words,
    "image": build_convolutions,
    "genotypes": build_variants,
}
"""Of each kind of dense feature: what reads it."""


class Joined(Network):
    """Of each array its reader's numbers and 1 where the patient has none, of the numbers the last of the layers `hidden`;
    then the layers `head` and one output, or one a class.

    A patient without an array has zeros in the place of what is seen in it. With the flag beside them, the next layer learns a
    vector for "there is none": nobody is left out, and no value is made up.
    """

    def __init__(
        self,
        features: int,
        names: Sequence[str],
        readers: Sequence[Reader],
        hidden: tuple[int, ...],
        head: tuple[int, ...],
        outputs: int = 1,
    ) -> None:
        super().__init__(features)
        self.names = tuple(names)
        self.readers = nn.ModuleList(readers)
        self.numbers = _layers(2 * features, hidden if features else ())
        width = sum(reader.width + 1 for reader in readers)
        width += (2 * features, *hidden)[-1] if features else 0
        self.head = _layers(width, head)
        self.output = nn.Linear((width, *head)[-1], outputs)

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        places, parts = rows.numpy(), []
        for name, reader in zip(self.names, self.readers, strict=True):
            if name not in inputs.arrays:
                raise TrainingFailed(f"the rows have no {name}")
            arrays = inputs.arrays[name]
            present = torch.from_numpy(arrays.present[places]).unsqueeze(1)
            parts += [torch.where(present, reader(arrays, rows), 0.0), (~present).float()]
        parts.append(_through(self.numbers, inputs.features[rows]))
        score: Tensor = self.output(_through(self.head, torch.cat(parts, dim=1)))
        return by_row(score)


def _layers(width: int, hidden: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(*pair) for pair in zip((width, *hidden), hidden, strict=False))


def _through(layers: nn.ModuleList, state: Tensor) -> Tensor:
    for layer in layers:
        state = torch.relu(layer(state))
    return state


def build_joined(study: Study) -> Joined:
    model, dense = study.model, dense_of(study)
    if not isinstance(model, TextClassifier | ImageClassifier | VariantClassifier | LateFusion):
        raise TrainingFailed(f"{model.architecture} joins no arrays")
    hidden, head = (model.hidden, model.head) if isinstance(model, LateFusion) else ((), ())
    readers = [READERS[feature.kind](reader_of(model, feature.kind), feature) for feature in dense]
    names = [feature.name for feature in dense]
    return Joined(len(feature_names(study)), names, readers, hidden, head, outputs_of(study))
