"""Whose rows are drawn, and how long a patient's gradient is, where a patient may have several rows."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

LARGEST = 1 << 22
"""Numbers that are laid out at once."""

Outer = tuple[Tensor, Tensor, bool]
"""Of a linear layer: what came back to each row [b, o], what went in [b, i], both float64, and whether it has a bias."""


class Patients:
    """Who may be drawn: each patient with all of their rows; behind them, each by itself, what is `planted` beside the rows."""

    def __init__(self, patient: Tensor | None, rows: int, planted: int = 0) -> None:
        """`patient` [rows]: the same number for the rows of one patient; None: each row is a patient."""
        own = torch.arange(rows) if patient is None else torch.unique(patient, return_inverse=True)[1]
        first = int(own.max()) + 1 if len(own) else 0
        whose = torch.cat([own, first + torch.arange(planted)])
        self._count, self._several = first + planted, patient is not None
        self._order = torch.argsort(whose, stable=True)
        self._whose = whose[self._order]

    def __len__(self) -> int:
        return self._count

    def rows_of(self, drawn: Tensor) -> tuple[Tensor, Tensor | None]:
        """The rows [b] of these patients, side by side; and whose each is [b], 0 and up without a gap. None: nobody has two."""
        if not self._several:
            return drawn, None
        chosen = torch.zeros(self._count, dtype=torch.bool)
        chosen[drawn] = True
        kept = chosen[self._whose]
        whose = torch.unique_consecutive(self._whose[kept], return_inverse=True)[1]
        return self._order[kept], whose


def each_patients(rows: Tensor, whose: Tensor | None) -> Iterator[Tensor]:
    """The rows of one patient after another; see `Patients.rows_of`."""
    if whose is None:
        yield from torch.split(rows, 1)
    elif len(rows):
        yield from torch.split(rows, torch.bincount(whose).tolist())


def squared_lengths(layers: Sequence[Outer], whose: Tensor | None) -> Tensor:
    """Of each row [b] the squared length of its patient's gradient, over all linear layers together, float64.

    The gradient of row i is the outer product of what came back, g_i, and what went in, x_i: its squared length is |g_i|^2 |x_i|^2
    (Goodfellow 2015, https://arxiv.org/abs/1510.01799). That of a sum over rows is the sum over all pairs of them of
    (g_i . g_j) (x_i . x_j) (Li et al. 2022, https://arxiv.org/abs/2110.05679, section 4), or, where the rows are more than that
    saves, the sum is laid out.
    """
    if whose is None:
        return torch.stack([_squares(back) * (_squares(given) + bias) for back, given, bias in layers]).sum(0)
    counts = torch.bincount(whose)
    firsts = counts.cumsum(0) - counts
    lengths = torch.zeros(len(counts), dtype=torch.float64)
    for rows_each in sorted(set(counts.tolist())):
        patients = torch.nonzero(counts == rows_each).squeeze(1)
        for layer in layers:
            for part in torch.split(patients, _at_once(layer, rows_each)):
                lengths[part] += _of_sums(layer, firsts[part].unsqueeze(1) + torch.arange(rows_each))
    return lengths[whose]


def _of_sums(layer: Outer, rows: Tensor) -> Tensor:
    """The squared lengths [n] of the sums over rows [n, k]."""
    back, given, bias = layer[0][rows], layer[1][rows], layer[2]
    of_bias = back.sum(1).pow(2).sum(1) if bias else 0.0
    if _by_pairs(layer, rows.shape[1]):
        pairs = (back @ back.transpose(1, 2)) * (given @ given.transpose(1, 2))
        return pairs.sum((1, 2)).clamp(min=0.0) + of_bias
    return (back.transpose(1, 2) @ given).pow(2).sum((1, 2)) + of_bias


def _by_pairs(layer: Outer, rows_each: int) -> bool:
    return rows_each * rows_each <= layer[0].shape[1] * layer[1].shape[1]


def _at_once(layer: Outer, rows_each: int) -> int:
    """How many patients of so many rows."""
    wide, high = layer[0].shape[1], layer[1].shape[1]
    laid_out = rows_each * rows_each if _by_pairs(layer, rows_each) else wide * high
    return max(1, LARGEST // (laid_out + rows_each * (wide + high)))


def _squares(values: Tensor) -> Tensor:
    return values.pow(2).sum(1)
