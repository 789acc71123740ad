"""An ingest holds no more in memory than it says; what stops a file in its middle is told, not taken for its end."""

from collections.abc import Iterator
from datetime import datetime

import duckdb
import pyarrow as pa
import pytest

from rapha.errors import SourceError
from rapha.timeline.staging import Staging
from rapha.timeline.stream import Stream

COLUMNS = pa.schema([("line", pa.int64()), ("c0", pa.string())])


def batches(last: str | None = None) -> Iterator[pa.RecordBatch]:
    for line in range(1, 4):
        yield pa.RecordBatch.from_pylist([{"line": line, "c0": f" {line} "}], COLUMNS)
    if last is not None:
        raise SourceError(last)


def test_memory_is_bounded(tmp_path):
    staging = Staging(tmp_path)
    [(limit,)] = staging.execute("SELECT current_setting('memory_limit')")
    assert limit == "953.6 MiB"  # 1 GB


def test_rows_are_staged_trimmed_and_counted(tmp_path):
    staging = Staging(tmp_path)
    assert staging.stage("a.csv", "a", ["x"], batches(), [(9, "is no row")]) == 4
    assert sorted(staging.execute("FROM a")) == [(1, "1"), (2, "2"), (3, "3")]
    assert staging.reasons("a.csv") == {"is no row": 1}


def test_a_file_that_breaks_off_is_told(tmp_path):
    with pytest.raises(SourceError, match="cut short"):
        Staging(tmp_path).stage("a.csv", "a", ["x"], batches("a.csv cannot be read: damaged, or cut short"), [])


def test_a_stream_counts_and_raises_when_asked():
    stream = Stream(batches("cut short"), COLUMNS)
    assert stream.reader.read_all().num_rows == stream.rows == 3
    with pytest.raises(SourceError):
        stream.check()


def test_words_of_an_event_are_held_as_one_of_few(tmp_path):
    staging = Staging(tmp_path)
    staging.hold_as("source_version", ["it's v1", "v2", "v2"])
    staging.execute(
        "INSERT INTO events BY NAME SELECT 'it''s v1' AS source_version, 'final' AS status, 'day' AS precision"
    )
    assert staging.execute("SELECT source_version, status, precision, kind FROM events") == [
        ("it's v1", "final", "day", None)
    ]
    for column in ("status", "source_version", "kind", "polarity", "precision"):
        with pytest.raises(duckdb.ConversionException):
            staging.execute(f"INSERT INTO events BY NAME SELECT 'no such word' AS {column}")


def test_events_are_worked_out_from_what_is_held_when_they_are_asked_for(tmp_path):
    staging = Staging(tmp_path)
    staging.execute("CREATE TABLE rows AS SELECT unnest([1, 2]) AS line")
    given = {"p1": "lab", "p10": "it's $p1"}
    selects = [
        f"SELECT {staging.held(columns, given)} FROM rows"
        for columns in ("line AS subject_key, $p1 AS code, $p10 AS unit", "-line AS subject_key, $p10 AS code")
    ]
    staging.take_events_from(selects)
    staging.execute("INSERT INTO rows VALUES (3)")
    asked = staging.execute("SELECT subject_key, code, unit, status FROM events ORDER BY subject_key")
    assert asked == [
        *((-line, "it's $p1", None, None) for line in (3, 2, 1)),
        *((line, "lab", "it's $p1", None) for line in (1, 2, 3)),
    ]


def test_an_event_that_is_worked_out_has_the_columns_of_a_timeline(tmp_path):
    staging = Staging(tmp_path)
    before = staging.execute("DESCRIBE events")
    staging.take_events_from(["SELECT 1 AS subject_key, 'final' AS status", "SELECT 'no such word' AS status"])
    assert staging.execute("DESCRIBE events") == before
    with pytest.raises(duckdb.ConversionException):
        staging.execute("SELECT status FROM events")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2020-01-31 23:59:59", (datetime(2020, 1, 31, 23, 59, 59), "second", None)),
        ("2020-01-31T23:59:59", (datetime(2020, 1, 31, 23, 59, 59), "second", None)),
        ("2020-01-31 23:59:59Z", (datetime(2020, 1, 31, 23, 59, 59), "second", 0)),
        ("2020-01-31 23:59", (datetime(2020, 1, 31, 23, 59), "minute", None)),
        ("2020-01-1 12:00:00Z", (None, None, None)),  # as long as a plain one, and read by a laxer cast
        ("2020-13-01 12:00:00", (None, "second", None)),
        ("2020-1-1", (None, None, None)),
    ],
)
def test_a_time_is_read_as_it_is_written_or_not_at_all(tmp_path, text, read):
    staging = Staging(tmp_path)
    parts = "clock_of(parts), precision_of(parts), offset_of(parts)"
    assert staging.execute(
        f"SELECT {parts} FROM (SELECT time_parts(CAST($text AS VARCHAR)) AS parts)", {"text": text}
    ) == [read]
