"""What one image says of itself, as far as it is needed. A file of several frames says it of each."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from rapha.sources.dicom.elements import Elements
from rapha.sources.dicom.reading import UNREADABLE, read_elements
from rapha.sources.dicom.ultrasound import COLOURS, between_frames, in_colour, region_spacing
from rapha.sources.dicom.uptake import uptake_factor
from rapha.sources.dicom.values import clock, items, moment_of, numbers, offset_minutes, real, whole_number, word, words
from rapha.sources.dicom.wanted import WANTED

LARGEST_SIDE, MOST_FRAMES = 4096, 65_536
"""Of a volume along each side, as a study reads it, and of a file. A clip's frames are a side of it, and so are a stack's slices."""
_TIMES = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"), ("SeriesDate", "SeriesTime"),
          ("StudyDate", "StudyTime"))  # fmt: skip
_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Classes of objects that are masks of images: segmentations, and label maps."""
A_SEGMENTATION = "is a segmentation: name SEG under `modalities` in the mapping to have it read"


class Header(NamedTuple):
    """One image: a file of one frame, or (`number`, from 1) a frame of a file. `at` is a clock, in `offset` minutes from UTC where the
    file says so. `kind` tells stacks of a series apart. A stored pixel times `slope` and `intercept` more is its value. A clip is one image
    of `frames`, `between_ms` apart."""

    path: Path
    number: int
    instance: str
    series: str
    frame: str
    patient: str
    modality: str
    body_part: str
    view: str
    at: datetime | None
    offset: int | None
    rows: int
    columns: int
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    spacing: tuple[float, ...]
    kind: tuple[str, ...]
    burned_in: bool
    slope: float
    intercept: float
    frames: int = 1
    between_ms: float = 0.0


def read_headers(path: Path, modalities: Collection[str]) -> list[Header] | str:
    """The header of each image in a file, or why the file is of no use. `modalities` are those that are read.

    Raises:
        ConfigurationError: the `imaging` extra is not installed.
    """
    found = read_elements(path, WANTED)
    if isinstance(found, str):
        return found
    try:
        return headers_of(path, found, modalities)
    except (TypeError, ValueError, OverflowError):
        return UNREADABLE


def headers_of(path: Path, found: Elements, modalities: Collection[str]) -> list[Header] | str:
    """The same of elements that are read. Pure."""
    if reason := _refused(found, modalities):
        return reason
    whole = _whole(path, found)
    if whole.modality == "PT":
        factor = uptake_factor(found)
        if isinstance(factor, str):
            return factor
        whole = whole._replace(slope=whole.slope * factor, intercept=whole.intercept * factor)
    frames = items(found, "PerFrameFunctionalGroupsSequence")
    count = whole_number(found, "NumberOfFrames", 1)
    if not frames:
        return [whole] if count <= 1 else _clip(whole, found, count)
    if len(frames) != count or count > MOST_FRAMES:
        return "does not describe each of its frames"
    if whole.modality == "PT":
        return "is enhanced PET, which is not read yet"
    shared = items(found, "SharedFunctionalGroupsSequence")
    return [_frame(whole, number, frame, shared[0] if shared else {}) for number, frame in enumerate(frames, 1)]


def _clip(whole: Header, found: Elements, count: int) -> list[Header] | str:
    """Frames that follow on one another in time and lie where a probe was held."""
    if whole.modality != "US":
        return "is a multi-frame image that does not place each of its frames"
    if count > LARGEST_SIDE:
        return f"is a clip of more than {LARGEST_SIDE} frames"
    between = between_frames(found)
    return between if isinstance(between, str) else [whole._replace(frames=count, between_ms=between)]


def _refused(found: Elements, modalities: Collection[str]) -> str | None:
    if not all(word(found, name) for name in ("SOPInstanceUID", "SeriesInstanceUID", "PatientID", "Modality")):
        return "lacks one of PatientID, Modality, SeriesInstanceUID and SOPInstanceUID"
    if word(found, "SOPClassUID") in SEGMENTATIONS:
        return A_SEGMENTATION
    if word(found, "Modality") not in modalities:
        return "is of a modality that the mapping does not read"
    kind = words(found, "ImageType").split("\\")
    if "MOSAIC" in kind:
        return "is a mosaic: many slices in one picture"
    if "LOCALIZER" in kind:
        return "is a localiser"
    if not all(0 < whole_number(found, name, 0) <= LARGEST_SIDE for name in ("Rows", "Columns")):
        return "has no picture, or one of more than 4096 pixels a side"
    if in_colour(found) and not (
        word(found, "Modality") == "US" and word(found, "PhotometricInterpretation") in COLOURS
    ):
        return "is in colour, which is not read yet"
    if word(found, "PresentationIntentType") == "FOR PROCESSING" and word(found, "Modality") in ("MG", "DX", "CR"):
        return "is what the detector gave, for processing: the picture made of it is read"
    return None


def _whole(path: Path, found: Elements) -> Header:
    kind = ("ImageType", "EchoNumbers", "AcquisitionNumber", "TemporalPositionIdentifier", "DiffusionBValue")
    side, view = word(found, "ImageLaterality"), word(found, "ViewPosition")
    return Header(
        path=path,
        number=0,
        instance=word(found, "SOPInstanceUID"),
        series=word(found, "SeriesInstanceUID"),
        frame=word(found, "FrameOfReferenceUID"),
        patient=word(found, "PatientID"),
        modality=word(found, "Modality"),
        body_part=word(found, "BodyPartExamined").upper(),
        view=f"{side}-{view}" if side and view else "",
        at=_when(found),
        offset=offset_minutes(word(found, "TimezoneOffsetFromUTC")),
        rows=whole_number(found, "Rows", 0),
        columns=whole_number(found, "Columns", 0),
        orientation=numbers(found, "ImageOrientationPatient", 6),
        position=numbers(found, "ImagePositionPatient", 3),
        spacing=numbers(found, "PixelSpacing", 2) or numbers(found, "ImagerPixelSpacing", 2) or region_spacing(found),
        kind=tuple(words(found, name) for name in kind),
        burned_in=_burned_in(found),
        slope=real(found, "RescaleSlope", 1.0),
        intercept=real(found, "RescaleIntercept", 0.0),
    )


def _frame(whole: Header, number: int, own: Elements, shared: Elements) -> Header:
    """A frame's own macro counts, and the shared one where it has none (PS3.3, C.7.6.16)."""

    def macro(name: str) -> Elements:
        given = items(own, name) or items(shared, name)
        return given[0] if given else {}

    content, diffusion, pixels = (
        macro("FrameContentSequence"),
        macro("MRDiffusionSequence"),
        macro("PixelValueTransformationSequence"),
    )
    direction = items(diffusion, "DiffusionGradientDirectionSequence")
    frame_type = macro("MRImageFrameTypeSequence") or macro("CTImageFrameTypeSequence")
    kind = (
        words(frame_type, "FrameType"), words(content, "StackID"), words(content, "TemporalPositionIndex"),
        words(macro("MREchoSequence"), "EffectiveEchoTime"), words(diffusion, "DiffusionBValue"),
        words(direction[0], "DiffusionGradientOrientation") if direction else "",
    )  # fmt: skip
    return whole._replace(
        number=number,
        at=moment_of(word(content, "FrameAcquisitionDateTime")) or whole.at,
        orientation=numbers(macro("PlaneOrientationSequence"), "ImageOrientationPatient", 6) or whole.orientation,
        position=numbers(macro("PlanePositionSequence"), "ImagePositionPatient", 3),
        spacing=numbers(macro("PixelMeasuresSequence"), "PixelSpacing", 2) or whole.spacing,
        kind=(*whole.kind, *kind),
        slope=real(pixels, "RescaleSlope", whole.slope),
        intercept=real(pixels, "RescaleIntercept", whole.intercept),
    )


def _burned_in(found: Elements) -> bool:
    """Whether names may be written into the pixels: said so, or of a kind that often has them and does not deny it."""
    said = word(found, "BurnedInAnnotation").upper()
    often = word(found, "Modality") == "US" or word(found, "SOPClassUID").startswith(_SECONDARY)
    return said == "YES" or (often and said != "NO")


def _when(found: Elements) -> datetime | None:
    if (moment := moment_of(word(found, "AcquisitionDateTime"))) is not None:
        return moment
    for day, time in _TIMES:
        if (moment := clock(word(found, day), word(found, time))) is not None:
            return moment
    return None
