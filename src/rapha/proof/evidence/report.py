"""An attestation report of AMD SEV-SNP: 1,184 bytes, of which the processor signs the first 672 (AMD 56860, SEV Secure Nested
Paging Firmware ABI Specification, table 23). Pure.
"""

from dataclasses import dataclass
from typing import Literal

from rapha.errors import Unproven
from rapha.records.evidence import PatchLevels

REPORT_BYTES, SIGNED_BYTES = 1184, 672
SCALAR_BYTES, SCALAR_FIELD_BYTES = 48, 72
ECDSA_P384_SHA384 = 1
VERSIONS = (2, 3, 4, 5)
"""What is read here stands at the same places in each."""
_RESERVED_ONE, _MIGRATION_AGENT, _DEBUG = 1 << 17, 1 << 18, 1 << 19
_KNOWN_POLICY = (1 << 26) - 1

Line = Literal["Milan", "Genoa", "Turin"]


@dataclass(frozen=True)
class Report:
    """What is asked of one. `data`: the 64 bytes that the guest had it sign. `key`: 0 for a chip's own, 1 for a provider's. `processor`: family
    and model, from version 3 on. `r`, `s`: the signature."""

    version: int
    policy: int
    vmpl: int
    masked: bool
    key: int
    data: bytes
    measurement: bytes
    levels: bytes
    processor: tuple[int, int] | None
    chip: bytes
    signed: bytes
    r: int
    s: int


def read_report(raw: bytes) -> Report:
    """Raises Unproven where it is of another size, version or signature, or has something in a place that has to be empty."""
    if len(raw) != REPORT_BYTES:
        raise Unproven(f"the report has {len(raw)} bytes, and a report has {REPORT_BYTES}")
    version, algorithm, flags = _number(raw, 0x000), _number(raw, 0x034), _number(raw, 0x048)
    if version not in VERSIONS:
        raise Unproven(f"the report is of version {version}: this verifier reads {VERSIONS[0]} to {VERSIONS[-1]}")
    if algorithm != ECDSA_P384_SHA384:
        raise Unproven("the report is signed in another way than with ECDSA P-384")
    r, s = raw[SIGNED_BYTES:][:SCALAR_FIELD_BYTES], raw[SIGNED_BYTES + SCALAR_FIELD_BYTES :][:SCALAR_FIELD_BYTES]
    rest = raw[SIGNED_BYTES + 2 * SCALAR_FIELD_BYTES :]
    if any(r[SCALAR_BYTES:] + s[SCALAR_BYTES:] + rest):
        raise Unproven("the report has something behind what is signed, where there has to be nothing")
    return Report(
        version=version,
        policy=_number(raw, 0x008, 8),
        vmpl=_number(raw, 0x030),
        masked=bool(flags & 2),
        key=flags >> 2 & 7,
        data=raw[0x050:0x090],
        measurement=raw[0x090:0x0C0],
        levels=raw[0x180:0x188],
        processor=None if version == VERSIONS[0] else (raw[0x188], raw[0x189]),
        chip=raw[0x1A0:0x1E0],
        signed=raw[:SIGNED_BYTES],
        r=int.from_bytes(r, "little"),
        s=int.from_bytes(s, "little"),
    )


def check_policy(report: Report) -> None:
    """Raises Unproven where the guest's memory can be read or moved by others, or something less trusted than the guest itself asked."""
    if report.policy & _DEBUG:
        raise Unproven("the guest was started with DEBUG allowed: whoever runs the machine can read its memory")
    if report.policy & _MIGRATION_AGENT:
        raise Unproven("the guest may be moved by a migration agent, which can read its memory")
    if not report.policy & _RESERVED_ONE or report.policy & ~_KNOWN_POLICY:
        raise Unproven("the guest's policy has a bit that this verifier does not know")
    if report.vmpl:
        raise Unproven(f"the report was asked for at privilege level {report.vmpl}, and not at 0, the guest's own")


def levels_of(report: Report, line: Line) -> PatchLevels:
    """The patch levels, which Turin writes at other places. Raises Unproven where a place that has to be empty is not."""
    raw = report.levels
    if line == "Turin":
        levels, empty = PatchLevels(fmc=raw[0], bootloader=raw[1], tee=raw[2], snp=raw[3], microcode=raw[7]), raw[4:7]
    else:
        levels, empty = PatchLevels(bootloader=raw[0], tee=raw[1], snp=raw[6], microcode=raw[7]), raw[2:6]
    if any(empty):
        raise Unproven("the report's patch levels have something where there has to be nothing")
    return levels


def check_line(report: Report, line: Line) -> None:
    """Raises Unproven where the report names a processor of another line than the chain of certificates is of."""
    if report.processor is None:
        if line == "Turin":
            raise Unproven("the report is of a version that no Turin writes")
        return
    family, model = report.processor
    known: dict[Line, bool] = {
        "Milan": family == 0x19 and model < 0x10,
        "Genoa": family == 0x19 and (0x10 <= model < 0x20 or 0xA0 <= model < 0xB0),
        "Turin": family == 0x1A and model < 0x12,
    }
    if not known[line]:
        raise Unproven(f"the report is of another line of processors than {line}, whose certificates these are")


def _number(raw: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(raw[at : at + size], "little")
