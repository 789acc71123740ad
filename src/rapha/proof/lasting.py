"""Signatures that outlast quantum computers: ML-DSA-44 (FIPS 204), a second line beside the Ed25519 of a witness, or of the log itself. Pure.

C2SP tlog-cosignature, signature type 0x06. What is signed names the witness, the time, the log, its size and its root. A
verifier that knows no ML-DSA passes over the line, as over any signature that is not of a key it knows. The log cosigns by its own name, with the
time zero: that it says nothing of when, as the specification has it.
"""

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from rapha.errors import ConfigurationError, Unproven
from rapha.proof.checkpoint import KEYS_REMEMBERED, SIGNATURES_REMEMBERED, Checkpoint, signature_of

ROLE = "witness-ml-dsa-44"
"""Of the second key of a witness, in a keys file."""
ROLE_OF_LOG = "log-ml-dsa-44"
"""Of the second key of a log."""
KIND = b"\x06"
SIGNATURE_BYTES = 2420
MAX_NAME_BYTES = 255
_LABEL = b"subtree/v1\n\x00"


def cosigned(checkpoint: Checkpoint, name: str, private: MLDSA44PrivateKey, at: datetime) -> tuple[str, bytes]:
    """A witness's second line: what its first says. Raises Unproven where a name is too long for it."""
    return _line(checkpoint, name, private, int(at.timestamp()))


def signed_by_log(checkpoint: Checkpoint, private: MLDSA44PrivateKey) -> tuple[str, bytes]:
    """The log's own second line. Raises as `cosigned`."""
    return _line(checkpoint, checkpoint.origin, private, 0)


def is_signed_by_log(checkpoint: Checkpoint, public: MLDSA44PublicKey) -> bool:
    """Whether the log's own second line by this key is there. Raises Unproven: it is, but does not fit."""
    return cosignature_time(checkpoint, checkpoint.origin, public) is not None


def _line(checkpoint: Checkpoint, name: str, private: MLDSA44PrivateKey, seconds: int) -> tuple[str, bytes]:
    raw = private.sign(_message(checkpoint, name, seconds))
    return name, key_hash(name, private.public_key())[:4] + seconds.to_bytes(8, "big") + raw


def cosignature_time(checkpoint: Checkpoint, name: str, public: MLDSA44PublicKey) -> datetime | None:
    """When this witness saw the checkpoint; None where its second line is not among the signatures.

    Raises:
        Unproven: it is, but does not fit.
    """
    raw = signature_of(checkpoint, name, key_hash(name, public)[:4])
    if raw is None:
        return None
    seconds, wrong = int.from_bytes(raw[:8], "big"), f"the ML-DSA-44 signature of {name} does not fit the checkpoint"
    try:
        _check_fits(public.public_bytes_raw(), raw[8:], _message(checkpoint, name, seconds))
        return datetime.fromtimestamp(seconds, UTC)
    except (InvalidSignature, OverflowError, ValueError, OSError):
        raise Unproven(wrong) from None


@lru_cache(SIGNATURES_REMEMBERED)
def _check_fits(public: bytes, signature: bytes, message: bytes) -> None:
    """Return where it is this key's signature; remembered by all three, and only where it fits. Raises InvalidSignature."""
    MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)


def key_hash(name: str, public: MLDSA44PublicKey) -> bytes:
    """signed-note's hash of the key; its first four bytes are the key id."""
    return hashlib.sha256(name.encode() + b"\n" + KIND + public.public_bytes_raw()).digest()


def _message(checkpoint: Checkpoint, name: str, seconds: int) -> bytes:
    def short(text: str) -> bytes:
        if len(data := text.encode()) > MAX_NAME_BYTES:
            raise Unproven(f"ML-DSA-44 cosignatures are for names of at most {MAX_NAME_BYTES} bytes")
        return len(data).to_bytes(1, "big") + data

    start, end = (0).to_bytes(8, "big"), checkpoint.size.to_bytes(8, "big")
    return _LABEL + short(name) + seconds.to_bytes(8, "big") + short(checkpoint.origin) + start + end + checkpoint.root


def private_to_pem(private: MLDSA44PrivateKey) -> bytes:
    """PKCS #8, not encrypted, for a file: whoever writes it sets the mode to 0600."""
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def private_from_pem(pem: bytes) -> MLDSA44PrivateKey:
    """Read back what `private_to_pem` wrote. Raises ConfigurationError where it is no such key."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, MLDSA44PrivateKey):
        raise ConfigurationError("this is not an unencrypted ML-DSA-44 private key in PEM: restore it from a copy")
    return key


def public_to_pem(public: MLDSA44PublicKey) -> str:
    """SubjectPublicKeyInfo in PEM, for a record."""
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


@lru_cache(KEYS_REMEMBERED)
def public_from_pem(pem: str) -> MLDSA44PublicKey:
    """Read the second key of a witness or a log. Raises Unproven where it is none."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, MLDSA44PublicKey):
        raise Unproven("this is not an ML-DSA-44 public key in PEM: ask its owner for it again")
    return key


def keyid(public: MLDSA44PublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo in DER, in hex."""
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
