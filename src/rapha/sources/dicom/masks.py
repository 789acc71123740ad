"""A segmentation laid onto the stack that it is of: for each of its segments' codes one mask on the volume's own grid, or why there is none.

Nothing is moved, turned or interpolated: a frame is a slice's where the two lie on one another. A slice without a frame is empty, as the
standard has it.
"""

import math
import warnings
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapha.sources.dicom.headers import Header
from rapha.sources.dicom.reading import not_decoded, of_another_size, quiet_pydicom
from rapha.sources.dicom.segmentation import LARGEST_FRACTION, Code, Frame, Segmentation
from rapha.sources.dicom.stacks import Stack, along, normal_of
from rapha.sources.dicom.volumes import LARGEST_VOXELS

APART = 0.1
"""How far a frame may lie from its slice, as a share of a pixel; and how far the last pixels may."""
NOT_THERE = "is a segmentation of images that are not in the folder, or that make no volume"
SEVERAL = "is one of several segmentations of the same kind of the same images: nothing says which counts"
_OTHER_GRID = "is a segmentation that lies on another grid than its images: nothing here moves it onto them"
Mask = npt.NDArray[np.bool_]
Stored = npt.NDArray[np.unsignedinteger]


class Laid(NamedTuple):
    """A segmentation, and of each of its frames the slice of the stack it lies on."""

    of: Segmentation
    stack: Stack
    slices: tuple[int, ...]

    @property
    def codes(self) -> dict[Code, frozenset[int]]:
        """What can be asked for, and the segments that are it: of one type there may be several."""
        found: dict[Code, set[int]] = defaultdict(set)
        for number, codes in self.of.segments.items():
            for code in codes:
                found[code].add(number)
        return {code: frozenset(numbers) for code, numbers in found.items()}


def laid_on(segmentation: Segmentation, by_instance: Mapping[str, Sequence[Stack]]) -> Laid | str:
    """The segmentation on the one stack that it is of, or why on none. Pure. `by_instance`: which stacks an image is in."""
    stacks: dict[int, Stack] = {}
    for instance in segmentation.drawn_on:
        stacks |= {id(stack): stack for stack in by_instance.get(instance, ())}
    if not stacks:
        return NOT_THERE
    if len(stacks) > 1:
        return "is a segmentation of several volumes: nothing says which it lies on"
    (stack,) = stacks.values()
    first = stack.images[0]
    if first.patient != segmentation.patient:
        return "is a segmentation of another patient than its images"
    if first.frames > 1:
        return "is a segmentation of a clip, which is not read yet"
    if first.frame != segmentation.frame_of_reference:
        return "is a segmentation in another frame of reference than its images"
    if (first.rows, first.columns) != (segmentation.rows, segmentation.columns):
        return _OTHER_GRID
    slices = _slices(segmentation, stack)
    if slices is None:
        return _OTHER_GRID
    if len(set(zip(slices, (frame.segment for frame in segmentation.frames), strict=True))) < len(slices):
        return "is a segmentation with two frames of one segment at one place"
    return Laid(segmentation, stack, slices)


def masks_of(laid: Laid) -> Iterator[tuple[list[Code], Mask]] | str:
    """Of each code the mask [slices, rows, columns] on the grid of the stack: of all its segments together; codes of the same segments
    at once. Reads the pixels; one mask is in memory at a time."""
    frames = _stored(laid.of)
    return frames if isinstance(frames, str) else _masks(laid, frames)


def _masks(laid: Laid, frames: Stored) -> Iterator[tuple[list[Code], Mask]]:
    by_segments: dict[frozenset[int], list[Code]] = defaultdict(list)
    for code, segments in laid.codes.items():
        by_segments[segments].append(code)
    of_segment: dict[int, list[int]] = defaultdict(list)
    for number, frame in enumerate(laid.of.frames):
        of_segment[frame.segment].append(number)
    first, most = laid.stack.images[0], laid.of.most
    for segments, codes in by_segments.items():
        mask = np.zeros((len(laid.stack.images), first.rows, first.columns), np.bool_)
        chosen = np.isin(np.arange(LARGEST_FRACTION + 1), sorted(segments))
        every = range(len(laid.of.frames))  # a frame of a label map is of all segments, whichever it names
        for number in every if laid.of.label_map else (n for each in segments for n in of_segment[each]):
            pixels = frames[number]
            there = chosen[pixels] if laid.of.label_map else 2 * pixels.astype(np.int64) >= most if most else pixels > 0
            mask[laid.slices[number]] |= there
        yield codes, mask


def packed(mask: Mask, volume: str, spacing: tuple[float, float, float]) -> bytes:
    """The asset of a mask, as safetensors: `bits`, its voxels eight a byte, `sides` [3], `spacing` [3] in mm and `volume`, the name of
    the asset that it lies on."""
    from safetensors.numpy import save

    return save(
        {
            "bits": np.packbits(mask),
            "sides": np.array(mask.shape, np.int32),
            "spacing": np.array(spacing, np.float64),
            "volume": np.frombuffer(bytes.fromhex(volume), np.uint8),
        }
    )


def _slices(segmentation: Segmentation, stack: Stack) -> tuple[int, ...] | None:
    """The slice that each frame lies on; None where one lies on none. A picture without a place in the patient is known by its
    name alone."""
    images = stack.images
    if len(images) == 1 and not images[0].position:
        return (0,) * len(segmentation.frames)
    normal = normal_of(images[0].orientation)
    places = [along(image.position, normal) for image in images]
    found = []
    for frame in segmentation.frames:
        if not (frame.position and frame.spacing and frame.orientation):
            return None
        after = bisect(places, along(frame.position, normal))
        on = [at for at in (after - 1, after) if 0 <= at < len(images) and _together(frame, images[at])]
        if not on:
            return None
        found.append(on[0])
    return tuple(found)


def _together(frame: Frame, image: Header) -> bool:
    """Whether the first, the last pixel of the first row and that of the first column lie on one another."""
    apart = APART * min(image.spacing)
    corners = ((0, 0), (image.rows - 1, 0), (0, image.columns - 1))
    return all(math.dist(_place(frame, corner), _place(image, corner)) <= apart for corner in corners)


def _place(of: Frame | Header, pixel: tuple[int, int]) -> tuple[float, ...]:
    """Where a pixel lies in the patient, in mm (PS3.3, C.7.6.2.1.1)."""
    along, down = of.orientation[:3], of.orientation[3:]
    return tuple(
        corner + a * pixel[1] * of.spacing[1] + d * pixel[0] * of.spacing[0]
        for corner, a, d in zip(of.position, along, down, strict=True)
    )


def _stored(segmentation: Segmentation) -> Stored | str:
    """The frames as they are stored: [frames, rows, columns]."""
    if len(segmentation.frames) * segmentation.rows * segmentation.columns > LARGEST_VOXELS:
        return "is a segmentation of more than 256 million voxels"
    pydicom = quiet_pydicom()
    shape = (len(segmentation.frames), segmentation.rows, segmentation.columns)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(segmentation.path)
            if reason := not_decoded(found):
                return reason
            said = (int(found.get("NumberOfFrames") or 1), int(found.Rows), int(found.Columns))
            if (
                said != shape
                or int(found.SamplesPerPixel) != 1
                or int(found.BitsAllocated) not in (1, 8, 16)
                or of_another_size(found)
            ):
                return "is a segmentation whose pixels are not as its header says"
            stored = found.pixel_array
    except Exception:  # pixels may be anything, and pydicom fails in as many ways
        return "is a segmentation with pixels that cannot be read"
    frames = stored[None] if stored.ndim == 2 else stored
    if frames.shape != shape or frames.dtype.kind != "u":
        return "is a segmentation whose pixels are not as its header says"
    return frames  # type: ignore[no-any-return]
