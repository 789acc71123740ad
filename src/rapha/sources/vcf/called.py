"""Which stretches of the wanted regions each sample was called well enough in: a reference block, or a record whose alleles are plain.

A stretch that any record of the sample casts doubt on (an alternative below the mapping's quality, or in a record whose filters failed; an
allele that is no plain change of bases) is none, whatever another record says of it. What no record covers is none.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
_SPAN = np.int64(1 << 32)
"""Longer than any chromosome: a sample and a position are one number."""


class Stretch(NamedTuple):
    """Bases of a chromosome, ends included, that the sample at this place was called in."""

    at: int
    chromosome: str
    first: int
    last: int


class Called:
    """Collects, record by record. `regions` as a mapping has them; samples by their places."""

    def __init__(self, regions: Iterable[str]) -> None:
        self._regions: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for region in regions:
            place, _, span = region.partition(":")
            first, _, last = span.partition("-")
            self._regions[place].append((int(first), int(last)))
        self._said: dict[str, list[tuple[int, int, bool, Places]]] = defaultdict(list)

    def say(self, place: str, first: int, last: int, samples: Places, well: bool) -> None:
        """A record over a stretch, ends included, calls these samples well there; or casts doubt on it."""
        if len(samples) and place in self._regions:
            self._said[place].append((first, last, well, samples))

    def stretches(self) -> Iterator[Stretch]:
        """What is left, in order, none touching another of its sample."""
        for place in sorted(self._said):
            yield from self._of(place)

    def _of(self, place: str) -> Iterator[Stretch]:
        """Opens and closes of all stretches as one sorted line, sample after sample: a base is called where something calls it, a
        region holds it, and nothing doubts it."""
        said = self._said[place]
        samples = np.concatenate([of for *_, of in said])
        counts = [len(of) for *_, of in said]
        first, last = (np.repeat(np.array([one[end] for one in said], dtype=np.int64), counts) for end in (0, 1))
        well = np.repeat(np.array([one[2] for one in said]), counts)
        everybody, spans = np.unique(samples), np.array(self._regions[place], dtype=np.int64)
        held_by = np.repeat(everybody, len(spans))
        wanted = (held_by, np.tile(spans[:, 0], len(everybody)), np.tile(spans[:, 1], len(everybody)))
        layers = [(samples[well], first[well], last[well]), (samples[~well], first[~well], last[~well]), wanted]
        at, depth = _depths(layers)
        kept = (depth[0] > 0) & (depth[1] == 0) & (depth[2] > 0)
        begins = np.flatnonzero(kept & ~np.append(False, kept[:-1]))
        ends = np.flatnonzero(kept & ~np.append(kept[1:], False)) + 1
        for start, end in zip(at[begins].tolist(), at[ends].tolist(), strict=True):
            yield Stretch(start // int(_SPAN), place, start % int(_SPAN), (end - 1) % int(_SPAN))


def _depths(layers: list[tuple[Places, Places, Places]]) -> tuple[Places, list[Places]]:
    """Where anything begins or ends, in order, and how many of each layer lie over what follows."""
    opens = [samples * _SPAN + first for samples, first, _ in layers]
    closes = [samples * _SPAN + last + 1 for samples, _, last in layers]
    at = np.unique(np.concatenate([*opens, *closes]))
    return at, [
        np.searchsorted(np.sort(begun), at, side="right") - np.searchsorted(np.sort(ended), at, side="right")
        for begun, ended in zip(opens, closes, strict=True)
    ]
