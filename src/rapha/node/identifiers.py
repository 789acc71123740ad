"""What the hospital knows of its patients by name, for hiding it in their notes: a file of its own in the node's home, mode 0600.

It is no part of the timeline, no statement can read it, and nothing of it is written anywhere else: notes are read, what is known of
their patient is looked for in them, and `[NAME]` and so on stand in what is frozen.
"""

import csv
import io
from collections.abc import Collection
from pathlib import Path

from rapha.cohort.deidentify.known import Known, What
from rapha.errors import SourceError
from rapha.node.configuration import Home
from rapha.timeline.beside import write_beside
from rapha.timeline.manifest import OPT_OUT, read_manifest
from rapha.timeline.pseudonym import subject_key

LARGEST_FILE = 1 << 30
COLUMNS: dict[str, What] = {
    "id": "id",
    "name": "name",
    "number": "id",
    "phone": "phone",
    "email": "email",
    "address": "address",
}
"""Of the file: `id` as the sources have it, which all rows need; the others may be left out or be there several times."""


def take_identifiers(home: Home, file: Path) -> int:
    """Put a file of identifiers in the place of the former one; how many patients it names. Twice is once.

    Raises:
        SourceError: the file cannot be read, or has not the columns; names no cell.
        DiskFull: no space left; the former file still holds.
    """
    rows = _read(file)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    write_beside(home.identifiers, lambda copy: copy.write(text.getvalue().encode()))
    home.identifiers.chmod(0o600)
    return len({row[rows[0].index("id")] for row in rows[1:]})


def known_of(home: Home, patients: Collection[int]) -> dict[int, tuple[Known, ...]]:
    """What is known of some patients of the timeline, by their keys there; nothing of a patient whom the file does not name.

    Raises SourceError: the file was there and cannot be read: without it notes would show what it hides."""
    if not home.identifiers.exists():
        return {}
    header, *rows = _read(home.identifiers)
    whose = sorted({batch.whose for batch in read_manifest(home.timeline).batches if batch.source != OPT_OUT})
    secret, wanted, at = home.secret, set(patients), header.index("id")
    found: dict[int, list[Known]] = {}
    for row in rows:
        said = [Known(COLUMNS[column], cell) for column, cell in zip(header, row, strict=True) if cell]
        for word in whose:
            if (key := subject_key(secret, word, row[at])) in wanted:
                found.setdefault(key, []).extend(said)
    return {key: tuple(dict.fromkeys(said)) for key, said in found.items()}


def _read(file: Path) -> list[list[str]]:
    """The header and all rows, each as long as it, without blanks around cells."""
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise SourceError(f"{file} is larger than 1 GiB: leave out who is not in this hospital's data")
        rows = [
            [cell.strip() for cell in row]
            for row in csv.reader(io.StringIO(file.read_text("utf-8-sig"), newline=""))
            if row
        ]
    except OSError as error:
        raise SourceError(f"{file}: the identifiers cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, csv.Error):
        raise SourceError(f"{file}: the identifiers are no CSV in UTF-8") from None
    if not rows or rows[0].count("id") != 1 or not set(rows[0]) <= set(COLUMNS):
        raise SourceError(
            f"{file}: the first line names the columns: `id` once, and any of {', '.join(list(COLUMNS)[1:])}"
        )
    if wrong := next((number for number, row in enumerate(rows, 1) if len(row) != len(rows[0])), None):
        raise SourceError(f"{file}: row {wrong} has not as many cells as the first line")
    if blank := next((number for number, row in enumerate(rows, 1) if not row[rows[0].index("id")]), None):
        raise SourceError(f"{file}: row {blank} has no id")
    return rows
