"""What Intel says of a platform at its patch levels: the order of the levels, which of them a platform reaches, and what several statuses
come to together. Pure.

Intel's PCS API, "TCB info", algorithm of TCB status, and what Intel's own verifier (QVL: `TdxVerifier`, `convergeTcbStatuses`, `checkForRelaunch`)
adds to it: levels are tried from the highest down, whichever way they were listed; a version of the TDX module has levels of its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rapha.errors import Unproven
from rapha.proof.evidence.tdx.collateral import EnclaveLevel, Level, Module, Stated, TcbInfo
from rapha.proof.evidence.tdx.platform import Platform
from rapha.records.evidence import TdxStatus

_WITH_CONFIGURATION = ("ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDateConfigurationNeeded")
_OLD = ("OutOfDate", "OutOfDateConfigurationNeeded")


@dataclass(frozen=True)
class Standing:
    """What Intel says of a platform. `advisories`: the published weaknesses that it names with that. `date`: of the oldest level that it is said by."""

    status: TdxStatus
    advisories: tuple[str, ...]
    date: datetime


@dataclass(frozen=True)
class _Said:
    """Of a platform with this TDX module, without its quoting enclave."""

    status: Stated
    advisories: tuple[str, ...]
    date: datetime


def standing(info: TcbInfo, platform: Platform, launched: bytes, now: bytes | None, enclave: EnclaveLevel) -> Standing:
    """Of a platform with this quoting enclave. `launched`: the TDX module's patch levels when the trust domain was started; `now`: those it has, where
    the report says so.

    Raises:
        Unproven: Intel says nothing of levels as low as these, or has taken its word back.
    """
    at_launch = _at(info, platform, launched)
    at_present = _at(info, platform, now) if now is not None else at_launch
    status, running = (together(one.status, enclave.status) for one in (at_launch, at_present))
    if status == "Revoked" or running == "Revoked":
        raise Unproven(
            "Intel has revoked the platform's patch levels: keys of such platforms are known to have come out"
        )
    advisories = dict.fromkeys((*at_launch.advisories, *at_present.advisories, *enclave.advisories))
    date = min(at_launch.date, at_present.date, enclave.date)
    return Standing(_relaunched(status, running) if now is not None else status, tuple(advisories), date)


def together(platform: Stated, part: Stated) -> Stated:
    """The status of a platform with that of its quoting enclave or TDX module, which counts where it is out of date or worse."""
    if part == "Revoked" or platform == "Revoked":
        return "Revoked"
    if part != "OutOfDate":
        return platform
    match platform:
        case "UpToDate" | "SWHardeningNeeded":
            return "OutOfDate"
        case "ConfigurationNeeded" | "ConfigurationAndSWHardeningNeeded":
            return "OutOfDateConfigurationNeeded"
        case _:
            return platform


def reached(levels: Iterable[EnclaveLevel], isvsvn: int, what: str) -> EnclaveLevel:
    """The highest level that this patch level reaches. Raises Unproven where it reaches none."""
    for level in sorted(levels, key=lambda one: one.isvsvn, reverse=True):
        if isvsvn >= level.isvsvn:
            return level
    raise Unproven(f"Intel says nothing of {what} as old as this")


def module_of(info: TcbInfo, tcb: bytes) -> Module:
    """The TDX module of this version. Raises Unproven where Intel lists none such."""
    version = tcb[1]
    if version == 0:
        return info.module
    if version not in info.modules:
        raise Unproven(f"Intel says nothing of a TDX module of version {version}")
    return info.modules[version]


def _at(info: TcbInfo, platform: Platform, tcb: bytes) -> _Said:
    level = _highest(info.levels, platform, tcb)
    module = module_of(info, tcb)
    if tcb[1] == 0:
        return _Said(level.status, level.advisories, level.date)
    of_module = reached(module.levels, tcb[0], "a TDX module")
    status, date = together(level.status, of_module.status), min(level.date, of_module.date)
    return _Said(status, (*level.advisories, *of_module.advisories), date)


def _highest(levels: tuple[Level, ...], platform: Platform, tcb: bytes) -> Level:
    """The first two levels of TDX are the module's, which has its own from version 1 on."""
    skipped = 2 if tcb[1] else 0
    for level in sorted(levels, key=lambda one: (one.sgx, one.pcesvn, one.tdx), reverse=True):
        if (
            platform.pcesvn >= level.pcesvn
            and all(has >= asked for has, asked in zip(platform.sgx, level.sgx, strict=True))
            and all(has >= asked for has, asked in list(zip(tcb, level.tdx, strict=True))[skipped:])
        ):
            return level
    raise Unproven("Intel says nothing of a platform with patch levels as low as these")


def _relaunched(begun: Stated, running: Stated) -> TdxStatus:
    """Of a trust domain that was started on an old module, which was renewed under it."""
    assert begun != "Revoked"
    if begun in _OLD and running not in _OLD:
        configured = begun in _WITH_CONFIGURATION or running in _WITH_CONFIGURATION
        return "TDRelaunchAdvisedConfigurationNeeded" if configured else "TDRelaunchAdvised"
    return begun
