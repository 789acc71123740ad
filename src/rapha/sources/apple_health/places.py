"""Where the exports lie, and how one is opened. Nothing is ever unpacked to the disk.

A zip comes from a stranger:

1. it is opened where its name says, through no link, and is a file;
2. no member has a name that leads out of it, is a link, or is encrypted;
3. no member unpacks to more than `LIMIT_BYTES` or `LIMIT_RATIO` times its size, and there are at most `LIMIT_MEMBERS`;
4. what is read is counted again while it is read: the sizes a zip tells are its own claim.
"""

import hashlib
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO

from rapha.errors import SourceError
from rapha.sources.apple_health.mapping import Mapping
from rapha.timeline import data_files
from rapha.timeline.csv_rows import Broken

LIMIT_BYTES, LIMIT_RATIO, LIMIT_MEMBERS = 64 << 30, 300, 1_000_000
RATIO_COUNTS_FROM_BYTES = 1 << 24
ECG_FOLDER, CLINICAL_FOLDER = "electrocardiograms/", "clinical-records/"
ECG_HEAD_BYTES = 4096


class Damaged(Exception):
    """This export cannot be read; the message is a reason to set it aside, without a value of it."""


@dataclass(frozen=True)
class Export:
    """One file and whose it is. `line`: of the patients' file, 0 where there is none."""

    path: Path
    patient: str
    zone: str
    line: int = 0

    @property
    def name(self) -> str:
        return self.path.name

    def version(self) -> str:
        """SHA-256 of the file. Raises Damaged: it cannot be read, or is a link."""
        with _opened(self.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find_exports(mapping: Mapping, data: Path, broken: Broken) -> list[Export]:
    """Every export and its patient. Lines of the patients' file that say neither are added to `broken`.

    Raises:
        SourceError: nothing is there.
    """
    if mapping.patient is not None:
        path = data / "export.zip" if data.is_dir() else data
        if not path.is_file():
            raise SourceError(f"{path} is missing: give the export.zip that the phone wrote, or its folder")
        return [Export(path, mapping.patient, mapping.zone)]
    assert mapping.patients is not None  # the record's own rule
    listed = data_files.find(data, mapping.patients)
    wanted = ["file", "patient", *(["zone"] if "zone" in data_files.header(listed) else [])]
    found: dict[str, Export] = {}
    for batch in data_files.read(listed, wanted, broken):
        columns = [[text.strip() if text else "" for text in column.to_pylist()] for column in batch.columns[1:]]
        for line, file, patient, *zone in zip(batch.columns[0].to_pylist(), *columns, strict=True):
            if reason := _wrong(file, patient, found):
                broken.append((line, reason))
            else:
                found[file] = Export(data / file, patient, (zone[0] if zone else "") or mapping.zone, line)
    if not found:
        raise SourceError(f"{listed} names no export: it has the columns `file` and `patient`")
    return list(found.values())


def _wrong(file: str, patient: str, found: dict[str, Export]) -> str | None:
    if not file or not patient:
        return "`file` or `patient` is empty"
    if "/" in file or "\\" in file or file.startswith("."):
        return "`file` is no plain name of a file in this folder"
    if file in found:
        return "this file is in the list before"
    return None


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Damaged(
            "is a link, which is not followed" if path.is_symlink() else error.strerror or "unreadable"
        ) from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Damaged("is no file")
        yield file


class Opened:
    """An export, open: its `export.xml`, and what lies beside it."""

    def __init__(self, xml: "_Read", archive: zipfile.ZipFile | None = None, members: tuple[str, ...] = ()) -> None:
        self.xml, self._archive, self._members = xml, archive, members

    def ecgs(self) -> Iterator[bytes]:
        """The first bytes of each electrocardiogram's file."""
        for name in self._members:
            if self._archive and ECG_FOLDER in name and name.endswith(".csv"):
                with _translated(), self._archive.open(name) as file:
                    head = file.read(ECG_HEAD_BYTES)
                yield head

    def clinical_records(self) -> int:
        """How many FHIR resources of hospitals lie beside."""
        folders = (CLINICAL_FOLDER, CLINICAL_FOLDER.replace("-", "_"))
        return sum(any(folder in name for folder in folders) and name.endswith(".json") for name in self._members)


@contextmanager
def _translated() -> Iterator[None]:
    """What zipfile and the disk raise in this block is told as Damaged."""
    try:
        yield
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OSError):
        raise Damaged("is no whole zip: damaged, cut short or encrypted") from None


class _Read:
    """Reads as the file does; faults of the zip are told as Damaged, and no others are taken for them."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        with _translated():
            return self._file.read(size)


@contextmanager
def open_export(path: Path) -> Iterator[Opened]:
    """The export at its first byte. Raises Damaged, then or while it is read."""
    with _opened(path) as file:
        magic = file.read(4)
        file.seek(0)
        if magic[:2] != b"PK":
            yield Opened(_Read(file))
            return
        with ExitStack() as held:
            with _translated():
                archive = held.enter_context(zipfile.ZipFile(file))
                _check(archive)
                xml = held.enter_context(archive.open(_export_xml(archive)))
            yield Opened(_Read(xml), archive, tuple(archive.namelist()))


def _check(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    if len(members) > LIMIT_MEMBERS:
        raise Damaged(f"has more than {LIMIT_MEMBERS:,} members")
    for member in members:
        parts = member.filename.replace("\\", "/").split("/")
        if member.filename.startswith(("/", "\\")) or ".." in parts or "\\" in member.filename:
            raise Damaged("has a member whose name leads out of the zip")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise Damaged("has a member that is a link")
        if member.flag_bits & 1:
            raise Damaged("is encrypted")
        swells = member.file_size > LIMIT_RATIO * max(member.compress_size, 1)
        if member.file_size > LIMIT_BYTES or (swells and member.file_size > RATIO_COUNTS_FROM_BYTES):
            raise Damaged("has a member that unpacks to far more than any export")


def _export_xml(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    """`apple_health_export/export.xml`; a phone in another language may call it otherwise. Never `export_cda.xml`."""
    found = [
        member
        for member in archive.infolist()
        if member.filename.lower().endswith(".xml")
        and member.filename.count("/") <= 1
        and "cda" not in member.filename.lower()
    ]
    named = [member for member in found if member.filename.rpartition("/")[2] == "export.xml"] or found
    if len(named) != 1:
        raise Damaged("has no export.xml, or several")
    return named[0]
