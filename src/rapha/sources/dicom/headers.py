"""The header of an image, as far as it is needed. Files are untrusted bytes: whatever pydicom cannot read is a reason."""

import warnings
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from rapha.errors import ConfigurationError

TAGS = (
    "SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "FrameOfReferenceUID", "PatientID", "Modality", "BodyPartExamined", "ImageType",
    "AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime", "ContentDate", "ContentTime", "SeriesDate", "SeriesTime",
    "StudyDate", "StudyTime", "TimezoneOffsetFromUTC", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "ImagerPixelSpacing", "EchoNumbers", "AcquisitionNumber",
    "TemporalPositionIdentifier", "DiffusionBValue", "BurnedInAnnotation", "PhotometricInterpretation",
)  # fmt: skip
LARGEST_SIDE = 4096
_TIMES = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"), ("SeriesDate", "SeriesTime"),
          ("StudyDate", "StudyTime"))  # fmt: skip
_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"


class Header(NamedTuple):
    """One image. `at` is a clock, in `offset` minutes from UTC where the file says so. `kind` tells stacks of a series apart."""

    path: Path
    instance: str
    series: str
    frame: str
    patient: str
    modality: str
    body_part: str
    at: datetime | None
    offset: int | None
    rows: int
    columns: int
    orientation: tuple[float, ...]
    position: tuple[float, ...]
    spacing: tuple[float, ...]
    kind: tuple[str, ...]
    burned_in: bool


def read_header(path: Path) -> Header | str:
    """The header of a file, or why it is of no use.

    Raises:
        ConfigurationError: the `imaging` extra is not installed.
    """
    try:
        import pydicom
    except ImportError:
        raise ConfigurationError("images need an extra: pip install 'rapha[imaging]'") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(TAGS))
            return _header(path, found)
    except (pydicom.errors.InvalidDicomError, OSError):
        return "is no DICOM file"
    except Exception:  # a header may hold anything, and pydicom fails in as many ways
        return "has a header that cannot be read"


def _header(path: Path, found: Any) -> Header | str:
    words = {
        name: str(found.get(name) or "") for name in ("SOPInstanceUID", "SeriesInstanceUID", "PatientID", "Modality")
    }
    if not all(words.values()):
        return "lacks one of PatientID, Modality, SeriesInstanceUID and SOPInstanceUID"
    if int(found.get("NumberOfFrames") or 1) > 1:
        return "is a multi-frame image, which is not read yet"
    rows, columns = int(found.get("Rows") or 0), int(found.get("Columns") or 0)
    if not (0 < rows <= LARGEST_SIDE and 0 < columns <= LARGEST_SIDE):
        return "has no picture, or one of more than 4096 pixels a side"
    if int(found.get("SamplesPerPixel") or 1) != 1:
        return "is in colour, which is not read yet"
    kind = ("ImageType", "EchoNumbers", "AcquisitionNumber", "TemporalPositionIdentifier", "DiffusionBValue")
    return Header(
        path=path,
        instance=words["SOPInstanceUID"],
        series=words["SeriesInstanceUID"],
        frame=str(found.get("FrameOfReferenceUID") or ""),
        patient=words["PatientID"].strip(),
        modality=words["Modality"],
        body_part=str(found.get("BodyPartExamined") or "").strip().upper(),
        at=_when(found),
        offset=_offset(str(found.get("TimezoneOffsetFromUTC") or "")),
        rows=rows,
        columns=columns,
        orientation=_numbers(found.get("ImageOrientationPatient"), 6),
        position=_numbers(found.get("ImagePositionPatient"), 3),
        spacing=_numbers(found.get("PixelSpacing"), 2) or _numbers(found.get("ImagerPixelSpacing"), 2),
        kind=tuple(str(found.get(name) or "") for name in kind),
        burned_in=_burned_in(found),
    )


def _burned_in(found: Any) -> bool:
    """Whether names may be written into the pixels: said so, or of a kind that often has them and does not deny it."""
    said = str(found.get("BurnedInAnnotation") or "").upper()
    often = found.get("Modality") == "US" or str(found.get("SOPClassUID") or "").startswith(_SECONDARY)
    return said == "YES" or (often and said != "NO")


def _numbers(value: Any, count: int) -> tuple[float, ...]:
    """So many finite numbers, or none."""
    try:
        numbers = tuple(float(each) for each in value or ())
    except (TypeError, ValueError):
        return ()
    return numbers if len(numbers) == count and all(abs(each) < 1e6 for each in numbers) else ()


def _when(found: Any) -> datetime | None:
    whole = str(found.get("AcquisitionDateTime") or "")
    candidates = [(whole[:8], whole[8:14])] if whole else []
    candidates += [(str(found.get(day) or ""), str(found.get(time) or "")) for day, time in _TIMES]
    for day, time in candidates:
        try:
            moment = datetime.strptime(day[:8], "%Y%m%d")
        except ValueError:
            continue
        digits = time.partition(".")[0][:6]
        if len(digits) in (2, 4, 6) and digits.isdigit():
            hours, minutes, seconds = (int(digits[at : at + 2] or 0) for at in (0, 2, 4))
            if hours < 24 and minutes < 60 and seconds < 60:
                moment += timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return moment
    return None


def _offset(text: str) -> int | None:
    """Minutes from UTC of `+0200`."""
    if len(text) == 5 and text[0] in "+-" and text[1:].isdigit():
        minutes = int(text[1:3]) * 60 + int(text[3:])
        return (minutes if text[0] == "+" else -minutes) if minutes <= 14 * 60 else None
    return None
