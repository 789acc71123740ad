"""Rows that cannot be read: counted, listed by file, line and reason, without a value; the rest is read."""

import csv
from collections import Counter

import pytest

from rapha.timeline.staging import Staging

GOOD = "p1,2010-01-01,2010-01-01,hdl,50,mg/dL\n"
HEADER = "patient,taken,reported,test,value,unit\n"


BAD_EVENTS = {
    ",2010-01-01,2010-01-01,hdl,50,u": "`patient` is empty",
    "p9,2010-01-01,2010-01-01,hdl,50,u": "`patient` names no patient of people.csv",
    "p1,,2010-01-01,hdl,50,u": "`taken` is empty",
    "p1,2010-01-01, ,hdl,50,u": "`reported` is empty",
    "p1,2010-01-01,soon,hdl,50,u": "`reported` is not a date or time",
    "p1,2010-01-01,2010-01-01,,50,u": "`test` is empty",
    "p1,2010-01-01,2010-01-01,hdl,,u": "`value` is empty",
    "p1,2010-01-01,2010-01-01,hdl,fifty,u": "`value` is not a number",
    "p1,2010-01-01,2010-01-01,hdl,50": "has more or fewer fields than the header",
    "p1,2010-01-01,2010-01-01,hdl,50,u,7": "has more or fewer fields than the header",
}
BAD_PATIENTS = {
    ",1950-01-01,F,,2012-01-01": "`id` is empty",
    "p1,1950-01-01,F,,2012-01-01": "`id` names a patient who is in the file before",
    "p3,once,F,,2012-01-01": "`born` is not a date or time",
    "p6,1950-01-01,purple,,2012-01-01": "`sex` is not one of the mapping's values",
    "p4,1950-01-01,F,never,2012-01-01": "`died` is not a date or time",
    "p5,1950-01-01,F,1949-12-31,2012-01-01": "dies before birth",
}


def test_bad_rows_of_events(hospital):
    hospital.labs = HEADER + GOOD + "".join(f"{row}\n" for row in BAD_EVENTS) + GOOD
    report = hospital.ingest()
    assert hospital.ask("source_ref", order="1") == [("labs.csv#13",), ("labs.csv#2",)]
    told = [row for row in hospital.aside() if row.startswith("labs.csv")]
    assert told == [f"labs.csv,{line},{reason}" for line, reason in enumerate(BAD_EVENTS.values(), 3)]
    [labs] = [file for file in report.files if file.file == "labs.csv"]
    assert (labs.rows, labs.events, labs.set_aside) == (12, 2, Counter(BAD_EVENTS.values()))


def test_bad_rows_of_patients(hospital):
    hospital.people += "".join(f"{row}\n" for row in BAD_PATIENTS)
    report = hospital.ingest()
    told = [row for row in hospital.aside() if row.startswith("people.csv")]
    assert told == [f"people.csv,{line},{reason}" for line, reason in enumerate(BAD_PATIENTS.values(), 4)]
    assert report.patients == 2


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ("", "`seen` is empty"),
        ("later", "`seen` is not a date or time"),
        ("2009-12-31", "is observed to a day before the first"),
    ],
)
def test_a_patient_whose_observation_is_unknown_stays_a_patient(hospital, seen, reason):
    hospital.people = hospital.people.replace("p1,1950-03-04,F,,2012-01-01", f"p1,1950-03-04,F,,{seen}")
    report = hospital.ingest()
    assert hospital.aside() == [f"people.csv,2,{reason}"]
    assert (report.patients, report.events, report.observation_periods) == (2, 2, 1)


def test_an_age_that_is_none_and_days_that_are_none(hospital):
    hospital.mapping = hospital.mapping.replace("{column: born}", "{age: born, at: {day: 0}}")
    hospital.mapping = hospital.mapping.replace("time: {column: taken}", "time: {days: taken}")
    hospital.people = "id,born,sex,died,seen\np1,300,F,,2012-01-01\np2,50,F,,2012-01-01\n"
    rows = ["p2,3.5,2010-01-01,hdl,50,u", "p2,99999999,2010-01-01,hdl,50,u", "p2,-3.0,2010-01-01,hdl,50,u"]
    hospital.labs = HEADER + "\n".join(rows) + "\n"
    hospital.ingest()
    assert hospital.aside() == [
        "labs.csv,2,`taken` is not a whole number of days",
        "labs.csv,3,`taken` is not a whole number of days",
        "people.csv,2,`born` is not an age between 0 and 130",
    ]
    assert hospital.ask("t_start::DATE::VARCHAR") == [("1999-12-29",)]


def test_an_empty_cell_of_a_wide_table_is_no_event_and_no_mistake(hospital):
    hospital.mapping = hospital.mapping.replace(
        "    code: {column: test}\n    value: value\n    unit: {column: unit}\n",
        "    wide: [{column: test, code: a}, {column: value, code: b, unit: mg}]\n",
    )
    hospital.labs = HEADER + "p1,2010-01-01,2010-01-01,,5,\np1,2010-01-02,2010-01-02,?,<6,\n"
    hospital.ingest()
    assert hospital.ask("code, num, comparator, unit") == [("b", 5.0, None, "mg"), ("b", 6.0, "<", "mg")]
    assert hospital.aside()[0] == "labs.csv,3,`test` is not a number"


def test_a_table_of_hundreds_of_columns_is_read_as_a_narrow_one(hospital):
    """Each in its own place, with its own code and unit: an event, a mistake or nothing."""
    columns = range(300)
    wide = "".join(f"      - {{column: c{at}, code: k{at}, unit: u{at}}}\n" for at in columns)
    hospital.mapping = hospital.mapping.replace(
        "    code: {column: test}\n    value: value\n    unit: {column: unit}\n", f"    wide:\n{wide}"
    )
    header = "patient,taken,reported," + ",".join(f"c{at}" for at in columns)
    cells = {7: "?", 8: "", 299: "<=3"}
    rows = [
        ["p1,2010-01-01,2010-01-01", *(cells.get(at, str(at)) for at in columns)],
        ["nobody,2010-01-01,2010-01-01", *["?"] * 300],
    ]
    hospital.labs = "\n".join([header, *(",".join(row) for row in rows)]) + "\n"
    hospital.ingest()
    found = {code: rest for code, *rest in hospital.ask("code, num, comparator, unit")}
    told = {f"k{at}": [float(at), None, f"u{at}"] for at in columns if at not in cells}
    assert found == told | {"k299": [3.0, "<=", "u299"]}
    assert hospital.aside()[:2] == [
        "labs.csv,2,`c7` is not a number",
        "labs.csv,3,`patient` names no patient of people.csv",
    ]
    assert len(hospital.ask("DISTINCT event_id", order="1")) == 298


def test_a_wide_table_takes_as_many_statements_however_many_columns_it_has(hospital, monkeypatch):
    """And their text grows as the columns do, no faster."""
    said: list[str] = []
    execute = Staging.execute

    def counted(staging, statement, parameters=None):
        said.append(statement)
        return execute(staging, statement, parameters)

    monkeypatch.setattr(Staging, "execute", counted)
    plain, found = hospital.mapping, {}
    for columns in (50, 100, 200):
        wide = "".join(f"      - {{column: c{at}, code: k{at}}}\n" for at in range(columns))
        hospital.mapping = plain.replace(
            "    code: {column: test}\n    value: value\n    unit: {column: unit}\n", f"    wide:\n{wide}"
        )
        names, cells = (",".join(f"{sign}{at}" for at in range(columns)) for sign in ("c", ""))
        hospital.labs = f"patient,taken,reported,{names}\np1,2010-01-01,2010-01-01,{cells}\n"
        said.clear()
        assert hospital.ingest().events == columns
        found[columns] = (len(said), sum(map(len, said)))
    assert found[50][0] == found[100][0] == found[200][0]
    assert found[200][1] - found[100][1] < 2.2 * (found[100][1] - found[50][1])


def test_a_row_that_ends_before_it_starts(hospital):
    hospital.mapping = hospital.mapping.replace("    value: value\n", "    end: {column: value}\n")
    hospital.labs = HEADER + "p1,2010-01-02,2010-01-02,stay,2010-01-01,\n"
    hospital.ingest()
    assert hospital.aside()[0] == "labs.csv,2,ends before it starts"


def test_lines_are_those_of_the_file_also_after_a_cell_of_several_lines(hospital):
    hospital.labs = HEADER + 'p1,2010-01-01,2010-01-01,"two\r\nlines",50,u\r\n' + GOOD + "p1,bad,2010-01-01,hdl,50,u\n"
    hospital.ingest()
    assert hospital.ask("source_ref, code", order="1") == [("labs.csv#2", "two\r\nlines"), ("labs.csv#4", "hdl")]
    assert hospital.aside()[0].startswith("labs.csv,5,")


def test_no_cell_of_a_bad_row_is_written_down(hospital):
    hospital.labs = HEADER + 'canary1,canary2,canary3,canary4,canary5,canary6\np1,2010-01-01,2010-01-01,x,canary7,"u\n'
    report = hospital.ingest()
    assert len(hospital.aside()) == 4
    assert "canary" not in "".join(hospital.aside()) + report.in_words()


def test_the_report_says_what_was_set_aside(hospital):
    hospital.labs += "p9,2010-01-01,2010-01-01,hdl,50,u\np8,2010-01-01,2010-01-01,hdl,50,u\n"
    report = hospital.ingest()
    assert report.set_aside == 2
    assert report.in_words().splitlines() == [
        "ward: 2 patients, 2 events; 2 rows set aside, listed in set-aside/ward.csv:",
        "  labs.csv: 2 x `patient` names no patient of people.csv",
    ]


def test_the_list_can_be_opened_in_a_spreadsheet(hospital):
    hospital.mapping = hospital.mapping.replace("value: value", "value: '=1+1'")
    hospital.labs = hospital.labs.replace(",value,", ",=1+1,").replace(",50,", ",x,")
    hospital.ingest()
    [row, *_] = csv.reader(hospital.aside())
    assert row == ["labs.csv", "2", "`=1+1` is not a number"]
