"""A detached proof of OpenTimestamps, version 1, of a SHA-256 digest: read with limits, written. Pure; nothing is believed yet.

file  =  MAGIC  version  operation of the digest  digest  tree
tree  =  (0xff item)* item
item  =  0x00 attestation  |  operation tree

A tree is held as its branches: each the steps from the digest to one attestation. No function here calls itself.
"""

import hashlib
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from rapha.errors import Unproven
from rapha.proof.anchor.keccak import keccak256

MAGIC = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94"
VERSION, DIGEST_BYTES = 1, 32
ATTESTED, FORK = 0x00, 0xFF
SHA1, RIPEMD160, SHA256, KECCAK256, APPEND, PREPEND = 0x02, 0x03, 0x08, 0x67, 0xF0, 0xF1
PENDING, BITCOIN = bytes.fromhex("83dfe30d2ef90c8e"), bytes.fromhex("0588960d73d71901")
MAX_PROOF_BYTES, MAX_BRANCHES, MAX_STEPS = 64 << 10, 64, 256
MAX_MESSAGE_BYTES, MAX_PAYLOAD_BYTES, MAX_ADDRESS_BYTES = 4096, 8192, 1000
"""The format's own limits."""
MAX_HEIGHT = 1 << 31
ADDRESS_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/:")


@dataclass(frozen=True, order=True)
class Step:
    """One operation on a message; `operand` is what is put before or behind it."""

    tag: int
    operand: bytes = b""

    def applied(self, message: bytes) -> bytes:
        """Raises Unproven: an operation that is not taken, or a message that becomes too long."""
        match self.tag:
            case 0xF0:
                return _short(message + self.operand)
            case 0xF1:
                return _short(self.operand + message)
            case 0x08:
                return hashlib.sha256(message).digest()
            case 0x67:
                return keccak256(message)
            case 0x03:
                return _ripemd160(message)
            case 0x02:
                raise Unproven("the proof goes through SHA-1, of which collisions can be made: it shows nothing")
        raise Unproven(f"the proof has an operation that is not known here (0x{self.tag:02x})")

    def as_bytes(self) -> bytes:
        operand = _string(self.operand) if self.tag in (APPEND, PREPEND) else b""
        return bytes([self.tag]) + operand


@dataclass(frozen=True, order=True)
class Attestation:
    """Who says that a message was there. One of a kind that is unknown here is kept, and says nothing."""

    tag: bytes
    payload: bytes

    @property
    def calendar(self) -> str | None:
        """The address of the calendar that promised; None where it is another kind. Raises Unproven where it is no address."""
        if self.tag != PENDING:
            return None
        source = _Source(self.payload)
        address = source.string(1, MAX_ADDRESS_BYTES)
        source.end()
        if not ADDRESS_BYTES.issuperset(address):
            raise Unproven("the proof has a calendar's address with characters that none may have")
        return address.decode("ascii")

    @property
    def height(self) -> int | None:
        """Of the block of Bitcoin; None where it is another kind. Raises Unproven where it is no height."""
        if self.tag != BITCOIN:
            return None
        source = _Source(self.payload)
        height = source.number(MAX_HEIGHT)
        source.end()
        return height


@dataclass(frozen=True, order=True)
class Branch:
    """`message`: what the steps make of the start."""

    steps: tuple[Step, ...]
    message: bytes
    attestation: Attestation


@dataclass(frozen=True)
class Stamp:
    """Of the file with this SHA-256."""

    digest: bytes
    branches: tuple[Branch, ...]

    @property
    def pending(self) -> tuple[Branch, ...]:
        return tuple(branch for branch in self.branches if branch.attestation.tag == PENDING)

    @property
    def in_blocks(self) -> tuple[Branch, ...]:
        return tuple(branch for branch in self.branches if branch.attestation.tag == BITCOIN)

    @property
    def calendars(self) -> tuple[str, ...]:
        """The addresses of those who promised."""
        return tuple(sorted({address for branch in self.branches if (address := branch.attestation.calendar)}))

    def as_bytes(self) -> bytes:
        """The file. Raises Unproven where it would be larger than is read."""
        data = MAGIC + bytes([VERSION, SHA256]) + self.digest + tree_bytes(self.branches)
        if len(data) > MAX_PROOF_BYTES:
            raise Unproven(f"the proof would have more than {MAX_PROOF_BYTES} bytes")
        return data

    def with_branches(self, more: tuple[Branch, ...]) -> "Stamp":
        """This one and more, each once. Raises Unproven where they are too many."""
        branches = tuple(sorted({*self.branches, *more}))
        if len(branches) > MAX_BRANCHES:
            raise Unproven(f"the proof has more than {MAX_BRANCHES} branches")
        return Stamp(self.digest, branches)


def read_stamp(data: bytes) -> Stamp:
    """Raises Unproven: it is no such file, or larger than is read."""
    if len(data) > MAX_PROOF_BYTES:
        raise Unproven(f"the proof has more than {MAX_PROOF_BYTES} bytes")
    if not data.startswith(MAGIC):
        raise Unproven("this is not a proof of OpenTimestamps")
    source = _Source(data[len(MAGIC) :])
    if source.number(127) != VERSION:
        raise Unproven("this proof of OpenTimestamps is of another version than 1")
    if source.byte() != SHA256:
        raise Unproven("this proof of OpenTimestamps is not of a SHA-256 digest")
    digest = source.take(DIGEST_BYTES)
    branches = _tree(source, digest)
    source.end()
    return Stamp(digest, branches)


def read_tree(data: bytes, branch: Branch) -> tuple[Branch, ...]:
    """What a calendar answered of the message at the end of a branch, each continued from that branch's beginning.

    Raises:
        Unproven: it is no tree, or goes on too long.
    """
    source = _Source(data)
    branches = _tree(source, branch.message, branch.steps)
    source.end()
    return branches


def start_of(digest: bytes) -> Branch:
    """No step yet: what the first answers continue."""
    return Branch((), digest, Attestation(b"", b""))


def tree_bytes(branches: tuple[Branch, ...]) -> bytes:
    """In the order that the format asks for: at each place attestations first, all sorted."""
    out, waiting = bytearray(), [(b"", sorted(set(branches)), 0)]
    while waiting:
        before, those, depth = waiting.pop()
        out += before
        if not those:
            continue
        ends = sorted(branch.attestation for branch in those if len(branch.steps) == depth)
        on = (branch for branch in those if len(branch.steps) > depth)
        items: list[tuple[bytes, list[Branch], int]] = [(_attestation_bytes(end), [], depth) for end in ends]
        for step, group in groupby(((branch.steps[depth], branch) for branch in on), itemgetter(0)):
            items.append((step.as_bytes(), [branch for _, branch in group], depth + 1))
        forked = [(bytes([FORK]) + item, rest, deep) for item, rest, deep in items[:-1]]
        waiting += reversed([*forked, items[-1]])
    return bytes(out)


def _tree(source: "_Source", start: bytes, steps: tuple[Step, ...] = ()) -> tuple[Branch, ...]:
    """Each place that waits for an item ends in a branch at least, so that both are counted against the limit."""
    found: list[Branch] = []
    waiting = [(steps, start)]
    while waiting:
        path, message = waiting.pop()
        tag = source.byte()
        if tag == FORK:
            waiting.append((path, message))
            tag = source.byte()
        if tag == ATTESTED:
            found.append(Branch(path, message, _attestation(source)))
        else:
            step = Step(tag, source.string(1, MAX_MESSAGE_BYTES) if tag in (APPEND, PREPEND) else b"")
            waiting.append(((*path, step), step.applied(message)))
            if len(path) >= MAX_STEPS:
                raise Unproven(f"the proof has a branch of more than {MAX_STEPS} steps")
        if len(waiting) + len(found) > MAX_BRANCHES:
            raise Unproven(f"the proof has more than {MAX_BRANCHES} branches")
    return tuple(sorted(set(found)))


def _attestation(source: "_Source") -> Attestation:
    read = Attestation(source.take(8), source.string(0, MAX_PAYLOAD_BYTES))
    _ = read.calendar, read.height  # one that is malformed is refused here
    return read


def _attestation_bytes(attestation: Attestation) -> bytes:
    return bytes([ATTESTED]) + attestation.tag + _string(attestation.payload)


def promise(address: str) -> Attestation:
    """A calendar's promise. Raises Unproven where a proof may not hold that address."""
    made = Attestation(PENDING, _string(address.encode()))
    _ = made.calendar
    return made


def in_block(height: int) -> Attestation:
    return Attestation(BITCOIN, _number(height))


@dataclass
class _Source:
    data: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        if len(self.data) - self.at < size:
            raise Unproven("the proof of OpenTimestamps is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self, most: int) -> int:
        """Seven bits a byte, the lowest first, in as few bytes as it takes."""
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if value > most or (byte == 0 and shift) or shift > 63:
                raise Unproven("the proof of OpenTimestamps has a number that is too large, or written too long")
            if byte < 0x80:
                return value
            shift += 7

    def string(self, least: int, most: int) -> bytes:
        size = self.number(most)
        if size < least:
            raise Unproven("the proof of OpenTimestamps has nothing where something must be")
        return self.take(size)

    def end(self) -> None:
        if self.at != len(self.data):
            raise Unproven("the proof of OpenTimestamps has bytes behind its end")


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def _string(data: bytes) -> bytes:
    return _number(len(data)) + data


def _short(message: bytes) -> bytes:
    if len(message) > MAX_MESSAGE_BYTES:
        raise Unproven(f"the proof makes a message of more than {MAX_MESSAGE_BYTES} bytes")
    return message


def _ripemd160(message: bytes) -> bytes:
    try:
        return hashlib.new("ripemd160", message).digest()
    except ValueError:
        raise Unproven("the proof goes through RIPEMD-160, which this machine's OpenSSL does not have") from None
