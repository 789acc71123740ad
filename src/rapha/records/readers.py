"""How a model reads an array: one record for each kind of dense feature, with the tensors that its reader has.

A reader turns the array of a patient into `width` numbers. An architecture joins what its readers give with the features that
are numbers; see `rapha.training.architectures.joined`. Tensors are named without their reader's place.
"""

from typing import Annotated

from pydantic import Field

from rapha.records.record import Record

Width = Annotated[int, Field(ge=1, le=4096)]
Shapes = dict[str, tuple[int, ...]]


class WordReader(Record):
    """The mean of learnt vectors of the words of a `note`, hashed to `buckets` (fastText: Joulin et al. 2017, EACL)."""

    buckets: Annotated[int, Field(ge=64, le=1_048_576)] = 4096
    embedding: Width = 16

    @property
    def width(self) -> int:
        return self.embedding

    def shapes(self, dims: tuple[int, ...]) -> Shapes:
        return {"embedding.weight": (self.buckets, self.embedding)}


class ConvolutionReader(Record):
    """Convolutions of 3 over an `image`, each halving its sides, with group normalisation (whose figures do not depend on who
    else is in the batch, so that averaging sites is sound) and ReLU; the highest over what is left."""

    channels: Annotated[tuple[Annotated[int, Field(ge=1, le=512)], ...], Field(min_length=1, max_length=6)] = (
        8,
        16,
        32,
    )

    @property
    def width(self) -> int:
        return self.channels[-1]

    def shapes(self, dims: tuple[int, ...]) -> Shapes:
        """Of an array of `dims`: a picture, a volume, or (four of them) volumes side by side, as channels."""
        shapes: Shapes = {}
        seen, sides = (dims[0], 3) if len(dims) == 4 else (1, len(dims))
        for place, (given, taken) in enumerate(zip((seen, *self.channels), self.channels, strict=False)):
            shapes |= {f"layers.{place}.weight": (taken, given, *[3] * sides), f"layers.{place}.bias": (taken,)}
            shapes |= {f"norms.{place}.weight": (taken,), f"norms.{place}.bias": (taken,)}
        return shapes


class VariantReader(Record):
    """`units` linear units with ReLU over a patient's `genotypes`: of each variant the copies, 0 where they are unknown, and a
    1 where they are."""

    units: Width = 16

    @property
    def width(self) -> int:
        return self.units

    def shapes(self, dims: tuple[int, ...]) -> Shapes:
        return {"layer.weight": (self.units, 2 * dims[0]), "layer.bias": (self.units,)}


ReaderSpec = WordReader | ConvolutionReader | VariantReader
READERS: dict[str, type[WordReader] | type[ConvolutionReader] | type[VariantReader]] = {
    "note": WordReader,
    "image": ConvolutionReader,
    "genotypes": VariantReader,
}
"""Of each kind of dense feature that can be joined with others: what reads it."""
