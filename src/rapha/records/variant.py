"""How a variant, a region and a reference genome are written, in studies and in mappings alike."""

from typing import Annotated, Literal

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

Build = Literal["GRCh37", "GRCh38"]
VARIANT = "variant"
"""`variant:GRCh38` is the system of the events of whoever carries a variant; their code is its name."""
DOSAGE = "dosage"
"""`dosage:GRCh38` is that of the events of whoever is known to have it or not; their number is the copies."""
GENOTYPES = "genotypes"
"""`genotypes:GRCh38` is the system of the events that point at a genotype matrix; their code is the matrix's name."""
CALLED_WELL = "called"
"""The system of the events of whose sample was read; their code is the build, and the table `called` says where it was called well."""

VariantName = Annotated[
    str, StringConstraints(pattern=r"^([1-9]|1\d|2[0-2]|X|Y|MT)-[1-9]\d{0,8}-[ACGT]{1,200}-[ACGT]{1,200}$")
]
"""chromosome-position-reference-alternative: 19-44908684-T-C."""

RegionName = Annotated[str, StringConstraints(pattern=r"^([1-9]|1\d|2[0-2]|X|Y|MT):[1-9]\d{0,8}-[1-9]\d{0,8}$")]
"""chromosome:first-last, both of them in it: 19:44905000-44909500."""


def _trimmed(name: str) -> str:
    _, _, reference, alternative = name.split("-")
    spare = min(len(reference), len(alternative)) > 1
    if reference == alternative or (spare and (reference[0] == alternative[0] or reference[-1] == alternative[-1])):
        raise PydanticCustomError(
            "variant", "`{name}` is not written with the fewest bases: cut what both alleles share", {"name": name[:60]}
        )
    return name


TrimmedVariant = Annotated[VariantName, AfterValidator(_trimmed)]
"""With the fewest bases: as call files are read, so that one change has one name."""
