"""One array a row, left where it lies: the columns of dense features stay mapped into memory, and a batch is read of them
when it is its turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapha.errors import StudyError, TrainingFailed
from rapha.records.dense import UNKNOWN_COPIES, DenseFeature, GenotypesFeature, NoteFeature

Ints = npt.NDArray[np.int64]
Elements = npt.NDArray[np.generic]


@dataclass(frozen=True, eq=False)
class Arrays:
    """The arrays of n rows, each of `shape`. `chunks` [m, *shape] hold all rows of the file; `rows` [n] are the places there
    of ours; `present` [n] is False where a row has none, and its array is zeros."""

    chunks: tuple[Elements, ...]
    rows: Ints
    present: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one row's array."""
        return tuple(self.chunks[0].shape[1:]) if self.chunks else ()

    def take(self, rows: Ints) -> "Arrays":
        """The arrays of these rows, in this order; nothing is copied."""
        return Arrays(self.chunks, self.rows[rows], self.present[rows])

    def batch(self, rows: Ints) -> Elements:
        """The arrays [b, *shape] of these rows, copied."""
        ends = np.cumsum([len(chunk) for chunk in self.chunks])
        wanted = self.rows[rows]
        chunk = np.searchsorted(ends, wanted, side="right")
        found = [
            self.chunks[c][w - (ends[c - 1] if c else 0)] for c, w in zip(chunk.tolist(), wanted.tolist(), strict=True)
        ]
        return np.stack(found) if found else np.empty((0, *self.shape))


def join_arrays(parts: Sequence[Arrays]) -> Arrays:
    """The arrays of several files as if they were one, in the order given."""
    before = np.cumsum([0, *(sum(len(chunk) for chunk in part.chunks) for part in parts)])
    return Arrays(
        tuple(chunk for part in parts for chunk in part.chunks),
        np.concatenate([part.rows + start for part, start in zip(parts, before, strict=False)]),
        np.concatenate([part.present for part in parts]),
    )


def read_arrays(column: pa.ChunkedArray, feature: DenseFeature) -> Arrays:
    """The column of a dense feature. Raises TrainingFailed where it is of another type or length than the study's."""
    length = int(np.prod(feature.dims))
    if column.type != pa.list_(pa.type_for_alias(feature.element), length):
        raise TrainingFailed(f"rows.arrow: the column {feature.name} is of type {column.type}")
    chunks = tuple(_mapped(chunk, feature, length) for chunk in column.chunks if len(chunk))
    present = column.is_valid().to_numpy().astype(np.bool_)
    return Arrays(chunks, np.arange(len(column)), present)


def _mapped(chunk: pa.FixedSizeListArray, feature: DenseFeature, length: int) -> Elements:
    values = chunk.values
    if values.null_count:
        raise TrainingFailed(f"rows.arrow: the column {feature.name} has nulls within an array")
    flat: Elements = values.slice(chunk.offset * length, len(chunk) * length).to_numpy()
    return flat.reshape(len(chunk), *feature.dims)


def arrays_of(feature: DenseFeature, values: Any) -> Arrays:
    """n arrays given by a person: of a note texts, else arrays of the feature's shape; None where there is none.

    Raises:
        StudyError: one is of another shape, or no text.
    """
    present = np.array([value is not None for value in values], dtype=np.bool_)
    chunk = np.zeros((len(present), *feature.dims), dtype=feature.element)
    for row, value in enumerate(values):
        if value is not None:
            chunk[row] = _one(feature, value)
    return Arrays((chunk,) if len(chunk) else (), np.arange(len(present)), present)


def _one(feature: DenseFeature, value: Any) -> Elements:
    if isinstance(feature, NoteFeature):
        if not isinstance(value, str):
            raise StudyError(f"rows: {feature.name!r} wants one text a patient, or None")
        return np.frombuffer(feature.encode(value.encode()), dtype=np.uint8)
    array = np.asarray(value)
    if array.shape != feature.dims:
        raise StudyError(f"rows: {feature.name!r} wants arrays of the shape {list(feature.dims)}")
    if isinstance(feature, GenotypesFeature) and not np.isin(array, (UNKNOWN_COPIES, 0, 1, 2)).all():
        raise StudyError(f"rows: {feature.name!r} wants copies: 0, 1, 2, or -1 where they are unknown")
    return array.astype(feature.element)
