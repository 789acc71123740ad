"""A timeline written as MEDS 0.4.1, for a steward's own machine: rows of patients, that no agent sends anywhere.

data/0.parquet, 1.parquet, ...           a patient lies in one file, in one piece, in the order of time
metadata/codes.parquet, dataset.json     as MEDS has them
metadata/observation_periods.parquet     no file of MEDS: who was watched from when to when, for whoever reads it again
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rapha import __version__
from rapha.clock import Clock, stamp
from rapha.errors import Conflict
from rapha.node import meds_rows
from rapha.records.record import Record
from rapha.timeline.beside import space_watched
from rapha.timeline.reader import LockedConnection, Timeline

SHARD_EVENTS = 1 << 20
SCHEMA = pa.schema(
    [
        pa.field("subject_id", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us")),
        pa.field("code", pa.string(), nullable=False),
        pa.field("numeric_value", pa.float32()),
        pa.field("text_value", pa.large_string()),
        pa.field("unit", pa.string()),
        pa.field("comparator", pa.string()),
        pa.field("event_id", pa.string()),
        pa.field("edge", pa.string()),
    ]
)
_CODES = pa.schema(
    [
        pa.field("code", pa.string(), nullable=False),
        pa.field("description", pa.string()),
        pa.field("parent_codes", pa.list_(pa.string())),
    ]
)


class ExportReport(Record):
    """What was written, and what MEDS could not hold. `left_out`: events by reason. `rounded`: numbers that single
    precision changed, or cannot hold at all."""

    patients: int
    rows: int
    shards: int
    numbers: int
    rounded: int
    left_out: dict[str, int]

    def in_words(self) -> str:
        """For the steward."""
        lines = [f"{self.rows:,} rows of {self.patients:,} patients in {self.shards:,} shards"]
        lines.append(
            f"  {self.rounded:,} of {self.numbers:,} numbers are no longer what they were: MEDS has single precision"
        )
        lines += [f"  {count:,} events {reason}: left out" for reason, count in self.left_out.items()]
        return "\n".join(lines)


def export_meds(
    timeline: Timeline, folder: Path, name: str, clock: Clock, shard_events: int = SHARD_EVENTS
) -> ExportReport:
    """Write a new folder (mode 0700); it is there whole or not at all.

    Raises:
        Conflict: the folder is there already.
        DiskFull: no space is left.
    """
    if folder.exists():
        raise Conflict(f"{folder} is there already: an export is written to a folder of its own")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(mode=0o700, parents=True)
    try:
        with space_watched(folder.parent), timeline.connect() as connection:
            report = _write(connection, part, name, clock, shard_events)
            part.replace(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return report


def _write(connection: LockedConnection, folder: Path, name: str, clock: Clock, shard_events: int) -> ExportReport:
    (folder / "data").mkdir()
    (folder / "metadata").mkdir()
    sizes = connection.execute(meds_rows.SIZES).fetchall()
    rows = numbers = rounded = shards = 0
    for first, last in _ranges(sizes, shard_events):
        table = connection.table(meds_rows.ROWS, {"first": first, "last": last})
        rounded += table["rounded"].to_pylist().count(True)
        table = table.drop_columns("rounded").cast(SCHEMA)
        numbers += table.num_rows - table["numeric_value"].null_count
        rows += table.num_rows
        pq.write_table(table, folder / "data" / f"{shards}.parquet", compression="zstd")
        shards += 1
    codes = connection.table(meds_rows.CODES).rename_columns(_CODES.names).cast(_CODES)
    pq.write_table(codes, folder / "metadata" / "codes.parquet")
    pq.write_table(connection.table(meds_rows.PERIODS), folder / "metadata" / "observation_periods.parquet")
    about = {
        "dataset_name": name,
        "etl_name": "rapha",
        "etl_version": __version__,
        "meds_version": "0.4.1",
        "created_at": stamp(clock()).replace("Z", "+00:00"),
        "code_modifier_columns": ["unit", "comparator", "edge"],
        "raw_source_id_columns": ["event_id"],
    }
    (folder / "metadata" / "dataset.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    left_out = dict(connection.execute(meds_rows.LEFT_OUT).fetchall())
    return ExportReport(
        patients=len(sizes), rows=rows, shards=shards, numbers=numbers, rounded=rounded, left_out=left_out
    )


def _ranges(sizes: list[tuple[int, int]], shard_events: int) -> Iterator[tuple[int, int]]:
    """First and last patient of each shard."""
    first, held = None, 0
    last = 0
    for patient, events in sizes:
        if first is not None and held + events > shard_events:
            yield first, last
            first, held = None, 0
        first = patient if first is None else first
        last, held = patient, held + events
    if first is not None:
        yield first, last
