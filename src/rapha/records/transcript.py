"""What is recorded of a training, step by step, so that it can be run again: what the workload is told, what the receipt says,
and what stays at the hospital. The leaves themselves: proof/transcript.py."""

from typing import Annotated

from pydantic import Field

from rapha.records.record import Digest, Record, Slug

EVERY_STEPS = 64
"""Steps between two waypoints. What the digests cost at this distance: bench/transcript_cost.py."""

Key = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
EverySteps = Annotated[int, Field(ge=1, le=1_000_000)]


class Recording(Record):
    """What the workload is told: `key` is for the tokens of batches; `until`: the last step to take, where somebody only wants to
    see the round as far as that."""

    key: Key
    every_steps: EverySteps
    until: Annotated[int, Field(ge=1)] | None = None


class Transcript(Record):
    """What a receipt binds: the root of the tree (RFC 6962) over all waypoints of all rounds, how many there are, and how many steps
    lie between two. `key`: SHA-256 of the key of the batches' tokens. `flags`: what was set beside the numerics profile so that
    the same inputs give the same bits."""

    root: Digest
    waypoints: Annotated[int, Field(ge=1, le=1 << 40)]
    every_steps: EverySteps
    key: Digest
    flags: dict[str, Annotated[str, Field(max_length=100)]]


class Repeat(Record):
    """What a second machine signs once it did a run again. `statement`: SHA-256 of the statement that the receipt signs; `root` and `waypoints` of its transcript, as they
    came out again."""

    site: Slug
    study_digest: Digest
    statement: Digest
    root: Digest
    waypoints: Annotated[int, Field(ge=1)]
    at: Annotated[str, Field(max_length=40)]
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
