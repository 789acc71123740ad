"""Evidence: what a processor signed of the machine that a statement was made in. Launch: a measurement that a reader trusts."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.bundle import Base64
from rapha.records.record import Record, Slug

SEV_SNP = "sev-snp"
INTEL_TDX = "intel-tdx"
NVIDIA_GPU = "nvidia-gpu"

Measurement = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{96}$")]
"""48 bytes."""
Level = Annotated[int, Field(ge=0, le=255)]


class DeviceEvidence(Record):
    """Of a device in that machine. `kind`: whose report it is. `report`: its bytes. `collateral`: what it takes to judge it later, by the names that
    the kind has for it; everything in base64."""

    kind: Slug
    report: Base64
    collateral: dict[str, Base64]


class Evidence(Record):
    """`kind`, `report`, `collateral`: of the machine's processor, as with a device. `devices`: of what else computed there, which the
    processor's report names."""

    kind: Slug
    report: Base64
    collateral: dict[str, Base64]
    devices: Annotated[tuple[DeviceEvidence, ...], Field(max_length=16)]


class PatchLevels(Record):
    """Security patch levels of a platform. `fmc`: of Turin and later alone."""

    bootloader: Level
    tee: Level
    snp: Level
    microcode: Level
    fmc: Level = 0


class Launch(Record):
    """A guest of SEV-SNP that a reader trusts. `measurement`: of what it was started from, in hex. `at_least`: the patch levels that its platform has to
    have; none is asked for where this is left out."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    kind: Literal["sev-snp"]
    measurement: Measurement
    at_least: PatchLevels | None = None


TdxStatus = Literal[
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
    "OutOfDateConfigurationNeeded", "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded",
]  # fmt: skip
"""What Intel says of a platform at its patch levels. `Revoked` is not among them: nobody can accept that."""
NOTHING: Measurement = "0" * 96
MAX_EVALUATION = 0xFFFF


class TdxLaunch(Record):
    """A trust domain that a reader trusts. `measurement`: MRTD, of what it was started from; `rtmr`: its four registers, of what came after, where
    null says that any will do. `xfam`: which features of the processor it has. `mrseam`: the TDX modules that will do; all that Intel does where
    it is left out. `mrconfigid`, `mrowner`, `mrownerconfig`: what its host said of it, which is nothing where they are left
    out. `statuses`: what Intel may say of the platform. All in hex. `evaluated_at_least`: by which number of Intel's
    (`tcbEvaluationDataNumber`) at the least, of the platform and of the quoting enclave; by any that it gave out at that time where it is left out."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    kind: Literal["intel-tdx"]
    measurement: Measurement
    rtmr: tuple[Measurement | None, Measurement | None, Measurement | None, Measurement | None]
    xfam: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
    mrseam: Annotated[tuple[Measurement, ...], Field(min_length=1, max_length=100)] | None = None
    mrconfigid: Measurement = NOTHING
    mrowner: Measurement = NOTHING
    mrownerconfig: Measurement = NOTHING
    statuses: Annotated[tuple[TdxStatus, ...], Field(min_length=1)] = ("UpToDate",)
    evaluated_at_least: Annotated[int, Field(ge=1, le=MAX_EVALUATION)] | None = None


class GpuLaunch(Record):
    """A state of a device that a reader trusts. `chip`: as its certificate names it (`GH100`). `measurements`: by index (1 to 254), the digests that will do;
    what the device measures at other indexes is not looked at."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    kind: Literal["nvidia-gpu"]
    chip: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,16}$")]
    measurements: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-4])$")],
            Annotated[tuple[Measurement, ...], Field(min_length=1, max_length=20)],
        ],
        Field(min_length=1, max_length=254),
    ]


class TrustedLaunches(Record):
    """A reader's own list, as a file."""

    launches: Annotated[
        tuple[Annotated[Launch | TdxLaunch | GpuLaunch, Field(discriminator="kind")], ...], Field(max_length=1000)
    ]
