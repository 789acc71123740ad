"""A CSV file reads the same whether a block of it is parsed at once or row by row, and wherever the blocks are cut."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rapha.errors import SourceError
from rapha.timeline import csv_blocks, csv_rows
from rapha.timeline.csv_rows import CsvRows

BITS = [
    b"a",
    b'"',
    b'""',
    b",",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b" ",
    b"\0",
    b"\xc3\xa9",
    b"\xff",
    b"b,c\n",
    b'"d",e\n',
    b'"f\ng",h\n',
]
BODIES = st.lists(st.sampled_from(BITS), max_size=40).map(b"".join)


def rows_of(data: bytes, places=(0, 1)):
    """Every row with its line, and every line set aside with its reason."""
    broken = []
    file = CsvRows(io.BytesIO(data), "x.csv")
    read = [
        (line, *cells)
        for lines, columns in file.read(places, broken)
        for line, *cells in zip(lines.to_pylist(), *(column.to_pylist() for column in columns), strict=True)
    ]
    return read, sorted(broken)


def read_with(monkeypatch, data, block_bytes, at_once=True, places=(0, 1)):
    with monkeypatch.context() as patched:
        patched.setattr(csv_blocks, "BLOCK_BYTES", block_bytes)
        if not at_once:
            patched.setattr(csv_rows, "parse_regular", lambda *_: None)
        return rows_of(data, places)


@pytest.mark.parametrize("header", [b"x,y\n", b"x\ty\n", b"\xef\xbb\xbfx,y\r\n", b'"x","y\n"\n'])
@settings(max_examples=300)
@given(body=BODIES, block_bytes=st.integers(1, 30))
@example(body=b'"f\ng",h\nb,c\n"d"e,f\nb,c', block_bytes=3)
@example(body=b"b,c\r\r\nb,c\r\n", block_bytes=4)
def test_blocks_and_haste_change_nothing(monkeypatch_session, header, body, block_bytes):
    data = header + body
    with_care = read_with(monkeypatch_session, data, 1 << 20, at_once=False)
    assert read_with(monkeypatch_session, data, block_bytes) == with_care
    assert read_with(monkeypatch_session, data, 1 << 20) == with_care


@pytest.fixture(scope="session")
def monkeypatch_session():
    return pytest.MonkeyPatch()


@given(body=st.lists(st.sampled_from([b"b,c\n", b'"d, ""e""",f\r\n', b'"g\nh",\n', b"\n"])).map(b"".join))
def test_what_is_well_formed_reads_as_the_standard_library_reads_it(body):
    expected = [row for row in csv.reader(io.StringIO(body.decode(), newline="")) if row]
    read, broken = rows_of(b"x,y\n" + body)
    assert [list(cells) for _, *cells in read] == expected
    assert broken == []


def test_regular_blocks_are_parsed_at_once(monkeypatch):
    monkeypatch.setattr(csv_rows, "_columns", None)
    assert rows_of(b'x,y\n1,2\n"a,b","c"\n,\n') == ([(2, "1", "2"), (3, "a,b", "c"), (4, "", "")], [])


def test_a_column_may_be_asked_for_twice_and_in_any_order(monkeypatch):
    assert rows_of(b"x,y\n1,2\n", places=(1, 0, 1)) == ([(2, "2", "1", "2")], [])
    assert read_with(monkeypatch, b"x,y\n1,2\n", 9, at_once=False, places=(1, 0, 1)) == ([(2, "2", "1", "2")], [])


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_a_line_too_long_to_hold_is_let_go_as_it_comes(monkeypatch, end):
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 16)
    monkeypatch.setattr(csv_blocks, "LONGEST_LINE", 64)
    read, broken = rows_of(end.join([b"x,y", b"1,2", b"l" * 999 + b",2", b"3,4", b"5,6", b""]))
    assert read == [(2, "1", "2"), (4, "3", "4"), (5, "5", "6")]
    assert broken == [(3, csv_rows.NOT_CSV)]


def test_bytes_that_are_no_text_matter_where_they_are_asked_for():
    data = b"x,y\n1,\xff\n2,3\n"
    assert rows_of(data, places=(0,)) == ([(2, "1"), (3, "2")], [])
    assert rows_of(data, places=(1,)) == ([(3, "3")], [(2, csv_rows.NOT_UTF8)])


@pytest.mark.parametrize("data", [b"", b"\0", b"\xef\xbb\xbf"])
def test_a_file_without_a_header_is_no_csv_file(data):
    with pytest.raises(SourceError, match="does not begin with a header"):
        rows_of(data)
