"""The oracle's features: slow, in plain Python. It shares no code with `rapha.cohort`."""

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

DAY = timedelta(days=1)


def seen(feature: object, entry: Any) -> object:
    patient, index = entry.patient, entry.index
    if feature.kind == "demographic":
        if feature.demographic == "sex":
            return {"male": 1.0, "female": 0.0}.get(patient.person.sex or "")
        known = patient.birth is not None and patient.birth <= index
        return (index - patient.birth) / DAY / 365.25 if known else None
    if feature.kind == "sequence":
        found = entry.within(feature.of, feature.during)
        found.sort(key=lambda h: (h.order, h.number))
        return [
            {"concept": feature.of.index(h.concept), "value": h.value, "days": (index - h.at) / DAY}
            for h in found[-feature.at_most :]
        ]
    found = entry.within([feature.of], feature.during)
    numbers = [h.value for h in found if h.value is not None]
    match feature.aggregate:
        case "count":
            return float(len({h.id for h in found}))
        case "any":
            return float(bool(found))
        case "since":
            return (index - max(h.at for h in found)) / DAY if found else None
        case "slope":
            return _slope([h for h in found if h.value is not None], 365.25 if feature.per == "year" else 1.0)
        case "ratio":
            before = entry.within([feature.of], feature.baseline.during)
            least = aggregate(feature.baseline.pick, [h.value for h in before if h.value is not None])
            return numbers[-1] / least if numbers and least else None
    return aggregate(feature.aggregate, numbers)


def aggregate(word: str, numbers: Sequence[float]) -> float | None:
    if not numbers:
        return None
    match word:
        case "first":
            return numbers[0]
        case "last":
            return numbers[-1]
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
        case "sum":
            return math.fsum(numbers)
        case "mean":
            return math.fsum(numbers) / len(numbers)
    raise AssertionError(word)


def predicted(reading: Any, found: Sequence[Any]) -> float | None:
    """The number of a numeric outcome."""
    if reading.pick == "slope":
        return _slope(found, 365.25 if reading.per == "year" else 1.0)
    return aggregate(reading.pick, [h.value for h in found])


def _slope(found: Sequence[Any], days: float) -> float | None:
    """Sum of (t - mean t)(v - mean v) over sum of (t - mean t) squared."""
    if len({h.at for h in found}) < 2:
        return None
    times = [(h.at - found[0].at) / DAY / days for h in found]
    mean_time, mean = math.fsum(times) / len(times), math.fsum(h.value for h in found) / len(found)
    above = math.fsum((t - mean_time) * (h.value - mean) for t, h in zip(times, found, strict=True))
    return above / math.fsum((t - mean_time) ** 2 for t in times)
