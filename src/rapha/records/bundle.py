"""Bundle: a receipt with its place in the public log, in the form of a Sigstore bundle v0.3 (managed key).

Field names, and numbers written as strings, are Sigstore's own (protobuf JSON). Bytes are base64.
"""

from typing import Annotated, Literal

from pydantic import Field

from rapha.records.receipt import Receipt
from rapha.records.record import Record

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"

Base64 = Annotated[str, Field(max_length=100_000, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
Hash = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{43}=$")]
"""32 bytes."""
Number = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,18})$")]


class LogId(Record):
    """signed-note's hash of the log's name and key, whole."""

    keyId: Hash


class KindVersion(Record):
    kind: Literal["hashedrekord"] = "hashedrekord"
    version: Literal["0.0.2"] = "0.0.2"


class SignedNote(Record):
    """A checkpoint, as text."""

    envelope: Annotated[str, Field(max_length=64 << 10)]


class InclusionProof(Record):
    """That the entry is at `logIndex` of the tree of `treeSize` with `rootHash`; the hashes from the leaf upwards."""

    logIndex: Number
    rootHash: Hash
    treeSize: Number
    hashes: Annotated[tuple[Hash, ...], Field(max_length=63)]
    checkpoint: SignedNote


class LogEntry(Record):
    """`canonicalizedBody`: the very bytes that the log holds."""

    logIndex: Number
    logId: LogId
    kindVersion: KindVersion
    inclusionProof: InclusionProof
    canonicalizedBody: Base64


class KeyHint(Record):
    """The id of the signing key."""

    hint: Annotated[str, Field(max_length=100)]


class VerificationMaterial(Record):
    publicKey: KeyHint
    tlogEntries: Annotated[tuple[LogEntry, ...], Field(min_length=1, max_length=1)]


class Bundle(Record):
    """A receipt file of a model folder: what was signed, and where the log holds it."""

    mediaType: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verificationMaterial: VerificationMaterial
    dsseEnvelope: Receipt
