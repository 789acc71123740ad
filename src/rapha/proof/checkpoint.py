"""Checkpoints: a log's promise of its size and root, signed by the log and cosigned by witnesses. Pure.

C2SP signed-note, tlog-checkpoint and tlog-cosignature (cosignature/v1), all with Ed25519:

    rapha.dev/log/trial-hub        the origin: the log's name
    4711                           how many entries
    <root hash, base64>
                                   an empty line, then one line for each signature:
    — <name> <base64 of a 4-byte key id and the signature>
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rapha.errors import ConfigurationError, Unproven
from rapha.proof.merkle import HASH_BYTES

LOG_SIGNATURE, COSIGNATURE = b"\x01", b"\x04"
"""signed-note's signature types: Ed25519 over the text, and a timed cosignature."""
MAX_CHECKPOINT_BYTES = 64 << 10
MAX_SIGNATURES = 64
KEYS_REMEMBERED = 256
SIGNATURES_REMEMBERED = 64
MAX_SIZE = (1 << 63) - 1

_NAME = re.compile(r"[^\s+\x00-\x1f]{1,255}")
_LINE = re.compile("— (?P<name>[^ +]{1,255}) (?P<signature>[A-Za-z0-9+/]+={0,2})")
_TEXT = re.compile(r"(?P<origin>[^\n]{1,255})\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/=]{44})\n")


@dataclass(frozen=True)
class Checkpoint:
    """`text`: the exact bytes that are signed, without the empty line. `signatures`: (name, key id and signature)."""

    text: bytes
    origin: str
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def as_bytes(self) -> bytes:
        """The note."""
        lines = "".join(f"— {name} {base64.b64encode(raw).decode()}\n" for name, raw in self.signatures)
        return self.text + b"\n" + lines.encode()

    def with_signatures(self, *more: tuple[str, bytes]) -> "Checkpoint":
        """The same with these added; of each name and key id one line, the latest: readers refuse a checkpoint with two."""
        lines = {(name, raw[:4]): (name, raw) for name, raw in (*self.signatures, *more)}
        return replace(self, signatures=tuple(lines.values()))

    @property
    def by_log(self) -> "Checkpoint":
        """The same with the log's own lines alone, as witnesses are asked for theirs."""
        return replace(self, signatures=tuple(line for line in self.signatures if line[0] == self.origin))


def text_of(origin: str, size: int, root: bytes) -> bytes:
    """What is signed. Raises ValueError for a name, a size or a root that no checkpoint may have."""
    if not _NAME.fullmatch(origin) or not 0 <= size <= MAX_SIZE or len(root) != HASH_BYTES:
        raise ValueError("an origin is a name without spaces or plus signs; a root has 32 bytes")
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


@lru_cache(SIGNATURES_REMEMBERED)
def read_checkpoint(data: bytes) -> Checkpoint:
    """A note's bytes as a checkpoint. Nothing is verified yet. Remembered by all its bytes: a delivery's receipts are under one.

    Raises:
        Unproven: it is no checkpoint in its one form.
    """
    if len(data) > MAX_CHECKPOINT_BYTES:
        raise Unproven(f"the checkpoint has more than {MAX_CHECKPOINT_BYTES} bytes")
    try:
        text, _, lines = data.decode().partition("\n\n")
    except UnicodeDecodeError:
        raise Unproven("the checkpoint is not UTF-8 text") from None
    found = _TEXT.fullmatch(text + "\n")
    signed = [_LINE.fullmatch(line) for line in lines.split("\n")[:-1]]
    if found is None or not lines.endswith("\n") or not 0 < len(signed) <= MAX_SIGNATURES:
        raise Unproven("this is not a checkpoint: an origin, a size and a root, an empty line, then signatures")
    signatures = []
    for line in signed:
        if line is None:
            raise Unproven("a signature line of the checkpoint cannot be read")
        signatures.append((line["name"], _decoded(line["signature"])))
    size, root = int(found["size"]), _decoded(found["root"])
    if not _NAME.fullmatch(found["origin"]) or size > MAX_SIZE or len(root) != HASH_BYTES:
        raise Unproven("the checkpoint's origin, size or root has not the form of one")
    return Checkpoint((text + "\n").encode(), found["origin"], size, root, tuple(signatures))


def signed(origin: str, size: int, root: bytes, private: Ed25519PrivateKey) -> Checkpoint:
    """A checkpoint with the log's own signature."""
    text = text_of(origin, size, root)
    key_id = note_key_hash(origin, private.public_key())[:4]
    return Checkpoint(text, origin, size, root, ((origin, key_id + private.sign(text)),))


def check_log(checkpoint: Checkpoint, public: Ed25519PublicKey) -> None:
    """The log that the checkpoint names signed it with this key.

    Raises:
        Unproven: it did not.
    """
    raw = signature_of(checkpoint, checkpoint.origin, note_key_hash(checkpoint.origin, public)[:4])
    if raw is None:
        raise Unproven("the checkpoint is not signed by this log's key")
    _verify(public, raw, checkpoint.text, "the log's signature does not fit the checkpoint")


def is_signed_by(checkpoint: Checkpoint, public: Ed25519PublicKey) -> bool:
    """Whether there is a line of this key as the log's; `check_log` says whether it fits."""
    return signature_of(checkpoint, checkpoint.origin, note_key_hash(checkpoint.origin, public)[:4]) is not None


def cosigned(checkpoint: Checkpoint, name: str, private: Ed25519PrivateKey, at: datetime) -> tuple[str, bytes]:
    """A witness's signature: that it has seen this checkpoint, consistent with all it saw before, at this time."""
    seconds = int(at.timestamp())
    raw = private.sign(_cosigned_text(checkpoint.text, seconds))
    return name, note_key_hash(name, private.public_key(), COSIGNATURE)[:4] + seconds.to_bytes(8, "big") + raw


def cosignature_time(checkpoint: Checkpoint, name: str, public: Ed25519PublicKey) -> datetime | None:
    """When this witness saw the checkpoint; None where it is not among the signatures.

    Raises:
        Unproven: it is, but its signature does not fit.
    """
    raw = signature_of(checkpoint, name, note_key_hash(name, public, COSIGNATURE)[:4])
    if raw is None:
        return None
    seconds = int.from_bytes(raw[:8], "big")
    wrong = f"the cosignature of {name} does not fit the checkpoint"
    _verify(public, raw[8:], _cosigned_text(checkpoint.text, seconds), wrong)
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        raise Unproven(f"{wrong}: it names no time") from None


def note_key_hash(name: str, public: Ed25519PublicKey, kind: bytes = LOG_SIGNATURE) -> bytes:
    """signed-note's hash of a key; its first four bytes are the key id, and all of it is Sigstore's log id."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public.public_bytes_raw()).digest()


def verifier_key(name: str, public: Ed25519PublicKey, kind: bytes = LOG_SIGNATURE) -> str:
    """The key in signed-note's own form, as other tools take it: name+hash+base64."""
    raw = base64.b64encode(kind + public.public_bytes_raw()).decode()
    return f"{name}+{note_key_hash(name, public, kind)[:4].hex()}+{raw}"


def private_to_pem(private: Ed25519PrivateKey) -> bytes:
    """PKCS #8, not encrypted, for a file: whoever writes it sets the mode to 0600."""
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_from_pem(pem: bytes) -> Ed25519PrivateKey:
    """Read back what `private_to_pem` wrote. Raises ConfigurationError where it is no such key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError("this is not an unencrypted Ed25519 private key in PEM: restore it from a copy")
    return key


def public_to_pem(public: Ed25519PublicKey) -> str:
    """SubjectPublicKeyInfo in PEM, for a record."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@lru_cache(KEYS_REMEMBERED)
def public_from_pem(pem: str) -> Ed25519PublicKey:
    """Read a log's or a witness's public key. Raises Unproven where it is none on Ed25519."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Unproven("this is not an Ed25519 public key in PEM: ask its owner for it again")
    return key


def public_from_der(der: bytes) -> Ed25519PublicKey:
    """The same of its SubjectPublicKeyInfo in DER. Raises as `public_from_pem`."""
    return public_from_pem(f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(der).decode()}-----END PUBLIC KEY-----\n")


def keyid(public: Ed25519PublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo in DER, in hex."""
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


@lru_cache(KEYS_REMEMBERED)
def keyid_of_pem(pem: str) -> str:
    """The same of a key in PEM. Raises as `public_from_pem`."""
    return keyid(public_from_pem(pem))


def signature_of(checkpoint: Checkpoint, name: str, key_id: bytes) -> bytes | None:
    """What stands behind this key's id on its line; None where there is no such line. Raises Unproven where there are two."""
    mine = [raw[4:] for owner, raw in checkpoint.signatures if owner == name and raw[:4] == key_id]
    if len(mine) > 1:
        raise Unproven(f"the checkpoint has more than one signature of {name}")
    return mine[0] if mine else None


def _verify(public: Ed25519PublicKey, signature: bytes, message: bytes, wrong: str) -> None:
    try:
        _check_fits(public.public_bytes_raw(), signature, message)
    except InvalidSignature:
        raise Unproven(wrong) from None


@lru_cache(SIGNATURES_REMEMBERED)
def _check_fits(public: bytes, signature: bytes, message: bytes) -> None:
    """Return where these bytes are this key's signature over those. Remembered by all three, and only where it fits: every
    receipt of a delivery is under one checkpoint, and so is its second form. Raises InvalidSignature."""
    _key(public).verify(signature, message)


@lru_cache(KEYS_REMEMBERED)
def _key(raw: bytes) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(raw)


def _cosigned_text(text: bytes, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n".encode() + text


def _decoded(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unproven("the checkpoint has something that is not base64") from None
    if base64.b64encode(data).decode() != text:
        raise Unproven("the checkpoint has base64 that is not in its one form")
    return data
