"""Which subject is whose, and since when what is said of it is known here."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SourceError
from rapha.sources.phenopackets.mapping import Subjects


class Subject(NamedTuple):
    """A patient's identifier; `known` None: when the packet was made."""

    patient: str
    known: datetime | None


def read_subjects(folder: Path, of: Subjects) -> tuple[dict[str, Subject], list[tuple[int, str]]]:
    """The subjects by their names, and the lines set aside, with the reason.

    Raises:
        SourceError: the file cannot be read or lacks a column.
    """
    path = folder / of.file
    found: dict[str, Subject] = {}
    aside: list[tuple[int, str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            for column in filter(None, (of.subject, of.patient, of.known)):
                if column not in (rows.fieldnames or ()):
                    raise SourceError(f"{path.name} has no column {column!r}")
            for line, row in enumerate(rows, 2):
                name, patient = ((row.get(column) or "").strip() for column in (of.subject, of.patient))
                known = _moment((row.get(of.known) or "").strip()) if of.known else None
                if not (name and patient):
                    aside.append((line, "names no subject or no patient"))
                elif of.known and known is None:
                    aside.append((line, "has a date or time that cannot be read"))
                elif name in found:
                    aside.append((line, "names a subject that an earlier line names"))
                else:
                    found[name] = Subject(patient, known)
    except (OSError, UnicodeDecodeError, csv.Error):
        raise SourceError(f"{path}: cannot be read as a file of subjects") from None
    return found, aside


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
