"""Days of wear in the cohort language, and the example of wearables: exports in, rows out."""

import datetime as dt
from pathlib import Path

import pyarrow.ipc as ipc
import pytest

from rapha.cli.demo.made_up_wearers import MAPPING as DEMO_MAPPING
from rapha.cli.demo.made_up_wearers import deal_wearers, ecg_csv, export_xml, moment, record, write_zip
from rapha.cohort.engine import count, freeze
from rapha.errors import CohortRefused
from rapha.records.study import Study
from rapha.sdk.study_file import read_study
from rapha.sources.apple_health import ingest
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
MAPPING = "source: w\nformat: apple-health\nzone: Europe/London\npatients: wearers.csv\nsummaries: [daily]\n"
FIRST = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def example(checkout: Path) -> Study:
    return read_study(checkout / "examples" / "sleep-and-heart-rate" / "study.yaml")


def wear(folder: Path, days_worn: int, hours: int) -> None:
    """So many days of so many hours before an electrocardiogram on the evening of the 29th day; watched on."""
    parts = []
    for day in range(100):
        quarters = hours * 4 if day < days_worn else 1 if day < 28 else 40
        for quarter in range(quarters):
            at = moment(FIRST + dt.timedelta(days=day, minutes=480 + 15 * quarter))
            parts.append(record("HeartRate", at, at, 60, "count/min"))
    parts += elsewhere()
    ecg = {"electrocardiograms/a.csv": ecg_csv(moment(FIRST + dt.timedelta(days=28, hours=20)), "Sinus Rhythm")}
    write_zip(folder / "1.zip", export_xml(parts), ecg)
    (folder / "wearers.csv").write_text("file,patient\n1.zip,1\n")


def elsewhere() -> list[str]:
    """One of each other thing that the study names, where it decides nothing."""
    before, after = moment(FIRST - dt.timedelta(days=40)), moment(FIRST + dt.timedelta(days=95))
    asleep = record("HKCategoryTypeIdentifierSleepAnalysis", before, after, "HKCategoryValueSleepAnalysisAsleepDeep")
    return [
        asleep.replace(after, moment(FIRST - dt.timedelta(days=40, hours=-2))),
        record("RestingHeartRate", before, before, 55, "count/min"),
        record("HeartRateVariabilitySDNN", before, before, 55, "ms"),
        record("StepCount", before, before, 55, "count"),
        record("HKCategoryTypeIdentifierIrregularHeartRhythmEvent", after, after, "0"),
    ]


@pytest.mark.parametrize(
    ("days_worn", "hours", "reason"), [(20, 10, "cohort-too-small"), (19, 10, "cohort-empty"), (28, 9, "cohort-empty")]
)
def test_a_study_asks_for_days_of_wear(example: Study, tmp_path: Path, days_worn: int, hours: int, reason: str) -> None:
    """The example: on at least 20 of the 28 days, ten hours or more. One wearer is in it or not, and always too few."""
    wear(tmp_path, days_worn, hours)
    (tmp_path / "m.yaml").write_text(MAPPING)
    ingest(tmp_path / "m.yaml", tmp_path, tmp_path / "timeline", SECRET)
    with pytest.raises(CohortRefused) as refused:
        count(open_timeline(tmp_path / "timeline"), example, SECRET)
    assert refused.value.reason == reason


@pytest.mark.slow
def test_the_example_of_wearables_has_the_rows_that_were_made_up(example: Study, tmp_path: Path) -> None:
    ill = deal_wearers(tmp_path / "exports", 48)
    (tmp_path / "m.yaml").write_text(DEMO_MAPPING)
    report = ingest(tmp_path / "m.yaml", tmp_path / "exports", tmp_path / "timeline", SECRET)
    assert (report.patients, report.set_aside) == (48, 0)
    frozen = freeze(open_timeline(tmp_path / "timeline"), example, SECRET, tmp_path)
    assert (frozen.patients, frozen.positives) == (48, len(ill))
    with ipc.open_file(tmp_path / "rows.arrow") as file:
        rows = file.read_all().to_pylist()
    sleep, resting = (next(n for n in rows[0] if n.startswith(f"{w}")) for w in ("mean_sleep", "mean_resting"))
    label = next(name for name in rows[0] if name in ("label", "event", "outcome"))
    cases, well = ([row for row in rows if bool(row[label]) is sick] for sick in (True, False))
    assert _mean(cases, sleep) < _mean(well, sleep) - 0.3
    assert _mean(cases, resting) > _mean(well, resting) + 1


def _mean(rows: list[dict[str, float]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)
