"""What the model sees of a patient that is no number but an array: the bytes of a note, voxels, genotypes.

A dense feature picks one event of a concept that was *available* in the window and that points at an asset of the
timeline. In the frozen rows it is a list of one fixed length, missing for a patient without such an event. Every kind
states its modality, and the shape and element type of its array. Short form: `{note: discharge-summary, during: {...}}`.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.moments import Window, no_future
from rapha.records.record import Real, Record, Word
from rapha.records.variant import Build, TrimmedVariant

Modality = Literal["ehr", "imaging", "text", "genomics", "wearables"]
Element = Literal["uint8", "int8", "int16", "float32"]


class DenseFeature(Record):
    """What all dense features share: which event is picked, and in which window it must have been known."""

    modality: ClassVar[Modality]
    element: ClassVar[Element]

    kind: str
    of: Word
    during: Window
    pick: Literal["first", "last"] = "last"

    @model_validator(mode="after")
    def _past(self) -> "DenseFeature":
        no_future(self.during)
        return self

    @property
    def dims(self) -> tuple[int, ...]:
        """Of one patient's array."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.pick}_{self.of}_{self.during.name}"


class NoteFeature(DenseFeature):
    """The first `at_most` bytes of a note, as UTF-8 cut at a whole character and padded with zeros."""

    modality: ClassVar[Modality] = "text"
    element: ClassVar[Element] = "uint8"

    kind: Literal["note"] = "note"
    at_most: Annotated[int, Field(ge=16, le=65_536)] = 4096

    @property
    def dims(self) -> tuple[int, ...]:
        return (self.at_most,)

    def encode(self, content: bytes) -> bytes:
        """The feature's bytes of a note: `at_most` of them. What is not UTF-8 is replaced, a zero byte is a space."""
        text = content.decode("utf-8", "replace").replace("\0", " ").encode()
        cut = text[: self.at_most].decode("utf-8", "ignore").encode()
        return cut.ljust(self.at_most, b"\0")


Side = Annotated[int, Field(ge=8, le=512)]
Spacing = Annotated[Real, Field(ge=0.05, le=1000)]


class ImageFeature(DenseFeature):
    """A picture or volume, resampled to `spacing` in mm around its middle and cut or filled up to `shape`, both in the order
    (slices,) rows, columns; linear in between. `window`: the values that become 0 and 1; what lies outside is cut off, and
    0 is where there is nothing. A volume for three sides, a single picture for two; of a clip of ultrasound the first side is time, in ms.
    `beside`: the window of the second of two volumes on one grid, as a PET laid on its CT; the array then has two channels of `shape`.
    `intensity`: `given`, or `percentiles`: the window is in percent of each volume's own values, its least value aside, for devices whose
    numbers have no unit, such as MR."""

    modality: ClassVar[Modality] = "imaging"
    element: ClassVar[Element] = "float32"

    kind: Literal["image"] = "image"
    shape: Annotated[tuple[Side, ...], Field(min_length=2, max_length=3)]
    spacing: Annotated[tuple[Spacing, ...], Field(min_length=2, max_length=3)]
    window: tuple[Real, Real]
    beside: tuple[Real, Real] | None = None
    intensity: Literal["given", "percentiles"] = "given"

    @model_serializer(mode="wrap")
    def _as_asked(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A study of before there were pairs and percentiles keeps its digest."""
        unsaid = {"beside": None, "intensity": "given"}
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key not in unsaid or value != unsaid[key]}

    @model_validator(mode="after")
    def _fits(self) -> "ImageFeature":
        if len(self.spacing) != len(self.shape):
            raise PydanticCustomError("image", "`shape` and `spacing` have as many numbers as each other: 2 or 3")
        if not self.window[0] < self.window[1]:
            raise PydanticCustomError("image", "`window`: the lower value comes first, as in [-1000, 400]")
        if self.beside and (len(self.shape) != 3 or not self.beside[0] < self.beside[1]):
            raise PydanticCustomError(
                "image", "`beside` is of two volumes: `shape` has three sides, and its lower value comes first"
            )
        if self.intensity == "percentiles" and (self.beside or self.window[0] < 0 or self.window[1] > 100):
            raise PydanticCustomError(
                "image", "`intensity: percentiles`: `window` is in percent, from 0 to 100, and there is no `beside`"
            )
        return self

    @property
    def dims(self) -> tuple[int, ...]:
        return (2, *self.shape) if self.beside else self.shape


UNKNOWN_COPIES = -1


class GenotypesFeature(DenseFeature):
    """How many copies a patient has of the alternative allele of each of `variants`: 0, 1, 2, or -1 where nothing is known.

    The order is the study's, so that it is the same at every hospital, whatever its calls have; a variant that a
    hospital's matrix lacks is unknown for all there."""

    modality: ClassVar[Modality] = "genomics"
    element: ClassVar[Element] = "int8"

    kind: Literal["genotypes"] = "genotypes"
    build: Build
    variants: Annotated[tuple[TrimmedVariant, ...], Field(min_length=1, max_length=20_000)]

    @model_validator(mode="after")
    def _each_once(self) -> "GenotypesFeature":
        if len(set(self.variants)) < len(self.variants):
            raise PydanticCustomError("variant", "`variants`: one is named twice")
        return self

    @property
    def dims(self) -> tuple[int, ...]:
        return (len(self.variants),)


DENSE_KINDS = {"genotypes": GenotypesFeature, "image": ImageFeature, "note": NoteFeature}
"""Every dense feature, by the word that it is written with."""
