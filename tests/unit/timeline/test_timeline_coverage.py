"""Exact counts, of usable events and of patients who have not opted out."""

from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pytest

from rapha.timeline.coverage import AGE_BANDS, OBSERVED_BANDS, SEXES, Coverage, Part, measure
from rapha.timeline.reader import open_timeline
from rapha.timeline.schema import TABLES
from rapha.timeline.writer import write_batch

BATCH = "c" * 32


def covered(folder, people, events: list[dict], periods: list[dict] = (), least: int = 1) -> Coverage:
    """The coverage of a timeline of these patients (key: opted out?, or more of a patient), events and periods."""
    usable = {"kind": "condition", "system": "local", "status": "final", "polarity": "affirmed", "deleted": False}
    fixed = usable | {"source_ref": "a.csv#2", "source_version": "v", "ingest_batch": BATCH}
    given = {
        "subjects": [
            {"subject_key": key, "opted_out": False, "ingest_batch": BATCH}
            | (more if isinstance(more, dict) else {"opted_out": more})
            for key, more in people.items()
        ],
        "events": [fixed | {"event_id": f"{number:032x}"} | row for number, row in enumerate(events)],
        "observation_periods": [period | {"ingest_batch": BATCH} for period in periods],
    }
    connection = duckdb.connect(":memory:")
    tables = {name: connection.from_arrow(pa.Table.from_pylist(given[name], TABLES[name])) for name in TABLES}
    write_batch(folder, "ward", BATCH, "sha256:" + "0" * 64, tables)
    with open_timeline(folder).connect() as locked:
        return measure(locked, least)


def at(key: int, year: int, code: str, **more) -> dict:
    return {"subject_key": key, "t_start": datetime(year, 12, 31, 23, 30, tzinfo=UTC), "code": code} | more


def codes(coverage: Coverage) -> dict[str, int]:
    return {line.code: line.patients for line in coverage.codes}


def test_patients_are_counted_once_and_years_are_those_of_utc(tmp_path):
    rows = [at(1, 2001, "a"), at(1, 2003, "a"), at(1, 2003, "a"), at(2, 2003, "a"), at(2, 2002, "b")]
    found = covered(tmp_path, {1: False, 2: False, 3: False}, rows)
    assert (found.patients, codes(found), found.years) == (3, {"a": 2, "b": 1}, {2001: 1, 2002: 1, 2003: 2})
    assert [dict(line.years) for line in found.codes] == [{2001: 1, 2003: 2}, {2002: 1}]


@pytest.mark.parametrize(
    "unusable", [{"status": "entered-in-error"}, {"polarity": "negated"}, {"deleted": True}, {"subject_key": 2}]
)
def test_what_no_cohort_may_use_is_not_counted(tmp_path, unusable):
    rows = [at(1, 2001, "a"), at(1, 1990, "a") | unusable, at(1, 2020, "b") | unusable]
    found = covered(tmp_path, {1: False, 2: True}, rows)
    assert (found.patients, codes(found), found.years) == (1, {"a": 1}, {2001: 1})


def test_an_empty_timeline(tmp_path):
    found = covered(tmp_path, {}, [])
    assert (found.patients, found.years, found.codes) == (0, {}, ())
    assert set(found.sexes.values()) == set(found.ages.values()) == set(found.observed.values()) == {0}


def test_only_codes_of_enough_patients_come_out(tmp_path):
    rows = [at(1, 2001, "a"), at(2, 2001, "a"), at(1, 2001, "rare"), at(1, 2002, "rare")]
    assert codes(covered(tmp_path, {1: False, 2: False}, rows, least=2)) == {"a": 2}


@pytest.mark.parametrize("system", ["dosage:GRCh38", "variant:GRCh37"])
def test_a_variant_is_not_told_by_its_name(tmp_path, system):
    """Everybody who was looked at has an event of it, whoever carries it: its name would tell of one."""
    events = [at(key, 2020, code, system=of) for key in (1, 2) for code, of in (("a", "local"), ("17-100-A-G", system))]
    coverage = covered(tmp_path, {1: False, 2: False}, events, least=2)
    assert codes(coverage) == {"a": 2}
    assert coverage.years == {2020: 2}


def test_sexes_ages_and_lengths_each_deal_all_patients(tmp_path):
    day = lambda year: datetime(year, 6, 1, tzinfo=UTC)  # noqa: E731
    people = {
        1: {"sex": "female", "birth": datetime(1960, 7, 1, tzinfo=UTC)},  # 39 at the end: the birthday is a month away
        2: {"sex": "male", "birth": datetime(1900, 1, 1, tzinfo=UTC), "death": day(1995)},
        3: {"sex": "x-unheard-of"},
        4: {"sex": "female", "opted_out": True},
    }
    periods = [
        {"subject_key": 1, "t_start": day(1990), "t_end": day(1991)},
        {"subject_key": 1, "t_start": day(1998), "t_end": day(2000)},
        {"subject_key": 2, "t_start": day(1980), "t_end": day(2000)},
    ]
    found = covered(tmp_path, people, [], periods)
    assert found.sexes == dict.fromkeys(SEXES, 0) | {"female": 1, "male": 1, "unknown": 1}
    assert found.ages == dict.fromkeys(AGE_BANDS, 0) | {"30-39": 1, "90 or older": 1, "unknown": 1}
    assert found.observed == dict.fromkeys(OBSERVED_BANDS, 0) | {"none": 1, "2 to 5 years": 1, "10 years or more": 1}


def test_kinds_of_events_are_shares_in_which_each_patient_counts_once(tmp_path):
    mg, mmol = {"num": 1.0, "unit": "mg/dl", "unit_ucum": "mg/dL"}, {"num": 1.0, "unit": "mmol/L"}
    rows = [at(1, 2001, "a") | mg, *[at(2, 2001, "a") | mmol for _ in range(3)], at(2, 2002, "a") | mg]
    rows += [at(3, 2001, "a") | {"num": 2.0, "precision": "day"}, at(3, 2001, "a") | {"value_code": "high"}]
    (line,) = covered(tmp_path, {1: False, 2: False, 3: False}, rows).codes
    assert line.parts["unit"] == {"mg/dL": Part(2, 1_250_000), "mmol/L": Part(1, 750_000), "": Part(1, 1_000_000)}
    assert line.parts["value"] == {"number": Part(3, 2_500_000), "code": Part(1, 500_000)}
    assert line.parts["precision"] == {"unstated": Part(3, 2_500_000), "day": Part(1, 500_000)}


def test_when_it_was_known(tmp_path):
    start = at(1, 2001, "a")["t_start"]
    rows = [at(1, 2001, "a") | {"t_available": start}, at(2, 2001, "a") | {"t_available": start.replace(year=2002)}]
    (line,) = covered(tmp_path, {1: False, 2: False, 3: False}, [*rows, at(3, 2001, "a")]).codes
    assert set(line.parts["known"]) == {"at once", "later", "unstated"}


def test_a_unit_too_long_to_be_one_is_not_told(tmp_path):
    (line,) = covered(tmp_path, {1: False}, [at(1, 2001, "a") | {"num": 1.0, "unit": "x" * 201}]).codes
    assert line.parts["unit"] == {}


def test_who_opted_out_in_one_source_is_counted_in_none(tmp_path):
    connection = duckdb.connect(":memory:")
    for source, out in (("ward", False), ("lab", True)):
        empty = {name: connection.from_arrow(TABLES[name].empty_table()) for name in TABLES}
        person = [{"subject_key": 1, "opted_out": out, "ingest_batch": BATCH}]
        empty["subjects"] = connection.from_arrow(pa.Table.from_pylist(person, TABLES["subjects"]))
        write_batch(tmp_path, source, BATCH, "sha256:" + "0" * 64, empty)
    with open_timeline(tmp_path).connect() as locked:
        assert measure(locked).patients == 0
