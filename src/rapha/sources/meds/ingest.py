"""The way from a mapping and a MEDS folder to one batch in the timeline."""

import csv
import io
import tempfile
from pathlib import Path

import pyarrow as pa

from rapha.errors import ConfigurationError
from rapha.sources.meds.event_rows import judge_rows, write_events, write_people, write_periods
from rapha.sources.meds.mapping import Mapping
from rapha.sources.meds.shards import Folder, open_folder, read_shard, read_table
from rapha.sources.meds.vocabulary import write_vocabulary
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.pseudonym import batch_id
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.source_files import SourceFiles
from rapha.timeline.staging import Staging
from rapha.timeline.writer import is_written, write_batch

READING = 1
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""
_TAKE = """
INSERT INTO meds BY NAME
SELECT $file AS file,
  * REPLACE (if($narrow, CAST(CAST(CAST(numeric_value AS FLOAT) AS VARCHAR) AS DOUBLE), numeric_value) AS numeric_value)
FROM incoming"""
"""A number in single precision is the shortest decimal that names it: 1.3, not 1.2999999523162842, which a rise of 0.3 over
1.0 would fail by."""
_PERIODS = {"subject_id": pa.int64(), "start_time": pa.timestamp("us"), "end_time": pa.timestamp("us")}


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is a MEDS folder."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    folder = open_folder(data)
    originals = SourceFiles()
    versions = folder.versions(originals)
    batch = batch_id(site_secret, READING, mapping.digest, versions)
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with space_watched(timeline_dir), tempfile.TemporaryDirectory(prefix=".spill-", dir=timeline_dir) as spill:
        staging = Staging(Path(spill))
        staging.check_zones([mapping.zone] if mapping.zone else [], mapping_path.name)
        rows, single = _stage(staging, folder, progress or silent)
        events = _write(staging, mapping, folder, versions, batch, site_secret)
        aside = _set_aside_csv(staging)
        originals.check_unchanged()
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(aside))
        tables = staging.tables() | (staging.vocabulary() if folder.codes else {})
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
        files = tuple(
            FileReport(file=name, rows=count, events=events.get(name, 0), set_aside=staging.reasons(name))
            for name, count in rows.items()
        )
        report = IngestReport.of(mapping.source, batch, written.rows, files, unchanged=False)
        notes = _notes(staging, single, folder)
        staging.connection.close()
    return report.model_copy(update={"notes": notes})


def _stage(staging: Staging, folder: Folder, progress: Progress) -> tuple[dict[str, int], bool]:
    """All shards into `meds`; the rows of each, and whether a number was held in single precision."""
    staging.execute(
        """CREATE TABLE meds (file VARCHAR, line BIGINT, subject_id BIGINT, time TIMESTAMP, code VARCHAR,
             numeric_value DOUBLE, text_value VARCHAR, unit VARCHAR, comparator VARCHAR, event_id VARCHAR, edge VARCHAR)"""
    )
    rows: dict[str, int] = {}
    single = False
    for done, (name, path) in enumerate(folder.shards.items()):
        progress(name, done, len(folder.shards))
        rows[name] = 0
        for batch, narrow in read_shard(path, name):
            staging.connection.register("incoming", batch)
            staging.execute(_TAKE, {"file": name, "narrow": narrow})
            staging.connection.unregister("incoming")
            rows[name] += batch.num_rows
            single = single or narrow
    return rows, single


def _write(
    staging: Staging, mapping: Mapping, folder: Folder, versions: dict[str, str], batch: str, secret: bytes
) -> dict[str, int]:
    judge_rows(staging, mapping)
    for name in folder.shards:
        staging.set_aside(name, "SELECT line, reason FROM judged WHERE file = $shard", {"shard": name})
    write_people(staging, mapping, batch, secret)
    events = write_events(staging, mapping, versions, batch)
    if folder.periods:
        staging.connection.register("incoming", read_table(folder.periods, _PERIODS))
        staging.execute("CREATE TABLE meds_periods AS FROM incoming")
        staging.connection.unregister("incoming")
    write_periods(staging, mapping, batch, told=folder.periods is not None)
    if folder.codes:
        write_vocabulary(staging, mapping, folder.codes, batch)
    return events


def _notes(staging: Staging, single: bool, folder: Folder) -> tuple[str, ...]:
    """What this way in has lost, or taken on trust."""
    [(numbers, units)] = staging.execute("SELECT count(num), count(unit) FROM events WHERE num IS NOT NULL")
    notes = []
    if single and numbers:
        notes.append(
            f"{numbers:,} numbers were kept in single precision: each is read as the shortest decimal that names it, true to some seven digits"
        )
    if numbers > units:
        notes.append(f"{numbers - units:,} numbers have no unit: MEDS has none; studies compare them with `unit: any`")
    if folder.periods is None:
        notes.append("MEDS does not say who was observed and when: the mapping's `observation` was taken")
    notes.append("what was known when is taken to be when it happened: MEDS has one time")
    return tuple(notes)


def _set_aside_csv(staging: Staging) -> bytes:
    """File, row and reason; no cell of any row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "line", "reason"))
    writer.writerows(staging.execute("SELECT file, line, reason FROM set_aside ORDER BY file, line, reason"))
    return text.getvalue().encode()
