"""Made-up people on a ward, who do not exist: laboratory values, a chest CT, and what the admitting doctor wrote.

Each of the three tells a part of who is moved to intensive care within a week: lactate, a consolidation in the picture, and the words
for how the patient breathes. Many have no CT and some no letter, so a model must live with what is there. Nothing learnt here means
anything.
"""

import csv
import random
from collections.abc import Sequence
from datetime import date, timedelta
from math import exp
from pathlib import Path

from rapha.cli.demo.made_up_scans import phantom, write_scan

ABOUT = "Made-up admissions with laboratory values, chest CTs and letters, of people who do not exist"
PATIENTS = 540
"""Of the first hospital; the others have a little fewer each."""

HAS_CT, HAS_LETTER = 0.7, 0.85
MAPPING = """\
# Made-up people on a ward. docs/tables.md explains every key.
source: ward
people: ward                         # radiology knows them by the same identifiers
subjects:
  file: people.csv
  id: id
  birth: {column: born}
  sex: {column: sex, values: {F: female, M: male}}
observation:
  start: {column: since}
  end: {column: until}
events:
  - file: stays.csv
    id: patient
    kind: encounter
    time: {column: begun}
    available: same
    system: local
    code: {column: unit}
  - file: labs.csv
    id: patient
    kind: measurement
    time: {column: taken}
    available: {column: reported}
    system: local
    code: {column: test}
    value: value
    unit: {column: unit}
  - file: letters.csv
    id: patient
    kind: note
    time: {column: signed}
    available: same
    system: local
    code: {column: type}
    text: text
"""
SCANS_MAPPING = """\
# Their images. docs/imaging.md explains every key.
source: radiology
people: ward
format: dicom
modalities: [CT]
available: same
"""
WORSE = (
    "Breathing is laboured, uses accessory muscles.",
    "Short of breath at rest, speaks single words.",
    "Tiring, drowsy.",
)
CALM = ("Breathing is calm, speaks in sentences.", "Not short of breath at rest.", "Alert, comfortable in bed.")
BESIDE = (
    "Fever since two days.",
    "Cough with sputum.",
    "Lives alone.",
    "Former smoker.",
    "Known hypertension, treated.",
)


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: tables, images and two mappings. The same people every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(MAPPING, encoding="utf-8")
        (folder / "radiology.mapping.yaml").write_text(SCANS_MAPPING, encoding="utf-8")
        _write(folder, random.Random(f"ward {number}"), PATIENTS - 60 * min(number - 1, 4))  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def letter(dice: random.Random, worse: bool) -> str:
    """What the admitting doctor wrote."""
    sentences = [dice.choice(WORSE if worse else CALM), *dice.sample(BESIDE, 2)]
    dice.shuffle(sentences)
    return "\n".join(["Admission note.", *sentences])


def _write(folder: Path, dice: random.Random, patients: int) -> None:
    people, stays, labs, letters = [], [], [], []
    for number in range(patients):
        day = date(2016, 1, 1) + timedelta(days=dice.randint(0, 1500))
        born = day - timedelta(days=dice.randint(20 * 365, 90 * 365))
        people.append((number, born, dice.choice("FM"), day - timedelta(days=400), day + timedelta(days=60)))
        consolidation, worse, lactate = dice.random() < 0.4, dice.random() < 0.4, dice.lognormvariate(0.5, 0.5)
        stays.append((number, f"{day} 20:00", "ward"))
        labs.append((number, f"{day} 18:00", f"{day} 19:00", "lactate", f"{lactate:.2f}", "mmol/L"))
        if dice.random() < HAS_CT:
            write_scan(folder / "images" / f"p{number:04}", str(number), day, phantom(dice, consolidation), dice)
        if dice.random() < HAS_LETTER:
            letters.append((number, f"{day} 19:30", "admission-letter", letter(dice, worse)))
        risk = -6.0 + 3.5 * consolidation + 3.5 * worse + 1.2 * min(lactate, 5.0)
        if dice.random() < 1 / (1 + exp(-risk)):
            stays.append((number, f"{day + timedelta(days=dice.randint(1, 6))} 08:00", "intensive-care"))
    _table(folder / "people.csv", ("id", "born", "sex", "since", "until"), people)
    _table(folder / "stays.csv", ("patient", "begun", "unit"), stays)
    _table(folder / "labs.csv", ("patient", "taken", "reported", "test", "value", "unit"), labs)
    _table(folder / "letters.csv", ("patient", "signed", "type", "text"), letters)


def _table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
