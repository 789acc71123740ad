"""Each way of making one model, as a rule on one block of elements. Pure; float64; the sites in order of their names.

`before` is the weights that the round began with. There is none in the first training round, from which every hospital
starts with the same seed: there the ways that look at changes take the plain mean, and begin with the second round.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from rapha.records.averaging import (
    AggregationSpec,
    FedAdam,
    FedAvgM,
    FedProx,
    FedYogi,
    Median,
    NormClip,
    Scaffold,
    Sum,
    TrimmedMean,
)

Floats = NDArray[np.float64]
State = Mapping[str, Floats]
"""What the hub keeps from round to round, element by element: `momentum`, `second`."""


@dataclass(frozen=True)
class Block:
    """The same stretch of elements, of every site and of what is kept. `shorten`: each site's change is multiplied by
    this before it counts (for `norm-clip`)."""

    sites: Sequence[Floats]
    rows: Sequence[float]
    before: Floats | None
    state: State = field(default_factory=dict)
    shorten: Sequence[float] = ()


def kept_between_rounds(method: AggregationSpec) -> tuple[str, ...]:
    """The names of the state that a way keeps."""
    if isinstance(method, FedAdam | FedYogi):
        return ("momentum", "second")
    return ("momentum",) if isinstance(method, FedAvgM) else ()


def combine(method: AggregationSpec, block: Block) -> tuple[Floats, State]:
    """The new elements, and the new state where the way keeps one."""
    match method:
        case "fedavg" | FedProx():
            return mean(block.sites, block.rows), {}
        case Median():
            return np.median(np.stack(block.sites), axis=0), {}
        case TrimmedMean():
            return trimmed_mean(block.sites, method.trim_percent), {}
        case NormClip():
            return _clipped(block), {}
        case Scaffold():
            return _part_of_the_way(method, block), {}
        case Sum():
            return total(block.sites), {}
        case FedAvgM() | FedAdam() | FedYogi():
            return _moved(method, block)
        case _ as unreachable:
            assert_never(unreachable)


def total(sites: Sequence[Floats]) -> Floats:
    """Added up, every site counting as it stands."""
    added = np.zeros(sites[0].shape, np.float64)
    for site in sites:
        added += site
    return added


def mean(sites: Sequence[Floats], rows: Sequence[float]) -> Floats:
    """Weighted by rows."""
    total, product = np.zeros(sites[0].shape, np.float64), np.empty(sites[0].shape, np.float64)
    for site, weight in zip(sites, rows, strict=True):
        total += np.multiply(site, weight, out=product)
    total /= float(sum(rows))
    return total


def trimmed_mean(sites: Sequence[Floats], trim_percent: int) -> Floats:
    """Of each element, without so many per cent of the sites (rounded down) at either end."""
    cut = len(sites) * trim_percent // 100
    ordered = np.sort(np.stack(sites), axis=0)
    return np.asarray(ordered[cut : len(sites) - cut].mean(axis=0), np.float64)


def shortening(lengths: Sequence[float], at_most: float | None) -> list[float]:
    """What each site's change is multiplied by, from the lengths of the changes; `at_most` None: their median."""
    limit = float(np.median(lengths)) if at_most is None else at_most
    return [min(1.0, limit / length) if length > 0 else 1.0 for length in lengths]


def _clipped(block: Block) -> Floats:
    if block.before is None:
        return mean(block.sites, block.rows)
    changes = [(site - block.before) * by for site, by in zip(block.sites, block.shorten, strict=True)]
    return block.before + mean(changes, block.rows)


def _part_of_the_way(method: Scaffold, block: Block) -> Floats:
    average = mean(block.sites, block.rows)
    return average if block.before is None else block.before + method.learning_rate * (average - block.before)


def renewed_variate(block: Block, variate: Floats, lengths: Sequence[float], share: float) -> Floats:
    """SCAFFOLD's variate of the hub, after a round. `lengths`: how far each site's steps go along a gradient of one; `share`:
    the rows of these sites, of all sites' rows. `before` and `variate` are those that the round began with."""
    assert block.before is not None
    gradients = [(block.before - site) / length for site, length in zip(block.sites, lengths, strict=True)]
    return variate + share * (mean(gradients, block.rows) - variate)


def _moved(method: FedAvgM | FedAdam | FedYogi, block: Block) -> tuple[Floats, State]:
    average = mean(block.sites, block.rows)
    if block.before is None:
        return average, _first_state(method, average)
    state = block.state or _first_state(method, average)
    change = average - block.before
    if isinstance(method, FedAvgM):
        momentum = method.momentum * state["momentum"] + change
        return block.before + method.learning_rate * momentum, {"momentum": momentum}
    momentum = method.beta1 * state["momentum"] + (1 - method.beta1) * change
    second = _second_moment(method, state["second"], change * change)
    step = method.learning_rate * momentum / (np.sqrt(second) + method.tau)
    return block.before + step, {"momentum": momentum, "second": second}


def _second_moment(method: FedAdam | FedYogi, second: Floats, square: Floats) -> Floats:
    if isinstance(method, FedAdam):
        return method.beta2 * second + (1 - method.beta2) * square
    return second - (1 - method.beta2) * square * np.sign(second - square)


def _first_state(method: FedAvgM | FedAdam | FedYogi, like: Floats) -> State:
    """Momentum 0; second moment tau squared, as in the paper's experiments."""
    if isinstance(method, FedAvgM):
        return {"momentum": np.zeros_like(like)}
    return {"momentum": np.zeros_like(like), "second": np.full_like(like, method.tau**2)}
