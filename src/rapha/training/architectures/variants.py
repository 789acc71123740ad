"""A row of genotypes through one layer."""

import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.dense import DenseFeature
from rapha.records.readers import ReaderSpec, VariantReader
from rapha.training.architectures.reader import Reader
from rapha.training.arrays import Arrays


class VariantLayer(Reader):
    """Of each variant the copies, and 1 where they are unknown; one linear layer with ReLU."""

    def __init__(self, variants: int, units: int) -> None:
        super().__init__(units)
        self.layer = nn.Linear(2 * variants, units)

    def forward(self, arrays: Arrays, rows: Tensor) -> Tensor:
        copies = torch.from_numpy(arrays.batch(rows.numpy()))
        unknown = copies < 0
        return torch.relu(self.layer(torch.cat([copies.masked_fill(unknown, 0), unknown], dim=1).float()))


def build_variants(spec: ReaderSpec, genotypes: DenseFeature) -> VariantLayer:
    if not isinstance(spec, VariantReader):
        raise TrainingFailed("genotypes are read variant by variant")
    return VariantLayer(genotypes.dims[0], spec.units)
