"""What the mapping can say of rows that are not all alike: some of them, joined, with words among numbers, in minutes."""

import pytest

from rapha.errors import ConfigurationError

EVENTS = "events:\n  - file: labs.csv\n    id: patient\n    kind: measurement\n    time: {column: taken}\n"
LAB = EVENTS + "    available: same\n    system: local\n    code: {column: test}\n"


def mapped(hospital, events, subjects=""):
    head, _, _ = hospital.mapping.partition("events:")
    hospital.mapping = head.replace("  id: id\n", f"  id: id\n{subjects}") + events


def aside(hospital):
    return [line for line in hospital.aside() if line.startswith("labs.csv")]


def test_words_among_numbers_become_coded_values(hospital):
    hospital.labs = "patient,taken,test,value\n" + "".join(f"p1,2010-01-01,x,{v}\n" for v in ("5", "<2", "NEG", ""))
    mapped(hospital, LAB + "    value: {column: value, otherwise: code}\n")
    hospital.ingest()
    rows = hospital.ask("num, comparator, value_code", order="source_ref")
    assert rows == [(5.0, None, None), (2.0, "<", None), (None, None, "NEG"), (None, None, None)]
    assert aside(hospital) == []


def test_an_empty_status_is_what_the_mapping_says_and_an_unknown_one_is_set_aside(hospital):
    hospital.labs = "patient,taken,test,error\n" + "".join(f"p1,2010-01-01,x,{v}\n" for v in ("0", "1", "", "9"))
    mapped(hospital, LAB + "    status: {column: error, values: {0: final, 1: entered-in-error}, empty: final}\n")
    hospital.ingest()
    assert hospital.ask("status", order="source_ref") == [("final",), ("entered-in-error",), ("final",)]
    assert aside(hospital) == ["labs.csv,5,`error` is not one of the mapping's values"]


def test_rows_that_where_leaves_out_are_neither_events_nor_mistakes(hospital):
    hospital.labs = "patient,taken,test\np1,2010-01-01,x\np1,no date,y\np2,2010-01-03,x\n"
    mapped(hospital, LAB + "    where: {column: test, values: [x]}\n")
    report = hospital.ingest()
    assert hospital.ask("code, source_ref") == [("x", "labs.csv#2"), ("x", "labs.csv#4")]
    assert report.set_aside == 0


def test_patients_are_the_rows_that_where_names(hospital):
    hospital.people = (
        "id,born,sex,died,seen,row\np1,1950,F,,2012-01-01,person\np1,,,,,other\np2,1960,M,,2012-01-01,person\n"
    )
    mapped(hospital, LAB, subjects="  where: {column: row, values: [person]}\n")
    report = hospital.ingest()
    assert (report.patients, report.set_aside) == (2, 0)


def test_a_value_charted_ahead_is_known_when_it_is_due(hospital):
    hospital.labs = (
        "patient,taken,stored,test\np1,2010-01-01 08:00,2010-01-01 07:00,x\np1,2010-01-01 08:00,2010-01-01 09:00,x\n"
    )
    latest = "    available: {latest_of: [{column: stored}, {column: taken}]}\n"
    mapped(hospital, LAB.replace("    available: same\n", latest))
    hospital.ingest()
    assert hospital.ask("hour(t_available)", order="source_ref") == [(8,), (9,)]


def test_a_value_without_one_of_its_times_is_set_aside(hospital):
    hospital.labs = "patient,taken,stored,test\np1,2010-01-01 08:00,,x\n"
    latest = "    available: {latest_of: [{column: stored}, {column: taken}]}\n"
    mapped(hospital, LAB.replace("    available: same\n", latest))
    hospital.ingest()
    assert aside(hospital) == ["labs.csv,2,`stored` is empty"]


def test_minutes_count_from_the_origin(hospital):
    hospital.labs = "patient,taken,test\np1,0,x\np1,61,x\np1,1.5,x\np1,99999999999,x\n"
    mapped(hospital, LAB.replace("{column: taken}", "{minutes: taken}"))
    hospital.ingest()
    found = hospital.ask("t_start::VARCHAR, precision", order="t_start")
    assert found == [("2000-01-01 00:00:00+00", "minute"), ("2000-01-01 01:01:00+00", "minute")]
    assert {line.split(",")[1] for line in aside(hospital)} == {"4", "5"}


def test_minutes_need_an_origin(hospital):
    mapped(hospital, LAB.replace("{column: taken}", "{minutes: taken}"))
    hospital.mapping = hospital.mapping.replace("origin: 2000-01-01\n", "")
    with pytest.raises(ConfigurationError, match="must say what day 0 is"):
        hospital.ingest()


JOINED = (
    "events:\n  - file: labs.csv\n    id: patient\n    join: {file: stays.csv, by: stay, columns: [left]}\n"
    "    kind: condition\n    time: {column: left}\n    available: same\n    system: icd\n    code: {column: test}\n"
)


def test_a_row_takes_its_time_from_the_stay_it_names(hospital):
    hospital.labs = "patient,stay,test\np1,s1,x\np1,s2,y\np1,s9,z\np2,,w\np2,s3,v\n"
    (hospital.data / "stays.csv").write_text(
        "stay,patient,left\ns1,p1,2010-01-05\ns2,p1,2011-01-05\ns3,p2,a\ns3,p2,b\n"
    )
    mapped(hospital, JOINED)
    hospital.ingest()
    assert hospital.ask("code, t_available::DATE::VARCHAR") == [("x", "2010-01-05"), ("y", "2011-01-05")]
    assert aside(hospital) == [
        "labs.csv,4,`stay` names no row of stays.csv",
        "labs.csv,5,`stay` is empty",
        "labs.csv,6,`stay` names more than one row of stays.csv",
    ]


def test_a_change_of_the_joined_file_is_a_change(hospital):
    hospital.labs = "patient,stay,test\np1,s1,x\n"
    mapped(hospital, JOINED)
    for day in ("2010-01-05", "2010-01-06"):
        (hospital.data / "stays.csv").write_text(f"stay,left\ns1,{day}\n")
        assert not hospital.ingest().unchanged
        assert hospital.ask("t_start::DATE::VARCHAR") == [(day,)]
