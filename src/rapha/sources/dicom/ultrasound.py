"""What ultrasound says in its own way: how far the frames of a clip are apart, how large a pixel is, and its colours as grey. Pure."""

from typing import TYPE_CHECKING, Any

from rapha.sources.dicom.elements import Elements
from rapha.sources.dicom.values import items, numbers, real, values, whole_number, word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "PALETTE COLOR")
SHORTEST_MS, LONGEST_MS = 0.05, 10_000.0
EVEN = 0.02
"""By how much times between frames may differ, as a share of the usual one."""
_TISSUE, _CENTIMETRES = 1, 3
_LUMA = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601), which YBR_FULL is made with."""


def between_frames(found: Elements) -> float | str:
    """Milliseconds from one frame of a clip to the next, or why that is not known (PS3.3, C.7.6.5)."""
    listed = [float(each) for each in values(found, "FrameTimeVector")][1:]
    if listed:
        usual = sorted(listed)[len(listed) // 2]
        if max(listed) - min(listed) > EVEN * abs(usual):
            return "is a clip with frames at uneven times"
        given = usual
    elif (given := real(found, "FrameTime", 0.0)) <= 0 and (rate := real(found, "CineRate", 0.0)) > 0:
        given = 1000 / rate
    return given if SHORTEST_MS <= given <= LONGEST_MS else "is a clip that does not say how far its frames are apart"


def region_spacing(found: Elements) -> tuple[float, ...]:
    """Millimetres from one row and one column of tissue to the next; none where regions differ, one says half
    of it, or none says so (PS3.3, C.8.5.5)."""
    told = set()
    for region in items(found, "SequenceOfUltrasoundRegions"):
        units = [whole_number(region, f"PhysicalUnits{axis}Direction", 0) for axis in "XY"]
        if whole_number(region, "RegionSpatialFormat", 0) == _TISSUE and units == [_CENTIMETRES, _CENTIMETRES]:
            deltas = numbers(region, "PhysicalDeltaY", 1) + numbers(region, "PhysicalDeltaX", 1)
            told.add(tuple(round(abs(delta) * 10, 6) for delta in deltas) if len(deltas) == 2 else ())
    return told.pop() if len(told) == 1 else ()


def in_colour(found: Elements) -> bool:
    return whole_number(found, "SamplesPerPixel", 1) != 1 or word(found, "PhotometricInterpretation") == "PALETTE COLOR"


def grey(pixels: Any, dataset: Any) -> "npt.NDArray[np.float32]":
    """Colours as brightness: of red, green and blue [..., 3], as pydicom decodes YBR too, or of a palette's numbers. Whole numbers,
    in the colours' own range."""
    import numpy as np
    from pydicom.pixels.processing import apply_color_lut

    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, dataset)[..., :3]
    bright: npt.NDArray[np.float32] = np.rint(pixels.astype(np.float32) @ np.array(_LUMA, np.float32))
    return bright
