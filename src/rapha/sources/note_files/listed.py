"""The list of notes: a row for each, or why it cannot be used."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rapha.errors import SourceError
from rapha.records.author import Role, language_of, role_of
from rapha.sources.note_files.mapping import Mapping

MOST_NOTES = 20_000_000
LARGEST_NOTE = 4 << 20
_AGAIN = "has the id of an earlier note of its patient"
_CIRCLE = "replaces a note that replaces it in turn"


class Listed(NamedTuple):
    """One note; times in UTC. `precision` is that of `written`: `day` where no clock is given. `author` and `language` where they are
    known; `name` and `replaces` as the list has them."""

    line: int
    path: Path
    patient: str
    type: str
    written: datetime
    known: datetime
    precision: str
    author: Role | None = None
    language: str | None = None
    name: str = ""
    replaces: str = ""


class Aside(NamedTuple):
    """A row that cannot be used, and why; no cell of it."""

    line: int
    reason: str


def read_listing(folder: Path, mapping: Mapping) -> Iterator[Listed | Aside]:
    """The rows in their order. Raises SourceError: the list cannot be read or lacks a column."""
    of, zone = mapping.listing, ZoneInfo(mapping.zone)
    path = folder / of.file
    wanted = of.columns
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [column for column in wanted if column not in (rows.fieldnames or ())]:
                raise SourceError(f"{path.name} has no column {missing[0]!r}")
            for line, row in enumerate(rows, 2):
                if line > MOST_NOTES:
                    raise SourceError(f"{path.name}: more than {MOST_NOTES:,} notes")
                found = _listed(
                    line, folder, {column: str(row.get(column) or "").strip() for column in wanted}, mapping, zone
                )
                yield Aside(line, found) if isinstance(found, str) else found
    except (OSError, UnicodeDecodeError, csv.Error):
        raise SourceError(f"{path}: cannot be read as a list of notes") from None


def untangled(found: Iterable[Listed | Aside]) -> list[Listed | Aside]:
    """The same, but set aside what has the id of an earlier note of its patient, and notes that replace one another in a circle: of these
    nothing says which counts. Pure."""
    rows = list(found)
    named: dict[tuple[str, str], Listed] = {}
    for at, row in enumerate(rows):
        if isinstance(row, Listed) and row.name and named.setdefault((row.patient, row.name), row) is not row:
            rows[at] = Aside(row.line, _AGAIN)
    circles = _in_circles(named)
    return [Aside(row.line, _CIRCLE) if row.line in circles else row for row in rows]


def _in_circles(named: dict[tuple[str, str], Listed]) -> set[int]:
    """The lines of notes from which one comes back to them by what each replaces."""
    done: set[int] = set()
    circles: set[int] = set()
    for note in named.values():
        way: dict[int, int] = {}
        at: Listed | None = note
        while at and at.line not in done and at.line not in way:
            way[at.line] = len(way)
            at = named.get((at.patient, at.replaces)) if at.replaces else None
        if at and at.line in way:
            circles |= set(list(way)[way[at.line] :])
        done |= set(way)
    return circles


def text_of(note: Listed, encoding: str) -> str | None:
    """The text of a note; None where its file cannot be read as one."""
    try:
        with note.path.open("rb") as file:
            content = file.read(LARGEST_NOTE + 1)
        text = content.decode(encoding).removeprefix("\ufeff").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text and len(content) <= LARGEST_NOTE and "\0" not in text else None


def _listed(line: int, folder: Path, row: dict[str, str], mapping: Mapping, zone: ZoneInfo) -> Listed | str:
    of = mapping.listing
    name, patient, kind, *times = (row[column] for column in (of.text, of.patient, of.type, of.written, of.known))
    if not (name and patient and kind):
        return "names no file, no patient or no kind of note"
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        return "names a file outside of the folder"
    written, known = (_moment(text, zone) for text in times)
    if written is None or known is None:
        return "has a date or time that cannot be read"
    if known < written:
        return "was known before it was written"
    named, replaces = (row[column] if column else "" for column in (of.id, of.replaces))
    if named and named == replaces:
        return "replaces itself"
    author = role_of(row[of.author], mapping.roles) if of.author else None
    language = language_of(row[of.language]) if of.language else None
    return Listed(
        line, path, patient, kind, written, known, "second" if ":" in times[0] else "day", author, language or mapping.language,
        named, replaces,
    )  # fmt: skip


def _moment(text: str, zone: ZoneInfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
