"""Made-up people, dealt to hospitals as the demonstration deals real ones: same files, same mapping, other numbers.

Diabetes comes more often to those with high cholesterol, low HDL and a high age, so that there is something to learn.
"""

import csv
import random
import shutil
from importlib.resources import files
from pathlib import Path

YEAR = 365
STUDY = """
study: made-up
purpose: {sentence: Try the whole way on made-up people., data_use: [DUO:0000006]}
data: {modalities: [ehr]}
concepts:
  cholesterol: {system: local, codes: [chol]}
  hdl: {system: local, codes: [hdl]}
  diabetes: {system: local, codes: [diabetes]}
cohort:
  index: {first: [cholesterol, hdl]}
  include: [{age: {at_least: 18}}, {none_of: [diabetes], during: {until: index}}]
outcome: {event: diabetes, during: {from: index, for: 5 years}, competing: death, unobserved: exclude}
features:
  - {last: cholesterol, during: {until: index, for: 2 years}}
  - {last: hdl, during: {until: index, for: 2 years}}
  - {demographic: age}
  - {demographic: sex}
model: {architecture: logistic}
training: {rounds: %(rounds)d, learning_rate: 0.05, batch_size: 64}
split: {test_percent: 30, validation_percent: 20}
privacy: {min_cohort: 25}
sites: {at_least: %(at_least)d}
"""


def write_study(path: Path, *, rounds: int = 3, at_least: int = 2, **replacements: str) -> Path:
    """The study of these people; `replacements` swap one text for another."""
    text = STUDY % {"rounds": rounds, "at_least": at_least}
    for old, new in replacements.items():
        assert old in text, f"{old} is not in the study"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def deal_people(folder: Path, seed: int, people: int = 600, ill: float = 0.12) -> None:
    """Write people.csv, measurements.csv, diagnoses.csv and the mapping of one hospital. `ill`: the share of diabetes among people of
    fifty with the usual numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(seed)
    persons, measurements, diagnoses = [], [], []
    for person in range(1, people + 1):
        age, male = dice.randint(20, 85), dice.randint(0, 1)
        cholesterol, hdl = dice.gauss(200, 35), dice.gauss(52, 14)
        risk = ill + 0.004 * (cholesterol - 200) / 2 - 0.006 * (hdl - 52) / 2 + 0.004 * (age - 50)
        day, follow_up = dice.randint(1, 300), 8 * YEAR
        measurements += [(person, day, "chol", round(cholesterol)), (person, day, "hdl", round(hdl))]
        if dice.random() < risk:
            diagnoses.append((person, day + dice.randint(30, 4 * YEAR), "diabetes"))
        died = int(dice.random() < 0.03)
        end = day + dice.randint(60, 6 * YEAR) if died else follow_up
        persons.append((person, age, male, 80, 170, 27.7, end, died))
    _write(folder / "people.csv", "id age male weight height bmi futime status", persons)
    _write(folder / "measurements.csv", "id days test value", measurements)
    _write(folder / "diagnoses.csv", "id days event", diagnoses)
    shutil.copyfile(str(files("rapha.cli.demo") / "hospital.mapping.yaml"), folder / "hospital.mapping.yaml")


def _write(path: Path, header: str, rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header.split(), *rows])
