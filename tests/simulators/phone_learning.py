"""What a phone computes of its own row, in plain floating point: the reference that `bridge/ios` is held against."""

import math
from collections.abc import Sequence

from rapha.records.device import BINS, DeviceTask

FARTHEST = 10.0
Row = Sequence[float | None]


def prepared(task: DeviceTask, row: Row) -> list[float]:
    """Presence, scaled value and its square, feature by feature."""
    found = [
        0.0 if x is None else min(1.0, max(0.0, (x - a) / (b - a)))
        for x, a, b in zip(row, task.low, task.high, strict=True)
    ]
    there = [0.0 if x is None else 1.0 for x in row]
    return [*there, *found, *(x * x for x in found)]


def inputs(task: DeviceTask, row: Row) -> list[float]:
    """The 2F numbers that a model reads."""
    values, missing = [], []
    for x, mean, scale in zip(row, task.mean, task.scale, strict=True):
        values.append(0.0 if x is None else min(FARTHEST, max(-FARTHEST, (x - mean) / scale)))
        missing.append(1.0 if x is None else 0.0)
    return values + missing


def risk(weight: Sequence[float], bias: float, read: Sequence[float]) -> float:
    """The predicted probability."""
    score = bias
    for w, x in zip(weight, read, strict=True):
        score += w * x
    return 1.0 / (1.0 + math.exp(-min(30.0, max(-30.0, score))))


def trained(task: DeviceTask, row: Row, case: bool) -> list[float]:
    """The change of weights and bias, clipped; without noise."""
    read = inputs(task, row)
    weight, bias = list(task.weight), task.bias
    for _ in range(task.steps):
        slope = task.learning_rate * (risk(weight, bias, read) - (1.0 if case else 0.0))
        weight = [w - slope * x for w, x in zip(weight, read, strict=True)]
        bias -= slope
    change = [new - old for new, old in zip([*weight, bias], [*task.weight, task.bias], strict=True)]
    length = math.sqrt(sum(x * x for x in change))
    return [x * task.clip / length for x in change] if length > task.clip else change


def placed(task: DeviceTask, row: Row, case: bool) -> list[float]:
    """One, at the device's group of risk."""
    at = min(BINS - 1, math.floor(risk(task.weight, task.bias, inputs(task, row)) * BINS))
    found = [0.0] * (2 * BINS)
    found[at + BINS * case] = 1.0
    return found


def noise_deviation(task: DeviceTask, at_least_devices: int) -> float:
    """Of each number that one device adds: so many devices' noise together has `noise_multiplier` times `clip`."""
    return task.noise_multiplier * task.clip / math.sqrt(at_least_devices)
