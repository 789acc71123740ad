"""A PET and the CT of the same examination as one array of two channels: one laid on the grid of the other, by where both lie in the
patient. Only what shares a frame of reference is laid on one another; nothing is registered."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.sources.dicom.mapping import Pairs
from rapha.sources.dicom.stacks import Stack
from rapha.sources.dicom.volumes import LARGEST_VOXELS, Voxels

Matrix = npt.NDArray[np.float64]
BEYOND = {"CT": -1000.0, "PT": 0.0}
"""Where one of them does not reach: air, and no uptake."""
SEVERAL = "PET images were laid on no CT: their frame of reference has several of either, and nothing says which belong together"
TOO_LARGE = "PET images were laid on no CT: the two would be larger than 256 million voxels"


class Pair(NamedTuple):
    """`grid` is the one whose voxels stay where they are."""

    ct: Stack
    pet: Stack
    grid: Stack


def pairs_of(stacks: Iterable[Stack], how: Pairs) -> tuple[list[Pair], int]:
    """Of each patient and frame of reference the CT and the PET, where there is one of each; and of how many PET there were several."""
    if how == "none":
        return [], 0
    told: dict[tuple[str, str], dict[str, list[Stack]]] = defaultdict(lambda: {"CT": [], "PT": []})
    for stack in stacks:
        first = stack.images[0]
        if first.frame and first.modality in ("CT", "PT") and len(stack.images) > 1:
            told[first.patient, first.frame][first.modality].append(stack)
    pairs, unclear = [], 0
    for found in told.values():
        if len(found["CT"]) == len(found["PT"]) == 1:
            (ct,), (pet,) = found["CT"], found["PT"]
            pairs.append(Pair(ct, pet, ct if how == "PT-on-CT" else pet))
        elif found["CT"]:
            unclear += len(found["PT"])
    return pairs, unclear


def pair_content(pair: Pair, ct: bytes, pet: bytes) -> bytes | str:
    """The asset of a pair, as safetensors: `voxels` [2, slices, rows, columns], the CT in HU and the PET in SUV, and `spacing` [3] in mm;
    or why there is none. `ct` and `pet` are the assets of its two stacks. Linear in between."""
    from safetensors.numpy import load, save

    first = pair.grid.images[0]
    if 2 * len(pair.grid.images) * first.rows * first.columns > LARGEST_VOXELS:
        return TOO_LARGE
    channels = []
    for stack, content in ((pair.ct, ct), (pair.pet, pet)):
        voxels = load(content)["voxels"].astype(np.float32)
        beyond = BEYOND[stack.images[0].modality]
        channels.append(
            voxels if stack is pair.grid else laid(voxels, _to(stack, pair.grid), _sides(pair.grid), beyond)
        )
    return save({"voxels": np.stack(channels), "spacing": np.array(pair.grid.spacing, np.float64)})


def laid(voxels: Voxels, to: Matrix, sides: tuple[int, int, int], beyond: float) -> Voxels:
    """`voxels` on a grid of `sides`; `to` [3, 4] takes its indices to theirs. Linear in between, `beyond` outside. Slice by slice."""
    found = np.full(sides, beyond, np.float32)
    rows, columns = np.meshgrid(np.arange(sides[1]), np.arange(sides[2]), indexing="ij")
    most = np.array(voxels.shape).reshape(3, 1, 1) - 1
    for number in range(sides[0]):
        places = np.stack([to[a, 0] * number + to[a, 1] * rows + to[a, 2] * columns + to[a, 3] for a in range(3)])
        inside = ((places >= -0.5) & (places <= most + 0.5)).all(axis=0)
        places = places.clip(0, most)
        below = np.floor(places).astype(np.int64)
        part = (places - below).astype(np.float32)
        total = np.zeros(sides[1:], np.float32)
        for corner in np.ndindex(2, 2, 2):
            at = np.minimum(below + np.array(corner).reshape(3, 1, 1), most)
            weight = np.prod([part[a] if corner[a] else 1 - part[a] for a in range(3)], axis=0)
            total += weight * voxels[at[0], at[1], at[2]]
        found[number][inside] = total[inside]
    return found


def _sides(stack: Stack) -> tuple[int, int, int]:
    return len(stack.images), stack.images[0].rows, stack.images[0].columns


def _to(stack: Stack, grid: Stack) -> Matrix:
    """From indices (slice, row, column, 1) of `grid` to those of `stack`."""
    found: Matrix = np.linalg.solve(_affine(stack), _affine(grid))[:3].astype(np.float64)
    return found


def _affine(stack: Stack) -> Matrix:
    """From indices to places in the patient, in mm (PS3.3, C.7.6.2.1.1)."""
    first, last = stack.images[0], stack.images[-1]
    whole: Matrix = np.eye(4)
    whole[:3, 0] = (np.array(last.position) - np.array(first.position)) / (len(stack.images) - 1)
    whole[:3, 1] = np.array(first.orientation[3:]) * first.spacing[0]
    whole[:3, 2] = np.array(first.orientation[:3]) * first.spacing[1]
    whole[:3, 3] = first.position
    return whole
