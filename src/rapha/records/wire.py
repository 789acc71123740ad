"""What hub and node, hub and researcher say to each other. Every body on the wire is one of these or another record."""

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.certified import Time
from rapha.records.metrics import ClassRows, Count
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, DispatchId, Real, Record, SiteId, Slug, StudyId, TaskId, is_none
from rapha.records.release import ReasonCode, Release
from rapha.records.site import Asks, Dispatch
from rapha.records.study import Study
from rapha.records.task import Task, Update

INLINE_BYTES = 64 * 1024
"""Weights of at most so many bytes travel within the request or answer that names them, not as a blob of their own."""

Inline = Annotated[str, Field(max_length=4 * (INLINE_BYTES + 2) // 3, pattern=r"^[A-Za-z0-9+/]*={0,2}$")]
"""Such weights, in base64."""

Pem = Annotated[str, Field(min_length=50, max_length=2000)]


class Enrolment(Record):
    """A node introduces itself with the one-time code its hub gave it, and its public key (P-256, PEM)."""

    code: Annotated[str, Field(min_length=8, max_length=100)]
    site: Slug
    name: Annotated[str, Field(min_length=1, max_length=120)]
    public_key: Pem


class Enrolled(Record):
    site: SiteId
    hub: str
    hub_key: Pem


class Poll(Record):
    """A node asks for work and says which tasks it has in hand: that renews their leases; a task leased to it that it
    does not name is given again.

    `considering`: offers it has and has not answered: they are not offered again meanwhile. `stopped`: stops it has
    carried out: until a dispatch is named here its Stop is repeated, so that a lost response loses nothing.
    """

    holding: Annotated[tuple[TaskId, ...], Field(max_length=1000)] = ()
    considering: Annotated[tuple[DispatchId, ...], Field(max_length=1000)] = ()
    stopped: Annotated[tuple[DispatchId, ...], Field(max_length=1000)] = ()
    wait_seconds: Annotated[Real, Field(ge=0, le=60)] = 25.0


class Runs(Record):
    """The dispatches of which a site handed in a round, or froze its rows: all that its privacy ledger has to know of, at the least."""

    dispatches: Annotated[tuple[DispatchId, ...], Field(max_length=100_000)]


class Offer(Record):
    """A study for the node to decide on."""

    kind: Literal["offer"] = "offer"
    dispatch: Dispatch
    study: Study


class Work(Record):
    """A task to do. `weights`: what its starting weights hold, where they are small; else the node fetches the blob."""

    kind: Literal["task"] = "task"
    task: Task
    weights: Inline | None = None


class UpdateParcel(Record):
    """A round handed in. `weights`: what `update.weights_out` names, where it is small; else it was uploaded before."""

    update: Update
    weights: Inline | None = None


class Stop(Record):
    """The study is over for this site: end its sandbox, drop its working files."""

    kind: Literal["stop"] = "stop"
    dispatch: DispatchId
    study_id: StudyId
    state: Literal["completed", "failed", "cancelled", "refused"]


Assignment = Annotated[Offer | Work | Stop, Field(discriminator="kind")]


class Feasible(Record):
    """The suppressed size of the cohort this study would have here."""

    dispatch: DispatchId
    patients: Count


class Pending(Record):
    """A person has to decide; this says so, and nothing else."""

    dispatch: DispatchId


class Submitted(Record):
    study_id: StudyId
    study_digest: Digest


class DispatchStatus(Record):
    """`feasible`: how many patients there would be; `events`: how many of them with the outcome, and `classes`: how many of which class,
    where that alone was asked."""

    site: SiteId
    state: str
    feasible: Count | None = None
    events: Count | None = None
    classes: tuple[ClassRows, ...] = ()
    reason: ReasonCode | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Where there are no classes it is written without: who asks with a version of before can read it."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if value or key != "classes"}


class StudyStatus(Record):
    study_id: StudyId
    study: str
    study_digest: Digest
    researcher: str
    state: str
    reason: str | None = None
    round: int
    rounds: int
    asks: Asks = "training"
    dispatches: tuple[DispatchStatus, ...]


class Event(Record):
    """One line of the audit log, as the researcher of the study may see it.

    `facts` holds short words and rounded figures, e.g. {"loss": "0.213", "auroc": "0.72"}.
    """

    number: int
    at: datetime
    event: str
    site: str | None = None
    round: int | None = None
    facts: dict[str, str] = Field(default_factory=dict)


class ReleaseParcel(Record):
    """What a site hands in at the end: the release, the receipt that signs it; the metrics file travels as a blob."""

    task: TaskId
    release: Release
    receipt: Receipt


class DeliveredFile(Record):
    """A file of the model folder, and the blob that holds it."""

    path: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*){0,3}$", max_length=200)]
    blob: Digest
    size_bytes: Annotated[int, Field(ge=0)]


class Delivery(Record):
    """What a completed study gives back, and the public keys that its receipts were signed with."""

    study_id: StudyId
    study: Study
    files: tuple[DeliveredFile, ...]


class Window(Record):
    """When a key is believed, in UTC to the second: for what was stamped at or after `start`, before `end`, and is at an index of the log below `below`.
    Without one of them that side is open."""

    start: Annotated[Time | None, Field(exclude_if=is_none)] = None
    end: Annotated[Time | None, Field(exclude_if=is_none)] = None
    below: Annotated[int | None, Field(ge=0, exclude_if=is_none)] = None


class TrustedKey(Record):
    """A public key by owner; `keyid` is the SHA-256 of its SubjectPublicKeyInfo, in hex.

    P-256 of hubs and nodes, and of a hub's authority, time stamper and log of certificates; Ed25519 of logs and
    witnesses, ML-DSA-44 of their second lines. A log's owner is its origin, as in its checkpoints; a repeater's the hospital whose runs it may do again.
    `window`: when it is believed; without one always.
    """

    owner: str
    role: Literal[
        "hub",
        "node",
        "log",
        "witness",
        "authority",
        "time-stamper",
        "certificate-log",
        "repeater",
        "witness-ml-dsa-44",
        "log-ml-dsa-44",
    ]
    keyid: str
    public_key: Pem
    window: Annotated[Window | None, Field(exclude_if=is_none)] = None

    @model_validator(mode="after")
    def _has_a_window_that_counts(self) -> "TrustedKey":
        """What a witness or a repeater says is held against no time: such a key is taken out of the file."""
        if self.window is not None and self.role in ("witness", "witness-ml-dsa-44", "repeater"):
            raise PydanticCustomError(
                "window", "a key of a witness or a repeater has no window: take it out of the file"
            )
        return self


def _none_asked_for(number: int) -> bool:
    return number == 0


def _grouped(named: Iterable[tuple[str, TrustedKey]]) -> dict[str, tuple[TrustedKey, ...]]:
    found: dict[str, list[TrustedKey]] = {}
    for name, key in named:
        found.setdefault(name, []).append(key)
    return {name: tuple(listed) for name, listed in found.items()}


class TrustedKeys(Record):
    """The file `receipts/keys.json`, and the form in which keys are pinned beforehand.

    `witnesses_at_least`: how many of the witnesses among the keys have to have seen a receipt's checkpoint; `ml_dsa_at_least`:
    how many have to have said so with ML-DSA-44 too. `log_ml_dsa`: whether the log itself has to have. `frozen`: whether every hospital whose update
    went into a model has to have frozen its cohort, and had that logged, before the run.
    """

    keys: tuple[TrustedKey, ...]
    witnesses_at_least: Annotated[int, Field(ge=0, le=64)] = 0
    ml_dsa_at_least: Annotated[int, Field(ge=0, le=64, exclude_if=_none_asked_for)] = 0
    log_ml_dsa: Annotated[bool, Field(exclude_if=_none_asked_for)] = False
    frozen: Annotated[bool, Field(exclude_if=_none_asked_for)] = False

    def of_role(self, role: str) -> tuple[TrustedKey, ...]:
        """The keys of one role, in their order."""
        return self._by_role.get(role, ())

    def of_id(self, keyid: str) -> tuple[TrustedKey, ...]:
        """The keys that are listed under one id, in their order."""
        return self._by_id.get(keyid, ())

    @cached_property
    def _by_role(self) -> dict[str, tuple[TrustedKey, ...]]:
        """Each receipt asks for a few of them, and there is a key for each hospital."""
        return _grouped((key.role, key) for key in self.keys)

    @cached_property
    def _by_id(self) -> dict[str, tuple[TrustedKey, ...]]:
        return _grouped((key.keyid, key) for key in self.keys)


class Problem(Record):
    """Every refusal of the hub: a stable code, a sentence, what to do."""

    code: str
    message: str
    hint: str | None = None
