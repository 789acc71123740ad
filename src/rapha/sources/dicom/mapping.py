"""What images do not say of themselves."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.record import Record
from rapha.timeline.mapping_file import SourceMapping

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9 _.-]{0,199}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,60}$")]
Pairs = Literal["none", "PT-on-CT", "CT-on-PT"]
Modality = Literal["CT", "MR", "PT", "CR", "DX", "MG", "US", "SEG"]


class Patients(Record):
    """A CSV file that says whose a PatientID is, where images and tables know patients by different identifiers."""

    file: FileName
    dicom: Column
    patient: Column


class Mapping(SourceMapping):
    """The whole file. `modalities`: those that are read; images of others are set aside; with `SEG`, segmentations of the
    images in the same folder too. `available: same` must be said: an
    image is known when it was taken. `burned_in: take` reads images in which names may be written into the pixels."""

    format: Literal["dicom"]
    modalities: Annotated[tuple[Modality, ...], Field(min_length=1)]
    available: Literal["same"]
    zone: Zone | None = None
    patients: Patients | None = None
    burned_in: Literal["refuse", "take"] = "refuse"
    pairs: Pairs = "none"
