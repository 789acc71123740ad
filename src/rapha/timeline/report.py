"""What every source says when it has filled a timeline, and what it is told on its way."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from rapha.records.record import Record
from rapha.timeline.manifest import Manifest, Table

SHORTEST_SECRET_BYTES = 16
MOST_LINES = 20
"""Of a longer report the reasons are told over all files; the list of what was set aside has each row."""
Progress = Callable[[str, int, int], None]
"""Told the file in hand, the steps done and all steps."""


class FileReport(Record):
    """What became of one file: rows read, events made, rows set aside by reason."""

    file: str
    rows: int
    events: int
    set_aside: dict[str, int]


class IngestReport(Record):
    """What became of a data folder. When `unchanged`, nothing was read again and `files` is empty.

    `set_aside_file` lists the rows set aside by file, line and reason, relative to the timeline folder. `notes`: what the
    way in has lost or taken on trust, a sentence each, of counts alone.
    """

    source: str
    batch: str
    unchanged: bool
    patients: int
    events: int
    observation_periods: int
    files: tuple[FileReport, ...]
    set_aside_file: str
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        source: str,
        batch: str,
        rows: Mapping[Table, int],
        files: tuple[FileReport, ...],
        unchanged: bool,
        notes: tuple[str, ...] = (),
    ) -> "IngestReport":
        """The report on a batch of so many `rows`, table by table."""
        return cls(
            source=source,
            batch=batch,
            unchanged=unchanged,
            patients=rows["subjects"],
            events=rows["events"],
            observation_periods=rows["observation_periods"],
            files=files,
            set_aside_file=set_aside_file(source),
            notes=notes,
        )

    @property
    def set_aside(self) -> int:
        """Rows set aside in all files."""
        return sum(count for file in self.files for count in file.set_aside.values())

    def in_words(self) -> str:
        """For the one who ran it: what is in the timeline now, and what was set aside and why."""
        now = f"{self.source}: {self.patients:,} patients, {self.events:,} events"
        if self.unchanged:
            return f"{now}; nothing has changed since they were read"
        noted = [f"  {note}" for note in self.notes]
        if not self.set_aside:
            return "\n".join([f"{now}; every row was read", *noted])
        reasons = self._file_by_file()
        if len(reasons) > MOST_LINES:
            reasons = self._over_all_files()
        return "\n".join(
            [
                f"{now}; {self.set_aside:,} {'row' if self.set_aside == 1 else 'rows'} set aside, listed in {self.set_aside_file}:",
                *reasons,
                *noted,
            ]
        )

    def _file_by_file(self) -> list[str]:
        return [f"  {f.file}: {n:,} x {reason}" for f in self.files for reason, n in f.set_aside.items()]

    def _over_all_files(self) -> list[str]:
        """A line for each reason, the most frequent first: an export may be thousands of files."""
        rows: Counter[str] = Counter()
        where: dict[str, list[str]] = {}
        for file in self.files:
            rows.update(file.set_aside)
            for reason in file.set_aside:
                where.setdefault(reason, []).append(file.file)
        return [
            f"  {n:,} x {reason}, in {where[reason][0] if len(where[reason]) == 1 else f'{len(where[reason]):,} files'}"
            for reason, n in rows.most_common()
        ]


Ingest = Callable[[Path, Path, Path, bytes, Progress | None], IngestReport]
"""A source: (mapping file, data, timeline folder, site secret, progress) -> report. The same files and mapping again
change nothing. What cannot be read is set aside and told, never lost and never fatal.

Raises:
    ConfigurationError: the mapping is wrong.
    SourceError: the data cannot be read at all.
    DiskFull, Conflict: see `write_batch`; the timeline is as it was.
"""


def fewer_than_before(before: Manifest, report: IngestReport) -> str | None:
    """A sentence where a source has fewer patients or events than in this manifest, which is of before its ingest: a file of the export
    may not have come along."""
    if (former := before.of(report.source)) is None:
        return None
    patients, events = former.rows["subjects"], former.rows["events"]
    if report.patients >= patients and report.events >= events:
        return None
    return f"  before: {patients:,} patients, {events:,} events. Fewer are there now: is all of the export here?"


def opted_out_note(patients: int) -> str:
    """How many of a source's own patients are out by what that source says: nobody sees otherwise that a list named none."""
    return f"{patients:,} of the patients opted out, by what this source says: they enter no cohort"


def set_aside_file(source: str) -> str:
    """Where the rows that a source set aside are listed, relative to the timeline folder."""
    return f"set-aside/{source}.csv"


def silent(file: str, done: int, steps: int) -> None:
    """No one wants to know."""
