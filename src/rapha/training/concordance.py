"""Harrell's C-index and its interval, in O(n log² n): no pair is ever looked at by itself.

A pair can be compared when the earlier of the two times is an event; at equal times, when one is an event and the other
is censored, who was then still there. It is concordant when the earlier has the higher risk; equal risks count half.
"""

import numpy as np

from rapha.training.dataset import Floats, Ints
from rapha.training.discrimination import Estimate, interval


def c_index(risk: Floats, time: Floats, event: Ints) -> Estimate | None:
    """The share of comparable pairs that are concordant. None where no pair can be compared.

    The interval is normal, its variance the infinitesimal jackknife over patients (Therneau and Atkinson 2024,
    `survival` vignette "Concordance").
    """
    # By time, events before the censored of the same time; events of one time by rising risk, so that no pair of
    # them looks concordant, and what is left to take back of them is the ties.
    order = np.lexsort((risk, 1 - event, time))
    rank = np.unique(risk[order], return_inverse=True)[1].astype(np.int64)
    happened = event[order]
    place = np.arange(len(order))
    _, end_of_time = _runs(time[order], happened)
    start_of_rank, end_of_rank = _runs(time[order], happened, rank)

    lower, not_higher = _later(rank, np.ones_like(happened))
    concordant = happened * lower + 0.5 * happened * (not_higher - lower - (end_of_rank - place))
    comparable = happened * (len(order) - 1 - end_of_time)

    higher, not_lower = (counts[::-1] for counts in _later(-rank[::-1], happened[::-1]))
    concordant += higher + 0.5 * (not_lower - higher - happened * (place - start_of_rank))
    start_of_time, _ = _runs(time[order], happened)
    events_before = np.concatenate([[0], np.cumsum(happened)])[np.where(happened == 1, start_of_time, place)]
    comparable += events_before

    pairs = comparable.sum() / 2
    if not pairs:
        return None
    value = float(concordant.sum() / 2 / pairs)
    error = float(np.sqrt(((concordant - value * comparable) ** 2).sum()) / pairs)
    return interval(value, error, 0.0, 1.0)


def _runs(*keys: Floats | Ints) -> tuple[Ints, Ints]:
    """First and last place of the run of equal keys that each place is in."""
    count = len(keys[0])
    new = np.ones(count + 1, dtype=bool)
    new[1:-1] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    edges = np.flatnonzero(new)
    run = np.cumsum(new[:-1]) - 1
    return edges[run], edges[run + 1] - 1


def _later(rank: Ints, counted: Ints) -> tuple[Ints, Ints]:
    """For each place, how many later places that are counted have a lower rank, and how many a lower or equal one.

    By halves of doubling size: within each pair of halves, every place of the left is searched for in the sorted right.
    """
    size = 1 << max(len(rank) - 1, 0).bit_length()
    absent = int(np.abs(rank).max(initial=0)) + 1
    padded, right = np.full(size, absent), np.full(size, absent)
    padded[: len(rank)] = rank
    right[: len(rank)] = np.where(counted == 1, rank, absent)
    lower, not_higher = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    half = 1
    while half < size:
        blocks = size // (2 * half)
        # Each block's ranks are lifted above those of the block before, so that one search serves all blocks.
        lift = (np.arange(blocks) * (2 * absent + 1))[:, None]
        sorted_right = (np.sort(right.reshape(blocks, 2, half)[:, 1], axis=1) + lift).ravel()
        left = padded.reshape(blocks, 2, half)[:, 0] + lift
        before = (np.arange(blocks) * half)[:, None]
        lower.reshape(blocks, 2, half)[:, 0] += np.searchsorted(sorted_right, left, side="left") - before
        not_higher.reshape(blocks, 2, half)[:, 0] += np.searchsorted(sorted_right, left, side="right") - before
        half *= 2
    return lower[: len(rank)], not_higher[: len(rank)]
