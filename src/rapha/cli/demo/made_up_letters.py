"""Made-up letters of a heart clinic to people who do not exist, and who of them was admitted for heart failure.

What a letter *says* decides, and how it says it: "no heart failure", "heart failure in her father" and "exclude heart failure" name
it as often as those who have it. Nothing learnt here means anything.
"""

import csv
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

ABOUT = "Made-up letters of a heart clinic to people who do not exist"
PATIENTS = 900
"""Of the first hospital; the others have a little fewer each."""

MAPPING = """\
# Made-up people and their letters. docs/tables.md explains every key.
source: heart-clinic
subjects:
  file: people.csv
  id: id
  birth: {column: born}
  sex: {column: sex, values: {F: female, M: male}}
observation:
  start: {column: since}
  end: {column: until}
events:
  - file: letters.csv
    id: patient
    kind: note
    time: {column: signed}
    available: same
    system: local
    code: {column: type}
    text: text
  - file: admissions.csv
    id: patient
    kind: encounter
    time: {column: admitted}
    available: same
    system: local
    code: {column: reason}
"""
FAILURE = {
    True: ("Known HFrEF with an ejection fraction of 30 %.", "She has heart failure, NYHA III.", "Findings are those of heart failure."),
    False: ("No evidence of heart failure.", "Denies symptoms of heart failure.", "Ejection fraction 60 %."),
}  # fmt: skip
BREATHLESS = {
    True: ("Reports dyspnea on one flight of stairs.", "Orthopnea with three pillows.", "Increasing breathlessness for a month."),
    False: ("Denies dyspnea and orthopnea.", "No breathlessness at rest or on exertion."),
}  # fmt: skip
BEFORE = {True: "Myocardial infarction, 2 years ago.", False: "No history of myocardial infarction."}
FAMILY = {True: "Father died of heart failure.", False: "Nothing of note."}
DIALYSIS = {True: "On dialysis three times a week.", False: "Renal function is normal."}
SHARES = {"failure": 0.35, "breathless": 0.4, "before": 0.2, "family": 0.3, "dialysis": 0.05}
"""Of the patients, told independently of one another."""
ADMITTED = {"failure": 0.45, "breathless": 0.2, "before": 0.1}
SELDOM = 0.05


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people.csv, letters.csv, admissions.csv and the mapping. The same every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(MAPPING, encoding="utf-8")
        _write(folder, random.Random(f"letters {number}"), PATIENTS - 150 * min(number - 1, 4))  # noqa: S311
        folders.append(folder)
    return tuple(folders)


def letter(dice: random.Random, told: dict[str, bool]) -> str:
    """The text of one letter, under its headings."""
    present = [
        dice.choice(FAILURE[told["failure"]]),
        dice.choice(BREATHLESS[told["breathless"]]),
        DIALYSIS[told["dialysis"]],
    ]
    dice.shuffle(present)
    parts = [
        "HISTORY OF PRESENT ILLNESS:", *present, "PAST MEDICAL HISTORY:", BEFORE[told["before"]],
        "FAMILY HISTORY:", FAMILY[told["family"]],
    ]  # fmt: skip
    if dice.random() < 0.5:
        parts += ["PLAN:", "Echocardiography to exclude heart failure. Return if dyspnea worsens."]
    return "\n".join(parts)


def _write(folder: Path, dice: random.Random, patients: int) -> None:
    people, letters, admissions = [], [], []
    for number in range(patients):
        seen = date(2015, 1, 1) + timedelta(days=dice.randint(0, 1500))
        born = seen - timedelta(days=dice.randint(40 * 365, 90 * 365))
        people.append((number, born, dice.choice("FM"), seen - timedelta(days=800), seen + timedelta(days=500)))
        told = {what: dice.random() < share for what, share in SHARES.items()}
        letters.append((number, f"{seen} 11:30", "clinic-letter", letter(dice, told)))
        if dice.random() < SELDOM + sum(more for what, more in ADMITTED.items() if told[what]):
            admissions.append((number, f"{seen + timedelta(days=dice.randint(5, 300))} 08:00", "admission-hf"))
    _table(folder / "people.csv", ("id", "born", "sex", "since", "until"), people)
    _table(folder / "letters.csv", ("patient", "signed", "type", "text"), letters)
    _table(folder / "admissions.csv", ("patient", "admitted", "reason"), admissions)


def _table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
