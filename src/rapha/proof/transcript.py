"""The transcript of a training: its waypoints as the leaves of a tree (RFC 6962), and where two of them part. Pure.

A leaf is 136 bytes: round and step as big-endian 32-bit numbers, then four SHA-256:

    weights     every tensor of the network, in the order of its names, each after its length in bytes (64 bit, big endian)
    optimizer   the same of the optimiser's tensors
    chance      the state of the generator that dropout draws from
    batches     HMAC over the rows of every step since the waypoint before: it tells nothing to who has not the key

A round has a waypoint after every so many steps, and one at its end, where optimiser and chance are let go of and stand as 32
zero bytes. What it starts from, and what is left of it, are in the receipt besides: `weights-in` and the update of each round.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rapha.errors import Unproven
from rapha.proof import merkle
from rapha.records.release import Release
from rapha.records.repeatable import can_be_recorded
from rapha.records.study import Study
from rapha.records.transcript import EVERY_STEPS

LEAF_BYTES = 136
MAX_LEAVES_A_ROUND = 1 << 20
_LAYOUT = struct.Struct(">II32s32s32s32s")
LET_GO = bytes(32)
"""In the place of a digest, where there is no state any more."""
PARTS = ("weights", "optimizer", "chance", "batches")


class Waypoint(NamedTuple):
    """The state after a step of a round, or at its end."""

    round: int
    step: int
    weights: bytes
    optimizer: bytes
    chance: bytes
    batches: bytes

    def packed(self) -> bytes:
        """The leaf's bytes."""
        return _LAYOUT.pack(*self)

    def differs_in(self, other: "Waypoint") -> tuple[str, ...]:
        """The names of the parts that are not the same."""
        return tuple(part for part in PARTS if getattr(self, part) != getattr(other, part))


def unpacked(leaf: bytes) -> Waypoint:
    """A waypoint from the 136 bytes of its leaf."""
    return Waypoint(*_LAYOUT.unpack(leaf))


def read_round(data: bytes, number: int, every_steps: int) -> tuple[Waypoint, ...]:
    """The waypoints of one round.

    Raises:
        Unproven: not whole leaves, of another round, or the steps are not those of such a transcript.
    """
    if not data or len(data) % LEAF_BYTES or len(data) > MAX_LEAVES_A_ROUND * LEAF_BYTES:
        raise Unproven(f"the transcript of round {number} is not a number of whole leaves")
    found = tuple(unpacked(data[at : at + LEAF_BYTES]) for at in range(0, len(data), LEAF_BYTES))
    *on_the_way, end = found
    steps = [one.step for one in on_the_way]
    regular = [at * every_steps for at in range(1, len(found))]
    last = regular[-1] if regular else 0
    if any(one.round != number for one in found) or steps != regular or not last <= end.step < last + every_steps:
        raise Unproven(
            f"the transcript of round {number} has not a waypoint at every {every_steps} steps of that round"
        )
    if any((one.optimizer, one.chance) == (LET_GO, LET_GO) for one in on_the_way) or end[3:5] != (LET_GO, LET_GO):
        raise Unproven(f"the transcript of round {number} does not end where its round does")
    return found


def root_of(leaves: Sequence[Waypoint], size: int | None = None) -> bytes:
    """The root of the tree over the first `size` leaves; over all of them where no size is given."""
    return prefix_roots(leaves)(len(leaves) if size is None else size)


def prefix_roots(leaves: Sequence[Waypoint]) -> Callable[[int], bytes]:
    """size -> the root over so many leaves: what somebody who is asked for it can say at once, since each hash is made once."""
    levels: list[list[bytes]] = [[merkle.leaf_hash(leaf.packed()) for leaf in leaves]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    return lambda size: merkle.root(size, lambda level, index: levels[level][index])


class Parting(NamedTuple):
    """Where two transcripts part: `at` is the first leaf that is not the same (of the shorter one's length, where that is the
    beginning of the other); `asked`: how many roots each side was asked for."""

    at: int
    asked: int


def parting_of(
    size_a: int, root_a: Callable[[int], bytes], size_b: int, root_b: Callable[[int], bytes]
) -> Parting | None:
    """Where two transcripts part, by bisection over the roots of their beginnings; None where they are the same."""
    shorter = min(size_a, size_b)
    asked = 1
    if root_a(shorter) == root_b(shorter):
        return None if size_a == size_b else Parting(shorter, asked)
    same, other = 0, shorter
    while other - same > 1:
        middle = (same + other) // 2
        asked += 1
        if root_a(middle) == root_b(middle):
            same = middle
        else:
            other = middle
    return Parting(same, asked)


def key_commitment(key: bytes) -> str:
    """What a receipt says of the key."""
    return "sha256:" + hashlib.sha256(key).hexdigest()


def check_stated(release: Release, study: Study) -> str:
    """What a receipt's transcript is of, for a sentence; empty where it has none.

    Raises:
        Unproven: neither this study nor these rounds can have such a one.
    """
    stated = release.transcript
    if stated is None:
        return ""
    if not can_be_recorded(study):
        raise Unproven("the receipt has a transcript, and no run of such a study can be done again")
    if stated.every_steps != EVERY_STEPS:
        raise Unproven(
            f"the receipt's transcript has a waypoint every {stated.every_steps} steps, and not {EVERY_STEPS}"
        )
    if stated.waypoints < (rounds := sum(trace.round > 0 for trace in release.rounds)):
        raise Unproven(f"a transcript of {stated.waypoints} waypoints cannot be of {rounds} rounds")
    return f"; transcript of {stated.waypoints} waypoints, one every {stated.every_steps} steps"
