"""Made-up enhanced multi-frame files: one file for a whole volume, with places, spacing and slopes in functional groups (PS3.3, C.7.6.16)."""

import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from rapha.cli.demo.made_up_scans import PIXEL, THICK, write_image

ENHANCED_CT, ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.4.1"


def write_enhanced(path: Path, patient: str, taken: date, voxels: Any, dice: random.Random, **more: Any) -> Path:
    """Write a volume [frames, rows, columns] as one file. `more` are further elements; `frames`, in place of the usual ones, the
    functional groups of each frame; `shared`, those of all."""
    root = f"1.2.826.0.1.3680043.8.498.{dice.getrandbits(60)}"
    frames = more.pop("frames", None) or [frame(number * THICK) for number in range(len(voxels))]
    shared = more.pop("shared", None) or group(
        PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
        PixelMeasuresSequence={"PixelSpacing": [PIXEL, PIXEL], "SliceThickness": THICK},
        PixelValueTransformationSequence={"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "HU"},
    )
    header = {
        "SOPClassUID": ENHANCED_CT, "PatientID": patient, "Modality": "CT", "BodyPartExamined": "CHEST", "StudyInstanceUID": f"{root}.1",
        "SeriesInstanceUID": f"{root}.2", "FrameOfReferenceUID": f"{root}.3", "SOPInstanceUID": f"{root}.4",
        "AcquisitionDateTime": f"{taken:%Y%m%d}093000", "ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "NumberOfFrames": len(voxels), "SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames,
        "RescaleSlope": None, "RescaleIntercept": None,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, voxels, header | more)
    return path


def frame(place: float, **macros: Any) -> Any:
    """The functional groups of one frame, `place` mm along the body."""
    usual: dict[str, dict[str, Any]] = {
        "PlanePositionSequence": {"ImagePositionPatient": [0, 0, place]},
        "FrameContentSequence": {"StackID": "1"},
    }
    return group(**(usual | macros))


def group(**macros: "dict[str, Any]") -> Any:
    """Macros, each a sequence of one item; an item may hold further sequences."""
    import pydicom

    found = pydicom.Dataset()
    for name, inside in macros.items():
        item = pydicom.Dataset()
        for each, value in inside.items():
            setattr(item, each, [group_item(value)] if isinstance(value, dict) else value)
        setattr(found, name, [item])
    return found


def group_item(inside: "dict[str, Any]") -> Any:
    import pydicom

    item = pydicom.Dataset()
    for name, value in inside.items():
        setattr(item, name, value)
    return item


def with_undefined_lengths(sequences: Sequence[Any]) -> None:
    """Have all sequences in these data sets written without their lengths, as many devices do."""
    for item in sequences:
        for element in item:
            if element.VR == "SQ":
                element.is_undefined_length = True
                for each in element.value:
                    each.is_undefined_length_sequence_item = True
                with_undefined_lengths(element.value)
