"""A stack's pixels as a volume: Hounsfield units for CT, what the device gave for others. Nothing of a header is kept."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from rapha.sources.dicom.stacks import Stack

LARGEST_VOXELS = 256 << 20


def content_of(stack: Stack) -> bytes | str:
    """The asset of a stack, as safetensors: `voxels` [slices, rows, columns] and `spacing` [3] in mm; or why there is none."""
    from safetensors.numpy import save

    first = stack.images[0]
    if len(stack.images) * first.rows * first.columns > LARGEST_VOXELS:
        return "is larger than 256 million voxels"
    slices: list[npt.NDArray[np.float32]] = []
    for header in stack.images:
        found = _pixels(header.path)
        if isinstance(found, str):
            return found
        if found.shape != (first.rows, first.columns):
            return "has another size than its header says"
        slices.append(found)
    voxels = np.stack(slices)
    if not np.isfinite(voxels).all():
        return "has pixels that are no numbers"
    small = (np.rint(voxels) == voxels).all() and abs(voxels).max(initial=0) < 2**15
    kept = np.ascontiguousarray(voxels, dtype=np.int16 if small else np.float32)
    return save({"voxels": kept, "spacing": np.array(stack.spacing, np.float64)})


def _pixels(path: Any) -> npt.NDArray[np.float32] | str:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path)
            stored = found.pixel_array.astype(np.float32)
            slope, intercept = float(found.get("RescaleSlope", 1)), float(found.get("RescaleIntercept", 0))
            inverted = found.get("PhotometricInterpretation") == "MONOCHROME1"
    except NotImplementedError:
        return "is compressed in a way that cannot be read here"
    except Exception:  # pixels may be anything, and pydicom fails in as many ways
        return "has pixels that cannot be read"
    values = stored * np.float32(slope) + np.float32(intercept)
    return (values.max() + values.min() - values) if inverted else values
