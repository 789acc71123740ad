"""From the assets that events point at to the arrays of a dense feature: one function for each kind.

What an array holds is said by its feature (`rapha.records.dense`); here it is read from the asset's content.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapha.cohort.genotypes import GenotypeRows
from rapha.cohort.images import image_array, segments_array
from rapha.errors import ConfigurationError
from rapha.records.dense import DenseFeature, GenotypesFeature, ImageFeature, NoteFeature
from rapha.records.segmenter import SegmentMask
from rapha.timeline.assets import AssetKind, Assets

if TYPE_CHECKING:
    import pyarrow as pa

Named = str | Sequence[str]
"""An asset's name; or those of several, of which one array is made."""
Ready = Callable[[int, bytes], bytes]
"""A patient's key, and the text of a note of theirs: the text as a model may see it."""

BATCH_BYTES = 64 << 20
KIND_OF: dict[str, AssetKind] = {"genotypes": "genotypes", "image": "volume", "note": "note", "segment": "mask"}
"""Of each kind of dense feature: the kind of asset that an event of it points at."""
BESIDE: dict[str, tuple[AssetKind, ...]] = {"genotypes": ("callset",)}
"""And the kinds that such an asset points at itself."""


@dataclass(frozen=True)
class DenseColumn:
    """One dense feature, where its assets are, and how the text of a note is made ready for a model."""

    feature: DenseFeature
    assets: Assets
    ready: Ready

    @property
    def kind(self) -> "pa.DataType":
        """A fixed-size list of the feature's elements."""
        import pyarrow as pa

        return pa.list_(pa.type_for_alias(self.feature.element), self._length)

    @property
    def batch_rows(self) -> int:
        """How many rows are held in memory at once."""
        return max(1, BATCH_BYTES // self._row_bytes)

    @property
    def _row_bytes(self) -> int:
        return self._length * int(self.kind.value_type.bit_width) // 8

    @property
    def _length(self) -> int:
        return math.prod(self.feature.dims)

    def filled(self, assets: Sequence[Named | None], patients: Sequence[int]) -> "pa.Array":
        """The column of these rows, and whose they are: null where there is no asset, and zeros under a null."""
        import pyarrow as pa

        width = self._row_bytes
        held = bytearray(width * len(assets))
        read = self._reader()
        for row, asset in enumerate(assets):
            if asset is not None:
                content = read(patients[row], asset)
                if len(content) != width:
                    raise ConfigurationError(
                        f"an asset does not fit the feature `{self.feature.name}`: ingest it again"
                    )
                held[row * width : (row + 1) * width] = content
        values = pa.Array.from_buffers(self.kind.value_type, self._length * len(assets), [None, pa.py_buffer(held)])
        missing = pa.array([asset is None for asset in assets], pa.bool_())
        return pa.FixedSizeListArray.from_arrays(values, self._length, mask=missing if None in assets else None)

    def _reader(self) -> Callable[[int, Named], bytes]:
        """From a patient's key and the names of their assets to the bytes of the feature's array, in C order, little-endian."""
        made = self._maker()
        return lambda patient, named: made(patient, [self.assets.read(name) for name in _names(named)])

    def _maker(self) -> Callable[[int, list[bytes]], bytes]:
        """The same from the assets' contents."""
        match self.feature:
            case NoteFeature() as note:
                return lambda patient, contents: note.encode(self.ready(patient, contents[0]))
            case GenotypesFeature() as genotypes:
                rows = GenotypeRows(genotypes, self.assets.read)
                return lambda _, contents: rows.row(contents[0])
            case ImageFeature() as image:
                return lambda _, contents: image_array(contents[0], image).tobytes()
            case SegmentMask() as mask:
                return lambda _, contents: segments_array(contents, mask.image).tobytes()
            case _:
                raise NotImplementedError(self.feature.kind)


def _names(named: Named) -> Sequence[str]:
    return [named] if isinstance(named, str) else named
