"""Ethereum's RLP (Yellow Paper, appendix B), in its one form only, and within limits. Pure."""

from rapha.errors import Unproven

MAX_DEPTH = 6
MAX_BYTES = 1 << 20

Item = bytes | list["Item"]
"""A string of bytes, or a list of items."""


def encode(item: Item) -> bytes:
    """The one form of an item."""
    if isinstance(item, bytes):
        return item if len(item) == 1 and item[0] < 0x80 else _head(len(item), 0x80) + item
    body = b"".join(map(encode, item))
    return _head(len(body), 0xC0) + body


def number(value: int) -> bytes:
    """A number from 0 on as RLP has it: big endian, no zero before it."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> Item:
    """The item that these bytes are the one form of.

    Raises:
        Unproven: they are not, or are longer than 1 MiB, or nested deeper than 6.
    """
    if len(data) > MAX_BYTES:
        raise Unproven(f"this is longer than {MAX_BYTES} bytes")
    item, end = _decoded(data, 0, len(data), 0)
    if end != len(data) or encode(item) != data:
        raise Unproven("these bytes are not RLP in its one form")
    return item


def _head(length: int, kind: int) -> bytes:
    if length < 56:
        return bytes([kind + length])
    size = number(length)
    return bytes([kind + 55 + len(size)]) + size


def _decoded(data: bytes, at: int, limit: int, depth: int) -> tuple[Item, int]:
    """The item that begins at `at` and ends at `limit` at the latest, and where it ends."""
    if at >= limit or depth > MAX_DEPTH:
        raise Unproven("RLP ends too soon, or is nested too deep")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    kind = 0x80 if first < 0xC0 else 0xC0
    length, start = first - kind, at + 1
    if length > 55:
        start += length - 55
        length = int.from_bytes(data[at + 1 : start], "big")
    end = start + length
    if end > limit:
        raise Unproven("RLP ends too soon")
    if kind == 0x80:
        return data[start:end], end
    items: list[Item] = []
    while start < end:
        item, start = _decoded(data, start, end, depth + 1)
        items.append(item)
    return items, end
