"""Tables of rows, and the events, patients and periods that are made of them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapha.timeline.pseudonym import subject_key

SECRET = b"a secret of this site: 32 bytes."
P1, P2 = (subject_key(SECRET, "ward", each) for each in ("p1", "p2"))
HEADER = "patient,taken,reported,test,value,unit\n"
LINE = "CAST(split_part(source_ref, '#', 2) AS INTEGER)"


def test_a_row_becomes_an_event(hospital):
    hospital.ingest()
    columns = "subject_key, kind, t_start::VARCHAR, t_available::VARCHAR, system, code, num, comparator, unit, status"
    assert hospital.ask(f"{columns}, polarity, source_ref, precision, deleted") == [
        (P1, "measurement", "2010-01-01 08:00:00+00", "2010-01-02 09:30:15+00", "local", "hdl", 50.0, None, "mg/dL",
         "final", "affirmed", "labs.csv#2", "minute", False),
        (P2, "measurement", "2010-02-03 00:00:00+00", "2010-02-03 00:00:00+00", "local", "crp", 5.0, "<", "mg/L",
         "final", "affirmed", "labs.csv#3", "day", False),
    ]  # fmt: skip


def test_people_and_periods(hospital):
    hospital.ingest()
    columns = (
        "subject_key, birth::DATE::VARCHAR, birth_precision, sex, death::DATE::VARCHAR, death_precision, opted_out"
    )
    assert hospital.ask(columns, "subjects", "birth") == [
        (P1, "1950-03-04", "day", "female", None, None, False),
        (P2, "1960-01-01", "year", "male", "2011-05-06", "day", False),
    ]
    assert hospital.ask("subject_key, t_start::VARCHAR, t_end::VARCHAR", "observation_periods", "t_start") == [
        (P1, "2010-01-01 08:00:00+00", "2012-01-01 00:00:00+00"),
        (P2, "2010-02-03 00:00:00+00", "2011-05-06 00:00:00+00"),
    ]


NUMBERS = {
    "5": (5.0, None),
    "-0.25": (-0.25, None),
    "+1e3": (1000.0, None),
    ".5": (0.5, None),
    "159.4": (159.4, None),
    "16777217": (16777217.0, None),
    "<5": (5.0, "<"),
    "< 5": (5.0, "<"),
    " >=10 ": (10.0, ">="),
    "<=0.1": (0.1, "<="),
    ">200": (200.0, ">"),
    "≤3": (3.0, "<="),
    "≥3": (3.0, ">="),
}


def test_numbers_and_comparators(hospital):
    hospital.labs = HEADER + "".join(f"p1,2010-01-01,2010-01-01,x,{written},\n" for written in NUMBERS)
    hospital.ingest()
    found = hospital.ask("num, comparator", order=LINE)
    assert dict(zip(NUMBERS, found, strict=True)) == NUMBERS


NO_NUMBERS = ["high", "5 mg", "5-10", "1e999", "nan", "inf", "<", "0x10", "1_000", "5,0", "٣", "<<5"]


def test_what_is_no_number_is_set_aside(hospital):
    hospital.labs = HEADER + "".join(f'p1,2010-01-01,2010-01-01,x,"{written}",\n' for written in NO_NUMBERS)
    hospital.ingest()
    assert hospital.ask("num") == []
    labs = [row for row in hospital.aside() if row.startswith("labs.csv")]
    assert labs == [f"labs.csv,{line},`value` is not a number" for line, _ in enumerate(NO_NUMBERS, 2)]


TIMES = {
    "2010": ("2010-01-01 00:00:00+00", "year", None),
    "2010-06": ("2010-06-01 00:00:00+00", "month", None),
    "2010-06-07": ("2010-06-07 00:00:00+00", "day", None),
    "2010-06-07T08:09": ("2010-06-07 08:09:00+00", "minute", None),
    "2010-06-07 08:09:10.5": ("2010-06-07 08:09:10.5+00", "second", None),
    "2010-06-07 08:09:10.123456789": ("2010-06-07 08:09:10.123456+00", "second", None),
    "2010-06-07T08:09:10Z": ("2010-06-07 08:09:10+00", "second", 0),
    "2010-06-07T08:09:10+10:00": ("2010-06-06 22:09:10+00", "second", 600),
    "2010-06-07T08:09-0330": ("2010-06-07 11:39:00+00", "minute", -210),
    "2010-06-07 08:09:10 +02": ("2010-06-07 06:09:10+00", "second", 120),
}
IN_BERLIN = {
    "2010-06-07 08:09": ("2010-06-07 06:09:00+00", "minute", 120),
    "2010-12-07 08:09": ("2010-12-07 07:09:00+00", "minute", 60),
    "2010-06-07": ("2010-06-06 22:00:00+00", "day", 120),
    "2010-06-07T08:09Z": ("2010-06-07 08:09:00+00", "minute", 0),
    "2010-06-07T08:09-05:00": ("2010-06-07 13:09:00+00", "minute", -300),
}


@pytest.mark.parametrize(("zone", "times"), [("", TIMES), (", zone: Europe/Berlin", IN_BERLIN)])
def test_times(hospital, zone, times):
    hospital.mapping = hospital.mapping.replace("{column: taken}", f"{{column: taken{zone}}}")
    hospital.labs = HEADER + "".join(f"p1,{written},2010-01-01,x,1,\n" for written in times)
    hospital.ingest()
    found = hospital.ask("t_start::VARCHAR, precision, utc_offset_minutes", order=LINE)
    assert dict(zip(times, found, strict=True)) == times


NO_TIMES = [
    "yesterday", "2010-02-30", "2010-13", "07.06.2010", "2010-06-07 25:00", "0001-01-01", "9999", "20100607",
    "2010-06-07 08", "2010-06-07 08:09+15:00", "2010-06-07 08:09:10 PM",
]  # fmt: skip


def test_what_is_no_time_is_set_aside(hospital):
    hospital.labs = HEADER + "".join(f"p1,{written},2010-01-01,x,1,\n" for written in NO_TIMES)
    hospital.ingest()
    labs = [row for row in hospital.aside() if row.startswith("labs.csv")]
    assert labs == [f"labs.csv,{line},`taken` is not a date or time" for line, _ in enumerate(NO_TIMES, 2)]


def test_available_the_same_as_taken(hospital):
    hospital.mapping = hospital.mapping.replace("available: {column: reported}", "available: same")
    hospital.ingest()
    assert hospital.ask("count(*)", "events WHERE t_available = t_start", "1") == [(2,)]


def test_days_wide_columns_age_and_a_flagged_death(hospital):
    hospital.mapping = """
source: ward
origin: 2000-01-01
subjects:
  file: people.csv
  id: id
  birth: {age: age, at: {day: 0}}
  sex: {column: male, values: {1: male, 0: female}}
  death: {at: {days: futime}, where: {column: status, values: [1]}}
observation: {start: [first event, {day: 0}], end: {days: futime}}
events:
  - file: people.csv
    id: id
    kind: measurement
    time: {day: 0}
    available: same
    system: local
    wide:
      - {column: weight, code: weight, unit: kg}
      - {column: height, code: height, unit: cm}
  - {file: labs.csv, id: id, kind: condition, time: {days: days}, available: same, system: local, code: {column: event}}
"""
    hospital.people = "id,age,male,weight,height,futime,status\np1,57,0,60.5,163,100,0\np2,30.5,1,,180,31,1\n"
    hospital.labs = "id,days,event\np1,-7000,diabetes\np2,12,stroke\n"
    hospital.ingest()
    assert hospital.ask("t_start::DATE::VARCHAR, kind, code, num, unit, source_ref, precision") == [
        ("1980-11-01", "condition", "diabetes", None, None, "labs.csv#2", "day"),
        ("2000-01-13", "condition", "stroke", None, None, "labs.csv#3", "day"),
        ("2000-01-01", "measurement", "height", 163.0, "cm", "people.csv#2", "day"),
        ("2000-01-01", "measurement", "weight", 60.5, "kg", "people.csv#2", "day"),
        ("2000-01-01", "measurement", "height", 180.0, "cm", "people.csv#3", "day"),
    ]
    columns = "sex, birth::DATE::VARCHAR, birth_precision, death::DATE::VARCHAR, death_precision"
    assert hospital.ask(columns, "subjects", "sex") == [
        ("female", "1943-01-01", "year", None, None),
        ("male", "1969-07-01", "year", "2000-02-01", "day"),
    ]
    assert hospital.ask("t_start::DATE::VARCHAR, t_end::DATE::VARCHAR", "observation_periods", "t_start") == [
        ("1980-11-01", "2000-04-10"),
        ("2000-01-01", "2000-02-01"),
    ]
    assert len(hospital.ask("DISTINCT event_id", order="1")) == 5
    assert all(len(event_id) == 32 for (event_id,) in hospital.ask("event_id"))


def test_who_has_opted_out_is_marked(hospital):
    hospital.mapping = hospital.mapping.replace(
        "  sex:", "  opted_out: {column: consent, values: [no, withdrawn]}\n  sex:"
    )
    rows = ["p1,1950,F,,2012-01-01,no", "p2,1951,F,,2012-01-01,yes", "p3,1952,F,,2012-01-01,"]
    hospital.people = "id,born,sex,died,seen,consent\n" + "\n".join(rows) + "\n"
    report = hospital.ingest()
    assert hospital.ask("opted_out", "subjects", "birth") == [(True,), (False,), (False,)]
    assert "\n  1 of the patients opted out" in report.in_words()


def test_status_polarity_interval_encounter_and_constants(hospital):
    hospital.mapping = hospital.mapping.replace(
        "    value: value\n    unit: {column: unit}\n",
        """\
    status: {column: status, values: {F: final, X: entered-in-error}}
    polarity: {column: found, values: {yes: affirmed, no: negated}}
    end: {column: until}
    encounter: stay
""",
    ).replace("code: {column: test}", "code: 4711")
    hospital.labs = """\
patient,taken,reported,until,stay,status,found
p1,2010-01-01,2010-01-01,2010-01-05,s1,F,yes
p1,2010-01-02,2010-01-02,,,X,no
"""
    hospital.ingest()
    assert hospital.ask("code, status, polarity, t_end::DATE::VARCHAR, encounter, num") == [
        ("4711", "final", "affirmed", "2010-01-05", "s1", None),
        ("4711", "entered-in-error", "negated", None, None, None),
    ]


def test_parquet_and_compressed_csv_are_read_alike(hospital):
    import datetime
    import gzip

    hospital.ingest()
    expected = hospital.ask("subject_key, t_start, t_available, code, num, comparator, unit, precision")
    table = pa.table(
        {
            "patient": pa.array(["p1", "p2"]).dictionary_encode(),
            "taken": ["2010-01-01 08:00", "2010-02-03"],
            "reported": ["2010-01-02 09:30:15", "2010-02-03"],
            "test": ["hdl", "crp"],
            "value": ["50", "<5"],
            "unit": ["mg/dL", "mg/L"],
        }
    )
    pq.write_table(table, hospital.data / "labs.parquet")
    people = pa.table(
        {
            "id": ["p1", "p2"],
            "born": pa.array([datetime.date(1950, 3, 4), datetime.date(1960, 1, 1)]),
            "sex": ["F", "M"],
            "died": pa.array([None, datetime.date(2011, 5, 6)]),
            "seen": pa.array([datetime.datetime(2012, 1, 1), datetime.datetime(2011, 5, 6)], pa.timestamp("ns")),
        }
    )
    pq.write_table(people, hospital.data / "people.parquet")
    hospital.mapping = hospital.mapping.replace("labs.csv", "labs.parquet").replace("people.csv", "people.parquet")
    hospital.ingest()
    assert hospital.ask("subject_key, t_start, t_available, code, num, comparator, unit, precision") == expected
    assert hospital.ask("source_ref", order="1") == [("labs.parquet#1",), ("labs.parquet#2",)]
    (hospital.data / "labs.csv.gz").write_bytes(gzip.compress(hospital.labs.encode()))
    hospital.mapping = hospital.mapping.replace("labs.parquet", "labs.csv.gz")
    hospital.ingest()
    assert hospital.ask("subject_key, t_start, t_available, code, num, comparator, unit, precision") == expected


def test_a_number_column_of_parquet_keeps_every_bit(hospital):
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -75.0]
    count = len(values)
    table = pa.table(
        {
            "patient": ["p1"] * count,
            "taken": ["2010-01-01"] * count,
            "reported": ["2010-01-01"] * count,
            "test": ["x"] * count,
            "value": values,
            "unit": ["u"] * count,
        }
    )
    pq.write_table(table, hospital.data / "labs.parquet")
    hospital.mapping = hospital.mapping.replace("labs.csv", "labs.parquet")
    hospital.ingest()
    assert [number for (number,) in hospital.ask("num")] == values


def test_the_key_of_a_patient_needs_the_secret_and_the_source():
    assert subject_key(SECRET, "ward", "p1") == P1
    assert len({P1, P2, subject_key(SECRET, "other", "p1"), subject_key(b"x" * 32, "ward", "p1")}) == 4
    assert -(2**63) <= P1 < 2**63
