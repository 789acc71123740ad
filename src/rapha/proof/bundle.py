"""A receipt and its place in the log, put together and taken apart: a Sigstore bundle v0.3. Pure."""

import base64
from collections.abc import Sequence

from rapha.errors import Unproven
from rapha.proof.checkpoint import Checkpoint, read_checkpoint
from rapha.proof.envelope import MAX_RECEIPT_BYTES, read_receipt
from rapha.proof.merkle import leaf_hash, root_of_inclusion
from rapha.records.bundle import (
    MEDIA_TYPE,
    Bundle,
    InclusionProof,
    KeyHint,
    KindVersion,
    LogEntry,
    LogId,
    SignedNote,
    VerificationMaterial,
)
from rapha.records.receipt import Receipt


def bundled(
    receipt: Receipt, entry: bytes, index: int, proof: Sequence[bytes], checkpoint: Checkpoint, log_id: bytes
) -> Bundle:
    """The receipt file. `index` is the entry's place, `proof` its hashes up to the checkpoint's root."""
    included = InclusionProof(
        logIndex=str(index),
        rootHash=_encoded(checkpoint.root),
        treeSize=str(checkpoint.size),
        hashes=tuple(map(_encoded, proof)),
        checkpoint=SignedNote(envelope=checkpoint.as_bytes().decode()),
    )
    logged = LogEntry(
        logIndex=str(index),
        logId=LogId(keyId=_encoded(log_id)),
        kindVersion=KindVersion(),
        inclusionProof=included,
        canonicalizedBody=_encoded(entry),
    )
    material = VerificationMaterial(publicKey=KeyHint(hint=receipt.signatures[0].keyid), tlogEntries=(logged,))
    return Bundle(mediaType=MEDIA_TYPE, verificationMaterial=material, dsseEnvelope=receipt)


def read_bundle(data: bytes) -> Bundle:
    """A receipt file's bytes as a record: one signature, one log entry, strict base64. Nothing is verified yet.

    Raises:
        Unproven: it is no such bundle, or is too large.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise Unproven(f"the receipt has {len(data)} bytes: at most {MAX_RECEIPT_BYTES}")
    try:
        bundle = Bundle.from_bytes(data)
    except ValueError:
        raise Unproven("this is not a Sigstore bundle v0.3 with a DSSE envelope and its log entry") from None
    read_receipt(bundle.dsseEnvelope.as_bytes())
    return bundle


def check_entry(bundle: Bundle, expected: bytes) -> str:
    """The log holds exactly this receipt's signature, digest and key. Raises Unproven."""
    logged = _logged(bundle)
    if bundle.verificationMaterial.publicKey.hint != bundle.dsseEnvelope.signatures[0].keyid:
        raise Unproven("the bundle names another key than the one that signed")
    if _decoded(logged.canonicalizedBody) != expected:
        raise Unproven("the log's entry is of another signature, another key or other bytes than this receipt")
    return f"hashedrekord/0.0.2, {len(expected)} bytes"


def check_inclusion(bundle: Bundle) -> Checkpoint:
    """The checkpoint under which the entry is in the log. Its signatures are not checked yet.

    Raises:
        Unproven: the proof does not lead from the entry to the checkpoint's root.
    """
    logged, proof = _logged(bundle), _logged(bundle).inclusionProof
    checkpoint = read_checkpoint(proof.checkpoint.envelope.encode())
    if logged.logIndex != proof.logIndex:
        raise Unproven("the bundle gives the entry two places in the log")
    if (int(proof.treeSize), _decoded(proof.rootHash)) != (checkpoint.size, checkpoint.root):
        raise Unproven("the inclusion proof is for another size or root than the checkpoint's")
    leaf = leaf_hash(_decoded(logged.canonicalizedBody))
    if root_of_inclusion(int(proof.logIndex), checkpoint.size, leaf, [*map(_decoded, proof.hashes)]) != checkpoint.root:
        raise Unproven("the inclusion proof does not lead to the checkpoint's root: this entry is not in that log")
    return checkpoint


def log_id_of(bundle: Bundle) -> bytes:
    """The log that the bundle says it is from."""
    return _decoded(_logged(bundle).logId.keyId)


def index_of(bundle: Bundle) -> int:
    """The entry's place in the log."""
    return int(_logged(bundle).logIndex)


def _logged(bundle: Bundle) -> LogEntry:
    return bundle.verificationMaterial.tlogEntries[0]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise Unproven("the bundle has something that is not base64") from None
    if _encoded(data) != text:
        raise Unproven("the bundle has base64 that is not in its one form")
    return data
