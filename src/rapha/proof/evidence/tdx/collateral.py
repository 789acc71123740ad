"""What Intel says of its platforms: TCB information of TDX (version 3) and the identity of the quoting enclave, as signed JSON. Pure.

Signed are the exact bytes of the object, so they are kept as they came and read only once the signature fits.
Intel SGX and TDX Provisioning Certification Service API, version 4, TCB info V3 and enclave identity V2.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar, get_args

from rapha.errors import Unproven
from rapha.records.evidence import MAX_EVALUATION

MAX_LEVELS = 200
Stated = Literal[
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
    "OutOfDateConfigurationNeeded", "Revoked",
]  # fmt: skip
_OF_PLATFORMS: tuple[Stated, ...] = get_args(Stated)
_OF_MODULES: tuple[Stated, ...] = ("UpToDate", "OutOfDate", "Revoked")
_COMPONENTS = 16
_T = TypeVar("_T")
Json = dict[str, Any]


@dataclass(frozen=True)
class Level:
    """Patch levels, and what Intel says of whoever has all of them: of the processor (SGX), of its PCE, and of TDX. `date`: Intel's `tcbDate`, of the
    weaknesses that were known of when these levels came out."""

    sgx: tuple[int, ...]
    pcesvn: int
    tdx: tuple[int, ...]
    status: Stated
    advisories: tuple[str, ...]
    date: datetime


@dataclass(frozen=True)
class EnclaveLevel:
    """The same of one piece of software: `isvsvn`, its patch level."""

    isvsvn: int
    status: Stated
    advisories: tuple[str, ...]
    date: datetime


@dataclass(frozen=True)
class Module:
    """The TDX module: who signed it, and its attributes."""

    mrsigner: bytes
    attributes: int
    mask: int
    levels: tuple[EnclaveLevel, ...] = ()


@dataclass(frozen=True)
class TcbInfo:
    """`start`, `end`: when Intel gave it out, and until when it stands by it. `evaluation`: the number of the weaknesses that were looked at for it, which grows:
    Intel gives out several at a time, each as of today. `fmspc`: the kind of platform. `module`: of version 0; `modules`: of later ones, by version."""

    start: datetime
    end: datetime
    evaluation: int
    fmspc: bytes
    pceid: bytes
    module: Module
    modules: dict[int, Module]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class EnclaveIdentity:
    """`start`, `end`, `evaluation`: as of a platform."""

    start: datetime
    end: datetime
    evaluation: int
    miscselect: tuple[int, int]
    attributes: tuple[int, int]
    mrsigner: bytes
    isvprodid: int
    levels: tuple[EnclaveLevel, ...]


def read_tcb_info(signed: bytes) -> TcbInfo:
    """Raises Unproven where it is of another form or technology."""
    return _read(signed, _tcb_info, "TCB information")


def read_identity(signed: bytes) -> EnclaveIdentity:
    """Raises Unproven where it is of another form or enclave."""
    return _read(signed, _identity, "identity of the quoting enclave")


def _read(signed: bytes, of: Callable[[Json], _T], what: str) -> _T:
    try:
        return of(json.loads(signed))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Unproven(f"Intel's {what} is of another form than this verifier reads") from None


def _tcb_info(value: Json) -> TcbInfo:
    if (value["id"], value["version"], value["tcbType"]) != ("TDX", 3, 0):
        raise ValueError(value["id"])
    identities = value.get("tdxModuleIdentities", [])
    named = {_version(one["id"]): _module(one) for one in identities}
    if len(named) != len(identities):
        raise ValueError("a version twice")
    return TcbInfo(
        start=_moment(value["issueDate"]),
        end=_moment(value["nextUpdate"]),
        evaluation=_number(value["tcbEvaluationDataNumber"], MAX_EVALUATION),
        fmspc=_hex(value["fmspc"], 6),
        pceid=_hex(value["pceId"], 2),
        module=_module({"tcbLevels": [], **value["tdxModule"]}),
        modules=named,
        levels=tuple(_level(one) for one in _few(value["tcbLevels"])),
    )


def _identity(value: Json) -> EnclaveIdentity:
    if value["id"] != "TD_QE" or value["version"] not in (2, 3):
        raise ValueError(value["id"])
    return EnclaveIdentity(
        start=_moment(value["issueDate"]),
        end=_moment(value["nextUpdate"]),
        evaluation=_number(value["tcbEvaluationDataNumber"], MAX_EVALUATION),
        miscselect=(_mask(value["miscselect"], 4), _mask(value["miscselectMask"], 4)),
        attributes=(_mask(value["attributes"], 16), _mask(value["attributesMask"], 16)),
        mrsigner=_hex(value["mrsigner"], 32),
        isvprodid=_number(value["isvprodid"], 0xFFFF),
        levels=tuple(_enclave_level(one, _OF_PLATFORMS) for one in _few(value["tcbLevels"])),
    )


def _module(value: Json) -> Module:
    return Module(
        mrsigner=_hex(value["mrsigner"], 48),
        attributes=_mask(value["attributes"], 8),
        mask=_mask(value["attributesMask"], 8),
        levels=tuple(_enclave_level(one, _OF_MODULES) for one in _few(value["tcbLevels"])),
    )


def _version(name: str) -> int:
    """`TDX_03` is of version 3."""
    if not name.startswith("TDX_"):
        raise ValueError(name)
    return _hex(name.removeprefix("TDX_"), 1)[0]


def _level(value: Json) -> Level:
    tcb = value["tcb"]
    return Level(
        sgx=_components(tcb["sgxtcbcomponents"]),
        pcesvn=_number(tcb["pcesvn"], 0xFFFF),
        tdx=_components(tcb["tdxtcbcomponents"]),
        status=_status(value, _OF_PLATFORMS),
        advisories=_advisories(value),
        date=_moment(value["tcbDate"]),
    )


def _enclave_level(value: Json, known: tuple[Stated, ...]) -> EnclaveLevel:
    isvsvn = _number(value["tcb"]["isvsvn"], 0xFFFF)
    return EnclaveLevel(isvsvn, _status(value, known), _advisories(value), _moment(value["tcbDate"]))


def _components(listed: list[Json]) -> tuple[int, ...]:
    if len(listed) != _COMPONENTS:
        raise ValueError(len(listed))
    return tuple(_number(one["svn"], 0xFF) for one in listed)


def _status(value: Json, known: tuple[Stated, ...]) -> Stated:
    return {one: one for one in known}[value["tcbStatus"]]


def _advisories(value: Json) -> tuple[str, ...]:
    listed = _few(value.get("advisoryIDs", []))
    if not all(isinstance(one, str) and one.isascii() and one.isprintable() and len(one) <= 40 for one in listed):
        raise ValueError("an advisory without a name")
    return tuple(listed)


def _few(listed: Any) -> list[Any]:
    if not isinstance(listed, list) or len(listed) > MAX_LEVELS:
        raise ValueError("no list, or a very long one")
    return listed


def _hex(text: str, size: int) -> bytes:
    if len(text) != 2 * size:
        raise ValueError(size)
    return bytes.fromhex(text)


def _mask(text: str, size: int) -> int:
    return int.from_bytes(_hex(text, size), "little")


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(most)
    return value


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
