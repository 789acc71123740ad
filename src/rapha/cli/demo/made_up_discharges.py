"""Made-up older patients who do not exist, and where they went when they left hospital.

How well they walk, how well they are fed and how old they are decides: home, rehabilitation or a nursing home, in that order; and each
town has more or fewer places than the next, so that a last layer of a hospital's own is worth having. Some die on the ward, and of some
the destination was never written down. Nothing learnt here means anything.
"""

import csv
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

ABOUT = "Made-up older patients, and where they went from hospital, who do not exist"
PATIENTS = 1200
"""Of the first hospital; the others have a little fewer each."""

MAPPING = """\
# Made-up older patients. docs/tables.md explains every key.
source: geriatrics
subjects:
  file: people.csv
  id: id
  birth: {column: born}
  sex: {column: sex, values: {F: female, M: male}}
  death: {at: {column: died}}
observation:
  start: {column: since}
  end: {column: until}
events:
  - file: stays.csv
    id: patient
    kind: encounter
    time: {column: moment}
    available: same
    system: local
    code: {column: what}
  - file: scores.csv
    id: patient
    kind: measurement
    time: {column: taken}
    available: {column: written}
    system: local
    code: {column: score}
    value: value
    unit: {column: unit}
"""
HOME = ("discharged-home", "discharged-home-with-care")
REHABILITATION = ("discharged-to-rehabilitation",)
NURSING = ("discharged-to-nursing-home", "discharged-to-nursing-home", "discharged-to-hospice")
PLACES = (0.0, 1.2, -1.2)
"""By how much the same patient is nearer to a nursing home in this town: the first hospital's, the second's, the third's, and so round."""
DIED, NOT_WRITTEN, HAS_ALBUMIN = 0.04, 0.05, 0.8


def deal(out_dir: Path, hospitals: int = 3) -> tuple[Path, ...]:
    """Write one folder for each hospital: people.csv, stays.csv, scores.csv and the mapping. The same every time."""
    folders = []
    for number in range(1, hospitals + 1):
        folder = out_dir / f"hospital-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hospital.mapping.yaml").write_text(MAPPING, encoding="utf-8")
        dice, patients = random.Random(f"discharges {number}"), PATIENTS - 150 * min(number - 1, 4)  # noqa: S311
        _write(folder, dice, patients, PLACES[(number - 1) % len(PLACES)])
        folders.append(folder)
    return tuple(folders)


def destination(dice: random.Random, age: int, mobility: float, albumin: float, places: float = 0.0) -> str:
    """Where such a patient goes in a town of so many places: the code that is written."""
    need = places + 0.05 * (age - 80) - 0.05 * (mobility - 50) - 0.10 * (albumin - 34) + dice.gauss(0, 1)
    return dice.choice(HOME if need < 0 else REHABILITATION if need < 1.5 else NURSING)


def _write(folder: Path, dice: random.Random, patients: int, places: float) -> None:
    people, stays, scores = [], [], []
    for number in range(patients):
        day = date(2016, 1, 1) + timedelta(days=dice.randint(0, 1200))
        age, mobility, albumin = dice.randint(66, 95), dice.uniform(10, 90), dice.gauss(34, 5)
        out = day + timedelta(days=dice.randint(3, 40))
        died = out if dice.random() < DIED else ""
        born = day - timedelta(days=age * 365 + dice.randint(20, 300))
        people.append((number, born, dice.choice("FM"), day - timedelta(days=500), day + timedelta(days=300), died))
        stays.append((number, f"{day} 14:00", "admission"))
        scores.append((number, f"{day} 10:00", f"{day} 11:00", "mobility", f"{mobility:.0f}", "1"))
        if dice.random() < HAS_ALBUMIN:
            scores.append((number, f"{day} 10:00", f"{day} 12:00", "albumin", f"{albumin:.1f}", "g/L"))
        to = destination(dice, age, mobility, albumin, places)
        if not died and dice.random() >= NOT_WRITTEN:
            stays.append((number, f"{out} 11:00", to))
    _table(folder / "people.csv", ("id", "born", "sex", "since", "until", "died"), people)
    _table(folder / "stays.csv", ("patient", "moment", "what"), stays)
    _table(folder / "scores.csv", ("patient", "taken", "written", "score", "value", "unit"), scores)


def _table(path: Path, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
