"""The name of a patient in the timeline."""

import hashlib
import hmac


def subject_key(secret: bytes, source: str, identifier: str) -> int:
    """A patient's key in the timeline: a signed 64-bit number that nobody without the secret can tie to the patient."""
    message = b"rapha subject\0" + source.encode() + b"\0" + identifier.encode()
    return int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest()[:8], "big", signed=True)
