"""What a witness decides: whether a log's new checkpoint continues all that was seen before. C2SP tlog-witness. Pure.

old 4711                       the size that the log believes the witness has seen last
<hash, base64>                 the consistency proof from there, one hash a line
                               an empty line
<the checkpoint>
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapha.errors import Unproven
from rapha.proof.checkpoint import MAX_CHECKPOINT_BYTES, MAX_SIZE, Checkpoint, read_checkpoint
from rapha.proof.merkle import HASH_BYTES, MAX_PROOF_HASHES, check_consistency

MAX_REQUEST_BYTES = MAX_CHECKPOINT_BYTES + 4096
NEVER_SEEN = 0
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class Behind(Exception):
    """The log goes by another size than the witness has seen: `size` is the right one."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the witness has seen {size}")
        self.size = size


class Impossible(Unproven):
    """The request contradicts itself: no log can follow a longer one, and nothing is proved of an empty one."""


@dataclass(frozen=True)
class AddCheckpoint:
    """A log asks a witness to cosign."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint

    def as_bytes(self) -> bytes:
        """The body of the request."""
        lines = "".join(f"{base64.b64encode(step).decode()}\n" for step in self.proof)
        return f"old {self.old}\n{lines}\n".encode() + self.checkpoint.as_bytes()


def read_request(data: bytes) -> AddCheckpoint:
    """The body of a request.

    Raises:
        Unproven: it is none.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise Unproven(f"the request has more than {MAX_REQUEST_BYTES} bytes")
    head, _, note = data.partition(b"\n\n")
    try:
        first, *lines = head.decode("ascii").split("\n")
        proof = tuple(base64.b64decode(line, validate=True) for line in lines)
    except ValueError:
        raise Unproven("the consistency proof is not one base64 hash a line") from None
    old = _OLD.fullmatch(first)
    if old is None or len(proof) > MAX_PROOF_HASHES or any(len(step) != HASH_BYTES for step in proof):
        raise Unproven("the request begins with `old`, a size, and at most 63 hashes")
    return AddCheckpoint(min(int(old[1]), MAX_SIZE), proof, read_checkpoint(note))


def check_continues(request: AddCheckpoint, seen: Checkpoint | None) -> None:
    """The new checkpoint continues what was seen, which is None where nothing of this log was. The log's signature is
    checked by the caller.

    Raises:
        Impossible: the request contradicts itself.
        Behind: the log goes by another size; or it shows another root for the size that was seen.
        Unproven: it is shown not to continue: the log was rewritten, or is two logs.
    """
    # 1. The request is possible.
    if request.old > request.checkpoint.size or (request.old == NEVER_SEEN and request.proof):
        raise Impossible("no log of that size follows the old one, or a proof is given for an empty log")
    # 2. It goes by what was really seen.
    size = seen.size if seen else NEVER_SEEN
    if request.old != size:
        raise Behind(size)
    # 3. It continues that.
    if seen is not None and seen.size == request.checkpoint.size and seen.root != request.checkpoint.root:
        raise Behind(size)
    if seen is not None and seen.size > 0:
        check_consistency(seen.size, seen.root, request.checkpoint.size, request.checkpoint.root, request.proof)


def cosignatures_of(answer: bytes, checkpoint: Checkpoint) -> Sequence[tuple[str, bytes]]:
    """The signature lines of a witness's answer. Nothing is verified yet. Raises Unproven where they cannot be read."""
    return read_checkpoint(checkpoint.text + b"\n" + answer).signatures
