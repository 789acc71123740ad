"""Made-up chest CTs of people who do not exist, each with a nodule among vessels, and a segmentation of it, as a radiologist draws one.

A vessel runs through many slices and is as bright as a nodule, so that brightness alone does not tell the two apart. The files are
real DICOM: the images slice by slice, the segmentation as one object of many frames that names them. Nothing learnt here means anything.
"""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rapha.cli.demo.made_up_frames import group, group_item
from rapha.cli.demo.made_up_scans import (
    PEOPLE_MAPPING,
    PIXEL,
    SCANS_MAPPING,
    SIDE,
    SLICES,
    THICK,
    write_people,
    write_scan,
)

ABOUT = "Made-up chest CTs and segmentations of people who do not exist"
PATIENTS = 88
"""Of the first hospital; the others have a little fewer each."""

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
NODULE, LUNG = ("SCT", "27925004", "Nodule"), ("SCT", "39607008", "Lung")
Coded = tuple[str, str, str]


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people, images with their segmentations, and two mappings. The same pixels every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(PEOPLE_MAPPING, encoding="utf-8")
        radiology = SCANS_MAPPING.replace("modalities: [CT]", "modalities: [CT, SEG]")
        (folder / "radiology.mapping.yaml").write_text(radiology, encoding="utf-8")
        _write(folder, random.Random(f"segmentations {number}"), PATIENTS - 2 * min(number - 1, 4))  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def _write(folder: Path, dice: random.Random, patients: int) -> None:
    people = []
    for number in range(patients):
        taken = date(2012, 1, 1) + timedelta(days=dice.randint(0, 1500))
        born = taken - timedelta(days=dice.randint(40 * 365, 80 * 365))
        people.append((number, born, dice.choice("FM"), taken - timedelta(days=400), taken + timedelta(days=900)))
        place = folder / "images" / f"p{number:04}"
        voxels, nodule, lung = chest(dice)
        scan = write_scan(place, str(number), taken, voxels, dice)
        drawn = taken + timedelta(days=dice.randint(1, 60))
        write_segmentation(place / "segmentation.dcm", scan, [(NODULE, nodule), (LUNG, lung)], dice, drawn)
    write_people(folder, people)


def chest(dice: random.Random) -> tuple[Any, Any, Any]:
    """Hounsfield units [slices, rows, columns], and masks of the nodule and of the lungs with what is in them."""
    import numpy as np

    chance = np.random.default_rng(dice.getrandbits(48))
    z, y, x = np.meshgrid(*(np.arange(count) for count in (SLICES, SIDE, SIDE)), indexing="ij")
    middle = (SIDE - 1) / 2
    body = ((y - middle) / 13) ** 2 + ((x - middle) / 15) ** 2 < 1
    lung = sum(((y - middle) / 9) ** 2 + ((x - middle - side) / 5) ** 2 < 1 for side in (-6.5, 6.5)) > 0
    voxels = np.where(lung, -800.0, np.where(body, 40.0, -1000.0))
    for side in (-6.5, 6.5):
        lean = dice.uniform(-0.3, 0.3)
        along = (y - middle - dice.uniform(-5, 5) - lean * z) ** 2 + (x - middle - side - dice.uniform(-2, 2)) ** 2
        voxels = np.where((along < 1.6) & lung, 50.0, voxels)
    at = (dice.randint(3, SLICES - 4), middle + dice.uniform(-4, 4), middle + dice.choice((-6.5, 6.5)))
    distance = ((z - at[0]) * THICK) ** 2 + ((y - at[1]) * PIXEL) ** 2 + ((x - at[2]) * PIXEL) ** 2
    nodule = distance < dice.uniform(9, 14) ** 2
    voxels = np.where(nodule, 60.0, voxels)
    return np.rint(voxels + chance.normal(0, 20, voxels.shape)).astype(np.int16), nodule, lung


def write_segmentation(
    path: Path,
    scan: Sequence[Path],
    segments: Sequence[tuple[Coded, Any]],
    dice: random.Random,
    drawn: date,
    **more: Any,
) -> Path:
    """Write a segmentation of the images of a scan: each of `segments` a code and a mask [slices, rows, columns]; slices without it have no
    frame. Where `SegmentationType` is FRACTIONAL the masks are fractions, 0 to 1. `more` are further elements."""
    import numpy as np
    import pydicom

    images = [pydicom.dcmread(each, stop_before_pixels=True) for each in scan]
    kind = more.get("SegmentationType", "BINARY")
    frames, pixels = [], []
    for number, (_, mask) in enumerate(segments, 1):
        for image, drawing in zip(images, mask, strict=True):
            if drawing.any():
                frames.append(frame_on(image, number))
                pixels.append(drawing)
    stacked = np.stack(pixels)
    if kind == "FRACTIONAL":
        stored = np.rint(stacked * 255).astype(np.uint8).tobytes()
        more = {"MaximumFractionalValue": 255, "SegmentationFractionalType": "OCCUPANCY", "BitsAllocated": 8} | more
    else:
        stored = np.packbits(stacked.astype(np.uint8), bitorder="little").tobytes()
    described = [segment(number, coded) for number, (coded, _) in enumerate(segments, 1)]
    write_object(path, images, described, frames, stored, dice, drawn, **more)
    return path


def write_label_map(
    path: Path, scan: Sequence[Path], codes: Sequence[Coded], labels: Any, dice: random.Random, drawn: date, **more: Any
) -> Path:
    """The same of labels [slices, rows, columns]: 0, or the number of a code, from 1."""
    import pydicom

    images = [pydicom.dcmread(each, stop_before_pixels=True) for each in scan]
    frames = [frame_on(image, None) for image in images]
    described = [segment(number, coded) for number, coded in enumerate(codes, 1)]
    map_of = {"SOPClassUID": LABEL_MAP, "SegmentationType": "LABELMAP", "BitsAllocated": 8}
    write_object(path, images, described, frames, labels.astype("u1").tobytes(), dice, drawn, **(map_of | more))
    return path


def segment(number: int, coded: Coded) -> Any:
    """One item of the sequence of segments."""
    import pydicom

    scheme, value, meaning = coded
    code = pydicom.Dataset()
    code.CodingSchemeDesignator, code.CodeValue, code.CodeMeaning = scheme, value, meaning
    found = pydicom.Dataset()
    found.SegmentNumber, found.SegmentLabel, found.SegmentAlgorithmType = number, meaning, "MANUAL"
    found.SegmentedPropertyTypeCodeSequence = [code]
    return found


def frame_on(image: Any, number: int | None) -> Any:
    """The functional groups of a frame that lies on an image."""
    source = {"ReferencedSOPClassUID": image.SOPClassUID, "ReferencedSOPInstanceUID": image.SOPInstanceUID}
    macros: dict[str, dict[str, Any]] = {
        "PlanePositionSequence": {"ImagePositionPatient": list(image.ImagePositionPatient)},
        "DerivationImageSequence": {"SourceImageSequence": source},
    }
    if number is not None:
        macros["SegmentIdentificationSequence"] = {"ReferencedSegmentNumber": number}
    return group(**macros)


def write_object(
    path: Path, images: Sequence[Any], segments: Sequence[Any], frames: Sequence[Any], stored: bytes, dice: random.Random, drawn: date,
    **more: Any,
) -> None:  # fmt: skip
    """Write a segmentation object of the images, of these frames."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    first = images[0]
    root = f"1.2.826.0.1.3680043.8.498.{dice.getrandbits(60)}"
    series = pydicom.Dataset()
    series.SeriesInstanceUID = first.SeriesInstanceUID
    series.ReferencedInstanceSequence = [
        group_item({"ReferencedSOPInstanceUID": each.SOPInstanceUID}) for each in images
    ]
    shared = group(
        PlaneOrientationSequence={"ImageOrientationPatient": list(first.ImageOrientationPatient)},
        PixelMeasuresSequence={"PixelSpacing": list(first.PixelSpacing), "SliceThickness": THICK},
    )
    found = pydicom.Dataset()
    header = {
        "SOPClassUID": SEGMENTATION, "SOPInstanceUID": f"{root}.9", "PatientID": first.PatientID, "Modality": "SEG",
        "StudyInstanceUID": first.StudyInstanceUID, "SeriesInstanceUID": f"{root}.8", "FrameOfReferenceUID": first.FrameOfReferenceUID,
        "ContentDate": f"{drawn:%Y%m%d}", "ContentTime": "101500", "ImageType": ["DERIVED", "PRIMARY"], "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2", "Rows": first.Rows, "Columns": first.Columns, "NumberOfFrames": len(frames),
        "BitsAllocated": 1, "PixelRepresentation": 0, "LossyImageCompression": "00", "SegmentationType": "BINARY",
        "ContentLabel": "SEGMENTATION", "SegmentSequence": list(segments), "ReferencedSeriesSequence": [series],
        "SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": list(frames),
    } | more  # fmt: skip
    header |= {"BitsStored": header["BitsAllocated"], "HighBit": header["BitsAllocated"] - 1}
    for name, value in header.items():
        setattr(found, name, value)
    found.PixelData = stored + b"\0" * (len(stored) % 2)
    found["PixelData"].VR = "OB"
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.save_as(path, enforce_file_format=True)
