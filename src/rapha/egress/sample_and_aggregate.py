"""Mode B: what leaves of the results of a script on disjoint shards of the patients. Sample and aggregate, in whole numbers.

1. A shard's update is shortened to `clip`, and laid on a grid of `GRID` steps per clip, each number towards zero: in whole numbers
   its length is at most GRID, and that is checked in whole numbers. A shard that gave nothing counts as no update.
2. The updates are added up. One patient is in one shard, and whatever the script does with them, as long as it tells no other shard
   of it (which no wall of ours enforces), that shard's update was and is no longer than GRID: adding or removing one patient moves the sum by at most SENSITIVITY, the length of the one and of the other.
3. To each number of the sum noise is added from the discrete Gaussian, exactly (`noise.py`), of the system's chance.
4. The sum is divided by how many shards the study declares, never by how many gave something.

docs/adr/0031-scripts-run-in-modes-b-and-c.md has the proof, and why it is not half of that.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rapha.egress.noise import Below, gaussian
from rapha.errors import EgressRefused

GRID = 1 << 20
SENSITIVITY = 2 * GRID
"""In steps of the grid: how far adding or removing one patient moves the sum, at most."""

_DEVIATIONS = 6.0
_SHORTER = 1 - 2.0**-40

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


def clipped(update: Floats, clip: float) -> Whole:
    """The update [d] on the grid, no longer than GRID in whole numbers. What is not finite, and what cannot be shortened, is zero."""
    nothing = np.zeros(update.shape, np.int64)
    if not np.isfinite(update).all():
        return nothing
    largest = float(np.abs(update).max(initial=0.0))
    if largest == 0.0:
        return nothing
    length = largest * float(np.sqrt(np.square(update / largest).sum()))  # never beyond what a float can hold
    factor = GRID / max(length, clip)
    for _ in range(64):
        steps = np.trunc(update * factor).astype(np.int64)
        if squared_length(steps) <= GRID**2:
            return steps
        factor *= _SHORTER
    return nothing


def squared_length(steps: Whole) -> int:
    """In whole numbers that cannot overflow."""
    return sum(int(step) ** 2 for step in steps.tolist())


def deviation_of(noise_multiplier: float) -> int:
    """The noise's standard deviation in steps of the grid: rounded up."""
    return max(1, math.ceil(noise_multiplier * SENSITIVITY))


def noised_mean(
    updates: Sequence[Floats | None],
    shards: int,
    size: int,
    clip: float,
    noise_multiplier: float,
    draw: Callable[[int, Below | None], int] = gaussian,
) -> Floats:
    """The mean update [size] of so many shards, with noise. None: a shard that gave nothing.

    Raises:
        EgressRefused: `noise-missing`: the noise that was drawn is not what it has to be.
    """
    if len(updates) != shards:
        raise EgressRefused("there are other shards than the study declares", "internal")
    total = np.zeros(size, np.int64)
    for update in updates:
        if update is not None and update.shape == (size,):
            total += clipped(update, clip)
    deviation = deviation_of(noise_multiplier)
    noise = np.array([draw(deviation, None) for _ in range(size)], dtype=np.int64)
    _check_noise(noise, deviation)
    mean: Floats = (total + noise).astype(np.float64) * (clip / (GRID * shards))
    return mean


def _check_noise(noise: Whole, deviation: int) -> None:
    """Not less than six standard errors below what it has to be. Of few numbers that is anything but none at all."""
    measured = float(np.mean(np.square(noise / deviation)))
    if not noise.any() or measured < 1 - _DEVIATIONS * math.sqrt(2 / len(noise)):
        raise EgressRefused("the noise that was drawn is not what the study's epsilon needs", "noise-missing")
