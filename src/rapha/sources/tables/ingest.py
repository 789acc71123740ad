"""The way from a mapping and a folder of tables to one batch in the timeline."""

import csv
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapha.canonical import digest_file
from rapha.errors import ConfigurationError
from rapha.records.record import Record
from rapha.sources.tables.event_rows import StagedBlock, joined, write_events
from rapha.sources.tables.mapping import ColumnMapping, Mapping, columns_of
from rapha.sources.tables.people import stage_people, write_people, write_periods
from rapha.timeline.csv_rows import Broken
from rapha.timeline.data_files import find, read
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.notes import keep_notes
from rapha.timeline.pseudonym import batch_id
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.staging import Staging
from rapha.timeline.units import in_ucum
from rapha.timeline.writer import is_written, space_watched, write_batch, write_beside

READING = 1
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""


@dataclass(frozen=True)
class Opened:
    """The tables of one ingest, each by the name that the mapping has for it, and what was set aside before they were tables:
    file, line, reason."""

    paths: dict[str, Path]
    set_aside: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class Way:
    """What an ingest is given beside its mapping: see `rapha.timeline.report.Ingest`."""

    mapping_file: Path
    data: Path
    timeline: Path
    secret: bytes
    progress: Progress


def ingest(
    mapping_path: Path, data_dir: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """Read the files that a mapping names and put them in the timeline, in the place of what the same source wrote
    before. The same files and mapping again change nothing. A row that cannot be read is set aside and told.

    Raises:
        ConfigurationError: the mapping is wrong.
        SourceError: a file is missing, is no table, or lacks a column.
        DiskFull, Conflict: see `write_batch`; the timeline is as it was.
    """
    mapping = read_mapping(mapping_path, Mapping)
    paths = {name: find(data_dir, name) for name in mapping.files()}
    versions = {name: digest_file(path) for name, path in paths.items()}
    way = Way(mapping_path, data_dir, timeline_dir, site_secret, progress or silent)
    return put(mapping, versions, lambda _: Opened(paths), way)


def put(mapping: ColumnMapping, versions: dict[str, str], opened: Callable[[Path], Opened], way: Way) -> IngestReport:
    """The same of any tables: `versions` tells by name whether one has changed; `opened` is asked for them only then, and may
    write them into the folder that it is given."""
    if len(way.secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    timeline = way.timeline
    batch = batch_id(way.secret, READING, mapping.digest, versions)
    if live := is_written(timeline, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    timeline.mkdir(mode=0o700, parents=True, exist_ok=True)
    with space_watched(timeline), tempfile.TemporaryDirectory(prefix=".spill-", dir=timeline) as spill:
        staging = Staging(Path(spill))
        staging.check_zones(_zones(mapping.model_dump(exclude={"units"})), way.mapping_file.name)
        files = _fill(staging, mapping, opened(Path(spill)), versions, batch, way)
        write_beside(timeline / set_aside_file(mapping.source), lambda file: file.write(_set_aside_csv(staging)))
        tables = staging.tables() | keep_notes(staging.connection, timeline, mapping.source, batch)
        tables, notes = in_ucum(staging.connection, tables, mapping.units)
        written = write_batch(timeline, mapping.source, batch, mapping.digest, tables, mapping.people)
        staging.connection.close()
    return IngestReport.of(mapping.source, batch, written.rows, files, unchanged=False, notes=notes)


def _fill(
    staging: Staging, mapping: ColumnMapping, opened: Opened, versions: dict[str, str], batch: str, way: Way
) -> tuple[FileReport, ...]:
    """Stage and read every file; the three tables of the timeline stand in `staging` afterwards."""
    paths, progress = opened.paths, way.progress
    steps = len(paths) + len(mapping.events) + 1
    tables, rows, columns = {}, {}, {}
    for done, (name, path) in enumerate(paths.items()):
        progress(name, done, steps)
        tables[name], wanted = f"file{done}", _wanted(mapping, name)
        rows[name] = _load(staging, name, path, tables[name], wanted)
        columns[name] = {column: f"c{at}" for at, column in enumerate(wanted)}
    people = mapping.subjects.file
    stage_people(staging, mapping, tables[people], columns[people])
    staging.key_patients(way.secret, mapping.whose)
    write_people(staging, batch)
    events: Counter[str] = Counter()
    places: Counter[str] = Counter()
    for done, block in enumerate(mapping.events, len(paths)):
        name = block.file
        progress(name, done, steps)
        table, known = tables[name], columns[name]
        if join := block.join:
            others = {column: columns[join.file][column] for column in (join.by, *join.columns)}
            table, known = joined(table, known, join.by, tables[join.file], others)
        staged = StagedBlock(block, table, known, places[name], versions[name], batch)
        events[name] += write_events(staging, mapping, staged)
        places[name] += 1
    write_periods(staging, mapping, columns[people], batch)
    progress(people, steps, steps)
    _note_lines(staging, opened)
    before = dict.fromkeys(file for file, *_ in opened.set_aside)
    return tuple(
        FileReport(file=n, rows=rows.get(n, 0), events=events[n], set_aside=staging.reasons(n))
        for n in (*paths, *before)
    )


def _load(staging: Staging, name: str, path: Path, table: str, columns: list[str]) -> int:
    """Stage a file under the name that the mapping has for it."""
    broken: Broken = []
    return staging.stage(name, table, columns, read(path, columns, broken), broken)


def _note_lines(staging: Staging, opened: Opened) -> None:
    for file, line, reason in opened.set_aside:
        staging.set_aside(file, "SELECT $line AS line, $reason AS reason", {"line": line, "reason": reason})


def _wanted(mapping: ColumnMapping, file: str) -> list[str]:
    parts: list[Record] = [block for block in mapping.events if block.file == file]
    if file == mapping.subjects.file:
        parts = [mapping.subjects, mapping.observation, *parts]
    wanted = [column for part in parts for column in columns_of(part)]
    for block in mapping.events:
        if block.join and block.join.file == file:
            wanted += [block.join.by, *block.join.columns]
    return list(dict.fromkeys(wanted))


def _zones(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("zone"), str) and "column" in value:
            yield value["zone"]
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from _zones(item)


def _set_aside_csv(staging: Staging) -> bytes:
    """File, line, reason; no cell of any row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "line", "reason"))
    writer.writerows(staging.execute("SELECT file, line, reason FROM set_aside ORDER BY file, line, reason"))
    return text.getvalue().encode()
