"""Effects and their variances out of the sums of a GWAS (`rapha.records.association`): many small systems at once."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
LEAST_EIGENVALUE = 1e-9
"""Of X'WX with ones on its diagonal: below it a column is all but a sum of the others, and no effect is told."""


class Solved(NamedTuple):
    """`effects` [V, p] and `inverse` [V], the last element on the diagonal of (X'WX)^-1; NaN where it cannot be solved."""

    effects: Floats
    inverse: Floats


def solved(information: Floats, right: Floats) -> Solved:
    """(X'WX)^-1 times the right side, of each variant. `information` [V, q], as it travels; `right` [V, p]."""
    variants, p = right.shape
    effects, inverse = np.full((variants, p), np.nan), np.full(variants, np.nan)
    whole = unpacked(information, p)
    diagonal = np.diagonal(whole, axis1=1, axis2=2)
    sound = np.isfinite(whole).all(axis=(1, 2)) & (diagonal > 0).all(axis=1)
    scale = np.sqrt(diagonal[sound])
    scaled = whole[sound] / (scale[:, :, None] * scale[:, None, :])
    good = np.linalg.eigvalsh(scaled)[:, 0] > LEAST_EIGENVALUE if len(scaled) else np.zeros(0, np.bool_)
    places = np.flatnonzero(sound)[good]
    inverted = np.linalg.inv(scaled[good]) / (scale[good][:, :, None] * scale[good][:, None, :])
    effects[places] = np.einsum("vij,vj->vi", inverted, right[places])
    inverse[places] = inverted[:, -1, -1]
    return Solved(effects, inverse)


def unpacked(information: Floats, p: int) -> Floats:
    """The whole symmetric matrices [V, p, p]."""
    whole = np.zeros((len(information), p, p))
    row, column = np.tril_indices(p)
    whole[:, row, column] = information
    whole[:, column, row] = information
    return whole
