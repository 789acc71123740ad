"""What a CDM does not say of itself: where its clocks hung, when the hospital knew, and what its own codes are called."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.record import Record
from rapha.timeline.units import MeasuredMapping

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,60}$")]
ConceptId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]
Knowing = Literal["same", "day end", "visit end"]
"""`same`: when it happened. `day end`: at the end of that day. `visit end`: when the visit it belongs to ended, as for
diagnoses that are coded at discharge; at the end of its day where it belongs to none."""
ClinicalTable = Literal[
    "visit_occurrence", "visit_detail", "condition_occurrence", "drug_exposure", "procedure_occurrence",
    "measurement", "observation", "device_exposure", "specimen", "note",
]  # fmt: skip


class Available(Record):
    """When the hospital knew. `types` (of a row's `*_type_concept_id`) go before `tables`, and these before `default`."""

    default: Knowing
    tables: Annotated[dict[ClinicalTable, Knowing], Field(default_factory=dict)]
    types: Annotated[dict[ConceptId, Knowing], Field(default_factory=dict)]


class Mapping(MeasuredMapping):
    """The whole file. `zone`: where the clocks hung; without it they are UTC.

    `systems`: what studies call a vocabulary, where that is not its `vocabulary_id`. `local`: what they call the codes
    of a `*_source_value` that has no source concept. `leave_out_types`: rows of these types are no events.
    """

    format: Literal["omop"]
    zone: Zone | None = None
    cdm_schema: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] | None = None
    vocabulary_schema: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] | None = None
    available: Available
    systems: Annotated[dict[Text, Text], Field(default_factory=dict)]
    local: Text = "local"
    leave_out_types: Annotated[tuple[ConceptId, ...], Field(max_length=1000)] = ()
