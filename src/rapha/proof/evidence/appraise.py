"""What hardware evidence makes of a receipt: tier T2 where it holds and is of a launch that the reader trusts, else a sentence why not. Pure.

`judge` asks this once a receipt's own steps have passed. Evidence fails no receipt, as words do not: where it does not hold the receipt
is of the tier that it had, and the signer is flagged, since it promises more than it shows. Without a list of launches of the
reader's own nothing is of T2.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from rapha.canonical import base64_bytes, canonical_bytes
from rapha.errors import Unproven
from rapha.proof.claim import EVIDENCE_NOT_SHOWN
from rapha.proof.evidence.amd import Root, Sound, amd_roots, check_sev_snp
from rapha.proof.evidence.nvidia.check import GpuSound, check_gpu, in_gpu_words, nvidia_root, trusted_gpu
from rapha.proof.evidence.report import reaches
from rapha.proof.evidence.tdx.check import TdxSound, check_tdx, intel_root
from rapha.proof.evidence.tdx.trusted import in_tdx_words, trusted_domain
from rapha.records.evidence import (
    INTEL_TDX,
    NVIDIA_GPU,
    SEV_SNP,
    DeviceEvidence,
    Evidence,
    GpuLaunch,
    Launch,
    PatchLevels,
    TdxLaunch,
    TrustedLaunches,
)
from rapha.records.receipt import Step, Verdict

CHECK = "Its hardware evidence holds, and is of a launch that you trust"
FLAG = "It carries hardware evidence that does not hold: "
T2_NOT_SHOWN = (
    "That the processor keeps what its maker says of it, or that nobody has the maker's keys, or knows a way around them (tier T2).",
    "That the launch does what its name says: whoever lists its measurement had to look at what it is made of (tier T2).",
    "That the processor's maker had not revoked it at any other time than the one that the hub's time stamper says (tier T2).",
    "That the key which signed this receipt is kept inside that machine: the evidence is of the statement, and not of the key (tier T2).",
)
TDX_NOT_SHOWN = (
    "That the platform answers all weaknesses known at that time: Intel gives out older evaluations beside its newest, and whoever made the evidence chose one (tier T2).",
)
DEVICES_NOT_SHOWN = (
    "That the devices which reported are the machine's own, and computed this: the measured software asked them, and has to have seen to that (tier T2).",
    "That NVIDIA had not revoked a device's certificates: its revocation lists and OCSP answers are no part of this evidence (tier T2).",
)
REMARKS = frozenset((*T2_NOT_SHOWN, *TDX_NOT_SHOWN, *DEVICES_NOT_SHOWN))
"""Every sentence for what evidence that holds does not show."""
NO_LAUNCHES = TrustedLaunches(launches=())


@dataclass(frozen=True)
class Roots:
    """Of the makers. Another value than their own is for tests. `intel`, `nvidia`: a certificate, in DER."""

    amd: tuple[Root, ...] = field(default_factory=amd_roots)
    intel: bytes = field(default_factory=intel_root)
    nvidia: bytes = field(default_factory=nvidia_root)


@dataclass(frozen=True)
class Hardware:
    """What the reader trusts of hardware, beforehand."""

    launches: TrustedLaunches = NO_LAUNCHES
    roots: Roots = field(default_factory=Roots)


@dataclass(frozen=True)
class Held:
    """What holds: of the machine's processor, and of each device."""

    processor: Sound | TdxSound
    devices: tuple[GpuSound, ...] = ()


def bound_data(statement: bytes, devices: tuple[DeviceEvidence, ...] = ()) -> bytes:
    """What a processor's report has to be about, given the canonical bytes of the statement without `evidence`: 64 bytes. Where devices report too,
    theirs is part of it: so the measured software says that it asked them, and nobody can put another's there."""
    named = canonical_bytes([one.as_json() for one in devices]) if devices else b""
    return hashlib.sha512(statement + named).digest()


def device_nonce(statement: bytes) -> bytes:
    """What a device has to be asked with, given the same: 32 bytes."""
    return hashlib.sha256(statement).digest()


def appraised(
    verdict: Verdict, evidence: Evidence, statement: bytes, at: datetime, hardware: Hardware, pinned: bool
) -> Verdict:
    """The verdict on a receipt that holds, with what its evidence adds. `statement`: its canonical bytes without `evidence`; `at`: the time of its
    RFC 3161 stamp. `pinned`: by a stamper that the reader knows from somewhere else than the folder, whose maker could else choose the time."""
    assert verdict.ok
    try:
        held = check_evidence(evidence, statement, at, hardware.roots)
    except Unproven as problem:
        return verdict.model_copy(update={"flagged": (*verdict.flagged, f"{FLAG}{problem}")})
    try:
        launches = trusted_launches(held, hardware.launches)
        if not pinned:
            raise Unproven(
                "the time stamper's key came with the folder, and so did the time to judge it at: pin your keys"
            )
    except Unproven as problem:
        told = f"Hardware evidence ({evidence.kind}) holds, and is not tier T2: {problem}."
        return verdict.model_copy(update={"found": (*verdict.found, told)})
    gpus = [one for one in launches if isinstance(one, GpuLaunch)]
    words = (in_words(held.processor), *map(in_gpu_words, held.devices, gpus))
    detail = "; ".join(f"{launch.name}, {said}" for launch, said in zip(launches, words, strict=True))
    step = Step(number=len(verdict.steps) + 1, check=CHECK, passed=True, detail=detail)
    remarks = [remark for remark in verdict.not_shown if remark != EVIDENCE_NOT_SHOWN]
    more = (
        *(TDX_NOT_SHOWN if isinstance(held.processor, TdxSound) else ()),
        *(DEVICES_NOT_SHOWN if held.devices else ()),
    )
    return verdict.model_copy(
        update={"tier": "T2", "steps": (*verdict.steps, step), "not_shown": (*T2_NOT_SHOWN, *more, *remarks)}
    )


def check_evidence(evidence: Evidence, statement: bytes, at: datetime, roots: Roots) -> Held:
    """What the evidence says, once all of it holds. Raises Unproven where it does not, or is of a kind that is not read here."""
    if evidence.kind == NVIDIA_GPU:
        raise Unproven("a device's report says nothing of the machine that asked for it: it goes with a processor's")
    if evidence.kind not in (SEV_SNP, INTEL_TDX):
        raise Unproven(f"this verifier does not read the kind {evidence.kind}")
    bound = bound_data(statement, evidence.devices)
    raw, collateral = _parts(evidence)
    processor = (
        check_sev_snp(raw, collateral, bound, at, roots.amd)
        if evidence.kind == SEV_SNP
        else check_tdx(raw, collateral, bound, at, roots.intel)
    )
    devices = tuple(_device(one, statement, at, roots) for one in evidence.devices)
    if len({one.key for one in devices}) != len(devices):
        raise Unproven("two reports are signed by the key of one device, which would count twice")
    return Held(processor, devices)


def _device(evidence: DeviceEvidence, statement: bytes, at: datetime, roots: Roots) -> GpuSound:
    if evidence.kind != NVIDIA_GPU:
        raise Unproven(f"this verifier does not read the kind {evidence.kind} of devices")
    return check_gpu(*_parts(evidence), device_nonce(statement), at, roots.nvidia)


def _parts(evidence: Evidence | DeviceEvidence) -> tuple[bytes, dict[str, bytes]]:
    try:
        return base64_bytes(evidence.report), {name: base64_bytes(data) for name, data in evidence.collateral.items()}
    except ValueError:
        raise Unproven("the evidence has base64 that is not in its one form") from None


def trusted_launches(held: Held, trusted: TrustedLaunches) -> tuple[Launch | TdxLaunch | GpuLaunch, ...]:
    """That of the processor, and of each device. Raises Unproven where the reader does not trust one."""
    gpus = [one for one in trusted.launches if isinstance(one, GpuLaunch)]
    return (trusted_launch(held.processor, trusted), *(trusted_gpu(one, gpus) for one in held.devices))


def trusted_launch(sound: Sound | TdxSound, trusted: TrustedLaunches) -> Launch | TdxLaunch:
    """The launch that it is of. Raises Unproven where the reader trusts none such, or none on a platform as old as this."""
    if not trusted.launches:
        raise Unproven("you have listed no launch that you trust")
    match sound:
        case Sound():
            return _trusted_guest(sound, [one for one in trusted.launches if isinstance(one, Launch)])
        case TdxSound():
            return trusted_domain(sound, [one for one in trusted.launches if isinstance(one, TdxLaunch)])
        case _:
            assert_never(sound)


def _trusted_guest(sound: Sound, launches: list[Launch]) -> Launch:
    named = [one for one in launches if one.measurement == sound.measurement]
    if not named:
        raise Unproven(f"the launch {sound.measurement} is not one that you trust")
    found = [one for one in named if one.at_least is None or all(reaches(each, one.at_least) for each in sound.least)]
    if not found:
        raise Unproven(f"its platform is older than you ask for: {_levels_in_words(sound.levels)}")
    return found[0]


def in_words(sound: Sound | TdxSound) -> str:
    """What holds, on one line."""
    match sound:
        case Sound():
            return f"{sound.measurement[:16]}; {sound.signer}; {_levels_in_words(sound.levels)}"
        case TdxSound():
            return in_tdx_words(sound)
        case _:
            assert_never(sound)


def _levels_in_words(levels: PatchLevels) -> str:
    return "patch levels " + ", ".join(f"{name} {level}" for name, level in levels.as_json().items())
