"""Made-up chest reports of people who do not exist, and who of them was treated for pneumonia.

What a report *says* decides: one that affirms a consolidation is followed by an antibiotic in most cases, one that denies it
hardly ever. Both name the finding, so a model has to read more than the word. Nothing learnt here means anything.
"""

import csv
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

ABOUT = "Made-up chest reports of people who do not exist"
PATIENTS = 900
"""Of the first hospital; the others have a little fewer each."""

MAPPING = """\
# Made-up people and their reports. docs/tables.md explains every key.
source: chest-clinic
subjects:
  file: people.csv
  id: id
  birth: {column: born}
  sex: {column: sex, values: {F: female, M: male}}
observation:
  start: {column: since}
  end: {column: until}
events:
  - file: reports.csv
    id: patient
    kind: note
    time: {column: signed}                     # a report is there when it is signed, not when the picture was taken
    available: same
    system: local
    code: {column: type}
    text: text
  - file: drugs.csv
    id: patient
    kind: medication
    time: {column: given}
    available: same
    system: local
    code: {column: drug}
"""
OPENINGS = ("Chest PA and lateral.", "Portable chest, single view.", "Two views of the chest.", "Bedside chest film.")
SIDES = ("right lower lobe", "left lower lobe", "right upper lobe", "left lung base", "both lung bases")
AFFIRMED = (
    "There is a new consolidation in the {side}, suspicious for pneumonia.",
    "Dense opacity of the {side} with air bronchograms, in keeping with consolidation.",
    "Patchy infiltrate in the {side}, most likely infectious.",
)
DENIED = (
    "No focal consolidation.",
    "The {side} is clear, without consolidation or infiltrate.",
    "No evidence of pneumonia. No infiltrate in the {side}.",
)
BESIDE = (
    "Heart size is normal.", "Mild cardiomegaly, unchanged.", "No pleural effusion.", "Small effusion on the left.",
    "No pneumothorax.", "Degenerative change of the thoracic spine.", "Calcified granuloma, stable.",
)  # fmt: skip
TREATED = {True: 0.85, False: 0.07}
SHARE_AFFIRMED = 0.35


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people.csv, reports.csv, drugs.csv and the mapping. The same every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(MAPPING, encoding="utf-8")
        _write(folder, random.Random(f"reports {number}"), PATIENTS - 150 * min(number - 1, 4))  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def report(dice: random.Random, affirmed: bool) -> str:
    """The text of one report."""
    finding = dice.choice(AFFIRMED if affirmed else DENIED).format(side=dice.choice(SIDES))
    findings = [finding, *dice.sample(BESIDE, dice.randint(2, 4))]
    dice.shuffle(findings)
    return "\n".join([dice.choice(OPENINGS), "FINDINGS:", *findings])


def _write(folder: Path, dice: random.Random, patients: int) -> None:
    people, reports, drugs = [], [], []
    for number in range(patients):
        taken = date(2015, 1, 1) + timedelta(days=dice.randint(0, 1500))
        born = taken - timedelta(days=dice.randint(20 * 365, 90 * 365))
        people.append((number, born, dice.choice("FM"), taken - timedelta(days=400), taken + timedelta(days=200)))
        affirmed = dice.random() < SHARE_AFFIRMED
        reports.append((number, f"{taken} 09:00", f"{taken} 11:30", "chest-report", report(dice, affirmed)))
        if dice.random() < TREATED[affirmed]:
            drugs.append((number, f"{taken + timedelta(days=dice.randint(1, 10))} 08:00", "antibiotic"))
    _table(folder / "people.csv", ("id", "born", "sex", "since", "until"), people)
    _table(folder / "reports.csv", ("patient", "taken", "signed", "type", "text"), reports)
    _table(folder / "drugs.csv", ("patient", "given", "drug"), drugs)


def _table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
