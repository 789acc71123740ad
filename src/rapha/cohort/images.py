"""A kept volume as a study asks for it: resampled around its middle, cut or filled up, its values from 0 to 1; and a mask of it likewise."""

from collections.abc import Sequence
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
    if (voxels.ndim == 4) != (feature.beside is not None):
        raise ConfigurationError(
            f"`{feature.name}`: two volumes on one grid, and only they, are read with `beside`, the window of the second"
        )
    if feature.beside:
        windows = (feature.window, feature.beside)
        return np.stack([_sampled(one, spacing, feature, window) for one, window in zip(voxels, windows, strict=True)])
    if len(feature.shape) == 2:
        if voxels.shape[0] != 1:
            raise ConfigurationError(
                f"`{feature.name}` asks for single pictures, and a volume is among them: give `shape` three sides"
            )
        voxels, spacing = voxels[0], spacing[1:]
    return _sampled(voxels, spacing, feature, feature.window)


def _sampled(
    voxels: "Voxels", spacing: "npt.NDArray[np.float64]", feature: ImageFeature, window: tuple[float, float]
) -> "Voxels":
    import numpy as np

    low, high = _ends(voxels, window) if feature.intensity == "percentiles" else window
    scaled = np.clip((voxels - low) / (high - low), 0, 1) if low < high else np.zeros_like(voxels)
    for axis, (count, wanted, given) in enumerate(zip(feature.shape, feature.spacing, spacing, strict=True)):
        scaled = _along(scaled, axis, count, wanted / float(given))
    return np.ascontiguousarray(scaled, dtype=np.float32)


def segments_array(contents: Sequence[bytes], feature: ImageFeature) -> "npt.NDArray[np.uint8]":
    """The array of one asset of the kind `mask` for each segment: 0, or the number of the first of the segments that has the voxel,
    from 1.

    Raises:
        ConfigurationError: as `mask_array`.
    """
    import numpy as np

    found = np.zeros(feature.dims, np.uint8)
    for number, content in reversed(list(enumerate(contents, 1))):
        found[mask_array(content, feature) > 0] = number
    return found


def _ends(voxels: "Voxels", window: tuple[float, float]) -> tuple[float, float]:
    """The values at these percents of a volume's own, without its least value, which is what is around the body: so a wider field of view
    does not change them. Linear between two values; the same twice where all are alike."""
    import numpy as np

    inside = voxels[voxels > voxels.min()]
    low, high = np.percentile(inside, window) if inside.size else (0.0, 0.0)
    return float(low), float(high)


def mask_array(content: bytes, feature: ImageFeature) -> "npt.NDArray[np.uint8]":
    """The array of an asset of the kind `mask`: `feature.shape`, 0 and 1; a sample is its nearest voxel, where `image_array` has a value.

    Raises:
        ConfigurationError: the asset is no mask, or one of several slices where a single picture is asked for.
    """
    import numpy as np

    mask, spacing = _read_mask(content)
    if len(feature.shape) == 2:
        if mask.shape[0] != 1:
            raise ConfigurationError(
                f"`{feature.name}` asks for single pictures, and a mask of a volume is among them: give `shape` three sides"
            )
        mask, spacing = mask[0], spacing[1:]
    for axis, (count, wanted, given) in enumerate(zip(feature.shape, feature.spacing, spacing, strict=True)):
        places, inside = _places(mask.shape[axis], count, wanted / float(given))
        shape = [1] * mask.ndim
        shape[axis] = count
        mask = mask.take(np.floor(places + 0.5).astype(np.int64).clip(0, mask.shape[axis] - 1), axis) * inside.reshape(
            shape
        )
    return np.ascontiguousarray(mask, dtype=np.uint8)


def _places(length: int, count: int, step: float) -> "tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]":
    """Where `count` samples lie along an axis, `step` of its own samples apart, around its middle; and which are not beyond its ends."""
    import numpy as np

    places = (np.arange(count) - (count - 1) / 2) * step + (length - 1) / 2
    inside = (places >= -0.5) & (places <= length - 0.5)
    return np.clip(places, 0, length - 1), inside


def _along(values: "Voxels", axis: int, count: int, step: float) -> "Voxels":
    """`count` samples along an axis, `step` of its own samples apart, around its middle; 0 beyond its ends."""
    import numpy as np

    length = values.shape[axis]
    places, inside = _places(length, count, step)
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, length - 1)
    shape = [1] * values.ndim
    shape[axis] = count
    part = (places - below).reshape(shape).astype(values.dtype)
    found = values.take(below, axis) * (1 - part) + values.take(above, axis) * part
    result: Any = np.where(inside.reshape(shape), found, 0)
    return result  # type: ignore[no-any-return]


def _read(content: bytes) -> "tuple[Voxels, npt.NDArray[np.float64]]":
    voxels, spacing = _tensors(content, "volume", "voxels", "spacing")
    if (
        not (voxels.ndim == 3 or (voxels.ndim == 4 and len(voxels) == 2))
        or spacing.shape != (3,)
        or not (spacing > 0).all()
        or max(voxels.shape) > LARGEST_SIDE
    ):
        raise ConfigurationError("an asset is no volume: ingest the hospital's images again")
    return voxels.astype("float32"), spacing


def _read_mask(content: bytes) -> "tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]":
    import numpy as np

    bits, sides, spacing = _tensors(content, "mask", "bits", "sides", "spacing")
    good = sides.shape == (3,) and (sides > 0).all() and max(sides) <= LARGEST_SIDE and bits.dtype == np.uint8
    if (
        not good
        or spacing.shape != (3,)
        or not (spacing > 0).all()
        or bits.shape != (-(-int(sides.prod(dtype=np.int64)) // 8),)
    ):
        raise ConfigurationError("an asset is no mask: ingest the hospital's images again")
    return np.unpackbits(bits, count=int(sides.prod(dtype=np.int64))).reshape(tuple(sides)), spacing


def _tensors(content: bytes, what: str, *names: str) -> "list[Any]":
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        tensors = load(content)
        return [tensors[name] for name in names]
    except (SafetensorError, KeyError):
        raise ConfigurationError(f"an asset is no {what}: ingest the hospital's images again") from None
