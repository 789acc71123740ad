"""How well masks lie on one another: the loss a segmenter learns by, and the figure it is judged by.

Dice (Ecology 1945; 26:297) of each patient over all voxels of the array: twice the voxels that both masks have, by those of each. Where
neither has any it is 1: nothing was to be found, and nothing was. The loss is the mean cross-entropy of a patient's voxels and the soft Dice
loss (Milletari, Navab and Ahmadi 2016, 3DV, with sums as in Sudre et al. 2017, DLMIA), added.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from rapha.errors import TrainingFailed
from rapha.training.arrays import Arrays
from rapha.training.dataset import Floats
from rapha.training.discrimination import Estimate, interval

SMOOTH = 1.0
"""Voxels: what keeps the soft Dice of an empty mask a number with a slope."""


def masks(of: Arrays, rows: Tensor) -> Tensor:
    """The masks [b, *sides] of these rows, 0 and 1, float32. Raises TrainingFailed: one holds another number."""
    found = of.batch(rows.numpy())
    if found.size and found.max() > 1:
        raise TrainingFailed("rows.arrow: a mask holds other numbers than 0 and 1")
    return torch.from_numpy(found).float()


def losses(logits: Tensor, mask: Tensor) -> Tensor:
    """The loss of each patient [b]."""
    risk, mask, logits = torch.sigmoid(logits).flatten(1), mask.flatten(1), logits.flatten(1)
    soft = (2 * (risk * mask).sum(1) + SMOOTH) / (risk.sum(1) + mask.sum(1) + SMOOTH)
    return binary_cross_entropy_with_logits(logits, mask, reduction="none").mean(1) + 1 - soft


def overlaps(logits: Tensor, mask: Tensor) -> Tensor:
    """The Dice of each patient [b]; a voxel of a logit above 0 is in the mask."""
    found, mask = (logits > 0).flatten(1).double(), mask.flatten(1).double()
    both, each = (found * mask).sum(1), found.sum(1) + mask.sum(1)
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
