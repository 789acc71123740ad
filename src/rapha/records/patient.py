"""What one patient is handed: the secret that makes their tokens, and proofs that they were, or were not, in a run."""

from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Digest, Record, SiteId

Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes."""


class TreePath(Record):
    """The way from the patient's place in a run's tree up to its root. `found`: the token and commitment that are there."""

    found: tuple[Hex32, Hex32] | None
    siblings: Annotated[tuple[Hex32, ...], Field(max_length=256)]


class RunProof(Record):
    """Of one run, which is known by the approval it ran under. `nonce` and `rows` open the commitment of a patient who
    was in: SHA-256 of what the model saw of them."""

    study_digest: Digest
    approval: Digest
    token: Hex32
    path: TreePath
    nonce: Hex32 | None = None
    rows: Hex32 | None = None


class PatientProof(Record):
    """Of one patient of one hospital, over as many runs as were asked for, each once."""

    site: SiteId
    runs: Annotated[tuple[RunProof, ...], Field(min_length=1, max_length=10_000)]

    @model_validator(mode="after")
    def _each_once(self) -> "PatientProof":
        if len({run.approval for run in self.runs}) < len(self.runs):
            raise PydanticCustomError("runs", "a run is there twice")
        return self
