"""The made-up reports: the same every time, read whole, and fit for their study."""

import random
from pathlib import Path

import pytest

from rapha.cli.demo import made_up_reports, record
from rapha.cli.demo.made_up_reports import AFFIRMED, deal, report
from rapha.cli.demo.records import record_of
from rapha.cohort.engine import count
from rapha.errors import ConfigurationError
from rapha.sdk.study_file import read_study
from rapha.sources.tables import ingest
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
STUDY = Path(__file__).parents[3] / "examples/report-classification/study.yaml"


def test_the_same_every_time_and_no_two_hospitals_alike(tmp_path: Path) -> None:
    once, again = deal(tmp_path / "a"), deal(tmp_path / "b")
    assert [(f / "reports.csv").read_bytes() for f in once] == [(f / "reports.csv").read_bytes() for f in again]
    assert len({(folder / "reports.csv").read_bytes() for folder in once}) == 3


def test_every_row_is_read_and_the_study_finds_its_patients(tmp_path: Path) -> None:
    folder = deal(tmp_path / "data", 2)[1]
    told = ingest(folder / "hospital.mapping.yaml", folder, tmp_path / "timeline", SECRET)
    assert "set aside" not in told.in_words()
    assert count(open_timeline(tmp_path / "timeline"), read_study(STUDY), SECRET) > 500


def test_a_report_says_or_denies_the_finding_in_one_of_its_sentences() -> None:
    dice = random.Random(1)
    starts = tuple(sentence.split("{")[0] for sentence in AFFIRMED)
    for affirmed in (True, False):
        texts = [report(dice, affirmed) for _ in range(50)]
        assert all(any(start in text for start in starts) == affirmed for text in texts)


def test_an_example_has_its_record_and_two_that_differ_are_refused() -> None:
    assert record_of(["report-classification"]) is made_up_reports
    assert record_of(["diabetes-private", "time-to-death"]) is record
    with pytest.raises(ConfigurationError, match="one at a time"):
        record_of(["report-classification", "time-to-death"])
