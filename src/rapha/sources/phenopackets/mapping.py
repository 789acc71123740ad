"""What a folder of phenopackets does not say of itself: whose they are, and what its vocabularies are called here."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.record import Record
from rapha.timeline.mapping_file import SourceMapping

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Prefix = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.]{0,30}$")]


class Subjects(Record):
    """A CSV file with one row for each subject: whose it is; and, where `known` is given, since when what its packet says was
    known here. Else it was when the packet was made."""

    file: FileName
    subject: Column
    patient: Column
    known: Column | None = None


class Mapping(SourceMapping):
    """The whole file. `folder`: where the packets lie, one in each `.json`. `systems`: what studies and the other sources call a
    vocabulary, where that is not the prefix of its identifiers."""

    format: Literal["phenopackets"]
    folder: FileName
    subjects: Subjects
    systems: Annotated[dict[Prefix, Annotated[str, Field(min_length=1, max_length=200)]], Field(default_factory=dict)]
