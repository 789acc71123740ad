"""The way from a mapping, a list and a folder of texts to one batch in the timeline."""

import csv
import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from rapha.canonical import digest
from rapha.errors import ConfigurationError, SourceError
from rapha.sources.note_files.listed import Aside, Listed, read_listing, text_of, untangled
from rapha.sources.note_files.mapping import Mapping
from rapha.timeline.assets import Contents
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.manifest import Table
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.pseudonym import batch_id, subject_key
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.schema import NOTES, TABLES
from rapha.timeline.source_files import SourceFiles
from rapha.timeline.writer import is_written, write_batch

READING = 2
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""
_TOLD_EVERY = 1000


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is the folder with the list and the texts. A text that is listed and cannot be
    read is set aside. Who has a note is a patient; their birth, sex and observation are told by another source of the same
    `people`."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    originals = SourceFiles()
    originals.expect(data / mapping.listing.file)
    found = untangled(read_listing(data, mapping))
    notes, aside = [each for each in found if isinstance(each, Listed)], [e for e in found if isinstance(e, Aside)]
    batch = batch_id(site_secret, READING, mapping.digest, _versions(data, mapping, originals, notes))
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with space_watched(timeline_dir), duckdb.connect(":memory:") as duck:
        duck.execute("SET TimeZone = 'UTC'")
        contents = Contents(timeline_dir, mapping.source, batch)
        events = _events(mapping, notes, contents, aside, site_secret, batch, progress or silent)
        tables = _tables(duck, events, batch) | _penned(duck, events, notes, mapping)
        if events:
            tables["assets"] = duck.from_arrow(contents.table())
        else:
            contents.drop()
        listing = _set_aside_csv(mapping.listing.file, aside)
        originals.check_unchanged()
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(listing))
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
    reasons = dict(sorted(Counter(each.reason for each in aside).items()))
    report = FileReport(file=mapping.listing.file, rows=len(found), events=len(events), set_aside=reasons)
    return IngestReport.of(mapping.source, batch, written.rows, (report,), unchanged=False)


def _versions(data: Path, mapping: Mapping, originals: SourceFiles, notes: list[Listed]) -> dict[str, str]:
    """The digest of the list, and one of all texts that it names: a text that changes makes another batch."""
    if not (data / mapping.listing.file).is_file():
        raise SourceError(f"{data / mapping.listing.file} is missing")
    texts = hashlib.sha256()
    for path in sorted({note.path for note in notes}):
        texts.update((originals.digest(path) if originals.expect(path).is_file() else "none").encode())
    return {mapping.listing.file: originals.digest(data / mapping.listing.file), "texts": f"sha256:{texts.hexdigest()}"}


def _events(
    mapping: Mapping,
    notes: list[Listed],
    contents: Contents,
    aside: list[Aside],
    secret: bytes,
    batch: str,
    progress: Progress,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    names, replaced = [], set()
    for done, note in enumerate(notes):
        if done % _TOLD_EVERY == 0:
            progress(mapping.listing.file, done, len(notes))
        text = text_of(note, mapping.encoding)
        if text is None:
            aside.append(Aside(note.line, "names a file that is missing, too large or no text"))
            continue
        key, reference = subject_key(secret, mapping.whose, note.patient), f"{mapping.listing.file}#{note.line}"
        asset = contents.add(key, "note", text.encode())
        rows.append({
            "subject_key": key, "event_id": hashlib.sha256(f"{mapping.source}\x1f{reference}".encode()).hexdigest()[:32],
            "kind": "note", "t_start": note.written, "t_available": note.known, "precision": note.precision,
            "system": mapping.system, "code": note.type, "text_ref": reference, "status": "final",
            "polarity": "affirmed",
            "asset": asset, "source_ref": reference, "source_version": digest(text.encode()), "ingest_batch": batch,
            "deleted": False,
        })  # fmt: skip
        names.append((note.patient, note.name))
        replaced |= {(note.patient, note.replaces)} if note.replaces else set()
    for row, name in zip(rows, names, strict=True):
        row["status"] = "cancelled" if name in replaced else "final"
    progress(mapping.listing.file, len(notes), len(notes))
    return rows


def _tables(
    duck: duckdb.DuckDBPyConnection, events: list[dict[str, Any]], batch: str
) -> dict[Table, duckdb.DuckDBPyRelation]:
    keys = sorted({row["subject_key"] for row in events})
    subjects = [{"subject_key": key, "opted_out": False, "ingest_batch": batch} for key in keys]
    return {
        "events": duck.from_arrow(pa.Table.from_pylist(events, schema=TABLES["events"])),
        "subjects": duck.from_arrow(pa.Table.from_pylist(subjects, schema=TABLES["subjects"])),
        "observation_periods": duck.from_arrow(TABLES["observation_periods"].empty_table()),
    }


def _penned(
    duck: duckdb.DuckDBPyConnection, events: list[dict[str, Any]], notes: list[Listed], mapping: Mapping
) -> dict[Table, duckdb.DuckDBPyRelation]:
    """Who wrote the notes, and in which language, of those of which it is known."""
    by_reference = {f"{mapping.listing.file}#{note.line}": note for note in notes}
    rows = [
        {
            "event_id": event["event_id"],
            "author": note.author,
            "language": note.language,
            "ingest_batch": event["ingest_batch"],
        }
        for event in events
        for note in (by_reference[event["source_ref"]],)
        if note.author or note.language
    ]
    return {"notes": duck.from_arrow(pa.Table.from_pylist(rows, schema=NOTES))} if rows else {}


def _set_aside_csv(file: str, aside: list[Aside]) -> bytes:
    """File, line, reason; no cell of any row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "line", "reason"))
    writer.writerows((file, each.line, each.reason) for each in sorted(aside))
    return text.getvalue().encode()
