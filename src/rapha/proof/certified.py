"""The second form of a receipt: the same envelope, its signer shown by a certificate, its time by a stamp. Pure.

`sigstore --trust-config sigstore/trust-config.json verify identity --offline` accepts it as it is, so nobody needs this code
to check the claim. What it checks is checked here too, against the keys that the reader knows: the certificates of the
trust configuration count only for the keys in them.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rapha.canonical import base64_text
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.bundle import decoded
from rapha.proof.certificate import in_der, read_certificate
from rapha.proof.checkpoint import note_key_hash
from rapha.proof.envelope import MAX_RECEIPT_BYTES, check_form
from rapha.records import certified as records
from rapha.records.bundle import MEDIA_TYPE, LogEntry
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKeys

TRUST_CONFIG_FILE = "sigstore/trust-config.json"
AUTHORITY, STAMPER, CERTIFICATE_LOG = "authority", "time-stamper", "certificate-log"
"""Roles of keys: who issues certificates, who stamps times, who stamps the issuing."""


@dataclass(frozen=True)
class Trust:
    """Whom a certified receipt relies on, besides the log."""

    authority: x509.Certificate
    stamper: x509.Certificate
    certificate_log: keys.PublicKey


def certified_path(receipt: str) -> str:
    """Where the second form of `receipts/north.json`, or of `refusals/north.json`, lies."""
    if receipt.startswith("refusals/"):
        return f"sigstore/{receipt.removeprefix('refusals/').removesuffix('.json')}.refusal.sigstore.json"
    return f"sigstore/{receipt.removeprefix('receipts/').removesuffix('.json')}.sigstore.json"


def certified_bundle(
    receipt: Receipt, certificate: bytes, time_stamp: bytes, logged: LogEntry
) -> records.CertifiedBundle:
    """Put together. `certificate` in DER, `time_stamp` a TimeStampResp over the signature."""
    stamped = records.Timestamps(rfc3161Timestamps=(records.SignedTimestamp(signedTimestamp=base64_text(time_stamp)),))
    material = records.CertifiedMaterial(
        certificate=records.RawBytes(rawBytes=base64_text(certificate)),
        tlogEntries=(logged,),
        timestampVerificationData=stamped,
    )
    return records.CertifiedBundle(mediaType=MEDIA_TYPE, verificationMaterial=material, dsseEnvelope=receipt)


def read_certified(data: bytes, receipt: Receipt) -> records.CertifiedBundle:
    """The second form of that very receipt. Nothing else is verified yet.

    Raises:
        Unproven: it is no such bundle, is too large, or holds another envelope.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise Unproven(f"the Sigstore form has {len(data)} bytes: at most {MAX_RECEIPT_BYTES}")
    try:
        bundle = records.CertifiedBundle.from_bytes(data)
    except ValueError:
        raise Unproven(
            "this is not a Sigstore bundle v0.3 with a certificate, a time stamp and its log entry"
        ) from None
    check_form(bundle.dsseEnvelope)
    if bundle.dsseEnvelope != receipt:
        raise Unproven("the Sigstore form holds another envelope than the receipt")
    return bundle


def signature_of(receipt: Receipt) -> bytes:
    """What is stamped."""
    return decoded(receipt.signatures[0].sig)


def trust_config(trust: Trust, log: Ed25519PublicKey, origin: str, name: str, uri: str) -> records.TrustConfig:
    """What the network publishes for Sigstore's clients. `name`, `uri`: of the hub, for people to read."""
    start = records.ValidFor(start=_time(trust.authority.not_valid_before_utc))
    issued_by = _raw(trust.authority)
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    tlog = records.Instance(
        baseUrl=f"https://{origin}",
        publicKey=records.PublicKey(
            rawBytes=base64_text(log.public_bytes(*spki)), keyDetails="PKIX_ED25519", validFor=start
        ),
        logId=records.KeyId(keyId=base64_text(note_key_hash(origin, log))),
    )
    issuing = records.Instance(
        baseUrl=uri,
        publicKey=records.PublicKey(
            rawBytes=base64_text(trust.certificate_log.public_bytes(*spki)),
            keyDetails="PKIX_ECDSA_P256_SHA_256",
            validFor=start,
        ),
        logId=records.KeyId(keyId=base64_text(bytes.fromhex(keys.keyid(trust.certificate_log)))),
    )
    root = records.TrustedRoot(
        mediaType=records.TRUSTED_ROOT_TYPE,
        tlogs=(tlog,),
        certificateAuthorities=(_authority(trust.authority, (issued_by,), name, uri, start),),
        ctlogs=(issuing,),
        timestampAuthorities=(_authority(trust.stamper, (_raw(trust.stamper), issued_by), name, uri, start),),
    )
    signing = records.SigningConfig(mediaType=records.SIGNING_CONFIG_TYPE)
    return records.TrustConfig(mediaType=records.TRUST_CONFIG_TYPE, trustedRoot=root, signingConfig=signing)


def read_trust(data: bytes | None, known: TrustedKeys, where: str) -> Trust:
    """The certificates of a trust configuration whose keys are known in their roles. `where`: where keys are known from.

    Raises:
        Unproven: it is missing or malformed, or a key in it is not known.
    """
    if data is None:
        raise Unproven(f"{TRUST_CONFIG_FILE} is missing: ask the hub for the folder again")
    authority, stamper = _certificates_in(data)
    issuing = [key for key in known.keys if key.role == CERTIFICATE_LOG]
    _check_known(authority, AUTHORITY, known, where)
    _check_known(stamper, STAMPER, known, where)
    if len(issuing) != 1:
        raise Unproven(f"exactly one key of a {CERTIFICATE_LOG} has to be {where}; {len(issuing)} are")
    return Trust(authority, stamper, keys.public_from_pem(issuing[0].public_key))


@lru_cache(1)
def _certificates_in(data: bytes) -> tuple[x509.Certificate, x509.Certificate]:
    """Those of authority and stamper: all receipts of a folder rely on one file. Whether they count is asked each time."""
    try:
        root = records.TrustConfig.from_bytes(data).trustedRoot
    except ValueError:
        raise Unproven(f"{TRUST_CONFIG_FILE} is not a trust configuration for Sigstore's clients") from None
    authority = _certificate(root.certificateAuthorities[0].certChain.certificates[0])
    return authority, _certificate(root.timestampAuthorities[0].certChain.certificates[0])


def _check_known(certificate: x509.Certificate, role: str, known: TrustedKeys, where: str) -> None:
    public = certificate.public_key()
    if not isinstance(public, keys.PublicKey):
        raise Unproven(f"the certificate of the {role} is of a key that is not on P-256")
    mine = [keys.keyid_of_pem(key.public_key) for key in known.keys if key.role == role]
    if keys.keyid(public) not in mine:
        raise Unproven(f"the key of the {role} in {TRUST_CONFIG_FILE} is not {where}")


def _certificate(raw: records.RawBytes) -> x509.Certificate:
    return read_certificate(decoded(raw.rawBytes))


def _raw(certificate: x509.Certificate) -> records.RawBytes:
    return records.RawBytes(rawBytes=base64_text(in_der(certificate)))


def _authority(
    certificate: x509.Certificate, chain: tuple[records.RawBytes, ...], name: str, uri: str, start: records.ValidFor
) -> records.Authority:
    common = certificate.subject.rfc4514_string().removeprefix("CN=")
    subject = records.Subject(organization=name, commonName=common)
    return records.Authority(subject=subject, uri=uri, certChain=records.Chain(certificates=chain), validFor=start)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
