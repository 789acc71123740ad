"""RFC 3161 time stamps: a token over a receipt's signature, made and checked. Pure; the clock is an argument.

One form only: a granted response whose token is CMS SignedData over one TSTInfo, SHA-256 throughout, signed once with
ECDSA P-256, with the ESS signing-certificate attribute (RFC 5035, RFC 5816). The stamper's certificate is not inside: a
verifier has it beforehand, or it says nothing. What is of another form is refused, not understood halfway.
"""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import serialization

from rapha.errors import Unproven
from rapha.proof import keys

Oid = x509.ObjectIdentifier
SHA256 = Oid("2.16.840.1.101.3.4.2.1")
ECDSA_SHA256 = Oid("1.2.840.10045.4.3.2")
SIGNED_DATA = Oid("1.2.840.113549.1.7.2")
TST_INFO = Oid("1.2.840.113549.1.9.16.1.4")
CONTENT_TYPE = Oid("1.2.840.113549.1.9.3")
MESSAGE_DIGEST = Oid("1.2.840.113549.1.9.4")
SIGNING_CERTIFICATE_V2 = Oid("1.2.840.113549.1.9.16.2.47")
POLICY = Oid("1.3.6.1.4.1.57264.2")
"""Of time stamps for Sigstore bundles."""
GRANTED = 0
MAX_STAMP_BYTES = 16 << 10
STAMPERS_REMEMBERED = 8


@asn1.sequence
class _Algorithm:
    algorithm: Oid


@asn1.sequence
class _Imprint:
    algorithm: _Algorithm
    digest: bytes


@asn1.sequence
class _Info:
    """TSTInfo."""

    version: int
    policy: Oid
    imprint: _Imprint
    serial: int
    at: asn1.GeneralizedTime


@asn1.sequence
class _Content:
    """EncapsulatedContentInfo."""

    kind: Oid
    content: Annotated[bytes, asn1.Explicit(0)]


@asn1.sequence
class _Attribute:
    kind: Oid
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
class _Signed:
    """SignerInfo, its signer named by issuer and serial number."""

    version: int
    signer: asn1.TLV
    digest_algorithm: _Algorithm
    attributes: Annotated[asn1.SetOf[_Attribute], asn1.Implicit(0)]
    algorithm: _Algorithm
    signature: bytes


@asn1.sequence
class _SignedData:
    version: int
    digest_algorithms: asn1.SetOf[_Algorithm]
    content: _Content
    signers: asn1.SetOf[_Signed]


@asn1.sequence
class _Token:
    """ContentInfo."""

    kind: Oid
    content: Annotated[_SignedData, asn1.Explicit(0)]


@asn1.sequence
class _Status:
    status: int


@asn1.sequence
class _Response:
    """TimeStampResp."""

    status: _Status
    token: _Token


@asn1.sequence
class _Signer:
    issuer: asn1.TLV
    serial: int


@asn1.sequence
class _CertificateId:
    """ESSCertIDv2, its hash SHA-256 by default."""

    digest: bytes


@asn1.sequence
class _SigningCertificates:
    certificates: list[_CertificateId]


def stamp(message: bytes, at: datetime, serial: int, certificate: x509.Certificate, private: keys.PrivateKey) -> bytes:
    """The TimeStampResp that says `message` was there at this second. `certificate` is of `private`'s key."""
    info = _Info(
        version=1,
        policy=POLICY,
        imprint=_Imprint(algorithm=_Algorithm(algorithm=SHA256), digest=_sha256(message)),
        serial=serial,
        at=asn1.GeneralizedTime(at.astimezone(UTC).replace(microsecond=0)),
    )
    content = asn1.encode_der(info)
    attributes = _attributes(content, certificate)
    signed = _Signed(
        version=1,
        signer=_tlv(_signer_of(certificate)),
        digest_algorithm=_Algorithm(algorithm=SHA256),
        attributes=asn1.SetOf([asn1.decode_der(_Attribute, one) for one in attributes]),
        algorithm=_Algorithm(algorithm=ECDSA_SHA256),
        signature=keys.sign(private, _as_set(attributes)),
    )
    data = _SignedData(
        version=3,
        digest_algorithms=asn1.SetOf([_Algorithm(algorithm=SHA256)]),
        content=_Content(kind=TST_INFO, content=content),
        signers=asn1.SetOf([signed]),
    )
    token = _Token(kind=SIGNED_DATA, content=data)
    return asn1.encode_der(_Response(status=_Status(status=GRANTED), token=token))


def check_stamp(response: bytes, message: bytes, certificate: x509.Certificate) -> datetime:
    """When `message` was there, to the second in UTC, by the word of the holder of this certificate.

    Raises:
        Unproven: it is of another form, another message or another stamper, or its signature does not fit.
    """
    data = _read(response)
    [signed] = data.signers.as_list()
    content = data.content.content
    # 1. The attributes are those of this content and this certificate, and no others.
    expected = _attributes(content, certificate)
    if [asn1.encode_der(one) for one in signed.attributes.as_list()] != expected:
        raise Unproven("the time stamp is by another certificate than the one known, or of other contents")
    # 2. The stamper named is that one.
    if asn1.encode_der(signed.signer) != _signer_of(certificate):
        raise Unproven("the time stamp names another stamper than the one known")
    # 3. It signed them.
    public = certificate.public_key()
    if not isinstance(public, keys.PublicKey):
        raise Unproven("the stamper's certificate is of a key that is not on P-256")
    keys.verify(public, signed.signature, _as_set(expected))
    # 4. What it stamped is this message.
    info = _info(content)
    if info.imprint.digest != _sha256(message):
        raise Unproven("the time stamp is over another signature than this receipt's")
    # 5. The certificate was good at that time.
    at = info.at.as_datetime().replace(tzinfo=UTC)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise Unproven("the stamper's certificate was not good at the time stamped")
    return at


def time_of(response: bytes) -> datetime:
    """The time in a time stamp of one's own. Nothing is verified. Raises Unproven: it is of another form."""
    return _info(_read(response).content.content).at.as_datetime().replace(tzinfo=UTC)


def _read(response: bytes) -> _SignedData:
    """In DER, whole, and of our one form."""
    if len(response) > MAX_STAMP_BYTES:
        raise Unproven(f"the time stamp has {len(response)} bytes: at most {MAX_STAMP_BYTES}")
    try:
        read = asn1.decode_der(_Response, response)
    except ValueError:
        raise Unproven("the time stamp is not a response by RFC 3161 in the one form used here") from None
    data = read.token.content
    named = (read.token.kind, data.version, data.content.kind, [a.algorithm for a in data.digest_algorithms.as_list()])
    signers = data.signers.as_list()
    if read.status.status != GRANTED or named != (SIGNED_DATA, 3, TST_INFO, [SHA256]) or len(signers) != 1:
        raise Unproven("the time stamp is of another form than the one used here")
    signed = signers[0]
    if (signed.version, signed.digest_algorithm.algorithm, signed.algorithm.algorithm) != (1, SHA256, ECDSA_SHA256):
        raise Unproven("the time stamp is signed in another way than ECDSA over SHA-256")
    return data


def _info(content: bytes) -> _Info:
    try:
        info = asn1.decode_der(_Info, content)
    except ValueError:
        raise Unproven("what the time stamp signs is not of the one form used here") from None
    if (info.version, info.policy, info.imprint.algorithm.algorithm) != (1, POLICY, SHA256):
        raise Unproven("the time stamp is of another version, policy or hash than the ones used here")
    return info


def _attributes(content: bytes, certificate: x509.Certificate) -> list[bytes]:
    """Each in DER, in the order of DER."""
    digest = _attribute(MESSAGE_DIGEST, asn1.encode_der(_sha256(content)))
    return sorted([_CONTENT_TYPE, digest, _certified(certificate)])


def _attribute(kind: Oid, value: bytes) -> bytes:
    return asn1.encode_der(_Attribute(kind=kind, values=asn1.SetOf([_tlv(value)])))


@lru_cache(STAMPERS_REMEMBERED)
def _certified(certificate: x509.Certificate) -> bytes:
    named = _SigningCertificates(certificates=[_CertificateId(digest=_sha256(_der(certificate)))])
    return _attribute(SIGNING_CERTIFICATE_V2, asn1.encode_der(named))


def _as_set(attributes: list[bytes]) -> bytes:
    """CMS signs the attributes under the tag of a SET, not the one they travel under (RFC 5652, 5.4)."""
    inside = b"".join(attributes)
    return b"\x31\x81" + len(inside).to_bytes(1, "big") + inside


@lru_cache(STAMPERS_REMEMBERED)
def _signer_of(certificate: x509.Certificate) -> bytes:
    return asn1.encode_der(_Signer(issuer=_tlv(certificate.issuer.public_bytes()), serial=certificate.serial_number))


def _tlv(der: bytes) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, der)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


_CONTENT_TYPE = _attribute(CONTENT_TYPE, asn1.encode_der(TST_INFO))
"""The same in every time stamp."""
