"""The timeline as MEDS, and back again."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from rapha.errors import Conflict
from rapha.node.meds_export import export_meds
from rapha.sources.meds import ingest
from rapha.timeline.reader import open_timeline

import sys  # isort: skip

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "spec"))
from asking import KEY, study_of
from little_timeline import Event, Person, write_timeline

from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement

MAPPING = """\
source: back
format: meds
system: none
split: "//"
sex: {"SEX//male": male, "SEX//female": female}
observation: {start: first event, end: last event}
"""
PEOPLE = [Person(1), Person(2, sex="male", death="2012-03-04"), Person(3, opted_out=True)]
EVENTS = [
    Event("a", "2010-06-01 08:00", until="2010-06-09 12:00"),
    Event("b", "2010-05-30", 1.3, unit="mg/dL"),
    Event("b", "2010-05-31", 5.0, unit="mg/dL", comparator="<"),
    Event("b", "2010-06-02", 0.1 + 0.2, known="2010-06-05 10:00"),
    Event("sick", "2011-01-01"),
    Event("a", "2010-01-01", patient=2),
    Event("a", "2010-01-01", patient=3),
    Event("c", "2010-01-01", status="entered-in-error"),
    Event("c", "2010-01-02", polarity="negated"),
    Event("c", None),
]


def clock():
    return datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def first(tmp_path):
    return write_timeline(tmp_path / "first", PEOPLE, EVENTS)


def rows(folder):
    table = pq.read_table(sorted((folder / "data").glob("*.parquet")))
    return [
        (row["subject_id"], row["time"] and str(row["time"]), row["code"], row["text_value"])
        for row in table.to_pylist()
    ]


def test_an_event_stands_where_it_was_known_and_one_that_lasts_twice(first, tmp_path):
    report = export_meds(first, tmp_path / "out", "st-anna", clock)
    assert rows(tmp_path / "out") == [
        (1, None, "SEX//female", None),
        (1, "1960-01-01 00:00:00", "MEDS_BIRTH", None),
        (1, "2010-05-30 00:00:00", "local//b", None),
        (1, "2010-05-31 00:00:00", "local//b", "<5.0"),
        (1, "2010-06-01 08:00:00", "local//a//start", None),
        (1, "2010-06-05 10:00:00", "local//b", None),
        (1, "2010-06-09 12:00:00", "local//a//end", None),
        (1, "2011-01-01 00:00:00", "local//sick", None),
        (2, None, "SEX//male", None),
        (2, "1960-01-01 00:00:00", "MEDS_BIRTH", None),
        (2, "2010-01-01 00:00:00", "local//a", None),
        (2, "2012-03-04 00:00:00", "MEDS_DEATH", None),
    ]
    assert (report.patients, report.numbers, report.rounded) == (2, 2, 2)
    assert report.left_out == {
        "cancelled, entered in error, negated or deleted": 2, "of a patient who opted out": 1, "without a time": 1,
    }  # fmt: skip


def test_who_opted_out_is_nowhere(first, tmp_path):
    export_meds(first, tmp_path / "out", "st-anna", clock)
    for path in (tmp_path / "out").rglob("*.parquet"):
        table = pq.read_table(path)
        assert "subject_id" not in table.column_names or 3 not in table["subject_id"].to_pylist()


def test_a_patient_lies_in_one_shard(first, tmp_path):
    report = export_meds(first, tmp_path / "out", "st-anna", clock, shard_events=1)
    held = [
        set(pq.read_table(path)["subject_id"].to_pylist()) for path in sorted((tmp_path / "out" / "data").iterdir())
    ]
    assert (report.shards, held) == (2, [{1}, {2}])


def test_every_code_is_described_and_the_set_says_what_it_is(first, tmp_path):
    export_meds(first, tmp_path / "out", "st-anna", clock)
    codes = pq.read_table(tmp_path / "out" / "metadata" / "codes.parquet")["code"].to_pylist()
    assert set(codes) == {code for _, _, code, _ in rows(tmp_path / "out")}
    assert len(codes) == len(set(codes))
    about = json.loads((tmp_path / "out" / "metadata" / "dataset.json").read_text())
    assert (about["dataset_name"], about["meds_version"], about["etl_name"]) == ("st-anna", "0.4.1", "rapha")


def test_a_folder_that_is_there_is_left_alone(first, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(Conflict, match="is there already"):
        export_meds(first, tmp_path / "out", "st-anna", clock)
    assert list((tmp_path / "out").iterdir()) == []


def answers(timeline):
    study = study_of(
        cohort={"index": {"every": ["a"]}},
        features=[{"last": "b", "during": {"until": "index"}}, {"demographic": "sex"}, {"demographic": "age"}],
    )
    statement = cohort_statement(plan_of(study), KEY)
    with timeline.connect() as connection:
        table = connection.table(statement.text, statement.parameters).drop_columns(["patient", "split"])
    return sorted(map(str, table.to_pylist()))


def test_there_and_back_a_cohort_answers_alike(first, tmp_path):
    export_meds(first, tmp_path / "out", "st-anna", clock)
    (tmp_path / "m.mapping.yaml").write_text(MAPPING)
    report = ingest(
        tmp_path / "m.mapping.yaml", tmp_path / "out", tmp_path / "second", b"another secret of 32 bytes......"
    )
    assert report.set_aside == 0
    assert answers(open_timeline(tmp_path / "second")) == answers(first)
    assert len(answers(first)) == 2
