"""What a relay and its devices say to each other in one round. Everything a device says is signed, or a sum's masked part."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.consent import DeviceId
from rapha.records.record import Digest, Real, Record
from rapha.records.task import Work

MaskKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""An X25519 public key, made for one round and one attempt."""
Reals = Annotated[tuple[Real, ...], Field(max_length=10_000)]


class Advert(Record):
    """A device is there for a round, with the key that its masks of this attempt will be made of."""

    kind: Literal["advert"] = "advert"
    study_digest: Digest
    round: Annotated[int, Field(ge=0, le=100_000)]
    attempt: Annotated[int, Field(ge=0, le=100)]
    device: DeviceId
    consent: Digest
    mask_key: MaskKey


class Peer(Record):
    device: DeviceId
    mask_key: MaskKey


class DeviceTask(Record):
    """The work of one round, the same for all of its `peers`. F features; a model reads 2F numbers: the standardised values,
    0 where missing, then 1 where missing.

    prepare: sums of presence, value and square of each feature, scaled to 0..1 by `low` and `high`, 3F numbers. train:
    the clipped, noised change of 2F weights and a bias by `steps` of gradient descent on the device's row. evaluate: which
    of `BINS` groups of predicted risk the device falls into, controls before cases.
    """

    study_digest: Digest
    round: Annotated[int, Field(ge=0, le=100_000)]
    attempt: Annotated[int, Field(ge=0, le=100)]
    do: Work
    low: Reals = ()
    high: Reals = ()
    mean: Reals = ()
    scale: Reals = ()
    weight: Reals = ()
    bias: Real = 0.0
    learning_rate: Annotated[Real, Field(gt=0, le=10)] = 0.1
    steps: Annotated[int, Field(ge=1, le=100)] = 1
    clip: Annotated[Real, Field(gt=0, le=100)] = 1.0
    noise_multiplier: Annotated[Real, Field(ge=0, le=1000)] = 0.0
    peers: Annotated[tuple[Peer, ...], Field(min_length=10, max_length=30_000)]


class DeviceAnswer(Record):
    """A device's part of the sum: fixed point, masked, so that it means nothing without those of all peers."""

    kind: Literal["answer"] = "answer"
    study_digest: Digest
    round: Annotated[int, Field(ge=0, le=100_000)]
    attempt: Annotated[int, Field(ge=0, le=100)]
    device: DeviceId
    consent: Digest
    masked: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << 32)], ...], Field(min_length=1, max_length=30_000)]


BINS = 20
"""Of predicted risk, of equal width."""
