"""Checkpoints stamped by OpenTimestamps, for other implementations: good ones, and one for each way in which one can be wrong.

Each file is what a verifier is given: the checkpoint, the proof, and the header that the reader trusts, of regtest.
"""

import hashlib
from typing import Any

from small_calendar import HASH, HEIGHT, TIME, Calendar, header
from small_log import ORIGIN, private_key

from rapha.proof.anchor.opentimestamps import (
    APPEND,
    MAGIC,
    Attestation,
    Branch,
    Stamp,
    Step,
    in_block,
    promise,
    read_stamp,
    read_tree,
    start_of,
)
from rapha.proof.checkpoint import signed

Case = dict[str, Any]
CHECKPOINT = signed(ORIGIN, 4711, bytes(range(32)), private_key(ORIGIN)).as_bytes()
DIGEST = hashlib.sha256(CHECKPOINT).digest()
START = MAGIC + b"\x01\x08" + DIGEST
SAID = {"height": HEIGHT, "time": TIME}


def made(others: int = 4) -> tuple[Stamp, Stamp, str]:
    """The promise, what it became, and the header."""
    calendar = Calendar()
    digests = [hashlib.sha256(b"%d" % n).digest() for n in range(others)]
    answers = [calendar.answer("POST", "/digest", digest)[1] for digest in (*digests[:2], DIGEST, *digests[2:])]
    promised = Stamp(DIGEST, read_tree(answers[min(others, 2)], start_of(DIGEST)))
    block = calendar.mined()
    (branch,) = promised.pending
    more = calendar.answer("GET", f"/timestamp/{branch.message.hex()}", b"")[1]
    return promised, promised.with_branches(read_tree(more, branch)), block


PROMISED, DONE, HEADER = made()
DATA = DONE.as_bytes()


def case(proof: bytes = DATA, block: str = HEADER, checkpoint: bytes = CHECKPOINT) -> Case:
    return {"checkpoint": checkpoint.decode(), "header": block, "proof": proof.hex()}


def swapped(data: bytes, before: bytes, after: bytes) -> bytes:
    assert before in data
    return data.replace(before, after, 1)


def flipped(block: str, at: int) -> str:
    """One byte changed, and the work done again where it can be."""
    data = bytearray.fromhex(block)
    data[at] ^= 1
    return data.hex()


def worked(block: str, meets: bool) -> str:
    """A nonce with which the header meets regtest's bits, or does not."""
    for nonce in range(1 << 16):
        data = bytes.fromhex(block)[:76] + nonce.to_bytes(4, "little")
        if (hashlib.sha256(hashlib.sha256(data).digest()).digest()[31] < 0x7F) == meets:
            return data.hex()
    raise AssertionError("no nonce")


def bits(value: int) -> str:
    return HEADER[:144] + value.to_bytes(4, "little").hex() + HEADER[152:]


def branches(count: int, steps: int = 1) -> bytes:
    """So many, each of its own, all pending."""
    return START + b"".join(
        (b"\xff" if n < count - 1 else b"") + b"\xf0\x02" + n.to_bytes(2, "big") + b"\x08" * (steps - 1) + pending()
        for n in range(count)
    )


def pending(address: bytes = b"https://calendar.example") -> bytes:
    inner = bytes([len(address)]) + address
    return bytes.fromhex("0083dfe30d2ef90c8e") + bytes([len(inner)]) + inner


_LEAF = DONE.in_blocks[0]
_OTHER = Attestation(b"unknown!", b"whatever")
_END = in_block(HEIGHT).payload
GOOD = {
    "good": case(),
    "good-alone-in-the-tree": (lambda parts: case(parts[1].as_bytes(), parts[2]))(made(0)),
    "good-without-the-promise": case(Stamp(DIGEST, DONE.in_blocks).as_bytes()),
    "good-beside-an-unknown-attestation": case(DONE.with_branches((Branch((), DIGEST, _OTHER),)).as_bytes()),
    "good-beside-a-wrong-block": case(
        DONE.with_branches((Branch((HASH,), HASH.applied(DIGEST), in_block(5)),)).as_bytes()
    ),
    "good-of-64-branches": case(DONE.with_branches(read_stamp(branches(62)).branches).as_bytes()),
}
WRONG: dict[str, tuple[Case, str]] = {
    "pending": (case(PROMISED.as_bytes()), "is pending"),
    "unknown-attestation-alone": (case(Stamp(DIGEST, (Branch((), DIGEST, _OTHER),)).as_bytes()), "is pending"),
    "another-checkpoint": (case(checkpoint=CHECKPOINT.replace(b"4711", b"4712")), "of another file"),
    "signature-line-added": (
        case(checkpoint=CHECKPOINT + CHECKPOINT[-80:].split(b"\n")[-2] + b"\n"),
        "of another file",
    ),
    "another-digest": (case(swapped(DATA, DIGEST, hashlib.sha256(b"x").digest())), "of another file"),
    "step-edited": (case(swapped(DATA, TIME.to_bytes(4, "big"), (TIME + 1).to_bytes(4, "big"))), "does not lead"),
    "step-left-out": (case(swapped(DATA, b"\x08\x08\x00", b"\x08\x00")), "does not lead"),
    "step-added": (case(swapped(DATA, b"\x08\x08\x00", b"\x08\x08\x08\x00")), "does not lead"),
    "append-for-prepend": (case(swapped(DATA, b"\xf1\x04", b"\xf0\x04")), "does not lead"),
    "another-header": (case(block=header(bytes(32))), "does not lead"),
    "two-heights-for-one-block": (
        case(DONE.with_branches((Branch(_LEAF.steps, _LEAF.message, in_block(HEIGHT + 1)),)).as_bytes()),
        "more than one height",
    ),
    "header-without-work": (case(block=worked(HEADER, False)), "not the proof of work"),
    "header-root-edited": (case(block=worked(flipped(HEADER, 40), True)), "does not lead"),
    "header-bits-negative": (case(block=bits(0x04923456)), "name no target"),
    "header-bits-zero": (case(block=bits(0x01003456)), "name no target"),
    "header-bits-too-large": (case(block=bits(0xFF123456)), "name no target"),
    "header-bits-easier-than-the-chain": (
        case(block=bits(0x2100FFFF)),
        "easier than any block",
    ),
    "header-short": (case(block=HEADER[:-2]), "160 hex digits"),
    "header-long": (case(block=HEADER + "00"), "160 hex digits"),
    "no-magic": (case(b"\x01" + DATA[1:]), "not a proof of OpenTimestamps"),
    "empty": (case(b""), "not a proof of OpenTimestamps"),
    "version-2": (case(swapped(DATA, b"\x01\x08" + DIGEST, b"\x02\x08" + DIGEST)), "another version"),
    "digest-of-sha1": (case(swapped(DATA, b"\x01\x08" + DIGEST, b"\x01\x02" + DIGEST)), "not of a SHA-256"),
    "no-tree": (case(START), "cut short"),
    "cut-short": (case(DATA[:-1]), "cut short"),
    "fork-without-a-second": (case(START + b"\xff" + pending()), "cut short"),
    "fork-of-a-fork": (case(START + b"\xff\xff" + pending() + pending()), "not known here (0xff)"),
    "bytes-behind-it": (case(DATA + b"\x00"), "bytes behind its end"),
    "unknown-operation": (case(START + b"\x09" + pending()), "not known here (0x09)"),
    "reversed": (case(START + b"\xf2" + pending()), "not known here (0xf2)"),
    "hexlified": (case(START + b"\xf3" + pending()), "not known here (0xf3)"),
    "through-sha1": (case(START + b"\x02" + pending()), "SHA-1"),
    "append-of-nothing": (case(START + b"\xf0\x00" + pending()), "nothing where something must be"),
    "append-too-long": (case(START + b"\xf0\x81\x20" + bytes(4097) + pending()), "too large"),
    "message-too-long": (case(START + b"\xf0\xff\x1f" + bytes(4095) + pending()), "message of more than"),
    "number-written-too-long": (case(START + b"\xf0\x81\x00a" + pending()), "written too long"),
    "number-without-end": (case(START + b"\xf0" + b"\x80" * 20), "too large"),
    "payload-too-long": (case(START + b"\x00unknown!\x81\x40" + bytes(8193)), "too large"),
    "payload-with-more-behind-it": (
        case(swapped(DATA, b"\x03" + _END, b"\x04" + _END + b"\x00")),
        "bytes behind its end",
    ),
    "height-too-large": (case(START + b"\x00\x05\x88\x96\x0d\x73\xd7\x19\x01\x05\xff\xff\xff\xff\x0f"), "too large"),
    "address-empty": (case(START + pending(b"")), "nothing where something must be"),
    "address-with-a-query": (case(START + pending(b"https://a.example/?q")), "characters that none may have"),
    "address-with-an-escape": (case(START + pending(b"https://a\x1b[2J")), "characters that none may have"),
    "branch-too-deep": (case(START + b"\x08" * 257 + pending()), "more than 256 steps"),
    "branches-too-many": (case(branches(65)), "more than 64 branches"),
    "forks-too-many": (case(START + b"\xff\x08" * 70), "more than 64 branches"),
    "file-too-large": (case(START + pending() + bytes(64 << 10)), "more than 65536 bytes"),
}
assert Step(APPEND, b"x").as_bytes() == b"\xf0\x01x" and promise("https://a.example").calendar


def files() -> dict[str, object]:
    """Name -> what a golden file of it holds."""
    expected = {name: {"shown": SAID} for name in GOOD} | {name: {"refused": why} for name, (_, why) in WRONG.items()}
    return {**GOOD, **{name: one for name, (one, _) in WRONG.items()}, "expected": expected}
