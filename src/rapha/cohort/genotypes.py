"""A kept genotype matrix as a study asks for it: copies of its variants, in its order, -1 where nothing is known."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from rapha.errors import ConfigurationError
from rapha.records.dense import UNKNOWN_COPIES, GenotypesFeature

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Places = npt.NDArray[np.int64]

_DAMAGED = "an asset is no genotype matrix: ingest the hospital's variant calls again"


class GenotypeRows:
    """From the assets of one feature to its arrays. `read` gives an asset's content by its name; each call set is read once."""

    def __init__(self, feature: GenotypesFeature, read: Callable[[str], bytes]) -> None:
        self._feature, self._read = feature, read
        self._places: dict[bytes, tuple[Places, int]] = {}

    def row(self, content: bytes) -> bytes:
        """The feature's array of an asset of the kind `genotypes`: int8, as long as the study names variants.

        Raises:
            ConfigurationError: the asset is no matrix, or one of another build than the study's.
        """
        import numpy as np
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            tensors = load(content)
            dosage, callset = tensors["dosage"], tensors["callset"].tobytes()
        except (SafetensorError, KeyError):
            raise ConfigurationError(_DAMAGED) from None
        if callset not in self._places:
            self._places[callset] = self._placed(callset)
        places, variants = self._places[callset]
        if dosage.dtype != np.int8 or dosage.shape != (variants,) or ((dosage < UNKNOWN_COPIES) | (dosage > 2)).any():
            raise ConfigurationError(_DAMAGED)
        return np.append(dosage, np.int8(UNKNOWN_COPIES))[places].tobytes()

    def _placed(self, callset: bytes) -> "tuple[Places, int]":
        """Where each of the study's variants stands in a call set, behind its end where it is not in it; how many it has."""
        import numpy as np

        build, *variants = self._read(callset.hex()).decode().split("\n")
        if build != self._feature.build:
            raise ConfigurationError(
                f"`{self._feature.name}` asks for {self._feature.build}, and the matrix here is of {build or 'no build'}: "
                "positions are never lifted over"
            )
        place = {variant: at for at, variant in enumerate(variants)}
        return np.array([place.get(variant, len(variants)) for variant in self._feature.variants]), len(variants)
