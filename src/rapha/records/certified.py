"""A receipt in the form that Sigstore's own clients verify, and what they have to trust to do so.

Field names, and numbers and times written as strings, are Sigstore's own (protobuf JSON). Bytes are base64.
"""

from typing import Annotated, Literal

from pydantic import Field

from rapha.records.bundle import Base64, Hash, LogEntry
from rapha.records.receipt import Receipt
from rapha.records.record import Record, is_none

TRUSTED_ROOT_TYPE = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
SIGNING_CONFIG_TYPE = "application/vnd.dev.sigstore.signingconfig.v0.2+json"
TRUST_CONFIG_TYPE = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"

Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
Uri = Annotated[str, Field(min_length=1, max_length=500)]


class RawBytes(Record):
    """A certificate in DER."""

    rawBytes: Annotated[Base64, Field(max_length=12_000)]


class SignedTimestamp(Record):
    """A TimeStampResp of RFC 3161."""

    signedTimestamp: Annotated[Base64, Field(max_length=24_000)]


class Timestamps(Record):
    rfc3161Timestamps: Annotated[tuple[SignedTimestamp, ...], Field(min_length=1, max_length=1)]


class CertifiedMaterial(Record):
    certificate: RawBytes
    tlogEntries: Annotated[tuple[LogEntry, ...], Field(min_length=1, max_length=1)]
    timestampVerificationData: Timestamps


class CertifiedBundle(Record):
    """The same envelope as in `Bundle`, its signer shown by a certificate and its time by a stamp."""

    mediaType: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verificationMaterial: CertifiedMaterial
    dsseEnvelope: Receipt


class ValidFor(Record):
    start: Time
    end: Annotated[Time | None, Field(exclude_if=is_none)] = None


class PublicKey(Record):
    rawBytes: Base64
    keyDetails: Literal["PKIX_ED25519", "PKIX_ECDSA_P256_SHA_256"]
    validFor: ValidFor


class KeyId(Record):
    keyId: Hash


class Instance(Record):
    """A log of receipts, or one of certificates."""

    baseUrl: Uri
    hashAlgorithm: Literal["SHA2_256"] = "SHA2_256"
    publicKey: PublicKey
    logId: KeyId


class Subject(Record):
    organization: str
    commonName: str


class Chain(Record):
    certificates: Annotated[tuple[RawBytes, ...], Field(min_length=1, max_length=2)]


class Authority(Record):
    """Who issues certificates (one: its own), or who stamps times (two: its own and the one that issued it)."""

    subject: Subject
    uri: Uri
    certChain: Chain
    validFor: ValidFor


MOST_OF_A_KIND = 16
Some = Field(min_length=1, max_length=MOST_OF_A_KIND)


class TrustedRoot(Record):
    """Those of now, and those of before. The authority at one place belongs with the log of certificates and the stamper at that place."""

    mediaType: Literal["application/vnd.dev.sigstore.trustedroot+json;version=0.1"]
    tlogs: Annotated[tuple[Instance, ...], Some]
    certificateAuthorities: Annotated[tuple[Authority, ...], Some]
    ctlogs: Annotated[tuple[Instance, ...], Some]
    timestampAuthorities: Annotated[tuple[Authority, ...], Some]


class Selector(Record):
    selector: Literal["ANY"] = "ANY"


class SigningConfig(Record):
    """Nobody signs through Sigstore's services here; the clients want the section all the same."""

    mediaType: Literal["application/vnd.dev.sigstore.signingconfig.v0.2+json"]
    rekorTlogConfig: Selector = Selector()
    tsaConfig: Selector = Selector()


class TrustConfig(Record):
    """The file `sigstore/trust-config.json`: what `sigstore --trust-config` reads."""

    mediaType: Literal["application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"]
    trustedRoot: TrustedRoot
    signingConfig: SigningConfig
