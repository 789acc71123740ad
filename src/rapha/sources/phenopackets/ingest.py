"""The way from a mapping and a folder of phenopackets to one batch in the timeline.

    kind        system        code         num                     polarity
    condition   HP            HP:0001250   age at onset in years   affirmed, or excluded where it is known not to be there
    condition   excluded:HP   HP:0001250   none                    affirmed: that it is not there is a statement of its own

A feature happened at its onset where that can be dated, else when the packet was made; it is known since the packet, or the file of
subjects, says so. That something is excluded was so when the packet was made.
"""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.phenopackets.mapping import Mapping
from rapha.sources.phenopackets.packet import Packet, Statement, Unread, read_packet
from rapha.sources.phenopackets.subjects import Subject, read_subjects
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.pseudonym import batch_id, subject_key
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.schema import TABLES
from rapha.timeline.source_files import SourceFiles
from rapha.timeline.writer import is_written, write_batch

READING = 2
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""
EXCLUDED = "excluded"
MOST_PACKETS = 1_000_000
_TOLD_EVERY = 500
Row = dict[str, Any]


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` holds the folder of packets and the file of subjects."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    paths = _packets(data / mapping.folder)
    originals = SourceFiles()
    batch = batch_id(site_secret, READING, mapping.digest, _versions(data, mapping, originals, paths))
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    subjects, lines = read_subjects(data, mapping.subjects)
    aside = [(mapping.subjects.file, str(line), reason) for line, reason in lines]
    rows = _Rows(mapping, subjects, site_secret, batch)
    for done, path in enumerate(paths):
        if done % _TOLD_EVERY == 0:
            (progress or silent)(mapping.folder, done, len(paths))
        aside += ((path.name, "", reason) for reason in rows.take(path))
    (progress or silent)(mapping.folder, len(paths), len(paths))
    with space_watched(timeline_dir), duckdb.connect(":memory:") as duck:
        timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = {name: pa.Table.from_pylist(rows.tables.get(name, []), schema=TABLES[name]) for name in TABLES}
        originals.check_unchanged()
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(_csv(aside)))
        relations = {name: duck.from_arrow(table) for name, table in tables.items()}
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, relations, mapping.people)  # type: ignore[arg-type]
    listed = [each for each in aside if each[0] == mapping.subjects.file]
    reports = (
        _report(mapping.subjects.file, len(subjects) + len(listed), 0, listed),
        _report(mapping.folder, len(paths), written.rows["events"], [each for each in aside if each not in listed]),
    )
    return IngestReport.of(mapping.source, batch, written.rows, reports, unchanged=False)


class _Rows:
    """Collects the rows of one batch, packet by packet."""

    def __init__(self, mapping: Mapping, subjects: dict[str, Subject], secret: bytes, batch: str) -> None:
        self._mapping, self._subjects, self._secret, self._batch = mapping, subjects, secret, batch
        self._seen: set[str] = set()
        self.tables: dict[str, list[Row]] = {"events": [], "subjects": []}

    def take(self, path: Path) -> Iterator[str]:
        """Add what a packet says; why it, or some of it, says nothing."""
        try:
            packet = read_packet(path)
        except Unread as unread:
            yield str(unread)
            return
        if packet.subject not in self._subjects:
            yield "is of a subject that the file of subjects has not"
        elif packet.subject in self._seen:
            yield "is of a subject that an earlier packet is of"
        else:
            self._seen.add(packet.subject)
            yield from packet.aside
            self._add(packet, self._subjects[packet.subject])

    def _add(self, packet: Packet, subject: Subject) -> None:
        key = subject_key(self._secret, self._mapping.whose, subject.patient)
        self.tables["subjects"].append({
            "subject_key": key, "birth": packet.birth, "birth_precision": packet.birth and "day", "sex": packet.sex,
            "opted_out": False, "ingest_batch": self._batch,
        })  # fmt: skip
        known = subject.known or packet.made
        for statement in packet.statements:
            self.tables["events"].extend(self._events(key, packet, statement, known))

    def _events(self, key: int, packet: Packet, said: Statement, known: datetime) -> Iterator[Row]:
        prefix = said.code.partition(":")[0]
        system = self._mapping.systems.get(prefix, prefix)
        if said.excluded:
            yield self._row(key, packet, said, known, system, "excluded")
            yield self._row(key, packet, said, known, f"{EXCLUDED}:{system}", "affirmed")
        else:
            yield self._row(key, packet, said, known, system, "affirmed")

    def _row(self, key: int, packet: Packet, said: Statement, known: datetime, system: str, polarity: str) -> Row:
        onset = None if said.excluded else said.onset
        dated = onset is not None and onset.moment is not None and onset.moment <= known
        age = onset.age if onset else None
        reference = hashlib.sha256(
            f"{self._mapping.source}\x1f{packet.subject}\x1f{said.place}\x1f{system}".encode()
        ).hexdigest()
        return {
            "subject_key": key, "event_id": reference[:32], "kind": "condition",
            "t_start": onset.moment if onset and dated else packet.made,
            "t_available": known, "precision": onset.precision if onset and dated else "second", "utc_offset_minutes": 0,
            "system": system, "code": said.code, "num": age, "unit": "a" if age is not None else None,
            "num_canonical": age, "unit_ucum": "a" if age is not None else None, "status": "final", "polarity": polarity,
            "source_ref": f"packet#{reference[:8]}", "source_version": "2", "ingest_batch": self._batch, "deleted": False,
        }  # fmt: skip


def _packets(folder: Path) -> list[Path]:
    """The packets by their names. Raises SourceError: there is no such folder, or nothing in it, or too much."""
    paths = sorted(path for path in folder.glob("*.json") if path.is_file() and not path.is_symlink())
    if not paths:
        raise SourceError(f"{folder} holds no .json: `folder` of the mapping is where the packets lie")
    if len(paths) > MOST_PACKETS:
        raise SourceError(f"{folder} holds more than {MOST_PACKETS:,} packets")
    return paths


def _versions(data: Path, mapping: Mapping, originals: SourceFiles, paths: list[Path]) -> dict[str, str]:
    """The digest of the file of subjects, and one of all packets: one that changes makes another batch."""
    if not (data / mapping.subjects.file).is_file():
        raise SourceError(f"{data / mapping.subjects.file} is missing")
    packets = hashlib.sha256()
    for path in paths:
        packets.update(f"{path.name}\x1f{originals.digest(path)}\n".encode())
    return {
        mapping.subjects.file: originals.digest(data / mapping.subjects.file),
        "packets": f"sha256:{packets.hexdigest()}",
    }


def _report(file: str, rows: int, events: int, aside: list[tuple[str, str, str]]) -> FileReport:
    reasons = dict(sorted(Counter(reason for _, _, reason in aside).items()))
    return FileReport(file=file, rows=rows, events=events, set_aside=reasons)


def _csv(aside: list[tuple[str, str, str]]) -> bytes:
    """File, line, reason; nothing of any packet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "line", "reason"))
    writer.writerows(aside)
    return text.getvalue().encode()
