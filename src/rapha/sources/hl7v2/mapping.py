"""What HL7 version 2 messages leave open, and the hospital must say."""

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from rapha.records.record import Record
from rapha.timeline.units import MeasuredMapping

SYSTEMS = {"LN": "http://loinc.org", "SCT": "http://snomed.info/sct"}
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise PydanticCustomError("zone", "no such time zone; expected one such as Europe/Berlin") from None
    return value


class Span(Record):
    """One period per patient."""

    start: Literal["first event"] | date
    end: Literal["last event"] | date


class Mapping(MeasuredMapping):
    """The whole file. `authority`: the assigning authority (PID-3.4) whose identifier is the patient's. `zone`: where the
    clocks hung of times that name no offset. `systems`: HL7's names of coding systems (OBX-3.3) and what they are in studies;
    a name that is not there stands as `hl7v2:NAME`."""

    format: Literal["hl7v2"]
    authority: Name
    zone: Annotated[str, AfterValidator(_known_zone)]
    systems: Annotated[dict[Name, Name], Field(max_length=200)] = SYSTEMS
    observation: Span
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
