"""An index beside a call file, as `bcftools index` writes it: by the htslib inside cyvcf2."""

import ctypes
from pathlib import Path


def write_index(path: Path, shift: int = 14) -> None:
    """.csi with bins of 2 to the power of `shift` bases; .tbi with 0."""
    import cyvcf2

    (library,) = Path(cyvcf2.__file__).parent.glob("cyvcf2*.so")
    assert ctypes.CDLL(str(library)).bcf_index_build3(str(path).encode(), None, shift, 0) == 0
