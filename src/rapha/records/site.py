"""A hospital: what it says it has, what it was asked, what it decided."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from rapha.records.dense import Modality
from rapha.records.metrics import ClassRows, Count
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, DispatchId, Real, Record, SiteId, Slug, StudyId
from rapha.records.release import ReasonCode
from rapha.records.script import Mode
from rapha.records.study import DataUse

Year = Annotated[int, Field(ge=1800, le=2200)]
DecidedBy = Annotated[
    str,
    Field(
        pattern=r"^((rule|steward):[a-z0-9][a-z0-9-]{0,62}|stewards:[a-z0-9][a-z0-9-]{0,62}\+[a-z0-9][a-z0-9-]{0,62})$"
    ),
]
"""`rule:routine`, `steward:maria-lopez`, or two: `stewards:jan-de-vries+maria-lopez`."""


class Share(Record):
    """A kind of event, and the share it has among the kinds that are listed: the mean over patients, to a twentieth. `of` is
    empty for events without a unit."""

    of: Annotated[str, Field(max_length=200)]
    share: Annotated[Real, Field(ge=0, le=1)]


class Group(Record):
    """Some of a site's patients: of one sex, of one age band, observed for so long."""

    group: Annotated[str, Field(min_length=1, max_length=40)]
    patients: Count


Shares = Annotated[tuple[Share, ...], Field(max_length=20)]
Groups = Annotated[tuple[Group, ...], Field(max_length=20)]


class ConceptCoverage(Record):
    """How many patients have any event of this code. Codes below the threshold are not listed at all.

    `years`: (year, about so many patients); a year that is not listed has few, none, or would tell of one that has.
    `units`: of events with a number. `values`: number, code, text or nothing. `precision`: of an event's time. `known`: later
    than it happened, at once, or unstated. Kinds of few patients are not listed.
    """

    system: Annotated[str, Field(min_length=1, max_length=200)]
    code: Annotated[str, Field(min_length=1, max_length=200)]
    patients: Count
    years: Annotated[tuple[tuple[Year, Annotated[int, Field(ge=0)]], ...], Field(max_length=400)] = ()
    units: Shares = ()
    values: Shares = ()
    precision: Shares = ()
    known: Shares = ()


class SiteProfile(Record):
    """What a site says of itself, for routing: suppressed and rounded, measured on its timeline.

    `data_use`: GA4GH DUO terms that its rules permit. `sexes`, `ages` (ten years each) and `observed` (how long) each deal the
    site's patients; a group that is not listed has few, none, or would tell of one that has. The years are the first and the
    last in which enough patients have any event.
    """

    site: Slug
    name: Annotated[str, Field(min_length=1, max_length=120)]
    modalities: tuple[Modality, ...]
    data_use: Annotated[tuple[DataUse, ...], Field(max_length=50)] = ()
    patients: Count
    sexes: Groups = ()
    ages: Groups = ()
    observed: Groups = ()
    first_year: Year | None = None
    last_year: Year | None = None
    coverage: Annotated[tuple[ConceptCoverage, ...], Field(max_length=20_000)] = ()
    version: str


Asks = Literal["training", "feasibility"]
"""What is asked of a site: to learn from its patients, or only how many there would be."""


class Dispatch(Record):
    """One study on its way to one site."""

    id: DispatchId
    study_id: StudyId
    study_digest: Digest
    site: SiteId
    researcher: Annotated[str, Field(min_length=1, max_length=120)]
    asks: Asks = "training"

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A dispatch that asks for training is written as it was before there was anything else to ask."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "asks" or value != "training"}


class StewardSignature(Record):
    """One steward's yes, by their own key: over dispatch, study, site, rules, name and moment (`policy/stewards.py`)."""

    steward: Slug
    at: datetime
    signature: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{80,120}={0,2}$")]


class Approval(Record):
    """A site's yes to exactly one study digest, under exactly one set of rules.

    `decision`: the digest of the node's record of it (`records/decision.py`). `mode`: the release mode that is said yes to. `signatures`: where the rules name the stewards.
    """

    dispatch: DispatchId
    study_digest: Digest
    site: SiteId
    policy_digest: Digest
    decided_by: DecidedBy
    feasible: Count
    at: datetime
    decision: Digest | None = None
    signatures: Annotated[tuple[StewardSignature, ...], Field(max_length=2)] = ()
    mode: Mode = "A"

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An approval of before is written as it was."""
        written = _without_empty(serialise(self), "decision", "signatures")
        return {key: value for key, value in written.items() if key != "mode" or value != "A"}


class Denial(Record):
    """A site's no. A reason code leaves, a sentence does not. `refusal`: the same, signed for everybody. `decision`: as of an approval."""

    dispatch: DispatchId
    study_digest: Digest
    site: SiteId
    policy_digest: Digest
    reason: ReasonCode
    at: datetime
    refusal: Receipt | None = None
    decision: Digest | None = None

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A denial of before is written as it was."""
        return _without_empty(serialise(self), "decision")


class Answered(Record):
    """How many patients a study would have here, and how many of them with the outcome: with noise, suppressed and rounded.

    An unknown concept, nobody and too few are one and the same: `below`. `classes`: of a categorical outcome; those that are
    too small are told together.
    """

    dispatch: DispatchId
    study_digest: Digest
    site: SiteId
    policy_digest: Digest
    patients: Count
    events: Count
    classes: Annotated[tuple[ClassRows, ...], Field(max_length=51)] = ()
    at: datetime

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An answer on an outcome without classes is written as it was before there were any."""
        return _without_empty(serialise(self), "classes")


def _without_empty(written: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in written.items() if value or key not in keys}
