"""What a folder of notes does not say of itself."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from rapha.records.author import Language, Role
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
    when the hospital had it. `author`: who wrote it, a role and never a name; `language`: a tag such as en-GB. `id` and `replaces`: what
    a row is called, and which other row it stands in the place of."""

    file: FileName
    text: Column
    patient: Column
    type: Column
    written: Column
    known: Column
    author: Column | None = None
    language: Column | None = None
    id: Column | None = None
    replaces: Column | None = None

    @model_validator(mode="after")
    def _named(self) -> "Listing":
        if self.replaces and not self.id:
            raise PydanticCustomError("replaces", "`replaces` says which row, by its `id`: name that column too")
        return self

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column that is read."""
        more = (self.author, self.language, self.id, self.replaces)
        return (self.text, self.patient, self.type, self.written, self.known, *(each for each in more if each))


class Mapping(SourceMapping):
    """The whole file. `system`: of the kinds of notes. `zone`: where the clocks hung of times that name no offset. `roles`: what the
    site's words for who writes are; a word that is neither here nor itself a role says nothing. `language`: of all notes of which the
    list says none."""

    format: Literal["note-files"]
    listing: Listing
    system: Annotated[str, Field(min_length=1, max_length=200)] = "local"
    zone: Annotated[str, AfterValidator(_known_zone)]
    roles: Annotated[
        dict[Annotated[str, StringConstraints(min_length=1, max_length=100)], Role],
        Field(default_factory=dict, max_length=500),
    ]
    language: Language | None = None
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
