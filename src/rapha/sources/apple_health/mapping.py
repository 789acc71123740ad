"""What an export does not say of itself: whose it is, and where its days begin."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.record import Record
from rapha.timeline.mapping_file import SourceMapping

Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,60}$")]
PatientId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
FileName = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00]{1,200}$")]


class Observation(Record):
    """A day is observed when the device was worn so many hours. Up to `bridge_days` days without are bridged."""

    at_least_hours: Annotated[int, Field(ge=0, le=24)] = 0
    bridge_days: Annotated[int, Field(ge=0, le=30)] = 0


class Mapping(SourceMapping):
    """The whole file. `zone`: where the patients live; their days begin there, unless records tell of another zone, whatever zone
    the phone was in when it wrote the export. `patient` for one export; `patients` for a folder: a CSV in it with the columns `file` and
    `patient`, and `zone` where one lives elsewhere. `samples`: codes whose every sample becomes an event as well.
    """

    format: Literal["apple-health"]
    zone: Zone
    patient: PatientId | None = None
    patients: FileName | None = None
    summaries: Annotated[tuple[Literal["daily", "hourly"], ...], Field(max_length=2)] = ("daily", "hourly")
    samples: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,60}$")], ...], Field(max_length=50)
    ] = ()
    observation: Observation = Observation()

    @model_validator(mode="after")
    def _whose(self) -> "Mapping":
        if (self.patient is None) == (self.patients is None):
            raise PydanticCustomError(
                "whose", "give `patient` (of one export) or `patients` (a CSV in the folder of exports), one of the two"
            )
        return self
