"""What a folder of notes does not say of itself."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from rapha.records.record import Record
from rapha.timeline.mapping_file import SourceMapping

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ValueError, OSError, KeyError):
        raise PydanticCustomError("zone", "no such time zone; expected one such as Europe/Berlin") from None
    return value


class Listing(Record):
    """A CSV file with one row for each note: the file of its text, whose it is, what kind of note, when it was written, and
    when the hospital had it."""

    file: FileName
    text: Column
    patient: Column
    type: Column
    written: Column
    known: Column


class Mapping(SourceMapping):
    """The whole file. `system`: of the kinds of notes. `zone`: where the clocks hung of times that name no offset."""

    format: Literal["note-files"]
    listing: Listing
    system: Annotated[str, Field(min_length=1, max_length=200)] = "local"
    zone: Annotated[str, AfterValidator(_known_zone)]
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
