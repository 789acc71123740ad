"""Receipt: signed evidence. Verdict: its judgement, step by step."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from rapha.records.record import Digest, Record
from rapha.records.release import ReasonCode

OPTIONAL = ("released_round", "updates", "freezes")
"""Fields of an aggregation that are stated only where the study asks for what they are of."""

Tier = Literal["T0", "T1", "T2"]


class RoundMembers(Record):
    """One round of the aggregation: which signed updates went in, which weights came out."""

    round: Annotated[int, Field(ge=0)]
    updates: dict[str, Digest]
    weights_of_sites: dict[str, int]
    weights_out: Digest


class Aggregation(Record):
    """What the hub signs at the end of a study. `released_round`: the weights are of that round, where the study asks for the best
    one; `updates`: in what form updates travelled, where not as float32; `freezes`: of each hospital that has one, the freeze that was logged
    before anything of its run was taken."""

    study_digest: Digest
    study: str
    hub: str
    method: str
    approvals: dict[str, Digest]
    denials: dict[str, ReasonCode]
    rounds: tuple[RoundMembers, ...]
    weights: Digest
    metrics: Digest
    code: Digest
    packages: dict[str, str]
    released_round: Annotated[int, Field(ge=1, le=100_000)] | None = None
    updates: Literal["bf16", "int8"] | None = None
    freezes: dict[str, Digest] | None = None

    @model_serializer(mode="wrap")
    def _as_stated(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What there is nothing of is not stated: a receipt of before reads as it did."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key not in OPTIONAL or value is not None}


class Signature(Record):
    keyid: str
    sig: str


class Receipt(Record):
    """A DSSE envelope around an in-toto Statement v1. The payload is kept as the exact bytes, in base64."""

    payloadType: Literal["application/vnd.in-toto+json"]
    payload: str
    signatures: Annotated[tuple[Signature, ...], Field(min_length=1, max_length=8)]


class Step(Record):
    """One numbered check. `detail` says what was compared, and on failure what to do."""

    number: int
    check: str
    passed: bool
    detail: str


class Verdict(Record):
    """`ok` only when every step passed. `claimed`: the tier that the evidence allows, once somebody else's word is there too.
    `found`: what the evidence is; `not_shown`: what it cannot show; both worked out by the verifier. `flagged`: where the signer's own
    words promise more than its record, or something else."""

    subject: str
    ok: bool
    tier: Tier
    steps: tuple[Step, ...]
    not_shown: tuple[str, ...]
    claimed: Tier = "T0"
    found: tuple[str, ...] = ()
    flagged: tuple[str, ...] = ()
