"""Files and mappings that mean harm, or are broken: told, never fatal where a row is, never run."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapha.errors import ConfigurationError, SourceError
from rapha.timeline import csv_blocks
from rapha.timeline.csv_rows import NOT_CSV, NOT_UTF8
from rapha.timeline.data_files import find

HEADER = b"patient,taken,reported,test,value,unit\n"
GOOD = b"p1,2010-01-01,2010-01-01,hdl,50,mg/dL\n"
FORMULA = b"=cmd|'/C calc'!A0,2010-01-01,2010-01-01,hdl,50,u\n"


def write_labs(hospital, data: bytes) -> None:
    """Ingest with these bytes in the place of labs.csv."""
    hospital.mapping = hospital.mapping.replace("labs.csv", "raw.csv")
    (hospital.data / "raw.csv").write_bytes(data)
    hospital.ingest()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'p1,2010-01-01,2010-01-01,"a"b,50,u\n', NOT_CSV),
        (b"p1,2010-01-01,2010-01-01,a\0b,50,u\n", NOT_CSV),
        (b"p1,2010-01-01,2010-01-01," + b"h" * 200_000 + b",50,u\n", NOT_CSV),
        (b"p1,2010-01-01,2010-01-01,\xff\xfe,50,u\n", NOT_UTF8),
        (FORMULA, "`patient` names no patient of people.csv"),
        (b"'; DROP TABLE events; --,2010-01-01,2010-01-01,hdl,50,u\n", "`patient` names no patient of people.csv"),
    ],
)
def test_one_hostile_line_costs_that_line(hospital, line, reason):
    write_labs(hospital, HEADER + GOOD + line + GOOD)
    assert hospital.ask("source_ref") == [("raw.csv#2",), ("raw.csv#4",)]
    assert [row for row in hospital.aside() if row.startswith("raw.csv")] == [
        f'raw.csv,3,"{reason}"' if "," in reason else f"raw.csv,3,{reason}"
    ]


def test_a_line_too_long_to_hold_costs_that_line(hospital, monkeypatch):
    monkeypatch.setattr(csv_blocks, "LONGEST_LINE", 100)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 64)
    write_labs(hospital, HEADER + GOOD + b"p1,2010-01-01,2010-01-01," + b"h" * 950 + b",50,u\n" + GOOD)
    assert hospital.ask("source_ref") == [("raw.csv#2",), ("raw.csv#4",)]
    assert f'raw.csv,3,"{NOT_CSV}"' in hospital.aside()


def test_a_quote_that_is_never_closed_loses_no_line_in_silence(hospital):
    write_labs(hospital, HEADER + GOOD + b'p1,2010-01-01,2010-01-01,"open,50,u\n' + GOOD + GOOD)
    assert hospital.ask("source_ref") == [("raw.csv#2",)]
    assert [row.split(",")[1] for row in hospital.aside() if row.startswith("raw.csv")] == ["3", "4", "5"]


def test_formulas_quotes_and_odd_line_ends_in_codes_are_only_text(hospital):
    row = b'p1,2010-01-01,2010-01-01,"=HYPERLINK(""x""), \xc3\xa9",50,u\r\n'
    write_labs(hospital, b"\xef\xbb\xbf" + HEADER.replace(b"\n", b"\r\n") + row + b"\r\n" + GOOD.rstrip())
    assert hospital.ask("code") == [('=HYPERLINK("x"), é',), ("hdl",)]


@pytest.mark.parametrize("name", ['x"; DROP TABLE events; --', "c0", "line", "a'b", "$p0", "select", "x) AS y"])
def test_a_column_of_any_name_is_a_column(hospital, name):
    quoted = '"' + name.replace('"', '""') + '"'
    hospital.mapping = hospital.mapping.replace("value: value", "value: '" + name.replace("'", "''") + "'")
    hospital.labs = hospital.labs.replace(",value,", f",{quoted},").replace(",50,", ",?,")
    hospital.ingest()
    assert hospital.ask("num") == [(5.0,)]
    assert "is not a number" in hospital.aside()[0]


@pytest.mark.parametrize("word", ["'; DROP TABLE events; --", "$p1", "' || (SELECT 1) || '"])
def test_a_constant_of_any_text_is_a_text(hospital, word):
    hospital.mapping = hospital.mapping.replace("system: local", 'system: "' + word + '"')
    hospital.ingest()
    assert hospital.ask("DISTINCT system", order="1") == [(word,)]


@pytest.mark.parametrize("name", ["../labs.csv", "/etc/passwd", "sub/labs.csv", ".hidden.csv", "*.csv", "a\\b.csv"])
def test_a_file_is_one_of_the_data_folder(hospital, name):
    hospital.mapping = hospital.mapping.replace("file: labs.csv", f"file: '{name}'")
    with pytest.raises(ConfigurationError, match=r"ward.mapping.yaml:\d+: events.0.file"):
        hospital.ingest()


def test_whole_files_that_cannot_be_read(hospital):
    cases = {
        "labz.csv": "labz.csv is missing; did you mean labs.csv",
        "capitals.csv": "capitals.csv is missing; did you mean CAPITALS.CSV?",
        "labs.xlsx": "files end in .csv, .csv.gz, .txt, .txt.gz, .parquet",
        "cut.csv.gz": "cut.csv.gz cannot be read: damaged, or cut short",
        "not.csv.gz": "not.csv.gz cannot be read",
        "not.parquet": "not.parquet cannot be read: damaged, or cut short",
        "empty.csv": "does not begin with a header",
        "binary.csv": "does not begin with a header",
        "nested.parquet": "the column 'taken' holds lists or bytes",
        "twice.csv": "the column 'taken' is there 2 times",
    }
    (hospital.data / "cut.csv.gz").write_bytes(gzip.compress(HEADER + GOOD * 1000)[:-20])
    for name in ("not.csv.gz", "not.parquet"):
        (hospital.data / name).write_bytes(b"nothing of the kind")
    (hospital.data / "empty.csv").write_bytes(b"")
    (hospital.data / "CAPITALS.CSV").write_bytes(HEADER)
    (hospital.data / "binary.csv").write_bytes(b"\x00\x01\x02")
    (hospital.data / "twice.csv").write_bytes(HEADER.replace(b"test", b"taken"))
    columns = {name: ["x"] for name in HEADER.decode().strip().split(",")}
    pq.write_table(pa.table(columns | {"taken": [["x"]]}), hospital.data / "nested.parquet")
    mapping = hospital.mapping
    for name, message in cases.items():
        hospital.mapping = mapping.replace("labs.csv", name)
        with pytest.raises(SourceError) as refused:
            hospital.ingest()
        assert message in str(refused.value)


def test_a_missing_folder_or_a_file_in_its_place_is_told_as_that(tmp_path):
    (tmp_path / "labs.csv").write_bytes(HEADER)
    for name in ("labs.csv", "nowhere"):
        with pytest.raises(SourceError, match=f"{name} is not a folder: name the one that holds people.csv"):
            find(tmp_path / name, "people.csv")


def test_a_column_in_capitals_is_the_nearest(hospital):
    hospital.labs = hospital.labs.replace("reported", "REPORTED")
    with pytest.raises(SourceError, match=r"labs\.csv has no column 'reported'; did you mean 'REPORTED'"):
        hospital.ingest()


def test_a_missing_column_is_told_with_the_nearest(hospital):
    hospital.labs = hospital.labs.replace("reported", "reportet")
    with pytest.raises(SourceError, match=r"labs\.csv has no column 'reported'; did you mean 'reportet'"):
        hospital.ingest()
