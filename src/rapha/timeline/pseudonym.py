"""Keyed names: of a patient, and of a batch."""

import hashlib
import hmac
from collections.abc import Mapping

from rapha.canonical import canonical_bytes


def subject_key(secret: bytes, source: str, identifier: str) -> int:
    """A patient's key in the timeline: a signed 64-bit number that nobody without the secret can tie to the patient."""
    message = b"rapha subject\0" + source.encode() + b"\0" + identifier.encode()
    return int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest()[:8], "big", signed=True)


def batch_id(secret: bytes, reading: int, mapping: str, versions: Mapping[str, str]) -> str:
    """32 hex digits of an HMAC over how a source reads, its mapping's digest and its files: equal exactly when all are."""
    content = canonical_bytes({"reading": reading, "mapping": mapping, "files": dict(versions)})
    return hmac.new(secret, b"rapha batch\0" + content, hashlib.sha256).hexdigest()[:32]
