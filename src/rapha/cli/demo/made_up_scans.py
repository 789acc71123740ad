"""Made-up chest CTs of people who do not exist: air, tissue, noise, and in some of them a nodule.

Who has a nodule is mostly operated on within a year, who has none hardly ever, so the picture tells the outcome. The files are real
DICOM, written slice by slice. Nothing learnt here means anything.
"""

import csv
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ABOUT = "Made-up chest CTs of people who do not exist"
PATIENTS, SLICES, SIDE = 240, 8, 32
"""Patients of the first hospital; the others have a little fewer each."""

THICK, PIXEL = 5.0, 4.0
"""Millimetres between slices, and between pixels."""

HAS_NODULE, OPERATED = 0.4, {True: 0.9, False: 0.05}
PEOPLE_MAPPING = """\
# Made-up people and what happened to them. docs/tables.md explains every key.
source: clinic
people: clinic                       # radiology knows them by the same identifiers
subjects:
  file: people.csv
  id: id
  birth: {column: born}
  sex: {column: sex, values: {F: female, M: male}}
observation:
  start: {column: since}
  end: {column: until}
events:
  - file: happenings.csv
    id: patient
    kind: procedure
    time: {column: day}
    available: same
    system: local
    code: {column: what}
"""
SCANS_MAPPING = """\
# Their images. docs/imaging.md explains every key.
source: radiology
people: clinic
format: dicom
modalities: [CT]
available: same
"""


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people, happenings, images and two mappings. The same pixels every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(PEOPLE_MAPPING, encoding="utf-8")
        (folder / "radiology.mapping.yaml").write_text(SCANS_MAPPING, encoding="utf-8")
        _write(folder, random.Random(f"scans {number}"), PATIENTS - 40 * min(number - 1, 4))  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def _write(folder: Path, dice: random.Random, patients: int) -> None:
    people, happenings = [], []
    for number in range(patients):
        taken = date(2012, 1, 1) + timedelta(days=dice.randint(0, 1500))
        born = taken - timedelta(days=dice.randint(40 * 365, 80 * 365))
        people.append((number, born, dice.choice("FM"), taken - timedelta(days=400), taken + timedelta(days=900)))
        nodule = dice.random() < HAS_NODULE
        write_scan(folder / "images" / f"p{number:04}", str(number), taken, phantom(dice, nodule), dice)
        if dice.random() < OPERATED[nodule]:
            happenings.append((number, f"{taken + timedelta(days=dice.randint(10, 350))} 10:00", "lobectomy"))
    write_people(folder, people, happenings)


def write_people(
    folder: Path, people: Sequence[tuple[object, ...]], happenings: Sequence[tuple[object, ...]] = ()
) -> None:
    """The two tables of `PEOPLE_MAPPING`."""
    _table(folder / "people.csv", ("id", "born", "sex", "since", "until"), people)
    _table(folder / "happenings.csv", ("patient", "day", "what"), happenings)


def phantom(dice: random.Random, nodule: bool) -> Any:
    """Hounsfield units [slices, rows, columns]: lungs of air in a body, with noise; a nodule of some 12 mm where asked."""
    import numpy as np

    chance = np.random.default_rng(dice.getrandbits(48))
    z, y, x = np.meshgrid(*(np.arange(count) for count in (SLICES, SIDE, SIDE)), indexing="ij")
    middle = (SIDE - 1) / 2
    body = ((y - middle) / 13) ** 2 + ((x - middle) / 15) ** 2 < 1
    lungs = sum(((y - middle) / 9) ** 2 + ((x - middle - side) / 5) ** 2 < 1 for side in (-6.5, 6.5)) > 0
    voxels = np.where(lungs, -800.0, np.where(body, 40.0, -1000.0))
    if nodule:
        at = (dice.randint(3, SLICES - 4), middle + dice.uniform(-4, 4), middle + dice.choice((-6.5, 6.5)))
        distance = ((z - at[0]) * THICK) ** 2 + ((y - at[1]) * PIXEL) ** 2 + ((x - at[2]) * PIXEL) ** 2
        voxels = np.where(distance < 8.0**2, 60.0, voxels)
    return np.rint(voxels + chance.normal(0, 20, voxels.shape)).astype(np.int16)


def write_scan(folder: Path, patient: str, taken: date, voxels: Any, dice: random.Random, **more: Any) -> list[Path]:
    """Write a CT slice by slice, as DICOM; `more` are further elements of every slice. The files, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    root = f"1.2.826.0.1.3680043.8.498.{dice.getrandbits(60)}"
    header = {
        "PatientID": patient, "Modality": "CT", "BodyPartExamined": "CHEST", "StudyInstanceUID": f"{root}.1",
        "SeriesInstanceUID": f"{root}.2", "FrameOfReferenceUID": f"{root}.3", "SOPInstanceUID": _instance(root, 0),
        "AcquisitionDate": f"{taken:%Y%m%d}", "AcquisitionTime": "093000", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": _position(0),
        "PixelSpacing": [PIXEL, PIXEL], "SliceThickness": THICK,
    }  # fmt: skip
    paths = [folder / f"{number:03}.dcm" for number in range(len(voxels))]
    write_image(paths[0], voxels[0], header | more)
    size_bytes = len(voxels[0].astype("<i2").tobytes())
    before = paths[0].read_bytes()[:-size_bytes]
    for number, path in enumerate(paths[1:], 1):  # the same but for three things, as long as they were
        named = before.replace(_instance(root, 0).encode(), _instance(root, number).encode())
        placed = named.replace("\\".join(_position(0)).encode(), "\\".join(_position(number)).encode())
        path.write_bytes(placed + voxels[number].astype("<i2").tobytes())
    return paths


def _instance(root: str, number: int) -> str:
    """As long for each of 900 slices."""
    return f"{root}.4.{100 + number}"


def _position(number: int) -> list[str]:
    """The same."""
    return ["0", "0", f"{number * THICK:06.1f}"]


def write_image(path: Path, pixels: Any, header: dict[str, Any]) -> None:
    """Write one image with these elements: 16 bits a pixel, uncompressed, as far as `header` does not say otherwise."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

    found = pydicom.Dataset()
    found.SOPClassUID = CTImageStorage
    plain = {
        "Rows": pixels.shape[-2], "Columns": pixels.shape[-1], "SamplesPerPixel": 1, "BitsAllocated": 16,
        "BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1, "PhotometricInterpretation": "MONOCHROME2",
        "RescaleSlope": 1, "RescaleIntercept": 0,
    }  # fmt: skip
    for name, value in (plain | header).items():
        setattr(found, name, value)
    found.PixelData = pixels.astype("<i2").tobytes()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.save_as(path, enforce_file_format=True)


def _table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
