"""The few wanted elements of a well-formed header, fast; anything else is a `Doubt`, and a doubt is for pydicom.

What is read is a narrow part of PS3.5 and PS3.10: little endian, explicit or implicit, tags in rising order, values of the value
representation that the dictionary gives them, in plain ASCII. Whatever leaves that part is doubtful, never guessed. What is not doubtful is
exactly what pydicom answers, and tests hold the two against one another on real and on broken files.
"""

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

from rapha.sources.dicom.wanted import Element, Tree

Value = str | int | float
Elements = dict[str, "tuple[Value, ...] | tuple[Elements, ...]"]
"""By name: values without padding, none where the element is empty; of a sequence, its items."""

DEEPEST, LONGEST_VALUE, MOST_ITEMS = 16, 65_536, 65_536
IMPLICIT, DEFLATED = b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1.99"
_NOTHING: Tree = {}
_PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED, _CHARACTER_SET = 0xFFFFFFFF, 0x00080005
_LONG = dict.fromkeys((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"), True)
_SHORT = dict.fromkeys(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
     b"ST", b"TM", b"UI", b"UL", b"US"), False)  # fmt: skip
_IS_LONG = _LONG | _SHORT
_PLAIN_SETS = frozenset(
    b"ISO_IR " + number
    for number in (b"6", b"100", b"101", b"109", b"110", b"126", b"127", b"138", b"144", b"148", b"192")
)
"""Character sets in which the bytes of ASCII mean ASCII."""
_explicit = struct.Struct("<HH2sH").unpack_from
_implicit = struct.Struct("<HHI").unpack_from
_length = struct.Struct("<I").unpack_from
_plain_syntax = re.compile(rb"1\.2\.840\.10008\.1\.2(\.1|\.4\.[0-9]+|\.5)?").fullmatch
"""Little endian, implicit or explicit, and not deflated as a whole."""
_printable = re.compile(rb"[ -~]*").fullmatch
_whole = re.compile(rb"[+-]?[0-9]{1,12}").fullmatch
_real = re.compile(rb" *[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})? *").fullmatch


class Doubt(Exception):
    """The header is not of the plain kind that is read here."""


class More(Exception):
    """The header goes on beyond the bytes given."""


class _Bytes(NamedTuple):
    """The beginning of a file of `size` bytes. `same` is each sequence without a length as it was last read, by its tag, depth and tree: frames
    repeat most of theirs byte for byte, and the same bytes say the same."""

    data: bytes
    size: int
    explicit: bool
    same: "dict[tuple[int, int, int], tuple[bytes, tuple[Elements, ...]]]"


def elements(data: bytes, size: int, wanted: Tree) -> Elements:
    """What is wanted of a header, from the first bytes of a file of `size` bytes in all.

    Raises:
        Doubt: pydicom has to say what this is.
        More: more of the file's bytes are needed.
    """
    try:
        syntax, start = _syntax(data)
        if not _plain_syntax(syntax) or data[start + 1 : start + 2] != b"\0" or data[start] < 8:
            raise Doubt
        source = _Bytes(data, size, syntax != IMPLICIT, {})
        if not source.explicit and data[start + 4 : start + 6].isalpha():
            raise Doubt  # it may be explicit in truth
        found, _ = _dataset(source, start, size, wanted, 0, top=True)
    except struct.error:
        raise (More if len(data) < size else Doubt) from None
    return found


def deflated_from(data: bytes) -> int | None:
    """Where a deflated data set begins; None where the file does not say that it is deflated.

    Raises:
        Doubt: it speaks of it, but not plainly.
    """
    if DEFLATED not in data[:65_536]:
        return None
    try:
        syntax, at = _syntax(data)
    except struct.error:
        raise Doubt from None
    return at if syntax == DEFLATED else None


def _syntax(data: bytes) -> tuple[bytes, int]:
    """The transfer syntax, and where the data set begins (PS3.10, 7.1)."""
    if data[128:132] != b"DICM":
        raise Doubt
    at, last, syntax = 132, 0, b""
    while True:
        group, number, vr, length = _explicit(data, at)
        if group != 2:
            break
        is_long = _IS_LONG.get(vr)
        tag = group << 16 | number
        if is_long is None or tag <= last:
            raise Doubt
        begin = at + (12 if is_long else 8)
        if is_long:
            (length,) = _length(data, at + 8)
        at, last = begin + length, tag
        if tag == 0x00020010:
            syntax = data[begin:at].rstrip(b"\0 ")
            if vr != b"UI":
                raise Doubt
    return syntax, at


def _dataset(
    source: _Bytes, at: int, end: int | None, wanted: Tree, depth: int, top: bool = False
) -> tuple[Elements, int]:
    """Elements from `at`, to `end` exactly, or (None) to the end of the item; and where that is. `top`: pixels end it too."""
    data, size, explicit, _ = source  # beyond `end` or the bytes, nothing fits any more, and it ends in a doubt
    found: Elements = {}
    last = -1
    while at != end:
        if explicit:
            group, number, vr, length = _explicit(data, at)
        else:
            group, number, length = _implicit(data, at)
            vr = b""
        tag = group << 16 | number
        if tag <= last:
            raise Doubt
        if group >= 0x7FE0:
            if top and tag in _PIXELS and size - at >= 12:
                return found, at
            if tag == _ITEM_END and end is None and _length(data, at + 4) == (0,):
                return found, at + 8
            if group == 0xFFFE:
                raise Doubt
        last = tag
        at += 8
        if explicit:
            is_long = _IS_LONG.get(vr)
            if is_long:
                (length,) = _length(data, at)
                at += 4
            elif is_long is None:
                raise Doubt
        element = wanted.get(tag)
        if element is not None:
            value, at = _wanted(source, at, length, vr, tag, element, depth)
            found[element.name] = value
        elif length == _UNDEFINED:
            if vr != b"SQ" and (explicit or not _is_sequence(tag)):
                raise Doubt
            _, at = _repeated(source, at, tag, _NOTHING, depth)
        else:
            if tag == _CHARACTER_SET:
                _known_character_set(data[at : at + length], vr)
            at += length
    return found, at


def _wanted(
    source: _Bytes, at: int, length: int, vr: bytes, tag: int, element: Element, depth: int
) -> "tuple[tuple[Value, ...] | tuple[Elements, ...], int]":
    if source.explicit and vr != element.vr.encode():
        raise Doubt
    if element.inside is not None and length == _UNDEFINED:
        return _repeated(source, at, tag, element.inside, depth)
    if element.inside is not None:
        return _sequence(source, at, length, element.inside, depth)
    if length > LONGEST_VALUE:
        raise Doubt
    raw = source.data[at : at + length]
    if len(raw) != length:
        raise struct.error
    return _READ[element.vr](raw), at + length


def _repeated(source: _Bytes, at: int, tag: int, wanted: Tree, depth: int) -> tuple[tuple[Elements, ...], int]:
    """A sequence that says its own end: a function of its depth, its tree and its bytes alone."""
    key = (tag, depth, id(wanted))
    known = source.same.get(key)
    if known is not None and source.data.startswith(known[0], at):
        return known[1], at + len(known[0])
    items, end = _sequence(source, at, _UNDEFINED, wanted, depth)
    if end - at <= LONGEST_VALUE:
        source.same[key] = (source.data[at:end], items)
    return items, end


def _sequence(source: _Bytes, at: int, length: int, wanted: Tree, depth: int) -> tuple[tuple[Elements, ...], int]:
    """The items of a sequence (PS3.5, 7.5), and where it ends."""
    if depth >= DEEPEST:
        raise Doubt
    end = None if length == _UNDEFINED else at + length
    items: list[Elements] = []
    while at != end:
        group, number, inside = _implicit(source.data, at)
        tag = group << 16 | number
        at += 8
        if tag == _SEQUENCE_END and end is None and inside == 0:
            return tuple(items), at
        if tag != _ITEM or len(items) >= MOST_ITEMS:
            raise Doubt
        found, at = _dataset(source, at, None if inside == _UNDEFINED else at + inside, wanted, depth + 1)
        items.append(found)
    return tuple(items), at


def _is_sequence(tag: int) -> bool:
    """Whether the dictionary says so; of private elements it says nothing."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:
        return False


def _known_character_set(raw: bytes, vr: bytes) -> None:
    if vr not in (b"CS", b"") or (raw.strip(b" ") and raw.rstrip(b" ") not in _PLAIN_SETS):
        raise Doubt


def _text(raw: bytes) -> tuple[str, ...]:
    raw = raw.rstrip(b"\0 ")
    if not _printable(raw):
        raise Doubt
    return tuple([each.strip(" ") for each in raw.decode("ascii").split("\\")]) if raw else ()


def _wholes(raw: bytes) -> tuple[int, ...]:
    if not raw:
        return ()
    parts = raw.rstrip(b" ").split(b"\\")
    if not all(map(_whole, parts)):
        raise Doubt
    return tuple(map(int, parts))


def _reals(raw: bytes) -> tuple[float, ...]:
    if not raw:
        return ()
    parts = raw.split(b"\\")
    if not all(map(_real, parts)):
        raise Doubt
    return tuple(map(float, parts))


def _packed(code: str) -> Callable[[bytes], tuple[Value, ...]]:
    each = struct.calcsize("<" + code)

    def read(raw: bytes) -> tuple[Value, ...]:
        if len(raw) % each:
            raise Doubt
        return struct.unpack(f"<{len(raw) // each}{code}", raw)

    return read


_READ: dict[str, Callable[[bytes], tuple[Value, ...]]] = {
    "CS": _text, "UI": _text, "DA": _text, "TM": _text, "DT": _text, "LO": _text, "SH": _text, "IS": _wholes, "DS": _reals,
    "US": _packed("H"), "UL": _packed("I"), "FD": _packed("d"),
}  # fmt: skip
