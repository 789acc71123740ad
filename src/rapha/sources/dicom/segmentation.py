"""What a segmentation says of itself: which images it is of, what its segments are, and where each of its frames lies (PS3.3, A.51, C.8.20)."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rapha.sources.dicom.elements import Elements
from rapha.sources.dicom.headers import LARGEST_SIDE, MOST_FRAMES
from rapha.sources.dicom.reading import UNREADABLE, read_elements
from rapha.sources.dicom.values import clock, items, numbers, offset_minutes, whole_number, word
from rapha.sources.dicom.wanted import SEGMENTATION

MOST_SEGMENTS = 256
LARGEST_FRACTION = 65_535
BY_TYPE, BY_LABEL = "dicom-segment", "dicom-segment-label"
Code = tuple[str, str]
"""System and code that a study can ask for."""


class Frame(NamedTuple):
    """One frame: of which `segment` (0 in a label map, whose pixels say it), where, and which images it was drawn on."""

    segment: int
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    spacing: tuple[float, ...]
    drawn_on: frozenset[str]


class Segmentation(NamedTuple):
    """One object. `most`: the stored value that stands for all of a voxel, where values are fractions; else 0. `segments`: by number,
    what a study can ask for. `drawn_on`: the SOP instances that it names, itself or in a frame."""

    path: Path
    instance: str
    patient: str
    frame_of_reference: str
    at: datetime
    offset: int | None
    rows: int
    columns: int
    label_map: bool
    most: int
    segments: dict[int, tuple[Code, ...]]
    frames: tuple[Frame, ...]
    drawn_on: frozenset[str]


def read_segmentation(path: Path) -> Segmentation | str:
    """The segmentation in a file, or why it is of no use.

    Raises:
        ConfigurationError: the `imaging` extra is not installed.
    """
    found = read_elements(path, SEGMENTATION)
    if isinstance(found, str):
        return found
    try:
        return segmentation_of(path, found)
    except (TypeError, ValueError, OverflowError):
        return UNREADABLE


def segmentation_of(path: Path, found: Elements) -> Segmentation | str:
    """The same of elements that are read. Pure."""
    kind = word(found, "SegmentationType")
    count, described = whole_number(found, "NumberOfFrames", 1), items(found, "PerFrameFunctionalGroupsSequence")
    at = clock(word(found, "ContentDate"), word(found, "ContentTime"))
    if not (word(found, "SOPInstanceUID") and word(found, "PatientID")):
        return "is a segmentation that lacks its PatientID or SOPInstanceUID"
    if kind not in ("BINARY", "FRACTIONAL", "LABELMAP"):
        return "is a segmentation of no known kind: BINARY, FRACTIONAL and LABELMAP are read"
    most = whole_number(found, "MaximumFractionalValue", 0) if kind == "FRACTIONAL" else 0
    if kind == "FRACTIONAL" and not 0 < most <= LARGEST_FRACTION:
        return "is a segmentation in fractions that does not say of what"
    if not all(0 < whole_number(found, name, 0) <= LARGEST_SIDE for name in ("Rows", "Columns")):
        return "is a segmentation of more than 4096 pixels a side, or of none"
    if not described or len(described) != count or count > MOST_FRAMES:
        return "is a segmentation that does not describe each of its frames"
    if at is None:
        return "is a segmentation that does not say when it was made"
    segments = _segments(found)
    if isinstance(segments, str):
        return segments
    shared = items(found, "SharedFunctionalGroupsSequence")
    frames = tuple(_frame(each, shared[0] if shared else {}) for each in described)
    if kind != "LABELMAP" and not all(frame.segment in segments for frame in frames):
        return "is a segmentation with a frame of a segment that it does not describe"
    series = (
        image
        for each in items(found, "ReferencedSeriesSequence")
        for image in items(each, "ReferencedInstanceSequence")
    )
    drawn_on = {word(image, "ReferencedSOPInstanceUID") for image in series}.union(
        *(frame.drawn_on for frame in frames)
    )
    if not (drawn_on := drawn_on - {""}):
        return "is a segmentation that does not say which images it is of"
    return Segmentation(
        path, word(found, "SOPInstanceUID"), word(found, "PatientID"), word(found, "FrameOfReferenceUID"), at,
        offset_minutes(word(found, "TimezoneOffsetFromUTC")), whole_number(found, "Rows", 0), whole_number(found, "Columns", 0),
        kind == "LABELMAP", most, segments, frames, frozenset(drawn_on),
    )  # fmt: skip


def _segments(found: Elements) -> dict[int, tuple[Code, ...]] | str:
    described = items(found, "SegmentSequence")
    if not 0 < len(described) <= MOST_SEGMENTS:
        return f"is a segmentation of no segments, or of more than {MOST_SEGMENTS}"
    segments: dict[int, tuple[Code, ...]] = {}
    for each in described:
        kinds = items(each, "SegmentedPropertyTypeCodeSequence")
        scheme, value = (word(kinds[0], name) if kinds else "" for name in ("CodingSchemeDesignator", "CodeValue"))
        label = " ".join(word(each, "SegmentLabel").upper().split())
        codes = ((BY_TYPE, f"{scheme}:{value}") if scheme and value else None, (BY_LABEL, label) if label else None)
        number = whole_number(each, "SegmentNumber", 0)
        if number in segments:
            return "is a segmentation with two segments of one number"
        segments[number] = tuple(filter(None, codes))
    if not any(segments.values()):
        return "is a segmentation whose segments have neither a type nor a label"
    return segments


def _frame(own: Elements, shared: Elements) -> Frame:
    """A frame's own macro counts, and the shared one where it has none."""

    def macro(name: str) -> Elements:
        given = items(own, name) or items(shared, name)
        return given[0] if given else {}

    derived = items(own, "DerivationImageSequence") or items(shared, "DerivationImageSequence")
    images = (image for each in derived for image in items(each, "SourceImageSequence"))
    return Frame(
        segment=whole_number(macro("SegmentIdentificationSequence"), "ReferencedSegmentNumber", 0),
        orientation=numbers(macro("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        position=numbers(macro("PlanePositionSequence"), "ImagePositionPatient", 3),
        spacing=numbers(macro("PixelMeasuresSequence"), "PixelSpacing", 2),
        drawn_on=frozenset(word(image, "ReferencedSOPInstanceUID") for image in images) - {""},
    )
