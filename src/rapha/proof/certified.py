"""The second form of a receipt: the same envelope, its signer shown by a certificate, its time by a stamp. Pure.

`sigstore --trust-config sigstore/trust-config.json verify identity --offline` accepts it as it is, so nobody needs this code
to check the claim. What it checks is checked here too, against the keys that the reader knows: the certificates of the
trust configuration count only for the keys in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from rapha.canonical import base64_text, check_names_once
from rapha.errors import Unproven
from rapha.proof import keys
from rapha.proof.bundle import decoded
from rapha.proof.certificate import in_der, read_certificate
from rapha.proof.checkpoint import note_key_hash
from rapha.proof.envelope import MAX_RECEIPT_BYTES, check_form
from rapha.proof.timestamp import check_stamp
from rapha.records import certified as records
from rapha.records.bundle import MEDIA_TYPE, LogEntry
from rapha.records.receipt import Receipt
from rapha.records.wire import TrustedKey, TrustedKeys

TRUST_CONFIG_FILE = "sigstore/trust-config.json"
_SPKI = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
AUTHORITY, STAMPER, CERTIFICATE_LOG = "authority", "time-stamper", "certificate-log"
"""Roles of keys: who issues certificates, who stamps times, who stamps the issuing."""


@dataclass(frozen=True)
class Trust:
    """Whom a certified receipt relies on, besides the log. `known`: their keys as a reader has them, with their windows."""

    authority: x509.Certificate
    stamper: x509.Certificate
    certificate_log: keys.PublicKey
    known: tuple[TrustedKey, ...] = ()


def certified_path(receipt: str) -> str:
    """Where the second form of `receipts/north.json`, `refusals/north.json` or `freezes/north.json` lies."""
    folder, _, name = receipt.removesuffix(".json").partition("/")
    kind = {"refusals": ".refusal", "freezes": ".freeze"}.get(folder, "")
    return f"sigstore/{name}{kind}.sigstore.json"


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
        check_names_once(data)
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


Log = tuple[Ed25519PublicKey, str | None]
"""A key of the log, and when it ended."""


def trust_config(trusts: Sequence[Trust], logs: Sequence[Log], origin: str, name: str, uri: str) -> records.TrustConfig:
    """What the network publishes for Sigstore's clients: the authorities of before and of now, the log's keys of before and of now.
    `name`, `uri`: of the hub, for people to read."""
    begun = min(trust.authority.not_valid_before_utc for trust in trusts)
    root = records.TrustedRoot(
        mediaType=records.TRUSTED_ROOT_TYPE,
        tlogs=tuple(_log(public, origin, records.ValidFor(start=_time(begun), end=end)) for public, end in logs),
        certificateAuthorities=tuple(
            _authority(trust.authority, (_raw(trust.authority),), name, uri, _start(trust)) for trust in trusts
        ),
        ctlogs=tuple(_issuing(trust, uri) for trust in trusts),
        timestampAuthorities=tuple(
            _authority(trust.stamper, (_raw(trust.stamper), _raw(trust.authority)), name, uri, _start(trust))
            for trust in trusts
        ),
    )
    signing = records.SigningConfig(mediaType=records.SIGNING_CONFIG_TYPE)
    return records.TrustConfig(mediaType=records.TRUST_CONFIG_TYPE, trustedRoot=root, signingConfig=signing)


def _log(public: Ed25519PublicKey, origin: str, believed: records.ValidFor) -> records.Instance:
    key = records.PublicKey(
        rawBytes=base64_text(public.public_bytes(*_SPKI)), keyDetails="PKIX_ED25519", validFor=believed
    )
    log_id = records.KeyId(keyId=base64_text(note_key_hash(origin, public)))
    return records.Instance(baseUrl=f"https://{origin}", publicKey=key, logId=log_id)


def _issuing(trust: Trust, uri: str) -> records.Instance:
    raw = base64_text(trust.certificate_log.public_bytes(*_SPKI))
    key = records.PublicKey(rawBytes=raw, keyDetails="PKIX_ECDSA_P256_SHA_256", validFor=_start(trust))
    log_id = records.KeyId(keyId=base64_text(bytes.fromhex(keys.keyid(trust.certificate_log))))
    return records.Instance(baseUrl=uri, publicKey=key, logId=log_id)


def _start(trust: Trust) -> records.ValidFor:
    return records.ValidFor(start=_time(trust.authority.not_valid_before_utc), end=_end(trust))


def _end(trust: Trust) -> str | None:
    """When its keys ended, where they have."""
    return min((key.window.end for key in trust.known if key.window and key.window.end), default=None)


def read_trust(data: bytes | None, known: TrustedKeys, where: str) -> tuple[Trust, ...]:
    """Authorities, each with its time stamper and log of certificates, whose keys are all known in their roles. `where`: where keys
    are known from.

    Raises:
        Unproven: it is missing or malformed, or there is none whose keys are known.
    """
    if data is None:
        raise Unproven(f"{TRUST_CONFIG_FILE} is missing: ask the hub for the folder again")
    found, wrong = [], Unproven(f"{TRUST_CONFIG_FILE} names no authority")
    for trust, ids in _trusts_in(data):
        try:
            found.append(_known(trust, ids, known, where))
        except Unproven as problem:
            wrong = problem
    if not found:
        raise wrong
    return tuple(found)


def stamped_when(trusts: Sequence[Trust], response: bytes, message: bytes) -> tuple[Trust, datetime]:
    """Which of these has stamped `message`, and when. Raises Unproven: none of them has."""
    for trust in trusts[:-1]:
        try:
            return trust, check_stamp(response, message, trust.stamper)
        except Unproven:
            continue
    return trusts[-1], check_stamp(response, message, trusts[-1].stamper)


@lru_cache(1)
def _trusts_in(data: bytes) -> tuple[tuple[Trust, tuple[str, ...]], ...]:
    """All receipts of a folder rely on one file: each with its keys' ids. Whether they count is asked each time."""
    try:
        check_names_once(data)
        config = records.TrustConfig.from_bytes(data)
    except ValueError:
        raise Unproven(f"{TRUST_CONFIG_FILE} is not a trust configuration for Sigstore's clients") from None
    return tuple((trust, _ids(trust)) for trust in trusts_of(config))


def trusts_of(config: records.TrustConfig) -> tuple[Trust, ...]:
    """All authorities of a trust configuration, each with its stamper and its log of certificates. Raises Unproven: they do not go
    together."""
    root = config.trustedRoot
    if not len(root.certificateAuthorities) == len(root.timestampAuthorities) == len(root.ctlogs):
        raise Unproven(f"{TRUST_CONFIG_FILE} has not as many authorities as time stampers and logs of certificates")
    found = zip(root.certificateAuthorities, root.timestampAuthorities, root.ctlogs, strict=True)
    return tuple(
        Trust(
            _certificate(authority.certChain.certificates[0]),
            _certificate(stamper.certChain.certificates[0]),
            keys.public_from_der(decoded(issuing.publicKey.rawBytes)),
        )
        for authority, stamper, issuing in found
    )


def _ids(trust: Trust) -> tuple[str, ...]:
    owned = (trust.authority.public_key(), trust.stamper.public_key(), trust.certificate_log)
    return tuple(keys.keyid(public) if isinstance(public, keys.PublicKey) else "" for public in owned)


def _known(trust: Trust, ids: Sequence[str], known: TrustedKeys, where: str) -> Trust:
    """With the keys as they are known. Raises Unproven: one is not."""
    roles = zip(ids, (AUTHORITY, STAMPER, CERTIFICATE_LOG), strict=True)
    mine = tuple(_known_key(keyid, role, known, where) for keyid, role in roles)
    return Trust(trust.authority, trust.stamper, trust.certificate_log, mine)


def _known_key(keyid: str, role: str, known: TrustedKeys, where: str) -> TrustedKey:
    if not keyid:
        raise Unproven(f"the certificate of the {role} is of a key that is not on P-256")
    mine = [key for key in known.of_role(role) if keys.keyid_of_pem(key.public_key) == keyid]
    if not mine:
        raise Unproven(f"the key of the {role} in {TRUST_CONFIG_FILE} is not {where}")
    return mine[0]


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
