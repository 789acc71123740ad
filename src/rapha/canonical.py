"""One way to write a thing as bytes, and the digest of those bytes.

RFC 8785 (JSON Canonicalization Scheme). Reals are written as strings by the records, so a bare float never reaches
this page: float formatting is where two implementations disagree first.
"""

import binascii
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rfc8785

BLOCK_BYTES = 1 << 20
MAX_INTEGER = (1 << 53) - 1
MAX_DEPTH = 64
"""Of what is read: lists and objects in each other. The receipt page has the same limit, and no reader's stack decides."""
_PLAIN = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value (dict, list, str, int, bool, None).

    Raises:
        TypeError: `value` holds a float or something JSON has no word for.
        ValueError: a number is larger than every reader can hold, or a text is not Unicode.
    """
    if _is_plain(value):  # then the standard library writes the same, many times faster
        return _PLAIN.encode(value).encode()
    _refuse_floats(value)
    return rfc8785.dumps(value)


def read_canonical_json(data: bytes) -> Any:
    """The value of these bytes, once they are seen to be its RFC 8785 form.

    Raises:
        ValueError, TypeError, RecursionError: no JSON, a bare real or a large number, nested too deep, or written in another way.
    """
    if data.isascii() and b"\\" not in data:
        # Keys in ASCII: one pass, since the parser itself refuses reals and large numbers.
        value = read_plain_json(data)
        written = _PLAIN.encode(value).encode()
    else:
        value = _shallow(json.loads(data), data)
        written = canonical_bytes(value)
    if written != data:
        raise ValueError("this is not the canonical form of its value")
    return value


def read_plain_json(data: bytes) -> Any:
    """The value of these bytes where they may be the RFC 8785 form of one in ASCII, as nearly all are: they are where `is_form_of` says so
    of them and of a value that was made, and not read of them. Raises as `read_canonical_json`, and ValueError where they are not in ASCII."""
    if not data.isascii() or b"\\" in data:
        raise ValueError("not in ASCII, or with an escape: `read_canonical_json` takes it")
    return _shallow(json.loads(data, parse_float=_no_real, parse_int=_small, parse_constant=_no_real), data)


def check_names_once(data: bytes) -> None:
    """JSON that need not be canonical has no name twice in one object: of two values one reader takes the first and another the last.

    Raises:
        ValueError: a name is there twice, this is no JSON, or it is nested too deep.
    """
    try:
        json.loads(data, object_pairs_hook=_once)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


def is_form_of(data: bytes, value: Any) -> bool:
    """Whether bytes that are canonical, as `read_canonical_json` saw, are the form of this value too: only then does it write the same."""
    try:
        return _PLAIN.encode(value).encode() == data or canonical_bytes(value) == data
    except ValueError:
        return False


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


def base64_text(data: bytes) -> str:
    """The one form of these bytes in base64 (RFC 4648, 4): padded, on one line."""
    return binascii.b2a_base64(data, newline=False).decode()


def base64_bytes(text: str) -> bytes:
    """What `base64_text` wrote. Raises ValueError where it is not in that one form."""
    data = binascii.a2b_base64(text, strict_mode=True)
    if base64_text(data) != text:
        raise ValueError("base64 that is not in its one form")
    return data


def _shallow(value: Any, data: bytes) -> Any:
    """The same value, which these bytes state. Raises ValueError: it is nested deeper than `MAX_DEPTH`."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return value
    row = [value]
    for _ in range(MAX_DEPTH + 1):
        row = [
            item
            for one in row
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not row:
            return value
    raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _no_real(text: str) -> float:
    raise TypeError("a bare float has no canonical form here: write it as a string")


def _small(text: str) -> int:
    value = int(text)
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError("a number is larger than every reader can hold")
    return value


def _is_plain(value: Any) -> bool:
    """Only kinds for which `json` writes what RFC 8785 asks for: small integers, and keys in ASCII, which both sort
    alike."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or not (type(item) is str or _is_plain(item)):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return False


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("a bare float has no canonical form here: write it as a string")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
