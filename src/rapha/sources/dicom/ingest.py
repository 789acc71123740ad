"""The way from a mapping and a folder of images to one batch in the timeline."""

import csv
import hashlib
import io
import math
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
import pyarrow as pa

from rapha.canonical import digest
from rapha.errors import ConfigurationError, SourceError
from rapha.sources.dicom.headers import A_SEGMENTATION, Header, read_headers
from rapha.sources.dicom.mapping import Mapping, Patients
from rapha.sources.dicom.masks import NOT_THERE, SEVERAL, Laid, Mask, laid_on, masks_of, packed
from rapha.sources.dicom.pairs import SEVERAL as SEVERAL_OF_EITHER
from rapha.sources.dicom.pairs import pair_content, pairs_of
from rapha.sources.dicom.segmentation import Code, Segmentation, read_segmentation
from rapha.sources.dicom.stacks import Stack, stacks_of
from rapha.sources.dicom.volumes import content_of
from rapha.timeline.assets import Contents
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.manifest import Table
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.pseudonym import batch_id, subject_key
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.schema import TABLES
from rapha.timeline.writer import is_written, write_batch

READING = 6
"""Raised by whoever changes what the same mapping and files are read as: every batch is then written anew."""
PAIR = "PT-CT"
"""The code of a PET and a CT in one array."""
MOST_FILES = 20_000_000
_BURNED_IN = "may have names written into its pixels: `burned_in: take` in the mapping reads it all the same"
Row = dict[str, Any]


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`; `data` is a folder, and all folders in it. Links are not followed."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    zone = _zone(mapping, mapping_path.name)
    whose = _patients(data, mapping.patients)
    paths = sorted(_files(data, mapping.patients))
    batch = batch_id(site_secret, READING, mapping.digest, _versions(paths, data, whose))
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    work = _Work(mapping, zone, whose, site_secret, batch, progress or silent)
    work.index(paths)
    with space_watched(timeline_dir), duckdb.connect(":memory:") as duck:
        duck.execute("SET TimeZone = 'UTC'")
        contents = Contents(timeline_dir, mapping.source, batch)
        work.read(contents)
        work.read_segmentations(contents)
        work.read_pairs(contents)
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(work.set_aside(data)))
        tables = work.tables(duck)
        tables |= {"assets": duck.from_arrow(contents.table())} if work.events else {}
        if not work.events:
            contents.drop()
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, tables, mapping.people)
    aside = dict(sorted(Counter(reason for _, reason in work.aside).items()))
    report = FileReport(file="images", rows=len(paths), events=len(work.events), set_aside=aside)
    told = IngestReport.of(mapping.source, batch, written.rows, (report,), unchanged=False)
    return told.model_copy(update={"notes": tuple(f"{count:,} {note}" for note, count in sorted(work.notes.items()))})


class _Work:
    """One ingest under way: `events` made, and `aside`, the files set aside with their reasons."""

    def __init__(
        self,
        mapping: Mapping,
        zone: ZoneInfo,
        whose: dict[str, str] | None,
        secret: bytes,
        batch: str,
        progress: Progress,
    ) -> None:
        self.events: list[Row] = []
        self.aside: list[tuple[Path, str]] = []
        self.notes: Counter[str] = Counter()
        self._mapping, self._zone, self._whose, self._secret = mapping, zone, whose, secret
        self._batch, self._progress = batch, progress
        self._stacks: list[Stack] = []
        self._segmentations: list[Segmentation] = []
        self._kept: dict[int, tuple[int, str, str, datetime]] = {}

    def index(self, paths: list[Path]) -> None:
        """Read all headers, and sort them into stacks."""
        headers = []
        for done, path in enumerate(paths):
            if done % 256 == 0:
                self._progress("headers", done, len(paths))
            found = read_headers(path, self._mapping.modalities)
            if found == A_SEGMENTATION and "SEG" in self._mapping.modalities:
                self._index_segmentation(path)
                continue
            reason = found if isinstance(found, str) else self._refusal(found[0])
            if reason:
                self.aside.append((path, reason))
            elif not isinstance(found, str):
                headers += found
        self._stacks, refused = stacks_of(headers)
        for each in refused:
            self._set_aside(each.images, each.reason)

    def _set_aside(self, images: tuple[Header, ...], reason: str) -> None:
        """Once for each file, however many of its frames it is."""
        self.aside += [(path, reason) for path in sorted({header.path for header in images})]

    def read(self, contents: Contents) -> None:
        """Read the pixels of every stack, and keep them."""
        for done, stack in enumerate(self._stacks):
            self._progress("volumes", done, len(self._stacks))
            content = content_of(stack)
            if isinstance(content, str):
                self._set_aside(stack.images, content)
                continue
            first = stack.images[0]
            key = subject_key(self._secret, self._mapping.whose, self._patient(first))
            asset = contents.add(key, "volume", content)
            events = list(self._events(stack, key, asset))
            self._kept[id(stack)] = (key, asset, events[0]["event_id"], events[0]["t_end"])
            self.events += events
        self._progress("volumes", len(self._stacks), len(self._stacks))

    def _index_segmentation(self, path: Path) -> None:
        found = read_segmentation(path)
        if isinstance(found, str):
            self.aside.append((path, found))
        else:
            self._segmentations.append(found)

    def read_segmentations(self, contents: Contents) -> None:
        """Lay every segmentation onto its volume, and keep its masks; after `read`."""
        by_instance: dict[str, list[Stack]] = defaultdict(list)
        for stack in self._stacks:
            for instance in {image.instance for image in stack.images}:
                by_instance[instance].append(stack)
        laid = []
        for segmentation in sorted(self._segmentations, key=lambda one: one.instance):
            found = laid_on(segmentation, by_instance)
            if isinstance(found, str) or id(found.stack) not in self._kept:
                self.aside.append((segmentation.path, found if isinstance(found, str) else NOT_THERE))
            else:
                laid.append(found)
        told = Counter((id(each.stack), code) for each in laid for code in each.codes)
        for each in laid:
            if any(told[id(each.stack), code] > 1 for code in each.codes):
                self.aside.append((each.of.path, SEVERAL))
            elif isinstance(masks := masks_of(each), str):
                self.aside.append((each.of.path, masks))
            else:
                for codes, mask in masks:
                    self.events += self._of_segment(each, codes, mask, contents)

    def read_pairs(self, contents: Contents) -> None:
        """Lay each PET on its CT, or the reverse, as the mapping says; after `read`."""
        pairs, unclear = pairs_of([stack for stack in self._stacks if id(stack) in self._kept], self._mapping.pairs)
        self.notes += Counter({SEVERAL_OF_EITHER: unclear} if unclear else {})
        for pair in pairs:
            ct, pet = (contents.kept(self._kept[id(stack)][1]) for stack in (pair.ct, pair.pet))
            content = pair_content(pair, ct, pet)
            if isinstance(content, str):
                self.notes[content] += 1
                continue
            key, _, parent, _ = self._kept[id(pair.grid)]
            images = (*pair.ct.images, *pair.pet.images)
            (event,) = self._events(pair.grid._replace(images=images), key, contents.add(key, "volume", content), PAIR)
            self.events.append(event | {"num": float(len(pair.grid.images)), "parent_event": parent})

    def _of_segment(self, laid: Laid, codes: list[Code], mask: Mask, contents: Contents) -> Iterator[Row]:
        """It happened when the images were taken, and is known since it was drawn; its number is how large it is."""
        key, volume, parent, end = self._kept[id(laid.stack)]
        asset = contents.add(key, "mask", packed(mask, volume, laid.stack.spacing))
        start = min(self._utc(header.at, header.offset) for header in laid.stack.images)
        millilitres = float(mask.sum()) * math.prod(laid.stack.spacing) / 1000
        for system, code in codes:
            name = hashlib.sha256(
                "\x1f".join((self._mapping.source, laid.of.instance, system, code)).encode()
            ).hexdigest()
            yield {
                "subject_key": key, "event_id": name[:32], "kind": "imaging", "t_start": start, "t_end": end,
                "t_available": max(end, self._utc(laid.of.at, laid.of.offset)), "precision": "second",
                "utc_offset_minutes": laid.stack.images[0].offset, "system": system, "code": code, "num": millilitres, "unit": "mL",
                "status": "final", "polarity": "affirmed", "parent_event": parent, "asset": asset,
                "source_ref": f"segmentation#{name[:16]}", "source_version": "1", "ingest_batch": self._batch, "deleted": False,
            }  # fmt: skip

    def _refusal(self, header: Header) -> str | None:
        if header.at is None:
            return "does not say when it was taken"
        if self._whose is not None and header.patient not in self._whose:
            return "is of a PatientID that the file of patients does not name"
        if header.burned_in and self._mapping.burned_in == "refuse":
            return _BURNED_IN
        return None

    def _patient(self, header: Header) -> str:
        return header.patient if self._whose is None else self._whose[header.patient]

    def _events(self, stack: Stack, key: int, asset: str, pair: str = "") -> Iterator[Row]:
        """Of a clip and of a pair the modality alone: who asks for a body part or a view is given volumes and pictures."""
        first = stack.images[0]
        start = min(self._utc(header.at, header.offset) for header in stack.images)
        end = max(self._utc(header.at, header.offset) for header in stack.images)
        clip = first.frames > 1
        codes = [("dicom-modality", f"{first.modality}-CLIP" if clip else first.modality)]
        if pair:
            codes = [("dicom-modality", pair)]
        elif not clip:
            codes += [("dicom-body-part", first.body_part)] if first.body_part else []
            codes += [("dicom-view", f"{first.modality}-{first.view}")] if first.view else []
        image = (
            f"{self._mapping.source}\x1f{first.series}\x1f{first.instance}"
            + (f"\x1f{first.number}" if first.number else "")
            + (f"\x1f{pair}" if pair else "")
        )
        name = hashlib.sha256(image.encode()).hexdigest()
        for system, code in codes:
            yield {
                "subject_key": key, "event_id": hashlib.sha256(f"{name}\x1f{system}".encode()).hexdigest()[:32],
                "kind": "imaging", "t_start": start, "t_end": end, "t_available": end, "precision": "second",
                "utc_offset_minutes": first.offset, "system": system, "code": code, "num": float(first.frames if clip else len(stack.images)),
                "unit": "{frames}" if clip else "{slices}", "status": "final", "polarity": "affirmed", "asset": asset, "source_ref": f"stack#{name[:16]}",
                "source_version": "1", "ingest_batch": self._batch, "deleted": False,
            }  # fmt: skip

    def _utc(self, at: datetime | None, offset: int | None) -> datetime:
        assert at is not None  # set aside otherwise
        if offset is not None:
            return at.replace(tzinfo=UTC) - timedelta(minutes=offset)
        return at.replace(tzinfo=self._zone).astimezone(UTC)

    def tables(self, duck: duckdb.DuckDBPyConnection) -> dict[Table, duckdb.DuckDBPyRelation]:
        """Who has an image is a patient; their birth, sex and observation are told by another source of the same people."""
        keys = sorted({event["subject_key"] for event in self.events})
        subjects = [{"subject_key": key, "opted_out": False, "ingest_batch": self._batch} for key in keys]
        return {
            "events": duck.from_arrow(pa.Table.from_pylist(self.events, schema=TABLES["events"])),
            "subjects": duck.from_arrow(pa.Table.from_pylist(subjects, schema=TABLES["subjects"])),
            "observation_periods": duck.from_arrow(TABLES["observation_periods"].empty_table()),
        }

    def set_aside(self, data: Path) -> bytes:
        """Reasons, each with how many files; names of files may hold names of people, so none is written."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("reason", "files"))
        writer.writerows(sorted(Counter(reason for _, reason in self.aside).items()))
        return text.getvalue().encode()


def _files(data: Path, patients: Patients | None) -> Iterator[Path]:
    """Every plain file in the folder and in the folders below; no link, no mapping, not the file of patients."""
    if not data.is_dir():
        raise SourceError(f"{data} is no folder of images")
    count = 0
    for folder, folders, names in os.walk(data, followlinks=False):
        folders.sort()
        for name in names:
            path = Path(folder) / name
            beside = name.endswith((".yaml", ".csv")) or (patients is not None and name == patients.file)
            if beside or path.is_symlink() or not path.is_file():
                continue
            count += 1
            if count > MOST_FILES:
                raise SourceError(f"{data} holds more than {MOST_FILES:,} files: read it in parts")
            yield path


def _versions(paths: list[Path], data: Path, whose: dict[str, str] | None) -> dict[str, str]:
    """By size and time of change: reading every pixel twice would take hours. A file that changes keeps neither."""
    state = hashlib.sha256()
    for path in paths:
        stat = path.stat()
        state.update(f"{path.relative_to(data)}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return {"images": state.hexdigest(), "patients": digest(repr(sorted((whose or {}).items())).encode())}


def _patients(data: Path, of: Patients | None) -> dict[str, str] | None:
    if of is None:
        return None
    path = data / of.file
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [column for column in (of.dicom, of.patient) if column not in (rows.fieldnames or ())]:
                raise SourceError(f"{path.name} has no column {missing[0]!r}")
            return {
                str(row[of.dicom]).strip(): str(row[of.patient]).strip()
                for row in rows
                if row[of.dicom] and row[of.patient]
            }
    except (OSError, UnicodeDecodeError, csv.Error):
        raise SourceError(f"{path}: cannot be read as a file of patients") from None


def _zone(mapping: Mapping, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(mapping.zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(f"{name}: the zone {mapping.zone!r} is not known") from None
