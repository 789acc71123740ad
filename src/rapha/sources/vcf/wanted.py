"""Which variants are looked for in the calls: by name, by region, and those that a score asks for."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rapha.sources.vcf.called import merged
from rapha.sources.vcf.variants import Variant

_NOWHERE: tuple[list[int], list[int]] = ([], [])


class Stretches(NamedTuple):
    """Parts of a chromosome, ends included."""

    place: str
    starts: list[int]
    ends: list[int]


class Wanted:
    """The variants to look for, by name and by region; `scored` by name too, of which one of the alleles is the reference."""

    def __init__(self, variants: Iterable[Variant], regions: Iterable[str], scored: Iterable[Variant] = ()) -> None:
        self._stated = frozenset(variants)
        self.variants = self._stated | frozenset(scored)
        self._positions: dict[str, list[int]] = defaultdict(list)
        self._at: dict[tuple[str, int], list[Variant]] = defaultdict(list)
        for variant in sorted(self.variants):
            self._positions[variant.chromosome].append(variant.position)
            self._at[variant.chromosome, variant.position].append(variant)
        self._regions: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for region in regions:
            place, _, span = region.partition(":")
            start, _, end = span.partition("-")
            self._regions[place].append((int(start), int(end)))
        self._spans = {place: self._merged(place) for place in {*self._regions, *self._positions}}
        self._own = {place: merged(spans) for place, spans in self._regions.items()}

    def named(self, place: str, start: int, end: int) -> Iterator[Variant]:
        """The named variants whose position lies in a stretch, ends included."""
        positions = self._positions.get(place, [])
        for at in sorted(set(positions[bisect_left(positions, start) : bisect_right(positions, end)])):
            yield from self._at[place, at]

    def has_reference(self, variant: Variant, position: int, bases: str) -> bool:
        """Whether a record that begins at a position with these bases shows, or may be held to show, its reference."""
        offset = variant.position - position
        shown = bases[offset : offset + len(variant.reference)]
        if len(shown) < len(variant.reference):
            return variant in self._stated and variant.reference.startswith(shown)
        return shown == variant.reference

    def takes(self, variant: Variant) -> bool:
        """Whether the variant is named, or a base of its reference lies in a region: of a deletion also one that begins before it."""
        starts, ends = self._own.get(variant.chromosome, _NOWHERE)
        at = bisect_right(starts, variant.last)
        return bool(at and ends[at - 1] >= variant.position) or variant in self.variants

    def stretches(self, place: str) -> "Stretches":
        """Of a chromosome what could be wanted: where each stretch of it starts and ends, in order, none overlapping another."""
        starts, ends = self._spans.get(place, ([], []))
        return Stretches(place, starts, ends)

    def _merged(self, place: str) -> tuple[list[int], list[int]]:
        """Starts and ends of the stretches that are wanted, in order, none overlapping another."""
        return merged([*self._regions.get(place, ()), *((at, at) for at in self._positions.get(place, ()))])
