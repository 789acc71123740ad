"""The way from a mapping and an export to one batch in the timeline."""

import csv
import hashlib
import hmac
import io
import tempfile
from difflib import get_close_matches
from pathlib import Path

import duckdb

from rapha.canonical import canonical_bytes
from rapha.errors import ConfigurationError, SourceError
from rapha.sources.fhir.assembly import assemble
from rapha.sources.fhir.export_files import find
from rapha.sources.fhir.mapping import Mapping
from rapha.sources.fhir.people import SUBJECTS, key_patients, mark_opted_out
from rapha.sources.fhir.staging import NOT_READ, Staging
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.manifest import Table
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.notes import keep_notes
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
from rapha.timeline.units import in_ucum
from rapha.timeline.writer import is_written, write_batch

READING = 5
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""


def ingest(
    mapping_path: Path, data_dir: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """Read a folder of FHIR R4 resources and put them in the timeline, in the place of what the same source wrote before.
    The same files and mapping again change nothing. What cannot be read is set aside and told.

    Raises:
        ConfigurationError: the mapping is wrong.
        SourceError: the folder holds no export, a file or the opt-out list cannot be read.
        DiskFull, Conflict: see `write_batch`; the timeline is as it was.
    """
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    _check_zone(mapping.zone, mapping_path.name)
    paths = find(data_dir)
    originals = SourceFiles()
    batch = _batch_id(mapping, _versions(mapping, originals, paths, data_dir), site_secret)
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with space_watched(timeline_dir), tempfile.TemporaryDirectory(prefix=".spill-", dir=timeline_dir) as spill:
        staging = Staging(Path(spill), mapping.servers, mapping.zone)
        _fill(staging, mapping, paths, data_dir, site_secret, batch, progress or silent)
        files = _files(staging, list(paths))
        listing = _set_aside_csv(staging, list(paths))
        originals.check_unchanged()
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(listing))
        tables = _tables(staging) | keep_notes(staging.connection, timeline_dir, mapping.source, batch)
        tables, notes = in_ucum(staging.connection, tables, mapping.units)
        notes = (*_who_is_out(staging, mapping), *notes)
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
        staging.connection.close()
    return IngestReport.of(mapping.source, batch, written.rows, files, unchanged=False, notes=notes)


def _fill(
    staging: Staging,
    mapping: Mapping,
    paths: dict[str, Path],
    data_dir: Path,
    secret: bytes,
    batch: str,
    progress: Progress,
) -> None:
    """Stage every file, then assemble; the views of the timeline's tables stand in `staging` afterwards."""
    staging.execute("SET VARIABLE source = $source", {"source": mapping.source})
    staging.execute("SET VARIABLE batch = $batch", {"batch": batch})
    steps = len(paths) + 1
    staging.load(paths, lambda number, name: progress(name, number, steps))
    progress("patients and their events", len(paths), steps)
    key_patients(staging, secret, mapping.whose)
    mark_opted_out(staging, mapping.consent, mapping.opt_out, data_dir)
    staging.execute(f"CREATE VIEW subjects AS {SUBJECTS}")
    assemble(staging, mapping)
    progress("patients and their events", steps, steps)


def _who_is_out(staging: Staging, mapping: Mapping) -> tuple[str, ...]:
    """A sentence where the mapping asks for it, or somebody is out; also of none."""
    [[out]] = staging.execute("SELECT count(*) FROM subjects WHERE opted_out")
    return (opted_out_note(out),) if out or mapping.opt_out or mapping.consent.required else ()


def _tables(staging: Staging) -> dict[Table, duckdb.DuckDBPyRelation]:
    names: tuple[Table, ...] = ("events", "subjects", "observation_periods")
    tables = {name: staging.connection.table(name) for name in names}
    if staging.execute("SELECT 1 FROM merged LIMIT 1"):
        merges = "SELECT DISTINCT *, getvariable('batch') AS ingest_batch FROM merged WHERE retired <> remains"
        tables["merges"] = staging.connection.sql(merges)
    if staging.execute("SELECT 1 FROM notes LIMIT 1"):
        tables["notes"] = staging.connection.table("notes")
    return tables


def _versions(mapping: Mapping, originals: SourceFiles, paths: dict[str, Path], data_dir: Path) -> dict[str, str]:
    versions = {name: originals.digest(path) for name, path in paths.items()}
    if mapping.opt_out is not None:
        path = data_dir / mapping.opt_out.file
        if not path.is_file():
            raise SourceError(f"{path}: the opt-out file is missing; without it nothing is ingested")
        versions[mapping.opt_out.file] = originals.digest(path)
    return versions


def _batch_id(mapping: Mapping, versions: dict[str, str], secret: bytes) -> str:
    """32 hex digits of an HMAC over the reading, the mapping and the files: equal exactly when all of them are."""
    content = canonical_bytes({"reading": READING, "mapping": mapping.digest, "files": versions})
    return hmac.new(secret, b"rapha fhir batch\0" + content, hashlib.sha256).hexdigest()[:32]


def _check_zone(zone: str | None, name: str) -> None:
    if zone is None:
        return
    with duckdb.connect(":memory:") as connection:
        known = [row[0] for row in connection.execute("SELECT name FROM pg_timezone_names()").fetchall()]
    if zone not in known:
        near = get_close_matches(zone, known, n=1)
        raise ConfigurationError(
            f"{name}: the zone {zone!r} is not known" + (f"; did you mean {near[0]}?" if near else "")
        )


def _files(staging: Staging, names: list[str]) -> tuple[FileReport, ...]:
    events: dict[int, int] = dict(staging.execute("SELECT file, count(*) FROM told GROUP BY file"))
    aside: dict[int, dict[str, int]] = {}
    for file, reason, count in staging.execute(
        "SELECT file, reason, count(*) FROM set_aside GROUP BY file, reason ORDER BY file, reason"
    ):
        aside.setdefault(file, {})[reason] = count
    for (file, resource_type), count in sorted(staging.not_read.items()):
        aside.setdefault(file, {})[NOT_READ + resource_type] = count
    return tuple(
        FileReport(file=name, rows=staging.rows[at], events=events.get(at, 0), set_aside=aside.get(at, {}))
        for at, name in enumerate(names)
    )


def _set_aside_csv(staging: Staging, names: list[str]) -> bytes:
    """File, line, reason; no value of any resource. What is not read because of its type is one line, without number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "line", "reason"))
    for file, line, reason in staging.execute("SELECT file, line, reason FROM set_aside ORDER BY file, line, reason"):
        writer.writerow((names[file], line, reason))
    for (file, resource_type), count in sorted(staging.not_read.items()):
        writer.writerow((names[file], "", f"{NOT_READ}{resource_type} ({count:,} of them)"))
    return text.getvalue().encode()
