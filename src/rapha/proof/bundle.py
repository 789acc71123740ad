"""A receipt and its place in the log, put together and taken apart: a Sigstore bundle v0.3. Pure."""

from collections.abc import Sequence

from rapha.canonical import base64_bytes, base64_text, check_names_once
from rapha.errors import Unproven
from rapha.proof.checkpoint import Checkpoint, read_checkpoint
from rapha.proof.envelope import MAX_RECEIPT_BYTES, check_form
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


def bundled(receipt: Receipt, logged: LogEntry) -> Bundle:
    """The receipt file."""
    material = VerificationMaterial(publicKey=KeyHint(hint=receipt.signatures[0].keyid), tlogEntries=(logged,))
    return Bundle(mediaType=MEDIA_TYPE, verificationMaterial=material, dsseEnvelope=receipt)


def placed(entry: bytes, index: int, proof: Sequence[bytes], checkpoint: Checkpoint, log_id: bytes) -> LogEntry:
    """An entry and its place. `proof`: the hashes from the entry up to the checkpoint's root."""
    included = InclusionProof(
        logIndex=str(index),
        rootHash=base64_text(checkpoint.root),
        treeSize=str(checkpoint.size),
        hashes=tuple(map(base64_text, proof)),
        checkpoint=SignedNote(envelope=checkpoint.as_bytes().decode()),
    )
    return LogEntry(
        logIndex=str(index),
        logId=LogId(keyId=base64_text(log_id)),
        kindVersion=KindVersion(),
        inclusionProof=included,
        canonicalizedBody=base64_text(entry),
    )


def read_bundle(data: bytes) -> Bundle:
    """A receipt file's bytes as a record: one signature, one log entry, strict base64. Nothing is verified yet.

    Raises:
        Unproven: it is no such bundle, or is too large.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        raise Unproven(f"the receipt has {len(data)} bytes: at most {MAX_RECEIPT_BYTES}")
    try:
        check_names_once(data)
        bundle = Bundle.from_bytes(data)
    except ValueError:
        raise Unproven("this is not a Sigstore bundle v0.3 with a DSSE envelope and its log entry") from None
    check_form(bundle.dsseEnvelope)
    return bundle


def entry_of(bundle: Bundle) -> LogEntry:
    """Where the bundle says the log holds it."""
    return bundle.verificationMaterial.tlogEntries[0]


def check_hint(bundle: Bundle) -> None:
    """The key that the bundle names is the one that signed. Raises Unproven."""
    if bundle.verificationMaterial.publicKey.hint != bundle.dsseEnvelope.signatures[0].keyid:
        raise Unproven("the bundle names another key than the one that signed")


def check_entry(logged: LogEntry, expected: bytes) -> str:
    """The log holds exactly this receipt's signature, digest and signer. Raises Unproven."""
    if decoded(logged.canonicalizedBody) != expected:
        raise Unproven("the log's entry is of another signature, another key or other bytes than this receipt")
    return f"hashedrekord/0.0.2, {len(expected)} bytes"


def check_inclusion(logged: LogEntry) -> Checkpoint:
    """The checkpoint under which the entry is in the log. Its signatures are not checked yet.

    Raises:
        Unproven: the proof does not lead from the entry to the checkpoint's root.
    """
    proof = logged.inclusionProof
    checkpoint = read_checkpoint(proof.checkpoint.envelope.encode())
    if logged.logIndex != proof.logIndex:
        raise Unproven("the bundle gives the entry two places in the log")
    if (int(proof.treeSize), decoded(proof.rootHash)) != (checkpoint.size, checkpoint.root):
        raise Unproven("the inclusion proof is for another size or root than the checkpoint's")
    leaf = leaf_hash(decoded(logged.canonicalizedBody))
    if root_of_inclusion(int(proof.logIndex), checkpoint.size, leaf, [*map(decoded, proof.hashes)]) != checkpoint.root:
        raise Unproven("the inclusion proof does not lead to the checkpoint's root: this entry is not in that log")
    return checkpoint


def decoded(text: str) -> bytes:
    """The bytes of a bundle's base64. Raises Unproven where it is not in its one form."""
    try:
        return base64_bytes(text)
    except ValueError:
        raise Unproven("the bundle has base64 that is not in its one form") from None
