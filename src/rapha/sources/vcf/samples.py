"""Which sample is whose, when it was taken, and since when its result is known."""

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SourceError
from rapha.sources.vcf.mapping import Samples

MOST_SAMPLES = 5_000_000


class Sample(NamedTuple):
    """One sample; both times in UTC."""

    name: str
    patient: str
    taken: datetime
    known: datetime


class Aside(NamedTuple):
    """A line of the file of samples that cannot be used, and why."""

    line: int
    reason: str


def read_samples(folder: Path, of: Samples) -> tuple[list[Sample], list[Aside]]:
    """The samples by their names, and the lines set aside.

    Raises:
        SourceError: the file cannot be read or lacks a column.
    """
    path = folder / of.file
    wanted = (of.sample, of.patient, of.taken, of.known)
    found: dict[str, Sample] = {}
    aside: list[Aside] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [column for column in wanted if column not in (rows.fieldnames or ())]:
                raise SourceError(f"{path.name} has no column {missing[0]!r}")
            for line, row in enumerate(rows, 2):
                sample = _sample(*(str(row.get(column) or "").strip() for column in wanted))
                if isinstance(sample, str):
                    aside.append(Aside(line, sample))
                elif sample.name in found:
                    aside.append(Aside(line, "names a sample that an earlier line names"))
                else:
                    found[sample.name] = sample
                if line > MOST_SAMPLES:
                    raise SourceError(f"{path.name}: more than {MOST_SAMPLES:,} samples")
    except (OSError, UnicodeDecodeError, csv.Error):
        raise SourceError(f"{path}: cannot be read as a file of samples") from None
    return sorted(found.values()), aside


def _sample(name: str, patient: str, taken: str, known: str) -> Sample | str:
    if not (name and patient):
        return "names no sample or no patient"
    times = [_moment(taken), _moment(known)]
    if times[0] is None or times[1] is None:
        return "has a date or time that cannot be read"
    if times[1] < times[0]:
        return "was known before it was taken"
    return Sample(name, patient, times[0], times[1])


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
