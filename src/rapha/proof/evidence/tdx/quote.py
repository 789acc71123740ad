"""A quote of Intel TDX, version 4 or 5: header, report of the trust domain, and who signed it by way of whom. Pure.

    header | body | signature over both | attestation key | report of the quoting enclave, which names that key | its signature | PCK chain

Intel TDX DCAP Quoting Library API, appendix 3 (version 4: TD report of TDX 1.0; version 5: of 1.0, 1.5 or 1.5 extended).
"""

from dataclasses import dataclass

from rapha.errors import Unproven
from rapha.proof.evidence.pem import read_pem

MAX_QUOTE_BYTES = 16 << 10
ECDSA_P256 = 2
TDX = 0x81
INTEL = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
_BODIES = {2: 584, 3: 648, 4: 885}
"""Size of each kind of body that version 5 can have: of TDX 1.0, 1.5, and 1.5 extended."""
_EXTENDED = 4
_OF_QUOTING_ENCLAVE, _PCK_CHAIN = 6, 5


@dataclass(frozen=True)
class TrustDomain:
    """What the processor says of one. `tcb`: patch levels of the TDX module at launch; `now`: the same as they are, from TDX 1.5 on; `shared`: what is said of
    others that are bound to it, all of which is 0 where there are none: of a service (MRSERVICETD) from 1.5 on, of devices and of its place among other
    machines in 1.5 extended alone; nothing of either in 1.0. `data`: the 64 bytes that it had signed."""

    tcb: bytes
    mrseam: bytes
    mrsignerseam: bytes
    seam_attributes: bytes
    attributes: int
    xfam: bytes
    mrtd: bytes
    mrconfigid: bytes
    mrowner: bytes
    mrownerconfig: bytes
    rtmr: tuple[bytes, bytes, bytes, bytes]
    data: bytes
    now: bytes | None
    shared: bytes


@dataclass(frozen=True)
class QuotingEnclave:
    """Intel's own enclave, which made the attestation key. `data`: what it says of that key. `signed`: its report, whole."""

    miscselect: int
    attributes: bytes
    mrsigner: bytes
    isvprodid: int
    isvsvn: int
    data: bytes
    signed: bytes
    signature: bytes


@dataclass(frozen=True)
class Quote:
    """`key`, `signature`: 64 bytes each, as two numbers. `named`: what the enclave hashed with the key. `chain`: PCK, intermediate and root, in DER."""

    domain: TrustDomain
    signed: bytes
    signature: bytes
    key: bytes
    enclave: QuotingEnclave
    named: bytes
    chain: tuple[bytes, bytes, bytes]


class _Bytes:
    """Reads on, and never past the end."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.raw):
            raise Unproven("the quote is cut short")
        self.at += size
        return self.raw[self.at - size : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def end(self) -> None:
        if self.at != len(self.raw):
            raise Unproven("the quote has something behind one of its parts")


def read_quote(raw: bytes) -> Quote:
    """Raises Unproven where it is none, is very long, of another version or signature, or has something behind a part of it."""
    if len(raw) > MAX_QUOTE_BYTES:
        raise Unproven(f"the quote has {len(raw)} bytes: at most {MAX_QUOTE_BYTES}")
    read = _Bytes(raw)
    kind = _header(read)
    domain = _domain(read.take(_BODIES[kind]), kind)
    signed = raw[: read.at]
    inside = _Bytes(read.take(read.number(4)))
    read.end()
    signature, key = inside.take(64), inside.take(64)
    certified = _part(inside, _OF_QUOTING_ENCLAVE, "a report of the quoting enclave")
    enclave = _enclave(certified.take(384), certified.take(64))
    named = certified.take(certified.number(2))
    chain = _part(certified, _PCK_CHAIN, "the PCK's chain of certificates")
    return Quote(domain, signed, signature, key, enclave, named, _chain(chain.raw))


def _header(read: _Bytes) -> int:
    """Which kind of body comes next."""
    version, algorithm, kind = read.number(2), read.number(2), read.number(4)
    read.take(4)
    maker = read.take(16)
    read.take(20)
    if version not in (4, 5):
        raise Unproven(f"the quote is of version {version}: this verifier reads 4 and 5")
    if algorithm != ECDSA_P256:
        raise Unproven("the quote is signed in another way than with ECDSA P-256")
    if kind != TDX or maker != INTEL:
        raise Unproven("the quote is of something else than Intel TDX")
    if version == 4:
        return 2
    body, size = read.number(2), read.number(4)
    if _BODIES.get(body) != size:
        raise Unproven("the quote has a report that is of no trust domain, or of another size")
    return body


def _domain(body: bytes, kind: int) -> TrustDomain:
    read = _Bytes(body)
    tcb, mrseam, mrsignerseam, seam_attributes = read.take(16), read.take(48), read.take(48), read.take(8)
    attributes, xfam, mrtd = read.number(8), read.take(8), read.take(48)
    config, owner, owner_config = read.take(48), read.take(48), read.take(48)
    rtmr = (read.take(48), read.take(48), read.take(48), read.take(48))
    data, now = read.take(64), read.take(16) if kind > 2 else None
    service = read.take(48) if kind > 2 else b""
    place = read.take(1) if kind == _EXTENDED else b""
    read.take(32 if kind == _EXTENDED else 0)  # its own name, drawn at each launch
    return TrustDomain(
        tcb=tcb,
        mrseam=mrseam,
        mrsignerseam=mrsignerseam,
        seam_attributes=seam_attributes,
        attributes=attributes,
        xfam=xfam,
        mrtd=mrtd,
        mrconfigid=config,
        mrowner=owner,
        mrownerconfig=owner_config,
        rtmr=rtmr,
        data=data,
        now=now,
        shared=service + place + body[read.at :],
    )


def _enclave(report: bytes, signature: bytes) -> QuotingEnclave:
    """A report of SGX, of which the places that have to be empty are the signer's to see to."""
    return QuotingEnclave(
        miscselect=int.from_bytes(report[16:20], "little"),
        attributes=report[48:64],
        mrsigner=report[128:160],
        isvprodid=int.from_bytes(report[256:258], "little"),
        isvsvn=int.from_bytes(report[258:260], "little"),
        data=report[320:384],
        signed=report,
        signature=signature,
    )


def _part(read: _Bytes, kind: int, what: str) -> _Bytes:
    """The last part of these bytes, which has to be of this kind."""
    stated, size = read.number(2), read.number(4)
    if stated != kind:
        raise Unproven(f"the quote has certification data of type {stated} where {what} has to be")
    inside = _Bytes(read.take(size))
    read.end()
    return inside


def _chain(pem: bytes) -> tuple[bytes, bytes, bytes]:
    """With at most one NUL behind them, as Intel writes them."""
    ders = read_pem(pem[:-1] if pem.endswith(b"\0") else pem)
    if len(ders) != 3:
        raise Unproven("the quote has something else than three certificates in PEM")
    return ders[0], ders[1], ders[2]
