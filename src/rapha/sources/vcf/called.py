"""Which stretches of the wanted regions each sample was called well enough in: a reference block, or a record whose alleles are plain.

A stretch that any record of the sample casts doubt on (an alternative below the mapping's quality, or in a record whose filters failed; an
allele that is no plain change of bases) is none, whatever another record says of it. What no record covers is none.

Memory goes by the stretches that are left, not by the records: these are joined as soon as there are many.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Layer = tuple[Places, Places, Places]
"""Stretches: of each the sample, the first base, the last."""
_SPAN = np.int64(1 << 32)
"""Longer than any chromosome: a sample and a position are one number."""
_OF_A_RECORD = 16
"""A record takes as much memory as so many of its samples."""


class Stretch(NamedTuple):
    """Bases of a chromosome, ends included, that the sample at this place was called in."""

    at: int
    chromosome: str
    first: int
    last: int


class Called:
    """Collects, record by record. `regions` as a mapping has them; samples by their places. `at_once`: how many stretches are held,
    or gone over, before they are joined."""

    def __init__(self, regions: Iterable[str], at_once: int = 1 << 20) -> None:
        spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for region in regions:
            place, _, span = region.partition(":")
            first, _, last = span.partition("-")
            spans[place].append((int(first), int(last)))
        self._regions = {place: merged(of) for place, of in spans.items()}
        self._at_once, self._waiting = at_once, 0
        self._said: dict[tuple[str, bool], list[tuple[int, int, Places]]] = defaultdict(list)
        self._joined: dict[tuple[str, bool], Layer] = {}

    def say(self, place: str, first: int, last: int, samples: Places, well: bool) -> None:
        """A record over a stretch, ends included, calls these samples well there; or casts doubt on it."""
        starts, ends = self._regions.get(place, ([], []))
        at = bisect_right(starts, last)
        if not (len(samples) and at and ends[at - 1] >= first):
            return
        self._said[place, well].append((first, last, samples))
        self._waiting += len(samples) + _OF_A_RECORD
        if self._waiting > max(self._at_once, sum(len(of) for of, *_ in self._joined.values())):
            self._join()

    def stretches(self) -> Iterator[Stretch]:
        """What is left, in order, none touching another of its sample."""
        self._join()
        for place in sorted({place for place, _ in self._joined}):
            yield from self._of(place)

    def _join(self) -> None:
        """What was said, and what was joined before, as stretches of which none touches another."""
        while self._said:
            key, said = self._said.popitem()
            counts = [len(of) for *_, of in said]
            first, last = (np.repeat(np.array([one[end] for one in said], dtype=np.int64), counts) for end in (0, 1))
            new: Layer = (np.concatenate([of for *_, of in said]), first, last)
            if key in self._joined:
                samples, starts, ends = (np.concatenate(both) for both in zip(self._joined[key], new, strict=True))
                new = (samples, starts, ends)
            self._joined[key] = _runs([new], 1)
        self._waiting = 0

    def _of(self, place: str) -> Iterator[Stretch]:
        """Some samples after the others. A base is called where something calls it, a region holds it, and nothing doubts it."""
        none = (np.zeros(0, dtype=np.int64),) * 3
        well, doubted = (self._joined.get((place, good), none) for good in (True, False))
        everybody = np.unique(well[0])
        starts, ends = (np.array(of, dtype=np.int64) for of in self._regions[place])
        of_one = len(starts) + (len(well[0]) + len(doubted[0])) // max(1, len(everybody))
        size = max(1, self._at_once // of_one)
        for begin in range(0, len(everybody), size):
            some = everybody[begin : begin + size]
            wanted = (np.repeat(some, len(starts)), np.tile(starts, len(some)), np.tile(ends, len(some)))
            samples, first, last = _runs([_among(some, well), wanted, _among(some, doubted)], 2)
            for at, one, other in zip(samples.tolist(), first.tolist(), last.tolist(), strict=True):
                yield Stretch(at, place, one, other)


def merged(spans: Iterable[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Where each of some stretches starts and ends, in order, those that overlap as one."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end in sorted(spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    return starts, ends


def _among(some: Places, layer: Layer) -> Layer:
    """Of a layer, sample after sample, the part of samples that follow each other."""
    samples, first, last = layer
    begin, end = np.searchsorted(samples, some[0]), np.searchsorted(samples, some[-1], side="right")
    return samples[begin:end], first[begin:end], last[begin:end]


def _runs(layers: list[Layer], over: int) -> Layer:
    """Where the first so many layers all lie, and none of the others, sample after sample: opens and closes of all as one sorted line."""
    at, depth = _depths(layers)
    kept = np.logical_and.reduce([of > 0 if number < over else of == 0 for number, of in enumerate(depth)])
    begins = at[np.flatnonzero(kept & ~np.append(False, kept[:-1]))]
    ends = at[np.flatnonzero(kept & ~np.append(kept[1:], False)) + 1] - 1
    return begins // _SPAN, begins % _SPAN, ends % _SPAN


def _depths(layers: list[Layer]) -> tuple[Places, list[Places]]:
    """Where anything begins or ends, in order, and how many of each layer lie over what follows."""
    opens = [samples * _SPAN + first for samples, first, _ in layers]
    closes = [samples * _SPAN + last + 1 for samples, _, last in layers]
    at = np.unique(np.concatenate([*opens, *closes]))
    return at, [
        np.searchsorted(np.sort(begun), at, side="right") - np.searchsorted(np.sort(ended), at, side="right")
        for begun, ended in zip(opens, closes, strict=True)
    ]
