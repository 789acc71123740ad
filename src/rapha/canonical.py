"""One way to write a thing as bytes, and the digest of those bytes.

RFC 8785 (JSON Canonicalization Scheme). Reals are written as strings by the records, so a bare float never reaches
this page: float formatting is where two implementations disagree first.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rfc8785

BLOCK_BYTES = 1 << 20


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value (dict, list, str, int, bool, None).

    Raises:
        TypeError: `value` holds a float or something JSON has no word for.
    """
    _refuse_floats(value)
    return rfc8785.dumps(value)


def digest(data: bytes) -> str:
    """`sha256:` and 64 lower-case hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_of(value: Any) -> str:
    """Digest of the canonical bytes of a JSON value."""
    return digest(canonical_bytes(value))


def digest_stream(blocks: Iterable[bytes]) -> str:
    """Digest of bytes that come in blocks."""
    state = hashlib.sha256()
    for block in blocks:
        state.update(block)
    return "sha256:" + state.hexdigest()


def digest_file(path: Path) -> str:
    """Digest of a file, read in blocks of 1 MiB."""
    with path.open("rb") as file:
        return digest_stream(iter(lambda: file.read(BLOCK_BYTES), b""))


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("a bare float has no canonical form here: write it as a string")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
