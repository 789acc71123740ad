"""How well masks lie on one another: the loss a segmenter learns by, and the figure it is judged by.

Dice (Ecology 1945; 26:297) of each patient over all voxels of the array: twice the voxels that both masks have, by those of each. Where
neither has any it is 1: nothing was to be found, and nothing was. The loss is the mean cross-entropy of a patient's voxels and the soft Dice
loss (Milletari, Navab and Ahmadi 2016, 3DV, with sums as in Sudre et al. 2017, DLMIA), added.

Of one segment the logits are [b, *sides]. Of several they are [b, 1 + segments, *sides], the background first, the cross-entropy is that of their
softmax, and Dice and soft Dice are the means of the segments' own, whatever their sizes, the background not among them.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from rapha.errors import TrainingFailed
from rapha.training.arrays import Arrays
from rapha.training.dataset import Floats
from rapha.training.discrimination import Estimate, interval

SMOOTH = 1.0
"""Voxels: what keeps the soft Dice of an empty mask a number with a slope."""


def masks(of: Arrays, rows: Tensor, logits: Tensor) -> Tensor:
    """The masks [b, *sides] of these rows, of which these are the logits: 0, or the number of the segment, uint8. Raises TrainingFailed:
    one holds a number that no segment has."""
    found = torch.from_numpy(of.batch(rows.numpy()))
    most = logits.shape[1] - 1 if _of_several(logits, found) else 1
    if found.numel() and found.max() > most:
        raise TrainingFailed(f"rows.arrow: a mask holds other numbers than 0 to {most}")
    return found


def drawn(of: Arrays, segments: int) -> tuple[int, ...]:
    """In how many of these masks each of several segments has a voxel. One mask is in memory at a time."""
    found = np.zeros(segments, np.int64)
    for row in range(len(of) if segments else 0):
        found += np.bincount(of.batch(np.array([row])).ravel(), minlength=segments + 1)[1 : segments + 1] > 0
    return tuple(found.tolist())


def losses(logits: Tensor, mask: Tensor) -> Tensor:
    """The loss of each patient [b]."""
    if _of_several(logits, mask):
        risk, drawn = torch.softmax(logits, 1)[:, 1:].flatten(2), _each(mask, logits.shape[1] - 1).float()
        entropy = cross_entropy(logits, mask.long(), reduction="none").flatten(1)
        return entropy.mean(1) + 1 - _soft(risk, drawn).mean(1)
    mask = mask.float()
    entropy = binary_cross_entropy_with_logits(logits.flatten(1), mask.flatten(1), reduction="none")
    return entropy.mean(1) + 1 - _soft(torch.sigmoid(logits).flatten(1), mask.flatten(1))


def overlaps(logits: Tensor, mask: Tensor) -> Tensor:
    """The Dice of each patient's segments [b, segments]; a voxel of a logit above 0 is in the one, or in that of several, or in the
    background, whose logit is highest."""
    if _of_several(logits, mask):
        count = logits.shape[1] - 1
        return _dice(_each(logits.argmax(1), count), _each(mask, count))
    return _dice((logits > 0).flatten(1), mask.flatten(1)).unsqueeze(1)


def _of_several(logits: Tensor, mask: Tensor) -> bool:
    return logits.dim() > mask.dim()


def _each(mask: Tensor, segments: int) -> Tensor:
    """Of each segment whether a voxel is of it [b, segments, voxels], bool."""
    numbers = torch.arange(1, segments + 1, dtype=mask.dtype)
    return mask.flatten(1).unsqueeze(1) == numbers.view(1, -1, 1)


def _soft(risk: Tensor, mask: Tensor) -> Tensor:
    return (2 * (risk * mask).sum(-1) + SMOOTH) / (risk.sum(-1) + mask.sum(-1) + SMOOTH)


def _dice(found: Tensor, mask: Tensor) -> Tensor:
    both, each = (found * mask).sum(-1).double(), (found.sum(-1) + mask.sum(-1)).double()
    return torch.where(each > 0, 2 * both / each.clamp(min=1), 1.0)


def mean_overlap(dice: Floats) -> Estimate | None:
    """Mean over patients, normal interval. None without patients."""
    return _mean(dice, 1.0)


def mean_loss(loss: Floats) -> Estimate | None:
    """The same of the loss."""
    return _mean(loss, np.inf)


def _mean(values: Floats, highest: float) -> Estimate | None:
    if not len(values):
        return None
    return interval(float(values.mean()), float(values.std()) / math.sqrt(len(values)), 0.0, highest)
