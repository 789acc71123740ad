"""Certificates in the profile that Sigstore's clients ask for, made and checked. Pure; the clock is an argument.

A certificate says: whoever holds this key is who the hub enrolled under that name. It is made for one receipt, lives for
minutes around its time stamp, and carries the identity as its one URI (a receipt's `builder.id`), the hub as its issuer
(Sigstore's extensions 1.3.6.1.4.1.57264.1.1 and .8), and one certificate-transparency stamp (RFC 6962) over its own bytes.
"""

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rapha.errors import Unproven
from rapha.proof import keys

ISSUER_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
OLD_ISSUER_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
"""Raw text where the newer one has a UTF8String; `sigstore` reads the old one, others the new."""
STAMPS_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
LIFETIME = timedelta(minutes=10)
AUTHORITY_LIFETIME = timedelta(days=3653)
BACKDATED = timedelta(minutes=1)
"""A certificate begins a little before its receipt's time stamp, which counts whole seconds."""
MAX_CERTIFICATE_BYTES = 8 << 10
AUTHORITIES_REMEMBERED = 8
_FOR_SIGNING = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
_MALFORMED = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_ECDSA_SHA256 = (4, 3)
_PRECERTIFICATE = 1
Extension = TypeVar("Extension", bound=x509.ExtensionType)


@dataclass(frozen=True)
class Issuer:
    """The hub's authority: its certificate with its key, and the key that stamps what it issues."""

    certificate: x509.Certificate
    private: keys.PrivateKey
    stamping: keys.PrivateKey


def authority_certificate(name: str, private: keys.PrivateKey, at: datetime) -> x509.Certificate:
    """A root: it issues certificates of signers and of the time stamper, for ten years, and no authority below it."""
    return (
        _begun(name, name, private.public_key(), at, at + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(issues=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256(), ecdsa_deterministic=True)
    )


def stamper_certificate(
    name: str, public: keys.PublicKey, issuer: x509.Certificate, private: keys.PrivateKey
) -> x509.Certificate:
    """Of a time stamper: good for time stamps and nothing else, as long as its issuer."""
    issued_by = _common_name(issuer)
    return (
        _begun(name, issued_by, public, issuer.not_valid_before_utc, issuer.not_valid_after_utc)
        .add_extension(_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key()), critical=False)
        .sign(private, hashes.SHA256(), ecdsa_deterministic=True)
    )


def issue(public: keys.PublicKey, identity: str, issued_for: str, issuer: Issuer, at: datetime) -> x509.Certificate:
    """The certificate of one signer around one moment. `identity`: its URI. `issued_for`: the hub that enrolled it."""
    begun = (
        _begun(None, _common_name(issuer.certificate), public, at - BACKDATED, at + LIFETIME)
        .add_extension(_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.private.public_key()), critical=False)
        .add_extension(x509.UnrecognizedExtension(OLD_ISSUER_EXTENSION, issued_for.encode()), critical=False)
        .add_extension(x509.UnrecognizedExtension(ISSUER_EXTENSION, asn1.encode_der(issued_for)), critical=False)
    )
    draft = begun.sign(issuer.private, hashes.SHA256(), ecdsa_deterministic=True)
    stamps = _stamps(draft.tbs_certificate_bytes, issuer, at)
    return begun.add_extension(x509.UnrecognizedExtension(STAMPS_EXTENSION, stamps), critical=False).sign(
        issuer.private, hashes.SHA256(), ecdsa_deterministic=True
    )


def check_certificate(
    der: bytes, authority: x509.Certificate, stamping: keys.PublicKey, identity: str, at: datetime
) -> keys.PublicKey:
    """The key that the authority says is held by `identity` at that moment.

    Raises:
        Unproven: it is no certificate, of another authority, identity or time, or not stamped.
    """
    certificate = read_certificate(der)
    # 1. The authority that is known issued it, and may.
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise Unproven("the certificate was not issued by the authority that is known") from None
    # 2. It is for signing, and for nothing more.
    if _extension(certificate, x509.ExtendedKeyUsage) != _FOR_SIGNING:
        raise Unproven("the certificate is not one for signing")
    # 3. It is of the signer whose name is on the receipt.
    named = _extension(certificate, x509.SubjectAlternativeName)
    if list(named) != [x509.UniformResourceIdentifier(identity)]:
        raise Unproven("the certificate is of another signer than the receipt")
    # 4. It was good when the receipt was stamped.
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise Unproven("the certificate was not good at the time of the time stamp")
    # 5. Its issuing was stamped.
    _check_stamps(certificate, authority, stamping)
    return _key_of(certificate)


def certified_key(der: bytes) -> keys.PublicKey:
    """The key that a certificate is of, whoever issued it. Raises Unproven: it is none, or not of a key on P-256."""
    return _key_of(read_certificate(der))


def read_certificate(der: bytes) -> x509.Certificate:
    """Raises Unproven where it is none, in DER, or is very long."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Unproven(f"the certificate has {len(der)} bytes: at most {MAX_CERTIFICATE_BYTES}")
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = list(certificate.extensions), certificate.public_key()  # read now: nothing malformed comes up later
    except (ValueError, UnsupportedAlgorithm, *_MALFORMED):
        raise Unproven("this is not a certificate in DER") from None
    return certificate


def in_der(certificate: x509.Certificate) -> bytes:
    """Its bytes."""
    return certificate.public_bytes(serialization.Encoding.DER)


def _key_of(certificate: x509.Certificate) -> keys.PublicKey:
    public = certificate.public_key()
    if not isinstance(public, keys.PublicKey):
        raise Unproven("the certificate is of a key that is not on P-256")
    return public


def _begun(
    subject: str | None, issuer: str, public: keys.PublicKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    """Its serial number is drawn from what it says: the same certificate asked for twice is the same."""
    said = "\0".join([subject or "", issuer, keys.keyid(public), start.isoformat(), end.isoformat()])
    serial = int.from_bytes(hashlib.sha256(said.encode()).digest()[:19], "big") | 1
    return (
        x509.CertificateBuilder()
        .serial_number(serial)
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public)
        .not_valid_before(start.astimezone(UTC).replace(microsecond=0))
        .not_valid_after(end.astimezone(UTC).replace(microsecond=0))
    )


def _name(common: str | None) -> x509.Name:
    return x509.Name([] if common is None else [x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _usage(issues: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension:
    for extension in certificate.extensions:
        if type(extension.value) is kind:
            return extension.value
    raise Unproven("the certificate lacks what says whose it is and what it is for")


def _stamps(precertificate: bytes, issuer: Issuer, at: datetime) -> bytes:
    """SignedCertificateTimestampList with one stamp (RFC 6962, 3.2 and 3.3), as the extension holds it."""
    moment = int(at.timestamp() * 1000)
    signature = keys.sign(issuer.stamping, _stamped(precertificate, issuer.certificate, moment))
    public = keys.keyid(issuer.stamping.public_key())
    one = struct.pack("!B32sQHBBH", 0, bytes.fromhex(public), moment, 0, *_ECDSA_SHA256, len(signature)) + signature
    listed = struct.pack("!HH", len(one) + 2, len(one)) + one
    return asn1.encode_der(listed)


def _stamped(precertificate: bytes, issuer: x509.Certificate, moment: int) -> bytes:
    """What a stamp signs: the moment (ms), the issuer's key, and the certificate without its stamps."""
    length = len(precertificate).to_bytes(3, "big")
    head = struct.pack("!BBQH32s", 0, 0, moment, _PRECERTIFICATE, _key_hash(issuer))
    return head + length + precertificate + struct.pack("!H", 0)


@lru_cache(AUTHORITIES_REMEMBERED)
def _key_hash(issuer: x509.Certificate) -> bytes:
    return hashlib.sha256(
        issuer.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).digest()


def _check_stamps(certificate: x509.Certificate, authority: x509.Certificate, stamping: keys.PublicKey) -> None:
    stamps = _extension(certificate, x509.PrecertificateSignedCertificateTimestamps)
    if len(stamps) != 1:
        raise Unproven("the certificate does not carry exactly one stamp of its issuing")
    one = stamps[0]
    moment = int(one.timestamp.replace(tzinfo=UTC).timestamp() * 1000 + 0.5)
    if one.log_id.hex() != keys.keyid(stamping) or one.extension_bytes:
        raise Unproven("the certificate's issuing was stamped by another than the one known")
    keys.verify(stamping, one.signature, _stamped(certificate.tbs_precertificate_bytes, authority, moment))
