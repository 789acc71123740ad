"""Spellings of units become UCUM where the mapping says so, code by code; all others stay as given and are counted."""

from pathlib import Path

import duckdb
import pytest

from conftest import Hospital
from rapha.errors import ConfigurationError
from rapha.sources.hl7v2 import ingest as ingest_hl7
from rapha.sources.tables.mapping import Mapping
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.reader import open_timeline
from rapha.timeline.units import UnitWords, in_ucum

LABS = """\
patient,taken,reported,test,value,unit
p1,2010-01-01,2010-01-01,crp,12,MG/L
p1,2010-01-02,2010-01-02,crp,13,mg/dl
p1,2010-01-03,2010-01-03,crp,14,
p1,2010-01-04,2010-01-04,crp,15,mg/L
p2,2010-01-01,2010-01-01,weight,150,
p2,2010-01-02,2010-01-02,weight,151,lbs
p2,2010-01-03,2010-01-03,wbc,5,K/uL
p2,2010-01-04,2010-01-04,weight,152,K/uL
"""
UNITS = """\
units:
  - {system: local, codes: [crp], spelled: {MG/L: mg/L, mg/dl: mg/dL}}
  - {system: local, codes: [weight], spelled: {lbs: "[lb_av]"}, unspelled: "[lb_av]"}
  - {spelled: {K/uL: 10*3/uL, MG/L: wrong}}
"""


def read(hospital: Hospital, units: str) -> str:
    hospital.labs = LABS
    hospital.mapping = units + hospital.mapping
    return hospital.ingest().in_words()


def test_a_spelling_is_what_the_mapping_says_of_that_code_and_no_other(hospital: Hospital) -> None:
    read(hospital, UNITS)
    assert hospital.ask("code, num, unit, unit_ucum, num_canonical", order="t_start, code") == [
        ("crp", 12.0, "MG/L", "mg/L", 12.0),
        ("weight", 150.0, None, "[lb_av]", 150.0),
        ("crp", 13.0, "mg/dl", "mg/dL", 13.0),
        ("weight", 151.0, "lbs", "[lb_av]", 151.0),
        ("crp", 14.0, None, None, None),
        ("wbc", 5.0, "K/uL", "10*3/uL", 5.0),
        ("crp", 15.0, "mg/L", None, None),
        ("weight", 152.0, "K/uL", None, None),
    ]


def test_the_report_counts_what_no_entry_names_and_shows_no_spelling(hospital: Hospital) -> None:
    said = read(hospital, UNITS)
    assert "5 of 8 numbers are in UCUM units; 3, of 2 codes in 3 spellings (or none), stay as given" in said
    assert "K/uL" not in said


def test_a_mapping_without_units_says_nothing_of_them(hospital: Hospital) -> None:
    assert "UCUM" not in read(hospital, "")
    written = read_mapping(hospital.mapping_file, Mapping).as_json()
    assert not {"units", "people"} & set(written)  # its digest is what it was before there were units


@pytest.mark.parametrize(
    ("entries", "wrong"),
    [
        ("{spelled: {x: mg/L}, unspelled: mg/L}", "`unspelled` is of `codes`"),
        ("{codes: [crp], spelled: {x: mg/L}}", "an entry is of `codes` of a `system`"),
        ("{system: local, spelled: {x: mg/L}}", "an entry is of `codes` of a `system`"),
        ("{system: local, codes: [crp]}", "an entry says what"),
        ("{spelled: {x: mg per L}}", "units.0.spelled.x"),
        ("{spelled: {x: mg/L}}, {spelled: {y: mg/L}}", "all the others have one together"),
        ("{system: l, codes: [c], spelled: {x: g}}, {system: l, codes: [c], spelled: {y: g}}", "a code has one entry"),
    ],
)
def test_what_an_entry_cannot_say(hospital: Hospital, entries: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        read(hospital, f"units: [{entries}]\n")


def test_a_spelling_that_looks_like_a_key_of_the_mapping_is_a_spelling(hospital: Hospital) -> None:
    hospital.mapping = hospital.mapping.replace("origin: 2000-01-01\n", "")
    assert "5 of 8" not in read(hospital, "units: [{spelled: {days: d}}]\n")


def test_results_of_messages_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.hl7").write_text(
        "MSH|^~\\&|LAB|H|||20190501120000||ORU^R01|1|P|2.5\rPID|1||p1^^^HOSP^MR||||19500304|F\r"
        "OBR|1|P1|F1|pan|||201905010830\rOBX|1|NM|2160-0^Creatinine^LN||1.1|MG/DL|||||F\r"
    )
    (tmp_path / "m.yaml").write_text(
        "source: lab\nformat: hl7v2\nauthority: HOSP\nzone: UTC\nobservation: {start: first event, end: 2020-12-31}\n"
        "units: [{system: 'http://loinc.org', codes: [2160-0], spelled: {MG/DL: mg/dL}}]\n"
    )
    report = ingest_hl7(tmp_path / "m.yaml", data, tmp_path / "timeline", b"a secret of this site: 32 bytes.")
    assert "all 1 numbers are in UCUM units" in report.in_words()
    with open_timeline(tmp_path / "timeline").connect() as connection:
        assert connection.execute("SELECT unit, unit_ucum, num_canonical FROM events").fetchall() == [
            ("MG/DL", "mg/dL", 1.1)
        ]


def test_what_the_source_itself_said_in_ucum_stands() -> None:
    words = UnitWords(system="s", codes=("c",), spelled={"MG": "g"})
    with duckdb.connect(":memory:") as duck:
        events = duck.sql(
            "SELECT 's' AS system, 'c' AS code, 1.0 AS num, 'MG' AS unit, 'mg' AS unit_ucum, 2.0 AS num_canonical"
        )
        tables, notes = in_ucum(duck, {"events": events}, (words,))
        assert tables["events"].fetchall() == [("s", "c", 1.0, "MG", "mg", 2.0)]
        assert notes == ("all 1 numbers are in UCUM units",)
