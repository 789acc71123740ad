"""DER, as far as certificates and revocation lists of processors need it: one way to write each value, or refused.

Our own, because a VCEK of AMD has the serial number 0, which `cryptography` warns of and will refuse.
"""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from rapha.errors import Unproven

SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING, OBJECT, BOOLEAN = 0x30, 0x02, 0x03, 0x04, 0x06, 0x01
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
MALFORMED = "the evidence has a certificate or a revocation list that is not in DER"
_MAX_LENGTH_BYTES = 3
_MOMENT = re.compile(r"[0-9]{14}Z")


class Value(NamedTuple):
    """One value. `whole`: with its tag and length."""

    tag: int
    body: bytes
    whole: bytes


def one(data: bytes, tag: int) -> Value:
    """The only value in these bytes. Raises Unproven where there is another, of another tag, or more."""
    found = values(data)
    if len(found) != 1 or found[0].tag != tag:
        raise Unproven(MALFORMED)
    return found[0]


def values(data: bytes) -> list[Value]:
    """Every value in these bytes, one after the other. Raises Unproven."""
    found, at = [], 0
    while at < len(data):
        begins, length = _head(data, at)
        if begins + length > len(data):
            raise Unproven(MALFORMED)
        found.append(Value(data[at], data[begins : begins + length], data[at : begins + length]))
        at = begins + length
    return found


def fields(data: bytes, *tags: int) -> list[Value]:
    """The values of a sequence, which has to have exactly these tags. Raises Unproven."""
    found = values(one(data, SEQUENCE).body)
    if tuple(value.tag for value in found) != tags:
        raise Unproven(MALFORMED)
    return found


def integer(body: bytes) -> int:
    """A number that is not negative, written as short as can be. Raises Unproven."""
    if not body or body[0] >= 0x80 or (len(body) > 1 and body[0] == 0 and body[1] < 0x80):
        raise Unproven(MALFORMED)
    return int.from_bytes(body, "big")


def moment(value: Value) -> datetime:
    """A time to the second, in UTC. Raises Unproven."""
    try:
        text = value.body.decode("ascii")
        if value.tag == UTC_TIME:
            # RFC 5280, 4.1.2.5.1: two digits from 50 on are of the last century.
            text = ("19" if text[:2] >= "50" else "20") + text
        elif value.tag != GENERALIZED_TIME:
            raise ValueError(value.tag)
        if not _MOMENT.fullmatch(text):
            raise ValueError(text)
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Unproven(MALFORMED) from None


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Where a value's body begins, and how long it is."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise Unproven(MALFORMED)
    first, begins = data[at + 1], at + 2
    if first < 0x80:
        return begins, first
    count = first - 0x80
    if not 1 <= count <= _MAX_LENGTH_BYTES or begins + count > len(data):
        raise Unproven(MALFORMED)
    length = int.from_bytes(data[begins : begins + count], "big")
    if length < 0x80 or length < 1 << (8 * (count - 1)):
        raise Unproven(MALFORMED)
    return begins + count, length
