"""Which sample is whose, when it was taken, since when its result is known; and which of a patient's counts."""

import csv
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rapha.errors import SourceError
from rapha.sources.vcf.mapping import Samples

MOST_SAMPLES = 5_000_000
NOT_COUNTING = "is of a patient of whom another sample counts"


class Sample(NamedTuple):
    """One sample; both times in UTC. `line`: of the file of samples."""

    name: str
    patient: str
    taken: datetime
    known: datetime
    line: int


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
                sample = _sample(line, *(str(row.get(column) or "").strip() for column in wanted))
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


def counting(samples: list[Sample], called: Collection[str], of: Samples) -> tuple[list[Sample], list[Sample]]:
    """The samples that count, at most one of a patient among those that are `called` in the files; and those that do not.
    Samples in no file are left as they are. A patient's are told apart by when they were taken, then by when they were known.

    Raises:
        SourceError: a patient has several and the mapping does not say which counts, or nothing tells which it is.
    """
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.name in called:
            groups[sample.patient].append(sample)
    several = [sorted(group, key=_time) for group in groups.values() if len(group) > 1]
    if several and of.several is None:
        raise SourceError(
            f"{of.file}: {_lines(several[0])} are samples of one patient, and so it is of {len(several):,} patients in all. Say under "
            "`samples` of the mapping which counts, `several: earliest` or `several: latest`; or leave the others out of the file"
        )
    if of.several == "latest":
        several = [group[::-1] for group in several]
    if alike := [group for group in several if _time(group[0]) == _time(group[1])]:
        raise SourceError(
            f"{of.file}: {_lines(alike[0])} are samples of one patient, and two of them were taken and known at the same time, so nothing "
            f"says which is the {of.several}: leave one out of the file"
        )
    others = {sample.name for group in several for sample in group[1:]}
    return [sample for sample in samples if sample.name not in others], [
        each for each in samples if each.name in others
    ]


def _time(sample: Sample) -> tuple[datetime, datetime]:
    return sample.taken, sample.known


def _lines(group: list[Sample]) -> str:
    numbers = sorted(sample.line for sample in group)
    return "lines " + ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def _sample(line: int, name: str, patient: str, taken: str, known: str) -> Sample | str:
    if not (name and patient):
        return "names no sample or no patient"
    times = [_moment(taken), _moment(known)]
    if times[0] is None or times[1] is None:
        return "has a date or time that cannot be read"
    if times[1] < times[0]:
        return "was known before it was taken"
    return Sample(name, patient, times[0], times[1], line)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
