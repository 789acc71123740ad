"""The way from a mapping and a folder of tables to one batch in the timeline."""

import csv
import io
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapha.errors import ConfigurationError
from rapha.records.record import Record
from rapha.sources.tables.event_rows import StagedBlock, joined, read_events, unfilled
from rapha.sources.tables.mapping import ColumnMapping, Events, Mapping, columns_of
from rapha.sources.tables.people import stage_deaths, stage_people, write_people, write_periods
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.csv_rows import Broken
from rapha.timeline.data_files import find, read
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.notes import in_language, keep_notes
from rapha.timeline.pseudonym import batch_id
from rapha.timeline.report import (
    SHORTEST_SECRET_BYTES,
    FileReport,
    IngestReport,
    Progress,
    opted_out_note,
    set_aside_file,
    silent,
)
from rapha.timeline.source_files import SourceFiles
from rapha.timeline.staging import Staging, incoming_texts
from rapha.timeline.units import in_ucum
from rapha.timeline.writer import is_written, write_batch

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
    files = SourceFiles()
    versions = {name: files.digest(path) for name, path in paths.items()}
    way = Way(mapping_path, data_dir, timeline_dir, site_secret, progress or silent)
    return put(mapping, files, versions, lambda _: Opened(paths), way)


def put(
    mapping: ColumnMapping, originals: SourceFiles, versions: dict[str, str], opened: Callable[[Path], Opened], way: Way
) -> IngestReport:
    """The same of any tables: `versions` tells by name whether one has changed, by the digests of `originals`; `opened` is asked for them only
    then, and may write them into the folder that it is given."""
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
        originals.check_unchanged()
        write_beside(timeline / set_aside_file(mapping.source), lambda file: file.write(_set_aside_csv(staging)))
        tables = staging.tables() | keep_notes(staging.connection, timeline, mapping.source, batch)
        tables |= in_language(tables["events"], mapping.language)
        tables, notes = in_ucum(staging.connection, tables, mapping.units)
        if mapping.subjects.opted_out:
            [[out]] = staging.execute("SELECT count(*) FROM subjects WHERE opted_out")
            notes = (opted_out_note(out), *notes)
        written = write_batch(timeline, mapping.source, batch, mapping.digest, tables, mapping.people)
        staging.connection.close()
    return IngestReport.of(mapping.source, batch, written.rows, files, unchanged=False, notes=notes)


def _fill(
    staging: Staging, mapping: ColumnMapping, opened: Opened, versions: dict[str, str], batch: str, way: Way
) -> tuple[FileReport, ...]:
    """Stage and read every file; the three tables of the timeline stand in `staging` afterwards."""
    files = _Files(staging, mapping, opened, way.progress)
    people = mapping.subjects.file
    if mapping.died_in:
        stage_deaths(staging, mapping, *files.staged(mapping.died_in.file))
    table, columns = files.staged(people)
    stage_people(staging, mapping, table, columns)
    staging.key_patients(way.secret, mapping.whose)
    write_people(staging, batch)
    staging.hold_as("source_version", versions.values())
    staging.hold_ids()
    staging.leave_out(unfilled(mapping))
    events: Counter[str] = Counter()
    places: Counter[str] = Counter()
    selects: list[str] = []
    for at, block in enumerate(mapping.events):
        name = block.file
        join = block.join
        other, whole = files.staged(join.file) if join else ("", {})
        with files.read(name) as (table, known):
            if join:
                beside = {each: whole[each] for each in (join.by, *join.columns)}
                table, known = joined(table, known, join.by, other, beside)
            files.tell(name)
            found = StagedBlock(block, table, known, f"block{at}_rows", places[name], versions[name])
            count, select = read_events(staging, mapping, found)
        events[name] += count
        selects.append(select)
        places[name] += 1
        files.keep_only(mapping.events[at + 1 :])
    staging.take_events_from(selects)
    write_periods(staging, mapping, columns, batch)
    files.end(people)
    _note_lines(staging, opened)
    before = dict.fromkeys(file for file, *_ in opened.set_aside)
    return tuple(
        FileReport(file=n, rows=files.rows.get(n, 0), events=events[n], set_aside=staging.reasons(n))
        for n in (*opened.paths, *before)
    )


class _Files:
    """The files of one ingest, each staged when it is first asked for, and dropped when no block will ask again: so that not all
    of their texts are held at once; one that is asked for once is not staged at all. `rows` counts those of each."""

    def __init__(self, staging: Staging, mapping: ColumnMapping, opened: Opened, progress: Progress) -> None:
        self.rows: dict[str, int] = {}
        self._staging, self._mapping, self._paths, self._progress = staging, mapping, opened.paths, progress
        self._held: dict[str, tuple[str, dict[str, str]]] = {}
        joins = [block.join.file for block in mapping.events if block.join]
        beside = [mapping.died_in.file] if mapping.died_in else []
        self._uses = Counter([mapping.subjects.file, *beside, *(block.file for block in mapping.events), *joins])
        self._done, self._steps = 0, len(opened.paths) + len(mapping.events) + 1

    def staged(self, name: str) -> tuple[str, dict[str, str]]:
        """The table of a file, and its columns by the names that the file has for them."""
        if name not in self._held:
            self.tell(name)
            table, wanted = f"file{len(self.rows)}", _wanted(self._mapping, name)
            self.rows[name] = _load(self._staging, name, self._paths[name], table, wanted)
            self._held[name] = (table, {column: f"c{at}" for at, column in enumerate(wanted)})
        return self._held[name]

    @contextmanager
    def read(self, name: str) -> Iterator[tuple[str, dict[str, str]]]:
        """The same for one statement: where nothing else of the mapping asks for the file, its rows as they are read."""
        if self._uses[name] > 1:
            yield self.staged(name)
            return
        self.tell(name)
        wanted = _wanted(self._mapping, name)
        broken: Broken = []
        with self._staging.reading(name, wanted, read(self._paths[name], wanted, broken), broken) as incoming:
            yield f"({incoming_texts(wanted)})", {column: f"c{at}" for at, column in enumerate(wanted)}
        self.rows[name] = incoming.rows + len(broken)

    def keep_only(self, blocks: Sequence[Events]) -> None:
        """Drop the tables that none of these blocks reads."""
        needed = {name for block in blocks for name in (block.file, block.join.file if block.join else None)}
        for name in [name for name in self._held if name not in needed]:
            self._staging.execute(f"DROP TABLE {self._held.pop(name)[0]}")

    def tell(self, name: str) -> None:
        """A step begins."""
        self._progress(name, self._done, self._steps)
        self._done += 1

    def end(self, name: str) -> None:
        """All is done."""
        self._progress(name, self._steps, self._steps)


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
    if mapping.died_in and file == mapping.died_in.file:
        parts = [mapping.died_in, *parts]
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
