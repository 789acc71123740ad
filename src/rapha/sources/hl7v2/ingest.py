"""The way from a mapping and a folder of messages to one batch in the timeline."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from rapha.errors import ConfigurationError
from rapha.sources.hl7v2.contents import Person, Told, contents_of
from rapha.sources.hl7v2.documents import Documents
from rapha.sources.hl7v2.documents import Told as Document
from rapha.sources.hl7v2.event_rows import Row, row_of
from rapha.sources.hl7v2.mapping import Mapping
from rapha.sources.hl7v2.merges import Merge, resolved
from rapha.sources.hl7v2.messages import find, read
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.manifest import Table
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.notes import NOTE_TEXTS, in_language, keep_notes
from rapha.timeline.pseudonym import batch_id, subject_key
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.schema import ALL_TABLES
from rapha.timeline.source_files import SourceFiles
from rapha.timeline.units import in_ucum
from rapha.timeline.writer import is_written, write_batch

READING = 2
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is a folder of messages. In which files and in which order they lie makes
    no difference to what is read, but to the places named."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    paths = find(data)
    originals = SourceFiles()
    versions = {name: originals.digest(path) for name, path in paths.items()}
    batch = batch_id(site_secret, READING, mapping.digest, versions)
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    held = _Held(mapping)
    for number, (name, path) in enumerate(paths.items()):
        (progress or silent)(name, number, len(paths))
        held.read(name, path)
    originals.check_unchanged()
    rows = held.rows(site_secret, batch, versions)
    timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with space_watched(timeline_dir), duckdb.connect(":memory:") as duck:
        duck.execute("SET TimeZone = 'UTC'")
        tables = {name: duck.from_arrow(pa.Table.from_pylist(rows[name], schema=ALL_TABLES[name])) for name in rows}
        held.stage_texts(duck)
        tables["subjects"].create_view("subjects")
        tables |= keep_notes(duck, timeline_dir, mapping.source, batch) | in_language(
            tables["events"], mapping.language
        )
        tables, notes = in_ucum(duck, tables, mapping.units)
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(held.listing()))
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
    return IngestReport.of(mapping.source, batch, written.rows, held.reports(list(paths)), unchanged=False, notes=notes)


class _Held:
    """The newest of everything that was told, and what was set aside: file, line, reason."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping, self._zone = mapping, ZoneInfo(mapping.zone)
        self._people: dict[str, Person] = {}
        self._told: dict[tuple[str, ...], Told] = {}
        self._merges: list[Merge] = []
        self._documents = Documents()
        self._texts: list[dict[str, Any]] = []
        self._aside: list[tuple[str, int, str]] = []
        self._messages: Counter[str] = Counter()
        self._events: Counter[str] = Counter()

    def read(self, name: str, path: Path) -> None:
        for message in read(path, self._mapping.encoding):
            self._messages[name] += 1
            for found in contents_of(message, name, self._mapping, self._zone):
                if isinstance(found, str):
                    self._aside.append((name, message.line, found))
                else:
                    self._hold(found)

    def _hold(self, found: Person | Told | Merge | Document) -> None:
        """The newest of everything, but of merges all."""
        match found:
            case Merge():
                self._merges.append(found)
            case Document():
                self._documents.add(found)
            case Person():
                last = self._people.get(found.patient)
                if last is None or found.version > last.version:
                    self._people[found.patient] = found
            case Told():
                before = self._told.get(found.name)
                if before is None or found.version > before.version:
                    self._told[found.name] = found

    def rows(self, secret: bytes, batch: str, versions: dict[str, str]) -> dict[Table, list[dict[str, Any]]]:
        """The tables. A newest version that cannot be read leaves no older one in its place. What is told of a retired number
        stands under its own key: whoever reads the timeline finds the one that remains."""
        merged = resolved(self._merges)
        names = sorted({*self._people, *merged, *merged.values()})
        keys = {patient: subject_key(secret, self._mapping.whose, patient) for patient in names}
        events = [*self._events_told(keys), *self._notes(keys)]
        for row in events:
            row |= {"source_version": versions[row["source_ref"].rpartition("#")[0]], "ingest_batch": batch}
        people = self._newest_people(merged)
        subjects = [self._subject(person, keys[name], batch) for name, person in sorted(people.items())]
        periods = self._periods(events, subjects, {keys[a]: keys[b] for a, b in merged.items()}, batch)
        found: dict[Table, list[dict[str, Any]]] = {
            "events": events,
            "subjects": subjects,
            "observation_periods": periods,
        }
        joined = [{"retired": keys[a], "remains": keys[b], "ingest_batch": batch} for a, b in merged.items()]
        return found | {"merges": joined} if joined else found

    def _newest_people(self, merged: dict[str, str]) -> dict[str, Person]:
        """By the number that remains: what the newest message of any of a patient's numbers says."""
        newest: dict[str, Person] = {}
        for name, person in self._people.items():
            remains = merged.get(name, name)
            if remains not in newest or person.version > newest[remains].version:
                newest[remains] = person
        return newest

    def _events_told(self, keys: dict[str, int]) -> Iterator[Row]:
        for told in self._told.values():
            row = row_of(told, self._mapping, self._zone)
            if isinstance(row, str):
                self._aside.append((told.file, told.line, row))
                continue
            self._events[told.file] += 1
            yield row | {"subject_key": keys[told.patient], "event_id": self._own(row["event_id"])}

    def _notes(self, keys: dict[str, int]) -> Iterator[Row]:
        for told, row in self._documents.found(self._zone):
            if isinstance(row, str):
                self._aside.append((told.file, told.line, row))
                continue
            self._events[told.file] += 1
            key = keys[str(row.pop("patient"))]
            self._texts.append({"subject_key": key, "text": told.text})
            yield row | {
                "subject_key": key, "event_id": self._own(f"document\x1f{told.name}"), "deleted": False,
                "asset": hashlib.sha256((told.text or "").encode()).hexdigest(), "source_ref": f"{told.file}#{told.line}",
            }  # fmt: skip

    def stage_texts(self, duck: duckdb.DuckDBPyConnection) -> None:
        """The texts of the notes, as `keep_notes` finds them; after `rows`."""
        schema = pa.schema([("subject_key", pa.int64()), ("text", pa.string())])
        duck.from_arrow(pa.Table.from_pylist(self._texts, schema=schema)).create(NOTE_TEXTS)

    def _own(self, name: str) -> str:
        return hashlib.sha256(f"{self._mapping.source}\x1f{name}".encode()).hexdigest()[:32]

    def _subject(self, person: Person, key: int, batch: str) -> dict[str, Any]:
        birth, death = person.birth, person.death
        return {
            "subject_key": key, "birth": birth and birth.start, "birth_precision": birth and birth.precision,
            "sex": person.sex, "death": death and death.start, "death_precision": death and death.precision,
            "opted_out": False, "ingest_batch": batch,
        }  # fmt: skip

    def _periods(
        self, events: list[Row], people: list[dict[str, Any]], merged: dict[int, int], batch: str
    ) -> list[dict[str, Any]]:
        """Of usable events, those under retired numbers too; the last day is observed to its end, and a death ends the period."""
        span, times = self._mapping.observation, {person["subject_key"]: list[datetime]() for person in people}
        for row in events:
            if row["status"] not in ("cancelled", "entered-in-error"):
                times[merged.get(row["subject_key"], row["subject_key"])] += [
                    row["t_start"],
                    row.get("t_end") or row["t_start"],
                ]
        found = []
        for person in people:
            seen = times[person["subject_key"]]
            start = _midnight(span.start) if isinstance(span.start, date) else min(seen, default=None)
            end = _midnight(span.end) + timedelta(days=1) if isinstance(span.end, date) else max(seen, default=None)
            end = min(end, person["death"]) if end and person["death"] else end
            if start and end and start <= end:
                key = person["subject_key"]
                found.append({"subject_key": key, "t_start": start, "t_end": end, "ingest_batch": batch})
        return found

    def reports(self, names: list[str]) -> tuple[FileReport, ...]:
        def aside(name: str) -> dict[str, int]:
            return dict(sorted(Counter(reason for file, _, reason in self._aside if file == name).items()))

        return tuple(
            FileReport(file=name, rows=self._messages[name], events=self._events[name], set_aside=aside(name))
            for name in names
        )

    def listing(self) -> bytes:
        """File, line of the message, reason; no value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("file", "line", "reason"))
        writer.writerows(sorted(self._aside))
        return text.getvalue().encode()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
