"""Certificates and revocation lists of processors' makers: read, and held against who issued them. Pure.

AMD:   root (ARK, pinned)  ->  intermediate (ASK for VCEKs, ASVK for VLEKs)  ->  signer (VCEK of a chip, VLEK of a provider)
Intel: root (SGX, pinned)  ->  intermediate (PCK Platform or Processor CA)   ->  signer (PCK of a platform)

NVIDIA: root (pinned) -> of a kind of chip -> of a maker's line -> of one chip -> its firmware, which signs

AMD signs with RSASSA-PSS, SHA-384, MGF1 of the same and a salt of 48 bytes (AMD 57230, VCEK Certificate and KDS Interface
Specification, 2 and 3), Intel with ECDSA on P-256, NVIDIA with ECDSA on P-384.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, assert_never

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from rapha.errors import Unproven
from rapha.proof.evidence import der

MAX_CERTIFICATE_BYTES = 4 << 10
MAX_CRL_BYTES = 64 << 10
MAX_NAME_BYTES = 64
"""RFC 5280, appendix A.1: ub-common-name."""
_VERSION, _EXTENSIONS, _EXTENSIONS_OF_CRL = 0xA0, 0xA3, 0xA0
Algorithm = Literal["rsa-pss-sha384", "ecdsa-p256-sha256", "ecdsa-p384-sha384"]
_RSASSA_PSS = bytes.fromhex("06092a864886f70d01010a")
_ECDSA = {
    "ecdsa-p256-sha256": bytes.fromhex("06082a8648ce3d040302"),
    "ecdsa-p384-sha384": bytes.fromhex("06082a8648ce3d040303"),
}
_COMMON_NAME = bytes.fromhex("0603550403")
_BASIC_CONSTRAINTS = bytes.fromhex("551d13")
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)


@dataclass(frozen=True)
class Certificate:
    """What is asked of one. `algorithm`: what it is signed with; `signed`: the bytes that `signature` is over. `extensions`: the value of each, by the bytes of its identifier."""

    whole: bytes
    serial: int
    issuer: bytes
    subject: bytes
    name: str
    start: datetime
    end: datetime
    key: PublicKeyTypes
    extensions: dict[bytes, bytes]
    algorithm: Algorithm
    signed: bytes
    signature: bytes


@dataclass(frozen=True)
class RevocationList:
    issuer: bytes
    start: datetime
    end: datetime
    serials: frozenset[int]
    algorithm: Algorithm
    signed: bytes
    signature: bytes


def read_certificate(data: bytes, signed_with: Algorithm = "rsa-pss-sha384") -> Certificate:
    """Raises Unproven where it is none, is very long, or is signed in another way than its maker signs."""
    signed, signature = _signed(data, MAX_CERTIFICATE_BYTES)
    version, serial, algorithm, issuer, validity, subject, key, extensions = der.fields(
        signed, _VERSION, der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, _EXTENSIONS
    )
    if der.integer(der.one(version.body, der.INTEGER).body) != 2:
        raise Unproven(der.MALFORMED)
    _check_algorithm(data, algorithm.whole, signed_with)
    times = der.values(validity.body)
    if len(times) != 2:
        raise Unproven(der.MALFORMED)
    return Certificate(
        whole=data,
        serial=der.integer(serial.body),
        issuer=issuer.whole,
        subject=subject.whole,
        name=_common_name(subject),
        start=der.moment(times[0]),
        end=der.moment(times[1]),
        key=_key(key.whole),
        extensions=_extensions(extensions.body),
        algorithm=signed_with,
        signed=signed,
        signature=signature,
    )


def read_crl(data: bytes, signed_with: Algorithm = "rsa-pss-sha384") -> RevocationList:
    """Raises Unproven where it is none, is very long, or says that it is not the whole list."""
    signed, signature = _signed(data, MAX_CRL_BYTES)
    found = der.values(der.one(signed, der.SEQUENCE).body)
    tags = [value.tag for value in found]
    if tags[:3] != [der.INTEGER, der.SEQUENCE, der.SEQUENCE] or len(found) < 5:
        raise Unproven(der.MALFORMED)
    _check_algorithm(data, found[1].whole, signed_with)
    rest = found[5:]
    revoked = der.values(rest.pop(0).body) if rest and rest[0].tag == der.SEQUENCE else []
    if rest and (len(rest) != 1 or rest[0].tag != _EXTENSIONS_OF_CRL or _critical(rest[0].body)):
        raise Unproven("the revocation list has something that this verifier does not know and may not pass over")
    entries = [der.values(one.body) for one in revoked]
    if any(len(entry) < 2 or entry[0].tag != der.INTEGER for entry in entries):
        raise Unproven(der.MALFORMED)
    return RevocationList(
        issuer=found[2].whole,
        start=der.moment(found[3]),
        end=der.moment(found[4]),
        serials=frozenset(der.integer(entry[0].body) for entry in entries),
        algorithm=signed_with,
        signed=signed,
        signature=signature,
    )


def check_issued(one: Certificate | RevocationList, by: Certificate) -> None:
    """Raises Unproven where `by` did not sign it, or is not whom it names."""
    if one.issuer != by.subject:
        raise Unproven("the chain of certificates is broken: one names another issuer than the next")
    try:
        _verify(one, by.key)
    except InvalidSignature:
        raise Unproven("the chain of certificates is broken: a signature does not fit") from None


def _verify(one: Certificate | RevocationList, key: PublicKeyTypes) -> None:
    """Raises InvalidSignature, or Unproven where the key is of another kind than the algorithm."""
    match one.algorithm:
        case "rsa-pss-sha384":
            if isinstance(key, rsa.RSAPublicKey):
                return key.verify(one.signature, one.signed, _PSS, hashes.SHA384())
        case "ecdsa-p256-sha256":
            if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
                return key.verify(one.signature, one.signed, ec.ECDSA(hashes.SHA256()))
        case "ecdsa-p384-sha384":
            if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP384R1):
                return key.verify(one.signature, one.signed, ec.ECDSA(hashes.SHA384()))
        case _:
            assert_never(one.algorithm)
    raise Unproven("the chain of certificates is broken: an issuer has a key of another kind than it signs with")


def check_issues(one: Certificate) -> None:
    """Raises Unproven where it may not issue certificates (RFC 5280, 4.2.1.9)."""
    if not may_issue(one):
        raise Unproven(f"{one.name} may not issue certificates, and issued one")


def may_issue(one: Certificate) -> bool:
    """May it issue certificates?"""
    stated = one.extensions.get(_BASIC_CONSTRAINTS)
    return stated is not None and der.one(stated, der.SEQUENCE).body.startswith(bytes.fromhex("0101ff"))


def check_good_at(one: Certificate | RevocationList, at: datetime, what: str) -> None:
    """Raises Unproven where it was not good at that time."""
    if not one.start <= at <= one.end:
        raise Unproven(
            f"{what} was good from {one.start:%Y-%m-%d} to {one.end:%Y-%m-%d}, and not at the time of the time stamp"
        )


def _signed(data: bytes, limit_bytes: int) -> tuple[bytes, bytes]:
    if len(data) > limit_bytes:
        raise Unproven(f"a certificate or a revocation list has {len(data)} bytes: at most {limit_bytes}")
    body, _, signature = der.fields(data, der.SEQUENCE, der.SEQUENCE, der.BIT_STRING)
    if signature.body[:1] != b"\x00":
        raise Unproven(der.MALFORMED)
    return body.whole, signature.body[1:]


def _check_algorithm(data: bytes, inner: bytes, wanted: Algorithm) -> None:
    """Said alike inside and outside of what is signed; which hash and salt a PSS signature says is not asked, since no other is tried."""
    outer = der.fields(data, der.SEQUENCE, der.SEQUENCE, der.BIT_STRING)[1].whole
    stated = der.one(outer, der.SEQUENCE).body
    as_wanted = stated.startswith(_RSASSA_PSS) if wanted == "rsa-pss-sha384" else stated == _ECDSA[wanted]
    if inner != outer or not as_wanted:
        raise Unproven("a certificate or a revocation list is signed in another way than its maker signs")


def _key(spki: bytes) -> PublicKeyTypes:
    try:
        return serialization.load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise Unproven("a certificate's key is of a kind that is not known") from None


def _common_name(subject: der.Value) -> str:
    found = [pair for group in der.values(subject.body) for pair in der.values(group.body)]
    named = [der.values(pair.body) for pair in found if pair.body.startswith(_COMMON_NAME)]
    if len(named) != 1 or len(named[0]) != 2:
        raise Unproven("a certificate does not have exactly one name")
    name = named[0][1].body
    if not 1 <= len(name) <= MAX_NAME_BYTES or not (name.isascii() and name.decode("ascii").isprintable()):
        raise Unproven(f"a certificate has a name that is not of 1 to {MAX_NAME_BYTES} printable characters of ASCII")
    return name.decode("ascii")


def _extensions(body: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for extension in der.values(der.one(body, der.SEQUENCE).body):
        parts = der.values(extension.body)
        if len(parts) not in (2, 3) or (parts[0].tag, parts[-1].tag) != (der.OBJECT, der.OCTET_STRING):
            raise Unproven(der.MALFORMED)
        if parts[0].body in found:
            raise Unproven("a certificate has an extension twice")
        found[parts[0].body] = parts[-1].body
    return found


def _critical(body: bytes) -> bool:
    listed = der.values(der.one(body, der.SEQUENCE).body)
    return any(len(der.values(extension.body)) != 2 for extension in listed)
