"""Made-up clips of hearts that nobody has: a ventricle that beats, in a cone of speckle, as ultrasound shows one.

How large a ventricle is tells nothing; how much smaller it gets at each beat does: whose does so little is mostly admitted with heart
failure within a year. So no single frame tells, and the clip does. Each hospital records at a rate of its own. The files are real DICOM, of
many frames in JPEG, as scanners write them. Nothing learnt here means anything.
"""

import io
import math
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rapha.cli.demo.made_up_scans import PEOPLE_MAPPING, write_people

ABOUT = "Made-up clips of hearts that nobody has"
PATIENTS, SIDE = 400, 32
"""Patients of the first hospital; the others have a little fewer each."""

PIXEL = 3.0
"""Millimetres between pixels."""

BETWEEN_MS = (40.0, 50.0, 33.3)
"""From one frame to the next, by hospital."""

LASTS_MS = 1200.0
WEAK, ADMITTED = 0.4, {True: 0.98, False: 0.02}
SHORTENS = {True: (0.03, 0.12), False: (0.3, 0.42)}
"""By which share a ventricle's sides get shorter at a beat: of a weak heart, and of another."""

SPECKLE = (0.7, 1.2)
"""Between which shares of what it would be the brightness of a pixel lies by chance."""

CLIPS_MAPPING = """\
# Their clips. docs/imaging.md explains every key.
source: echo
people: clinic
format: dicom
modalities: [US]
available: same
"""
_CLIP = "1.2.840.10008.5.1.4.1.1.3.1"


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people, admissions, clips and two mappings. The same pixels every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(PEOPLE_MAPPING, encoding="utf-8")
        (folder / "radiology.mapping.yaml").write_text(CLIPS_MAPPING, encoding="utf-8")
        between = BETWEEN_MS[(number - 1) % len(BETWEEN_MS)]
        _write(folder, random.Random(f"clips {number}"), PATIENTS - 20 * min(number - 1, 3), between)  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def _write(folder: Path, dice: random.Random, patients: int, between_ms: float) -> None:
    people, happenings = [], []
    for number in range(patients):
        taken = date(2012, 1, 1) + timedelta(days=dice.randint(0, 1500))
        born = taken - timedelta(days=dice.randint(40 * 365, 80 * 365))
        people.append((number, born, dice.choice("FM"), taken - timedelta(days=400), taken + timedelta(days=900)))
        weak = dice.random() < WEAK
        write_clip(
            folder / "images" / f"p{number:04}.dcm",
            str(number),
            taken,
            beating(dice, weak, between_ms),
            between_ms,
            dice,
        )
        if dice.random() < ADMITTED[weak]:
            happenings.append((number, f"{taken + timedelta(days=dice.randint(10, 350))} 10:00", "heart-failure"))
    write_people(folder, people, happenings)


def beating(dice: random.Random, weak: bool, between_ms: float) -> Any:
    """Brightness [frames, rows, columns], 0 to 255: a dark ventricle in bright muscle, and nothing outside of the probe's cone."""
    import numpy as np

    chance = np.random.default_rng(dice.getrandbits(48))
    frames = round(LASTS_MS / between_ms)
    y, x = np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")
    middle = (SIDE - 1) / 2
    cone = abs(x - middle) < 0.75 * (y + 2)
    across, along = dice.uniform(4.5, 7), dice.uniform(8, 10)
    at_y, at_x = middle + dice.uniform(-1, 3), middle + dice.uniform(-2, 2)
    beat_ms, began, shortens = dice.uniform(700, 1000), dice.random(), dice.uniform(*SHORTENS[weak])
    clip = np.zeros((frames, SIDE, SIDE))
    for number in range(frames):
        phase = number * between_ms / beat_ms + began
        left = 1 - shortens * (1 - math.cos(2 * math.pi * phase)) / 2
        from_middle = ((y - at_y) / (along * left)) ** 2 + ((x - at_x) / (across * left)) ** 2
        bright = np.where(from_middle < 1, 20.0, np.where(from_middle < (1 + 3 / across) ** 2, 170.0, 90.0))
        clip[number] = np.where(cone, bright * chance.rayleigh(0.8, bright.shape).clip(*SPECKLE), 0)
    return np.rint(clip.clip(0, 255)).astype(np.uint8)


def write_clip(
    path: Path, patient: str, taken: date, frames: Any, between_ms: float, dice: random.Random, **more: Any
) -> None:
    """Write a clip as a scanner does: each frame a picture in JPEG, in colours, so far apart, a pixel as large as its region of tissue
    says. `more` are further elements."""
    import pydicom
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import JPEGBaseline8Bit

    root = f"1.2.826.0.1.3680043.8.498.{dice.getrandbits(60)}"
    tissue = pydicom.Dataset()
    tissue.RegionSpatialFormat, tissue.RegionDataType = 1, 1
    tissue.PhysicalUnitsXDirection = tissue.PhysicalUnitsYDirection = 3
    tissue.PhysicalDeltaX = tissue.PhysicalDeltaY = PIXEL / 10
    header = {
        "SOPClassUID": _CLIP, "SOPInstanceUID": f"{root}.3", "StudyInstanceUID": f"{root}.1", "SeriesInstanceUID": f"{root}.2",
        "PatientID": patient, "Modality": "US", "AcquisitionDateTime": f"{taken:%Y%m%d}093000", "ImageType": ["ORIGINAL", "PRIMARY"],
        "BurnedInAnnotation": "NO", "NumberOfFrames": len(frames), "FrameTime": str(between_ms), "FrameIncrementPointer": 0x00181063,
        "SequenceOfUltrasoundRegions": [tissue], "Rows": frames.shape[1], "Columns": frames.shape[2], "SamplesPerPixel": 3,
        "PlanarConfiguration": 0, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
        "PhotometricInterpretation": "YBR_FULL_422", "LossyImageCompression": "01",
    }  # fmt: skip
    found = pydicom.Dataset()
    for name, value in (header | more).items():
        setattr(found, name, value)
    found.PixelData = pydicom.encaps.encapsulate([_jpeg(frame) for frame in frames])
    found["PixelData"].VR = "OB"
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    found.file_meta.MediaStorageSOPClassUID = found.SOPClassUID
    found.file_meta.MediaStorageSOPInstanceUID = found.SOPInstanceUID
    found.save_as(path, enforce_file_format=True)


def _jpeg(frame: Any) -> bytes:
    """A grey frame as a picture in colours."""
    from PIL import Image

    written = io.BytesIO()
    Image.fromarray(frame).convert("RGB").save(written, "JPEG", quality=90)
    return written.getvalue()
