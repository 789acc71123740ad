"""Headers into stacks of one geometry. A series may hold several, a localiser beside a volume, two echoes; and a stack with a
slice missing is no volume, whatever its series says."""

import math
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from rapha.sources.dicom.headers import LARGEST_SIDE, Header

EVEN = 0.02
"""By how much distances between slices may differ, as a share of the usual one."""
STRAIGHT = 0.001
"""By how much slices may be shifted against one another in their own plane, as a share of their distance: more is a tilt."""
FLAT = ("CR", "DX", "MG", "US")


class Stack(NamedTuple):
    """Images in the order of their places; `spacing` in mm: slices, rows, columns. Of a clip, one image of several frames, the
    first is the time between frames in ms."""

    images: tuple[Header, ...]
    spacing: tuple[float, float, float]


class NoStack(NamedTuple):
    """Images that make no stack, and why."""

    images: tuple[Header, ...]
    reason: str


def stacks_of(headers: Iterable[Header]) -> tuple[list[Stack], list[NoStack]]:
    """All stacks, in the order of their first images' identifiers; each image is in one stack, or in one reason."""
    once: dict[tuple[str, int], Header] = {}
    twice: list[Header] = []
    for header in sorted(headers, key=lambda each: (each.instance, each.number, str(each.path))):
        if once.setdefault((header.instance, header.number), header) is not header:
            twice.append(header)
    groups: dict[tuple[object, ...], list[Header]] = defaultdict(list)
    for header in once.values():
        groups[_geometry(header)].append(header)
    stacks: list[Stack] = []
    refused = [NoStack((header,), "is in the folder twice") for header in twice]
    for group in groups.values():
        for found in _of_group(group):
            if isinstance(found, Stack):
                stacks.append(found)
            else:
                refused.append(found)
    return stacks, refused


def _geometry(header: Header) -> tuple[object, ...]:
    """What all images of a stack have in common. A flat picture is a stack of its own."""
    alone = header.instance if _is_flat(header) else ""
    orientation = tuple(round(each, 4) for each in header.orientation)
    spacing = tuple(round(each, 4) for each in header.spacing)
    place = (header.rows, header.columns, orientation, spacing)
    return (header.patient, header.series, header.frame, header.modality, *place, header.kind, alone)


def _is_flat(header: Header) -> bool:
    """A picture of its own. Frames of one file that have places, as in tomosynthesis, are not."""
    return header.modality in FLAT and not header.number


def _of_group(group: list[Header]) -> list[Stack | NoStack]:
    first = group[0]
    if len(first.spacing) != 2 or min(first.spacing) <= 0:
        return [NoStack(tuple(group), "does not say how large a pixel is")]
    rows, columns = first.spacing
    if _is_flat(first):
        return [Stack((first,), (first.between_ms or 1.0, rows, columns))]
    if not first.orientation or not all(header.position for header in group):
        return [NoStack(tuple(group), "does not say where in the patient it lies")]
    if len(group) == 1:
        return [NoStack(tuple(group), "is a single slice: a localiser, or what is left of a volume")]
    if len(group) > LARGEST_SIDE:
        return [NoStack(tuple(group), f"is of more than {LARGEST_SIDE} slices")]
    return [_volume(group, normal_of(first.orientation), rows, columns)]


def _volume(group: list[Header], normal: tuple[float, ...], rows: float, columns: float) -> Stack | NoStack:
    images = tuple(sorted(group, key=lambda header: along(header.position, normal)))
    places = [along(header.position, normal) for header in images]
    gaps = [after - before for before, after in pairwise(places)]
    usual = sorted(gaps)[len(gaps) // 2]
    if min(gaps) < 0.01:
        return NoStack(images, "has several images at one place: two volumes that nothing tells apart")
    if max(gaps) - min(gaps) > EVEN * usual:
        return NoStack(images, "lacks slices, or has them at uneven distances")
    shift = [b - a for a, b in zip(images[0].position, images[-1].position, strict=True)]
    across = math.dist(shift, [(places[-1] - places[0]) * each for each in normal])
    if across > STRAIGHT * usual * len(images):
        return NoStack(images, "was taken with a tilted gantry, which is not read yet")
    return Stack(images, (usual, rows, columns))


def normal_of(orientation: tuple[float, ...]) -> tuple[float, ...]:
    """The direction across a slice."""
    a, b = orientation[:3], orientation[3:]
    return (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])


def along(position: tuple[float, ...], normal: tuple[float, ...]) -> float:
    """Where on the way through the slices a place lies, in mm."""
    return sum(p * n for p, n in zip(position, normal, strict=True))
