"""One site's work in one round."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from rapha.records.metrics import Score
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, DispatchId, Record, SiteId, StudyId, TaskId
from rapha.records.release import ReasonCode

Work = Literal["prepare", "train", "evaluate"]
"""prepare: feature statistics (round 0). train: one round. evaluate: the final weights on held-out patients."""


class Task(Record):
    """`weights` is the blob to start from; None in the round of `prepare`, which has none. `counted`: the last round of training
    into which this site's update went, None where there is none: what the site keeps from round to round is what it kept then."""

    id: TaskId
    study_id: StudyId
    study_digest: Digest
    dispatch: DispatchId
    site: SiteId
    round: Annotated[int, Field(ge=0, le=100_000)]
    do: Work
    weights: Digest | None = None
    counted: Annotated[int, Field(ge=1, le=100_000)] | None = None

    @model_serializer(mode="wrap")
    def _as_before(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What there is nothing of is not written: a node of before can read the task."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "counted" or value is not None}


class Update(Record):
    """What a site gives back for a task: a blob of declared tensors, and figures of the closed set.

    `weight` is the site's number of training rows, rounded as every count that leaves.
    """

    task: TaskId
    study_digest: Digest
    site: SiteId
    round: int
    do: Literal["prepare", "train"]
    weights_in: Digest | None
    weights_out: Digest
    weight: Annotated[int, Field(ge=1)]
    scores: Annotated[tuple[Score, ...], Field(max_length=8)] = ()


class TaskFailure(Record):
    """A task that could not be done: a code, never a text. `refusal`: signed, where the hospital did not want it done."""

    task: TaskId
    reason: ReasonCode
    refusal: Receipt | None = None
