"""Exact counts, of usable events and of patients who have not opted out."""

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from rapha.timeline.coverage import CodeCount, Coverage, measure
from rapha.timeline.reader import open_timeline
from rapha.timeline.schema import TABLES
from rapha.timeline.writer import write_batch

BATCH = "c" * 32


def covered(folder, people: dict[int, bool], events: list[dict]) -> Coverage:
    """The coverage of a timeline of these patients (key: opted out?) and events."""
    usable = {"kind": "condition", "system": "local", "status": "final", "polarity": "affirmed", "deleted": False}
    fixed = usable | {"source_ref": "a.csv#2", "source_version": "v", "ingest_batch": BATCH}
    given = {
        "subjects": [{"subject_key": k, "opted_out": out, "ingest_batch": BATCH} for k, out in people.items()],
        "events": [fixed | {"event_id": f"{number:032x}"} | row for number, row in enumerate(events)],
        "observation_periods": [],
    }
    connection = duckdb.connect(":memory:")
    tables = {name: connection.from_arrow(pa.Table.from_pylist(given[name], TABLES[name])) for name in TABLES}
    write_batch(folder, "ward", BATCH, "sha256:" + "0" * 64, tables)
    with open_timeline(folder).connect() as locked:
        return measure(locked)


def at(key: int, year: int, code: str, **more) -> dict:
    return {"subject_key": key, "t_start": datetime(year, 12, 31, 23, 30, tzinfo=UTC), "code": code} | more


def test_patients_are_counted_once_and_years_are_those_of_utc(tmp_path):
    found = covered(tmp_path, {1: False, 2: False, 3: False}, [at(1, 2001, "a"), at(1, 2003, "a"), at(2, 2002, "b")])
    assert found == Coverage(3, 2001, 2003, (CodeCount("local", "a", 1), CodeCount("local", "b", 1)))


@pytest.mark.parametrize(
    "unusable", [{"status": "entered-in-error"}, {"polarity": "negated"}, {"deleted": True}, {"subject_key": 2}]
)
def test_what_no_cohort_may_use_is_not_counted(tmp_path, unusable):
    rows = [at(1, 2001, "a"), at(1, 1990, "a") | unusable, at(1, 2020, "b") | unusable]
    assert covered(tmp_path, {1: False, 2: True}, rows) == Coverage(1, 2001, 2001, (CodeCount("local", "a", 1),))


def test_an_empty_timeline(tmp_path):
    assert covered(tmp_path, {}, []) == Coverage(0, None, None, ())
