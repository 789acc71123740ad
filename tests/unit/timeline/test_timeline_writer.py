"""A batch enters the timeline whole or not at all; the same rows are the same bytes."""

import fcntl
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapha.errors import ConfigurationError, Conflict, DiskFull
from rapha.timeline.manifest import NAME, read_manifest
from rapha.timeline.reader import open_timeline
from rapha.timeline.schema import EVENTS, OBSERVATION_PERIODS, SUBJECTS, TABLES
from rapha.timeline.writer import is_written, write_batch

MAPPING = "sha256:" + "0" * 64
DAY = datetime(2020, 1, 1, tzinfo=UTC)


def event(key: int, number: int, batch: str, **more) -> dict:
    fixed = {"kind": "measurement", "status": "final", "polarity": "affirmed", "deleted": False, "source_version": "v"}
    row = {"subject_key": key, "event_id": f"{number:032x}", "t_start": DAY, "source_ref": f"a.csv#{number}"}
    return fixed | row | {"ingest_batch": batch} | more


def tables(batch: str, events: list[dict] | None = None) -> dict:
    """Three tables of a batch; events in no order."""
    rows = [event(2, 1, batch), event(1, 2, batch), event(1, 3, batch, t_start=None)] if events is None else events
    people = [{"subject_key": key, "opted_out": False, "ingest_batch": batch} for key in (2, 1)]
    periods = [{"subject_key": 1, "t_start": DAY, "t_end": DAY, "ingest_batch": batch}]
    connection = duckdb.connect(":memory:", config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    nullable = {name: pa.schema([field.with_nullable(True) for field in schema]) for name, schema in TABLES.items()}
    given = {"events": rows, "subjects": people, "observation_periods": periods}
    return {name: connection.from_arrow(pa.Table.from_pylist(given[name], nullable[name])) for name in TABLES}


def write(folder: Path, batch: str, events: list[dict] | None = None, source: str = "ward") -> None:
    write_batch(folder, source, batch, MAPPING, tables(batch, events))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


A, B = "a" * 32, "b" * 32


def batches(folder: Path) -> set[str]:
    """The batches that the rows of all three tables belong to, as a reader sees them."""
    with open_timeline(folder).connect(threads=1) as connection:
        statement = " UNION ".join(f"SELECT DISTINCT ingest_batch FROM {name}" for name in TABLES)
        return {batch for (batch,) in connection.execute(statement).fetchall()}


def test_tables_have_their_schema_order_and_compression(tmp_path):
    write(tmp_path, A)
    for name, schema in (("events", EVENTS), ("subjects", SUBJECTS), ("observation_periods", OBSERVATION_PERIODS)):
        [path] = (tmp_path / name).iterdir()
        assert pq.read_schema(path).equals(schema)
        assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"
    rows = pq.read_table(next((tmp_path / "events").iterdir())).to_pylist()
    assert [(row["subject_key"], row["t_start"]) for row in rows] == [(1, None), (1, DAY), (2, DAY)]


def test_columns_in_which_no_row_has_a_value_may_be_left_out(tmp_path):
    """The file is the same, byte for byte."""
    write(tmp_path / "whole", A)
    given = tables(A)
    left_out = given["events"].project("* EXCLUDE (ingest_batch, concept, num_canonical, text_ref)")
    write_batch(tmp_path / "narrow", "ward", A, MAPPING, given | {"events": left_out})
    assert content(tmp_path / "narrow") == content(tmp_path / "whole")


def test_ids_that_are_numbers_are_the_same_digits_in_the_same_order(tmp_path):
    """The file is the same, byte for byte; ids that begin with each digit, at one time of one patient."""
    events = [event(1, 1, A, event_id=at * 32) for at in "f07a9183bc"]
    write(tmp_path / "texts", A, events)
    given = tables(A, events)
    numbers = given["events"].project("* REPLACE (CAST(event_id AS UUID) AS event_id)")
    write_batch(tmp_path / "numbers", "ward", A, MAPPING, given | {"events": numbers})
    assert content(tmp_path / "numbers") == content(tmp_path / "texts")
    rows = pq.read_table(next((tmp_path / "numbers" / "events").iterdir())).to_pylist()
    assert [row["event_id"] for row in rows] == [at * 32 for at in "013789abcf"]


def test_a_column_that_every_row_has_a_value_in_may_not_be_left_out(tmp_path):
    given = tables(A)
    with pytest.raises(duckdb.BinderException):
        write_batch(tmp_path, "ward", A, MAPPING, given | {"events": given["events"].project("* EXCLUDE (status)")})
    assert not (tmp_path / NAME).exists()


def test_the_manifest_is_what_a_reader_expects(tmp_path):
    write(tmp_path, A)
    assert json.loads((tmp_path / NAME).read_bytes()) == {
        "version": 1,
        "batches": [
            {
                "source": "ward",
                "batch": A,
                "mapping": MAPPING,
                "files": {name: [f"{name}/ward.{A}.parquet"] for name in TABLES},
                "rows": {"events": 3, "subjects": 2, "observation_periods": 1},
            }
        ],
    }


def test_the_same_again_is_the_same_byte_for_byte(tmp_path):
    write(tmp_path, A)
    before = content(tmp_path)
    write(tmp_path, A)
    assert content(tmp_path) == before


def test_the_order_of_the_rows_given_does_not_matter(tmp_path):
    rows = [event(key, number, A) for number, key in enumerate([3, 1, 2, 1, 3])]
    write(tmp_path / "one", A, rows)
    write(tmp_path / "two", A, rows[::-1])
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_enums_and_a_batch_left_out_are_written_as_texts_and_the_batch(tmp_path):
    write(tmp_path / "texts", A)
    narrow = tables(A)
    enum = "ENUM('final', 'measurement', 'affirmed')"
    few = ", ".join(f"CAST({name} AS {enum}) AS {name}" for name in ("kind", "status", "polarity"))
    narrow["events"] = narrow["events"].project(f"* EXCLUDE (ingest_batch) REPLACE ({few})")
    write_batch(tmp_path / "enums", "ward", A, MAPPING, narrow)
    assert content(tmp_path / "enums") == content(tmp_path / "texts")
    assert batches(tmp_path / "enums") == {A}


def test_a_batch_takes_the_place_of_its_sources_former_one(tmp_path):
    write(tmp_path, A)
    write(tmp_path, A, source="clinic")
    write(tmp_path, B)
    assert [(each.source, each.batch) for each in read_manifest(tmp_path).batches] == [("clinic", A), ("ward", B)]
    assert {path.name for path in (tmp_path / "events").iterdir()} == {f"clinic.{A}.parquet", f"ward.{B}.parquet"}


def test_an_empty_batch_is_a_batch(tmp_path):
    write(tmp_path, A, [])
    with open_timeline(tmp_path).connect() as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchall() == [(0,)]


def test_is_written_asks_for_batch_and_files(tmp_path):
    assert is_written(tmp_path, "ward", A) is None
    write(tmp_path, A)
    assert is_written(tmp_path, "ward", A).rows["events"] == 3
    assert is_written(tmp_path, "ward", B) is None
    assert is_written(tmp_path, "clinic", A) is None
    (tmp_path / "subjects" / f"ward.{A}.parquet").unlink()
    assert is_written(tmp_path, "ward", A) is None


def test_a_write_that_fails_halfway_leaves_the_old_timeline(tmp_path):
    write(tmp_path, A)
    broken = tables(B)
    broken["observation_periods"] = broken["observation_periods"].project("* REPLACE (NULL::BIGINT AS subject_key)")
    with pytest.raises(ValueError, match="non-nullable"):
        write_batch(tmp_path, "ward", B, MAPPING, broken)
    assert batches(tmp_path) == {A}
    write(tmp_path, B)
    assert batches(tmp_path) == {B}
    assert set(content(tmp_path)) == {NAME, *(f"{name}/ward.{B}.parquet" for name in TABLES)}


@pytest.mark.parametrize("full", [f"events/ward.{B}.parquet", f"observation_periods/ward.{B}.parquet", NAME])
def test_a_full_disk_is_told_with_the_folder_and_changes_nothing(tmp_path, full):
    write(tmp_path, A)
    (tmp_path / f"{full}.part").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=f"no space left in {tmp_path}"):
        write(tmp_path, B)
    assert batches(tmp_path) == {A}
    write(tmp_path, B)
    assert batches(tmp_path) == {B}


def test_two_do_not_write_at_once(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with pytest.raises(Conflict, match="another process"):
            write(tmp_path, A)
    finally:
        os.close(folder)
    write(tmp_path, A)


def test_an_unreadable_manifest_is_not_written_over(tmp_path):
    write(tmp_path, A)
    (tmp_path / NAME).write_text("{")
    with pytest.raises(ConfigurationError, match=r"timeline\.json cannot be read"):
        write(tmp_path, B)
    assert (tmp_path / NAME).read_text() == "{"


WRITER = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from test_timeline_writer import A, B, write
while True:
    write(Path(sys.argv[1]), B)
    write(Path(sys.argv[1]), A)
"""


def test_a_writer_killed_at_work_leaves_one_batch_and_no_hindrance(tmp_path):
    write(tmp_path, A)
    seen = (tmp_path / NAME).stat().st_ino
    program = WRITER.format(here=str(Path(__file__).parent))
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) as writer:
        deadline = time.monotonic() + 60
        while (tmp_path / NAME).stat().st_ino == seen and time.monotonic() < deadline:
            assert writer.poll() is None
        writer.kill()
    assert batches(tmp_path) in ({A}, {B})
    write(tmp_path, A)
    assert set(content(tmp_path)) == {NAME, *(f"{name}/ward.{A}.parquet" for name in TABLES)}
