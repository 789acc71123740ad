"""A stack's pixels as a volume: Hounsfield units for CT, SUV for PET, what the device gave for others, colours of
ultrasound as grey. Nothing of a header is kept."""

import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rapha.sources.dicom.reading import quiet_pydicom
from rapha.sources.dicom.stacks import Stack
from rapha.sources.dicom.ultrasound import grey

Voxels = npt.NDArray[np.float32]
LARGEST_VOXELS = 256 << 20
_TOO_LARGE = "is larger than 256 million voxels"


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
            return "has another size than its header says"
        if header.frames > 1:
            if len(frames) != header.frames:
                return "has another number of frames than its header says"
            return _packed(frames * np.float32(header.slope) + np.float32(header.intercept), stack.spacing)
        slices.append(frames[max(header.number - 1, 0)] * np.float32(header.slope) + np.float32(header.intercept))
    return _packed(np.stack(slices), stack.spacing)


def _packed(voxels: Voxels, spacing: tuple[float, float, float]) -> bytes | str:
    from safetensors.numpy import save

    if not np.isfinite(voxels).all():
        return "has pixels that are no numbers"
    small = (np.rint(voxels) == voxels).all() and abs(voxels).max(initial=0) < 2**15
    kept = np.ascontiguousarray(voxels, dtype=np.int16 if small else np.float32)
    return save({"voxels": kept, "spacing": np.array(spacing, np.float64)})


def _stored(path: Path) -> Voxels | str:
    """All frames of a file as they are stored: [frames, rows, columns]; white on black is turned."""
    pydicom = quiet_pydicom()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path)
            if "ModalityLUTSequence" in found:
                return "has a table of values in place of a slope, which is not read yet"
            if int(found.get("NumberOfFrames") or 1) * int(found.Rows) * int(found.Columns) > LARGEST_VOXELS:
                return _TOO_LARGE
            coloured = (
                int(found.get("SamplesPerPixel") or 1) > 1 or found.get("PhotometricInterpretation") == "PALETTE COLOR"
            )
            stored = grey(found.pixel_array, found) if coloured else found.pixel_array.astype(np.float32)
            inverted = found.get("PhotometricInterpretation") == "MONOCHROME1"
    except NotImplementedError:
        return "is compressed in a way that cannot be read here"
    except Exception:  # pixels may be anything, and pydicom fails in as many ways
        return "has pixels that cannot be read"
    frames: Voxels = stored[None] if stored.ndim == 2 else stored
    return (frames.max() + frames.min() - frames) if inverted else frames
