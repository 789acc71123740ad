"""A stack's pixels as a volume: Hounsfield units for CT, SUV for PET, what the device gave for others, colours of
ultrasound as grey. Nothing of a header is kept."""

import math
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rapha.sources.dicom.reading import not_decoded, of_another_size, quiet_pydicom
from rapha.sources.dicom.stacks import Stack
from rapha.sources.dicom.ultrasound import grey

Voxels = npt.NDArray[np.float32]
LARGEST_VOXELS = 256 << 20
_TOO_LARGE = "is larger than 256 million voxels, of colours each counted"
_OTHER_SIZE = "has another size than its header says"
_OTHER_NUMBER = "has another number of frames than its header says"


def content_of(stack: Stack) -> bytes | str:
    """The asset of a stack, as safetensors: `voxels` [slices, rows, columns] and `spacing` [3] in mm (of a clip `voxels` [frames, rows, columns],
    and the first of `spacing` in ms); or why there is none."""
    first = stack.images[0]
    if len(stack.images) * first.frames * first.rows * first.columns > LARGEST_VOXELS:
        return _TOO_LARGE
    slices: list[Voxels] = []
    opened: tuple[Path, Voxels] | None = None
    for header in stack.images:
        if opened is None or opened[0] != header.path:
            stored = _stored(header.path)
            if isinstance(stored, str):
                return stored
            opened = (header.path, stored)
        frames = opened[1]
        if frames.shape[1:] != (first.rows, first.columns) or len(frames) < header.number:
            return _OTHER_SIZE
        if header.frames > 1:
            if len(frames) != header.frames:
                return _OTHER_NUMBER
            frames *= np.float32(header.slope)
            frames += np.float32(header.intercept)
            return _packed(frames, stack.spacing)
        slices.append(frames[max(header.number - 1, 0)] * np.float32(header.slope) + np.float32(header.intercept))
    return _packed(np.stack(slices), stack.spacing)


def _packed(voxels: Voxels, spacing: tuple[float, float, float]) -> bytes | str:
    from safetensors.numpy import save

    if not all(np.isfinite(each).all() for each in voxels):
        return "has pixels that are no numbers"
    small = all((np.rint(each) == each).all() and abs(each).max(initial=0) < 2**15 for each in voxels)
    kept = np.ascontiguousarray(voxels, dtype=np.int16 if small else np.float32)
    return save({"voxels": kept, "spacing": np.array(spacing, np.float64)})


def _stored(path: Path) -> Voxels | str:
    """All frames of a file as they are stored: [frames, rows, columns]; white on black is turned. One frame at a time: all colours of
    a clip at once are several times as much as its grey."""
    pydicom = quiet_pydicom()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path)
            if reason := not_decoded(found):
                return reason
            if "ModalityLUTSequence" in found:
                return "has a table of values in place of a slope, which is not read yet"
            samples, shown = int(found.get("SamplesPerPixel") or 1), found.get("PhotometricInterpretation")
            sides = int(found.get("NumberOfFrames") or 1), int(found.Rows), int(found.Columns)
            if math.prod(sides) * samples > LARGEST_VOXELS:
                return _TOO_LARGE
            if of_another_size(found):
                return _OTHER_SIZE
            stored = np.empty(sides, np.float32)
            number = 0
            for number, frame in enumerate(pydicom.pixels.iter_pixels(found), 1):
                if number > len(stored):
                    return _OTHER_NUMBER
                stored[number - 1] = grey(frame, found) if samples > 1 or shown == "PALETTE COLOR" else frame
    except Exception:  # pixels may be anything, and pydicom fails in as many ways
        return "has pixels that cannot be read"
    if number != len(stored):
        return _OTHER_NUMBER
    return np.subtract(stored.max() + stored.min(), stored, out=stored) if shown == "MONOCHROME1" else stored
