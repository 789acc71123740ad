"""The made-up ward: the same people every time, every row read, and patients who lack a picture or a letter."""

from pathlib import Path

import pytest

from rapha.cli.demo import made_up_ward
from rapha.cli.demo.made_up_ward import deal
from rapha.cli.demo.records import record_of
from rapha.cohort.engine import count
from rapha.sdk.study_file import read_study
from rapha.sources import dicom, tables
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = Path(__file__).parents[3] / "examples/deterioration-multimodal/study.yaml"
FILES = ("people.csv", "stays.csv", "labs.csv", "letters.csv")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made_up_ward, "PATIENTS", 130)


def test_the_same_every_time_and_no_two_hospitals_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made_up_ward, "PATIENTS", 30)
    once, again = deal(tmp_path / "a", 2), deal(tmp_path / "b", 2)
    for name in FILES:
        assert [(f / name).read_bytes() for f in once] == [(f / name).read_bytes() for f in again]
        assert len({(folder / name).read_bytes() for folder in once}) == 2


@pytest.mark.usefixtures("few")
def test_everything_is_read_and_who_lacks_something_is_in_the_cohort(tmp_path: Path) -> None:
    (folder,) = deal(tmp_path / "data", 1)
    timeline = tmp_path / "timeline"
    told = tables.ingest(folder / "hospital.mapping.yaml", folder, timeline, SECRET)
    pictures = dicom.ingest(folder / "radiology.mapping.yaml", folder, timeline, SECRET)
    assert "set aside" not in told.in_words() + pictures.in_words()
    letters = len((folder / "letters.csv").read_text().split("Admission note.")) - 1
    assert 0 < letters < 130 and 0 < len(list((folder / "images").iterdir())) < 130
    assert count(open_timeline(timeline), read_study(STUDY), SECRET) == 130


def test_the_example_has_its_record() -> None:
    assert record_of(["deterioration-multimodal"]) is made_up_ward
