"""Evidence: what a processor signed of the machine that a statement was made in. Launch: a measurement that a reader trusts."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.bundle import Base64
from rapha.records.record import Record, Slug

SEV_SNP = "sev-snp"

Measurement = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{96}$")]
"""48 bytes."""
Level = Annotated[int, Field(ge=0, le=255)]


class Evidence(Record):
    """`kind`: whose report it is. `report`: its bytes. `collateral`: what it takes to judge it later, by the names that the kind has for
    it; everything in base64."""

    kind: Slug
    report: Base64
    collateral: dict[str, Base64]


class PatchLevels(Record):
    """Security patch levels of a platform. `fmc`: of Turin and later alone."""

    bootloader: Level
    tee: Level
    snp: Level
    microcode: Level
    fmc: Level = 0


class Launch(Record):
    """A guest that a reader trusts. `measurement`: of what it was started from, in hex. `at_least`: the patch levels that its platform has to
    have; none is asked for where this is left out."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    kind: Literal["sev-snp"]
    measurement: Measurement
    at_least: PatchLevels | None = None


class TrustedLaunches(Record):
    """A reader's own list, as a file."""

    launches: Annotated[tuple[Launch, ...], Field(max_length=1000)]
