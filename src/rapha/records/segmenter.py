"""Which voxels of an image belong to a segment: what learns it, and the mask it learns from."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rapha.records.dense import DenseFeature, Element, ImageFeature, Modality
from rapha.records.readers import Shapes
from rapha.records.record import Record, Word

MASK = "mask"
"""The label's column in the frozen rows."""
Channels = Annotated[int, Field(ge=2, le=512)]


class Segmenter(Record):
    """A U-Net over one `image` (Ronneberger, Fischer and Brox 2015, MICCAI), and over nothing else; segment outcome.

    Of each of `channels` a level: two convolutions of 3, each with group normalisation and ReLU, the first of them halving the sides on
    every level but the first; on the way back the nearest voxels of the level below beside those of its own, and two convolutions again.
    `slice_by_slice`: each slice of a volume is read by itself, as a picture is.
    """

    architecture: Literal["segmenter"] = "segmenter"
    channels: Annotated[tuple[Channels, ...], Field(min_length=2, max_length=6)] = (8, 16, 32)
    slice_by_slice: bool = False

    def sides(self, image: DenseFeature) -> int:
        """In how many directions its convolutions look: 2 or 3."""
        return 2 if self.slice_by_slice else len(image.dims)

    def shapes(self, image: DenseFeature, outputs: int = 1) -> Shapes:
        """Its tensors; `outputs`: how many numbers it gives for each voxel."""
        shapes: Shapes = {}
        sides = self.sides(image)
        for level, (given, taken) in enumerate(zip((1, *self.channels), self.channels, strict=False)):
            shapes |= _block(f"encoder.{level}", given, taken, sides)
        for level, (own, below) in enumerate(zip(self.channels, self.channels[1:], strict=False)):
            shapes |= _block(f"decoder.{level}", own + below, own, sides)
        return shapes | {"output.weight": (outputs, self.channels[0], *[1] * sides), "output.bias": (outputs,)}


def _block(name: str, given: int, taken: int, sides: int) -> Shapes:
    shapes: Shapes = {}
    for layer, width in (("first", given), ("second", taken)):
        shapes |= {f"{name}.{layer}.weight": (taken, width, *[3] * sides), f"{name}.{layer}.bias": (taken,)}
        shapes |= {f"{name}.{layer}_norm.weight": (taken,), f"{name}.{layer}_norm.bias": (taken,)}
    return shapes


class SegmentMask(DenseFeature):
    """The label of a segment outcome: of each voxel of the array of `image` whether it belongs to the segment `of`, 1, or to which of
    several, their place from 1; `beside` are the others, in the study's order. Where several have a voxel the first has it. Resampled as
    the image is, to the nearest voxel. Made of a study, never written in one."""

    modality: ClassVar[Modality] = "imaging"
    element: ClassVar[Element] = "uint8"

    kind: Literal["segment"] = "segment"
    image: ImageFeature
    beside: tuple[Word, ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """All of them, in the order of their numbers."""
        return (self.of, *self.beside)

    @property
    def dims(self) -> tuple[int, ...]:
        return self.image.dims

    @property
    def name(self) -> str:
        return MASK
