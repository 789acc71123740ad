"""Made-up PET and CT of chests that nobody has: in each a nodule in a lung, and a heart that takes up tracer, as hearts do.

In the CT all nodules look alike, and the PET does not say where the lungs are: only both together tell who has a nodule that takes up
tracer, and these are mostly operated on within a year. The PET is in becquerel per millilitre, of doses and weights of their own,
so that only as an SUV one can be held against another. The files are real DICOM. Nothing learnt here means anything.
"""

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

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

ABOUT = "Made-up PET and CT of chests that nobody has"
PATIENTS = 320
"""Of the first hospital; the others have a little fewer each."""

TAKES_UP, OPERATED = 0.4, {True: 0.98, False: 0.02}
COARSER = 2
"""How many pixels of the CT lie along one of the PET."""

HALF_LIFE_SECONDS, WAITED_SECONDS = 6586.2, 3600
"""Of fluorine-18; and from injection to scan."""

PAIRS_MAPPING = SCANS_MAPPING.replace("[CT]", "[CT, PT]") + "pairs: CT-on-PT\n"
_PET = "1.2.840.10008.5.1.4.1.1.128"


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people, operations, images and two mappings. The same pixels every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(PEOPLE_MAPPING, encoding="utf-8")
        (folder / "radiology.mapping.yaml").write_text(PAIRS_MAPPING, encoding="utf-8")
        _write(folder, random.Random(f"pairs {number}"), PATIENTS - 20 * min(number - 1, 3))  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def _write(folder: Path, dice: random.Random, patients: int) -> None:
    people, happenings = [], []
    for number in range(patients):
        taken = date(2012, 1, 1) + timedelta(days=dice.randint(0, 1500))
        born = taken - timedelta(days=dice.randint(40 * 365, 80 * 365))
        people.append((number, born, dice.choice("FM"), taken - timedelta(days=400), taken + timedelta(days=900)))
        takes_up = dice.random() < TAKES_UP
        write_pair(folder / "images" / f"p{number:04}", str(number), taken, *examined(dice, takes_up), dice)
        if dice.random() < OPERATED[takes_up]:
            happenings.append((number, f"{taken + timedelta(days=dice.randint(10, 350))} 10:00", "lobectomy"))
    write_people(folder, people, happenings)


def examined(dice: random.Random, takes_up: bool) -> tuple[Any, Any]:
    """Hounsfield units, and SUV, both [slices, rows, columns] on the grid of the CT; the SUV as blurred as a PET is."""
    import numpy as np

    chance = np.random.default_rng(dice.getrandbits(48))
    z, y, x = np.meshgrid(*(np.arange(count) for count in (SLICES, SIDE, SIDE)), indexing="ij")
    middle = (SIDE - 1) / 2
    body = ((y - middle) / 13) ** 2 + ((x - middle) / 15) ** 2 < 1
    lungs = sum(((y - middle) / 9) ** 2 + ((x - middle - side) / 5) ** 2 < 1 for side in (-7.5, 7.5)) > 0
    voxels = np.where(lungs, -800.0, np.where(body, 40.0, -1000.0))
    uptake = np.where(lungs, 0.4, np.where(body, 1.0, 0.0))
    heart = (
        ((z - dice.uniform(2, 5)) * THICK / PIXEL) ** 2 + (y - middle - dice.uniform(-4, 4)) ** 2 + (x - middle) ** 2
    )
    uptake = np.where(heart < 4.0**2, dice.uniform(4, 8), uptake)
    at = (dice.randint(3, SLICES - 4), middle + dice.uniform(-4, 4), middle + dice.choice((-7.5, 7.5)))
    from_nodule = ((z - at[0]) * THICK / PIXEL) ** 2 + (y - at[1]) ** 2 + (x - at[2]) ** 2
    voxels = np.where(from_nodule < 3.0**2, 60.0, voxels)
    uptake = np.where(from_nodule < 3.0**2, dice.uniform(5, 9) if takes_up else 1.0, uptake)
    for axis in (1, 2):
        uptake = np.mean([np.roll(uptake, by, axis) for by in (-1, 0, 1)], axis=0)
    noisy = uptake * chance.normal(1, 0.1, uptake.shape)
    return np.rint(voxels + chance.normal(0, 20, voxels.shape)).astype(np.int16), noisy.clip(0)


def write_pair(folder: Path, patient: str, taken: date, voxels: Any, uptake: Any, dice: random.Random) -> None:
    """Write the CT, and the PET of the same frame of reference on a coarser grid, in becquerel per millilitre corrected for decay to the
    beginning of the scan."""
    import numpy as np
    import pydicom

    root = f"1.2.826.0.1.3680043.8.498.{dice.getrandbits(60)}"
    together = {"StudyInstanceUID": f"{root}.1", "FrameOfReferenceUID": f"{root}.3"}
    write_scan(folder / "ct", patient, taken, voxels, dice, **together)
    weight, dose = round(dice.uniform(50, 110), 1), round(dice.uniform(2e8, 4e8))
    a_gram = dose * 2 ** (-WAITED_SECONDS / HALF_LIFE_SECONDS) / (weight * 1000)
    activity = uptake[:, ::COARSER, ::COARSER] * a_gram
    slope = float(activity.max()) / 32_000
    given = pydicom.Dataset()
    given.RadionuclideTotalDose, given.RadionuclideHalfLife = dose, HALF_LIFE_SECONDS
    given.RadiopharmaceuticalStartDateTime = f"{taken:%Y%m%d}083000"
    told = {
        "SOPClassUID": _PET, "Modality": "PT", "Units": "BQML", "CorrectedImage": ["ATTN", "DECY", "SCAT"], "DecayCorrection": "START",
        "PatientWeight": weight, "RadiopharmaceuticalInformationSequence": [given], "SeriesDate": f"{taken:%Y%m%d}",
        "SeriesTime": "093000", "PixelSpacing": [PIXEL * COARSER] * 2, "RescaleSlope": f"{slope:.10g}"[:16],
        "ImageType": ["ORIGINAL", "PRIMARY"],
    }  # fmt: skip
    write_scan(folder / "pet", patient, taken, np.rint(activity / slope).astype(np.int16), dice, **(together | told))
