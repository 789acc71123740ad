"""Rows to tensors: what a model is given. Standardised in float64, handed over in float32."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rapha.training.arrays import Arrays
from rapha.training.dataset import Floats, Ints, Rows, Sequences

Weights = dict[str, npt.NDArray[np.float32]]
"""Tensors by name, as `rapha.records.tensors` declares them."""

FARTHEST = 10.0
"""Standard deviations from the mean beyond which a value counts as this far: a slip of the decimal point at one
hospital must not carry the model of all away."""


@dataclass(frozen=True)
class Steps:
    """Sequences as tensors: concept [S], reading [S, 3] (value, missing, log of days) float32, offsets [n + 1]."""

    concept: Tensor
    reading: Tensor
    offsets: Tensor

    def padded(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The sequences of these b rows side by side: concept [b, L], reading [b, L, 3], lengths [b].

        L is the longest of them, at least 1. What lies past a row's length is somebody's step, or none: not to be read.
        """
        starts, lengths = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        longest = max(int(lengths.max()), 1) if len(rows) else 1
        at = (starts.unsqueeze(1) + torch.arange(longest)).clamp(max=len(self.concept) - 1)
        return self.concept[at], self.reading[at], lengths

    def latest(self, rows: Tensor, at_most: int) -> tuple[Tensor, Tensor]:
        """The last `at_most` steps of these b rows, the newest one last: the place of each step's concept from 1 on [b, at_most],
        and its reading [b, at_most, 3]; both are 0 where a row has fewer."""
        ends, lengths = self.offsets[rows + 1].unsqueeze(1), (self.offsets[rows + 1] - self.offsets[rows]).unsqueeze(1)
        back = torch.arange(at_most, 0, -1)
        there = back <= lengths
        at = torch.where(there, ends - back, 0)
        return torch.where(there, self.concept[at] + 1, 0), torch.where(there.unsqueeze(2), self.reading[at], 0.0)


@dataclass(frozen=True)
class Inputs:
    """features [n, 2F] float32; event [n] float32, 1 or 0; time [n] in days for a time-to-event outcome, else None; arrays by
    the names of the dense features, as they are in the rows; value [n] float32, standardised, of a numeric outcome, else
    None; label [n] int64 of a categorical one, else None; masks [n] of a segment outcome, else None; patient [n] int64 as in the
    rows, else None."""

    features: Tensor
    steps: Steps | None
    event: Tensor
    time: Floats | None
    arrays: Mapping[str, Arrays] = field(default_factory=dict)
    value: Tensor | None = None
    label: Tensor | None = None
    masks: Arrays | None = None
    patient: Tensor | None = None

    def __len__(self) -> int:
        return len(self.features)


def make_inputs(rows: Rows, weights: Mapping[str, npt.NDArray[np.float32]]) -> Inputs:
    """Standardise with `features.mean` and `features.scale` (and `sequence.*`, `outcome.*`) of the weights."""
    steps = None
    if rows.sequences is not None:
        steps = _steps(rows.sequences, weights["sequence.mean"], weights["sequence.scale"])
    values, missing = _standardise(rows.features, weights["features.mean"], weights["features.scale"])
    features = _tensor(np.concatenate([values, missing], axis=1))
    value = None
    if rows.value is not None:
        value = _tensor(_standardise(rows.value, weights["outcome.mean"], weights["outcome.scale"])[0])
    label = None if rows.label is None else torch.from_numpy(rows.label)
    patient = None if rows.patient is None else torch.from_numpy(rows.patient)
    return Inputs(features, steps, _tensor(rows.event), rows.time, rows.arrays, value, label, rows.masks, patient)


def _standardise(
    values: Floats, mean: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    missing = np.isnan(values)
    distance = (values - mean.astype(np.float64)) / scale.astype(np.float64)
    return np.where(missing, 0.0, np.clip(distance, -FARTHEST, FARTHEST)), missing


def _steps(sequences: Sequences, mean: npt.NDArray[np.float32], scale: npt.NDArray[np.float32]) -> Steps:
    concept: Ints = sequences.concept
    values, missing = _standardise(sequences.value, mean[concept], scale[concept])
    reading = np.stack([values, missing, np.log1p(sequences.days) / FARTHEST], axis=1)
    if not len(concept):  # nobody has a step: one that is never read keeps the shapes
        concept, reading = np.zeros(1, dtype=np.int64), np.zeros((1, 3))
    return Steps(torch.from_numpy(concept), _tensor(reading), torch.from_numpy(sequences.offsets))


def _tensor(values: npt.NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
