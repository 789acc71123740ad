"""Certificates in PEM, in the one form that each has. Pure."""

import base64
import binascii
import re

MAX_PEM_BYTES = 12 << 10
_ONE = re.compile(rb"-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=\n]{1,6000})-----END CERTIFICATE-----\n")
_LINE = 64


def read_pem(text: bytes) -> tuple[bytes, ...]:
    """Each in DER; none where there is something else than certificates, or too much, or they are written in another way."""
    found = _ONE.findall(text) if len(text) <= MAX_PEM_BYTES else []
    try:
        ders = [binascii.a2b_base64(one.replace(b"\n", b""), strict_mode=True) for one in found]
    except binascii.Error:
        return ()
    return tuple(ders) if b"".join(written(one) for one in ders) == text else ()


def written(der: bytes) -> bytes:
    """A certificate as PEM (RFC 7468, 3: the strict form)."""
    text = base64.b64encode(der)
    lines = [text[at : at + _LINE] for at in range(0, len(text), _LINE)]
    return b"-----BEGIN CERTIFICATE-----\n" + b"\n".join(lines) + b"\n-----END CERTIFICATE-----\n"
