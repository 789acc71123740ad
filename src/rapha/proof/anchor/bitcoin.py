"""Was a file there when a block of Bitcoin was made? A block's header that the reader trusts decides it, offline. Pure.

SHA-256 of the file  ->  steps of the proof  =  the Merkle root in the header
SHA-256 twice of the header  <=  the target that its bits name
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from rapha.errors import ConfigurationError, Unproven
from rapha.proof.anchor.opentimestamps import Stamp

EASIEST, EASIEST_IN_TESTS = 0x1D00FFFF, 0x207FFFFF
"""Bits of the easiest target: of Bitcoin, and of its chain for tests (regtest), where anybody makes blocks."""


@dataclass(frozen=True)
class Header:
    """80 bytes whose work was checked. `name`: the block's hash as explorers write it. `time`: by its miner's clock."""

    name: str
    root: bytes
    time: datetime


@dataclass(frozen=True)
class Stamped:
    """`height`: as the proof says; it is not in a header."""

    height: int
    header: Header


def read_header(text: str, easiest: int = EASIEST) -> Header:
    """A block's header from 160 hex digits.

    Raises:
        ConfigurationError: they are no such digits.
        Unproven: its hash does not meet its bits, or these are easier than that chain has.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{160}", text):
        raise ConfigurationError("--header is a block's header: 80 bytes, 160 hex digits")
    data = bytes.fromhex(text)
    hashed = hashlib.sha256(hashlib.sha256(data).digest()).digest()
    target = target_of(int.from_bytes(data[72:76], "little"))
    if target > target_of(easiest):
        raise Unproven("the header's bits are easier than any block of Bitcoin has: it is not of that chain")
    if int.from_bytes(hashed, "little") > target:
        raise Unproven("the header has not the proof of work that its bits ask for: it is no block's")
    time = datetime.fromtimestamp(int.from_bytes(data[68:72], "little"), UTC)
    return Header(hashed[::-1].hex(), data[36:68], time)


def target_of(bits: int) -> int:
    """What a block's hash may be at most. Raises Unproven where the bits name none (negative, zero, too large)."""
    size, digits = bits >> 24, bits & 0x7FFFFF
    target = digits << 8 * (size - 3) if size >= 3 else digits >> 8 * (3 - size)
    if bits & 0x800000 or not target or target >> 256:
        raise Unproven("the header's bits name no target")
    return target


def check_digest(data: bytes, stamp: Stamp) -> None:
    """Raises Unproven where the proof is of another file."""
    if hashlib.sha256(data).digest() != stamp.digest:
        raise Unproven("the proof is of another file: the digests differ")


def heights(stamp: Stamp) -> tuple[int, ...]:
    """Of the blocks that the proof names. Raises Unproven where it names none: it is pending still."""
    named = {height for branch in stamp.in_blocks if (height := branch.attestation.height) is not None}
    if not named:
        waiting = ", ".join(stamp.calendars) or "no calendar that is known here"
        raise Unproven(f"the proof is pending: no block yet, a promise alone of {waiting}. Upgrade it in some hours")
    return tuple(sorted(named))


def check_stamp(data: bytes, stamp: Stamp, header: Header) -> Stamped:
    """What the proof shows of these bytes under a header that is trusted.

    Raises:
        Unproven: it shows nothing.
    """
    check_digest(data, stamp)
    named = heights(stamp)
    fitting = {branch.attestation.height for branch in stamp.in_blocks if branch.message == header.root}
    match sorted(height for height in fitting if height is not None):
        case [height]:
            return Stamped(height, header)
        case []:
            said = ", ".join(str(height) for height in named)
            raise Unproven(f"the proof does not lead to the header that you gave (it names the block {said})")
        case _:
            raise Unproven("the proof gives one block more than one height")
