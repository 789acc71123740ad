"""A kept volume as a study asks for it: resampled around its middle, cut or filled up, its values from 0 to 1."""

from typing import TYPE_CHECKING, Any

from rapha.errors import ConfigurationError
from rapha.records.dense import ImageFeature

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Voxels = npt.NDArray[np.float32]

LARGEST_SIDE = 4096


def image_array(content: bytes, feature: ImageFeature) -> "Voxels":
    """The array of an asset of the kind `volume`: `feature.shape`, float32.

    Raises:
        ConfigurationError: the asset is no volume, or one of several slices where a single picture is asked for.
    """
    import numpy as np

    voxels, spacing = _read(content)
    if len(feature.shape) == 2:
        if voxels.shape[0] != 1:
            raise ConfigurationError(
                f"`{feature.name}` asks for single pictures, and a volume is among them: give `shape` three sides"
            )
        voxels, spacing = voxels[0], spacing[1:]
    low, high = feature.window
    scaled = np.clip((voxels - low) / (high - low), 0, 1)
    for axis, (count, wanted, given) in enumerate(zip(feature.shape, feature.spacing, spacing, strict=True)):
        scaled = _along(scaled, axis, count, wanted / float(given))
    return np.ascontiguousarray(scaled, dtype=np.float32)


def _along(values: "Voxels", axis: int, count: int, step: float) -> "Voxels":
    """`count` samples along an axis, `step` of its own samples apart, around its middle; 0 beyond its ends."""
    import numpy as np

    length = values.shape[axis]
    places = (np.arange(count) - (count - 1) / 2) * step + (length - 1) / 2
    inside = (places >= -0.5) & (places <= length - 0.5)
    places = np.clip(places, 0, length - 1)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, length - 1)
    shape = [1] * values.ndim
    shape[axis] = count
    part = (places - below).reshape(shape).astype(values.dtype)
    found = values.take(below, axis) * (1 - part) + values.take(above, axis) * part
    result: Any = np.where(inside.reshape(shape), found, 0)
    return result  # type: ignore[no-any-return]


def _read(content: bytes) -> "tuple[Voxels, npt.NDArray[np.float64]]":
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
        voxels, spacing = tensors["voxels"], tensors["spacing"]
    except (SafetensorError, KeyError):
        raise ConfigurationError("an asset is no volume: ingest the hospital's images again") from None
    if voxels.ndim != 3 or spacing.shape != (3,) or not (spacing > 0).all() or max(voxels.shape) > LARGEST_SIDE:
        raise ConfigurationError("an asset is no volume: ingest the hospital's images again")
    return voxels.astype("float32"), spacing
