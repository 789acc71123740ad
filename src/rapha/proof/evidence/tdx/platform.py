"""What the certificate of a platform's key (PCK) says of it, in Intel's own extension (1.2.840.113741.1.13.1). Pure.

Intel SGX PCK Certificate and Certificate Revocation List Profile Specification, 1.3.5.
"""

from dataclasses import dataclass

from rapha.errors import Unproven
from rapha.proof.evidence import der
from rapha.proof.evidence.certificates import Certificate

_EXTENSION = bytes.fromhex("2a864886f84d010d01")
_TCB, _PCEID, _FMSPC = _EXTENSION + b"\x02", _EXTENSION + b"\x03", _EXTENSION + b"\x04"
_COMPONENTS = 16
_PCESVN = 17


@dataclass(frozen=True)
class Platform:
    """`fmspc`: which kind it is. `sgx`: patch levels of its processor, in Intel's order; `pcesvn`: of what certified the key, `pceid`."""

    fmspc: bytes
    pceid: bytes
    sgx: tuple[int, ...]
    pcesvn: int


def read_platform(pck: Certificate) -> Platform:
    """Raises Unproven where the certificate does not say it, or says it twice."""
    stated = _fields(der.one(pck.extensions.get(_EXTENSION, b""), der.SEQUENCE).body)
    levels = _fields(der.one(_whole(stated, _TCB), der.SEQUENCE).body)
    sgx = tuple(_number(levels, place, 0xFF) for place in range(1, _COMPONENTS + 1))
    return Platform(_octets(stated, _FMSPC, 6), _octets(stated, _PCEID, 2), sgx, _number(levels, _PCESVN, 0xFFFF))


def _fields(body: bytes) -> dict[bytes, der.Value]:
    found: dict[bytes, der.Value] = {}
    for pair in der.values(body):
        parts = der.values(pair.body)
        if pair.tag != der.SEQUENCE or len(parts) != 2 or parts[0].tag != der.OBJECT or parts[0].body in found:
            raise Unproven(der.MALFORMED)
        found[parts[0].body] = parts[1]
    return found


def _whole(stated: dict[bytes, der.Value], name: bytes) -> bytes:
    if name not in stated:
        raise Unproven("the certificate of the platform's key does not say of which platform it is")
    return stated[name].whole


def _octets(stated: dict[bytes, der.Value], name: bytes, size: int) -> bytes:
    body = der.one(_whole(stated, name), der.OCTET_STRING).body
    if len(body) != size:
        raise Unproven(der.MALFORMED)
    return body


def _number(levels: dict[bytes, der.Value], place: int, most: int) -> int:
    number = der.integer(der.one(_whole(levels, _TCB + bytes([place])), der.INTEGER).body)
    if number > most:
        raise Unproven(der.MALFORMED)
    return number
