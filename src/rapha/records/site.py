"""A hospital: what it says it has, what it was asked, what it decided."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from rapha.records.metrics import Count
from rapha.records.record import Digest, DispatchId, Record, SiteId, Slug, StudyId
from rapha.records.release import ReasonCode


class ConceptCoverage(Record):
    """How many patients have any event of this code. Codes below the threshold are not listed at all."""

    system: str
    code: str
    patients: Count


class SiteProfile(Record):
    """What a site says of itself, for routing: suppressed and rounded, measured on its timeline."""

    site: Slug
    name: Annotated[str, Field(min_length=1, max_length=120)]
    modalities: tuple[Literal["ehr"], ...]
    patients: Count
    first_year: int | None = None
    last_year: int | None = None
    coverage: Annotated[tuple[ConceptCoverage, ...], Field(max_length=20_000)] = ()
    version: str


class Dispatch(Record):
    """One study on its way to one site."""

    id: DispatchId
    study_id: StudyId
    study_digest: Digest
    site: SiteId
    researcher: Annotated[str, Field(min_length=1, max_length=120)]


class Approval(Record):
    """A site's yes to exactly one study digest, under exactly one set of rules."""

    dispatch: DispatchId
    study_digest: Digest
    site: SiteId
    policy_digest: Digest
    decided_by: Annotated[str, Field(pattern=r"^(rule|steward):[a-z0-9][a-z0-9-]{0,62}$")]
    feasible: Count
    at: datetime


class Denial(Record):
    """A site's no. A reason code leaves, a sentence does not."""

    dispatch: DispatchId
    study_digest: Digest
    site: SiteId
    policy_digest: Digest
    reason: ReasonCode
    at: datetime
