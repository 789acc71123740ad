"""The way from a mapping and a CDM to one batch in the timeline."""

import csv
import io
import tempfile
from pathlib import Path

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.omop.cdm import CLINICAL, TABLES, VOCABULARY, Wanted
from rapha.sources.omop.event_rows import write_events
from rapha.sources.omop.mapping import Mapping
from rapha.sources.omop.people import stage_people, write_people, write_periods
from rapha.sources.omop.places import DuckDbFile, Folder, Place
from rapha.sources.omop.vocabulary import write_vocabulary
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.csv_rows import Broken
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.notes import in_language, keep_notes
from rapha.timeline.pseudonym import batch_id
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.staging import Staging
from rapha.timeline.units import in_ucum
from rapha.timeline.writer import is_written, write_batch

READING = 3
"""Raised by whoever changes what the same mapping and CDM are read as: every batch is then written anew."""


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`. `data` is a folder, a file that ends in `.duckdb`, or one that ends in
    `.postgres` and holds a connection string."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    place = _place(data, mapping)
    try:
        here = [wanted for wanted in (*TABLES, *VOCABULARY) if is_there(place, wanted, data)]
        versions = {wanted.name: place.version(wanted.name) for wanted in here}
        batch = batch_id(site_secret, READING, mapping.digest, versions)
        if live := is_written(timeline_dir, mapping.source, batch):
            return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
        timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with space_watched(timeline_dir), tempfile.TemporaryDirectory(prefix=".spill-", dir=timeline_dir) as spill:
            staging = Staging(Path(spill))
            staging.check_zones([mapping.zone] if mapping.zone else [], mapping_path.name)
            rows = stage(staging, place, here, progress or silent)
            events = _write(staging, mapping, versions, batch, site_secret)
            aside = set_aside_csv(staging)
            place.check_unchanged()
            write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(aside))
            tables = staging.tables() | (staging.vocabulary() if "concept" in versions else {})
            tables |= keep_notes(staging.connection, timeline_dir, mapping.source, batch)
            tables |= in_language(tables["events"], mapping.language)
            tables, notes = in_ucum(staging.connection, tables, mapping.units)
            notes = (*_absent(versions), *notes)
            written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
            files = tuple(
                FileReport(file=name, rows=rows[name], events=events.get(name, 0), set_aside=staging.reasons(name))
                for name in versions
            )
            staging.connection.close()
    finally:
        place.close()
    return IngestReport.of(mapping.source, batch, written.rows, files, unchanged=False, notes=notes)


def _absent(versions: dict[str, str]) -> tuple[str, ...]:
    """A sentence that names the tables of patients which the CDM has not got: not one such event, or death, is there."""
    absent = [table.name for table in TABLES if table.name not in versions]
    return (f"the CDM has no table {', '.join(absent)}: nothing of these was read",) if absent else ()


def _place(data: Path, mapping: Mapping) -> Place:
    schemas = [schema for schema in (mapping.cdm_schema, mapping.vocabulary_schema) if schema]
    if data.suffix == ".postgres":
        from rapha.sources.omop.postgres import Postgres

        return Postgres(data, schemas)
    return DuckDbFile(data, schemas) if data.suffix == ".duckdb" else Folder(data)


def is_there(place: Place, wanted: Wanted, data: Path) -> bool:
    """Whether the place has a table with the columns it needs. Raises SourceError: it has not, and must."""
    columns = place.columns(wanted.name)
    if columns is None:
        if wanted.may_be_absent:
            return False
        raise SourceError(f"{data} has no table {wanted.name}: is it a CDM?")
    for column in wanted.needed:
        if column not in columns:
            raise SourceError(f"{data}: the table {wanted.name} has no column `{column}`")
    return True


def stage(staging: Staging, place: Place, here: list[Wanted], progress: Progress) -> dict[str, int]:
    """Every table under its own name with all its columns, those that the CDM has not got empty. Rows by table."""
    rows: dict[str, int] = {}
    for wanted in (*TABLES, *VOCABULARY):
        there = (place.columns(wanted.name) or {}) if wanted in here else {}
        read = [column for column in wanted.columns if column in there]
        if wanted in here:
            progress(wanted.name, len(rows), len(here))
            broken: Broken = []
            batches = place.read(wanted.name, [there[column] for column in read], broken)
            rows[wanted.name] = staging.stage(wanted.name, f"raw_{wanted.name}", read, batches, broken)
        else:
            staging.execute(f"CREATE TABLE raw_{wanted.name} (line BIGINT)")
        named = {column: f"c{at}" for at, column in enumerate(read)}
        listed = ", ".join(f"{named.get(c, 'CAST(NULL AS VARCHAR)')} AS {c}" for c in wanted.columns)
        staging.execute(f"CREATE VIEW {wanted.name} AS SELECT line, {listed} FROM raw_{wanted.name}")
    return rows


def _write(staging: Staging, mapping: Mapping, versions: dict[str, str], batch: str, secret: bytes) -> dict[str, int]:
    """Fill the tables of the timeline; how many events each table of the CDM made."""
    zone = mapping.zone or "UTC"
    stage_people(staging)
    staging.key_patients(secret, mapping.whose)
    write_people(staging, batch, zone)
    write_periods(staging, batch, zone)
    write_vocabulary(staging, mapping.systems, batch)
    staging.execute(
        """CREATE TABLE units AS SELECT concept_id AS concept, concept_code AS code FROM concept_rows
           WHERE reason IS NULL AND vocabulary_id = 'UCUM'"""
    )
    return {
        table.name: write_events(staging, mapping, table, versions[table.name], batch)
        for table in CLINICAL
        if table.name in versions
    }


def set_aside_csv(staging: Staging) -> bytes:
    """Table, the row's identifier where it has one, its place in the table, reason; no other cell of any row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("table", "row_id", "line", "reason"))
    order = "ORDER BY file, line, reason"
    writer.writerows(staging.execute(f"SELECT file, row_id, line, reason FROM set_aside {order}"))
    return text.getvalue().encode()
