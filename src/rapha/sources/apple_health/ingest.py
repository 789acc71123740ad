"""The way from a mapping and exports to one batch in the timeline. One export is in hand at a time."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from rapha.errors import ConfigurationError, SourceError
from rapha.sources.apple_health import days, minutes, samples, single, summaries, zones
from rapha.sources.apple_health.ecg import Ecg, read_ecg
from rapha.sources.apple_health.mapping import Mapping
from rapha.sources.apple_health.places import Damaged, Export, Opened, find_exports, open_export
from rapha.sources.apple_health.stream import Element, gathered, read_export
from rapha.sources.apple_health.typed import Sources, typed
from rapha.sources.apple_health.vocabulary import CODES
from rapha.timeline.ahead import ahead
from rapha.timeline.beside import space_watched, write_beside
from rapha.timeline.csv_rows import Broken
from rapha.timeline.mapping_file import read_mapping
from rapha.timeline.pseudonym import batch_id
from rapha.timeline.report import SHORTEST_SECRET_BYTES, FileReport, IngestReport, Progress, set_aside_file, silent
from rapha.timeline.staging import Staging
from rapha.timeline.writer import is_written, write_batch

READING = 4
"""Raised by whoever changes what the same mapping and exports are read as: every batch is then written anew."""
LITTLE_MB, MEMORY_MB = 24, 512
"""Of DuckDB: what a batch of records and a span of days take, and what the whole may where that is not enough; what does not fit is
spilled beside the timeline."""
LIMIT_WORKOUTS = 200_000
CLINICAL = "clinical records of hospitals beside it are not read: take them from the hospital, or with `format: fhir`"
Done = TypeVar("Done")
_SEXES = {"HKBiologicalSexFemale": "female", "HKBiologicalSexMale": "male", "HKBiologicalSexOther": "other"}


@dataclass
class _Told:
    """What an export says beside its records."""

    me: dict[str, str] = field(default_factory=dict)
    workouts: list[Element] = field(default_factory=list)

    def note(self, element: Element) -> None:
        if element.name == "Me":
            self.me = element.attributes
        elif element.name == "Workout":
            if len(self.workouts) >= LIMIT_WORKOUTS:
                raise Damaged(f"has more than {LIMIT_WORKOUTS:,} workouts")
            self.workouts.append(element)


def ingest(
    mapping_path: Path, data: Path, timeline_dir: Path, site_secret: bytes, progress: Progress | None = None
) -> IngestReport:
    """As `rapha.timeline.report.Ingest`. `data` is an `export.zip` or `export.xml`, or a folder of them with the file
    that says whose each is. An export that cannot be read to its end is set aside as a whole."""
    if len(site_secret) < SHORTEST_SECRET_BYTES:
        raise ConfigurationError(f"the site's secret has fewer than {SHORTEST_SECRET_BYTES} bytes: make a new one")
    mapping = read_mapping(mapping_path, Mapping)
    _check_codes(mapping, mapping_path.name)
    broken: Broken = []
    exports = find_exports(mapping, data, broken)
    versions, refused = _versions(exports)
    batch = batch_id(site_secret, READING, mapping.digest, versions)
    if live := is_written(timeline_dir, mapping.source, batch):
        return IngestReport.of(mapping.source, batch, live.rows, (), unchanged=True)
    timeline_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        space_watched(timeline_dir),
        _given_back(),
        tempfile.TemporaryDirectory(prefix=".spill-", dir=timeline_dir) as spill,
    ):
        staging = Staging(Path(spill))
        staging.check_zones({export.zone for export in exports}, mapping_path.name)
        reading = _Reading(staging, mapping, refused)
        for at, export in enumerate(exports):
            (progress or silent)("exports", at, len(exports))
            reading.read(at, export)
        (progress or silent)("exports", len(exports), len(exports))
        if all(file in reading.refused for file in (export.name for export in exports)):
            raise SourceError(f"{exports[0].name} {next(iter(reading.refused.values()))}; no export could be read")
        samples.end(staging)
        staging.execute("SET threads = 1")
        staging.execute(f"SET memory_limit = '{MEMORY_MB}MB'")
        _write(staging, mapping, exports, versions, batch, site_secret)
        files = reading.reports(exports, broken)
        pa.default_memory_pool().release_unused()
        aside = reading.set_aside_csv(exports, broken)
        write_beside(timeline_dir / set_aside_file(mapping.source), lambda file: file.write(aside))
        written = write_batch(timeline_dir, mapping.source, batch, mapping.digest, staging.tables(), mapping.people)
        staging.connection.close()
    report = IngestReport.of(mapping.source, batch, written.rows, files, unchanged=False)
    return report.model_copy(update={"notes": reading.notes()})


def _with_little(staging: Staging, work: Callable[[], Done]) -> Done:
    """Do `work` in one transaction within `LITTLE_MB`; where that is not enough, undo it and do it again within `MEMORY_MB`."""
    try:
        staging.execute(f"SET memory_limit = '{LITTLE_MB}MB'")
        return _whole(staging, work)
    except duckdb.OutOfMemoryException:
        staging.execute(f"SET memory_limit = '{MEMORY_MB}MB'")
        return _whole(staging, work)


def _whole(staging: Staging, work: Callable[[], Done]) -> Done:
    staging.execute("BEGIN")
    try:
        done = work()
    except BaseException:
        staging.execute("ROLLBACK")
        raise
    staging.execute("COMMIT")
    return done


@contextmanager
def _given_back() -> Iterator[None]:
    """Arrow allocates as anybody does meanwhile: what is freed is of use to DuckDB, where a pool of its own would keep some 35 MB."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


def _check_codes(mapping: Mapping, name: str) -> None:
    known = [kind.code for kind in CODES if kind.way in ("mean", "sum")]
    for code in mapping.samples:
        if code not in known:
            raise ConfigurationError(f"{name}: samples: no samples are called {code!r}: one of {', '.join(known)}")


def _versions(exports: list[Export]) -> tuple[dict[str, str], dict[str, str]]:
    """The digest of every file; and why a file has none. Which files there are and whose is part of both."""
    versions, refused = {}, {}
    for export in exports:
        try:
            versions[f"{export.name}|{export.patient}|{export.zone}"] = export.version()
        except Damaged as fault:
            refused[export.name] = str(fault)
            versions[f"{export.name}|{export.patient}|{export.zone}"] = "unreadable"
    return versions, refused


class _Reading:
    """Exports one after another into `happened`, `people_told` and `worn_days`; and the account of it."""

    def __init__(self, staging: Staging, mapping: Mapping, refused: dict[str, str]) -> None:
        self.staging, self.mapping, self.refused = staging, mapping, refused
        self._records: dict[str, int] = {}
        self._twins = self._clinical = self._unread_ecgs = self._unread_workouts = 0
        samples.prepare(staging)
        staging.execute(
            """CREATE TABLE happened (export INTEGER, system VARCHAR, code VARCHAR, kind VARCHAR, t_start TIMESTAMP,
                 t_end TIMESTAMP, t_available TIMESTAMP, precision VARCHAR, utc_offset SMALLINT, num DOUBLE, unit VARCHAR,
                 unit_ucum VARCHAR, num_canonical DOUBLE)"""
        )
        staging.execute("CREATE TABLE worn_days (export INTEGER, day TIMESTAMP, t_end TIMESTAMP)")
        staging.execute("CREATE TABLE people_told (export INTEGER, id VARCHAR, born VARCHAR, sex VARCHAR)")

    def read(self, number: int, export: Export) -> None:
        """One export, to its end or not at all."""
        if export.name in self.refused:
            return
        samples.begin(self.staging)
        told = _Told()
        try:
            with open_export(export.path) as opened:
                self._records[export.name] = self._take(number, opened, told)
                ecgs = [read_ecg(head) for head in opened.ecgs()]
                clinical = opened.clinical_records()
        except Damaged as fault:
            self.staging.execute("DELETE FROM unread WHERE export = $export", {"export": number})
            self.refused[export.name] = str(fault)
            return
        self._clinical += clinical
        self._unread_ecgs += ecgs.count(None)
        self._summarise(number, export, told)
        _with_little(self.staging, partial(self._add_told, number, export, told, [ecg for ecg in ecgs if ecg]))

    def _add_told(self, number: int, export: Export, told: _Told, ecgs: list[Ecg]) -> None:
        """What is said beside the records, but for zones."""
        unread = single.write_workouts(self.staging, number, export.zone, told.workouts)
        single.write_ecgs(self.staging, number, export.zone, ecgs)
        sex = _SEXES.get(told.me.get("HKCharacteristicTypeIdentifierBiologicalSex", ""))
        born = told.me.get("HKCharacteristicTypeIdentifierDateOfBirth")
        self.staging.execute(
            "INSERT INTO people_told VALUES ($export, $id, $born, $sex)",
            {"export": number, "id": export.patient, "born": born, "sex": sex},
        )
        self._unread_workouts += unread

    def _take(self, number: int, opened: Opened, told: _Told) -> int:
        self.staging.execute("SET threads = 1")  # the other core reads
        sources, records = Sources(), 0
        batches = (typed(batch, sources) for batch in read_export(opened.xml, told.note))
        for batch in ahead(gathered(batches), most=1):
            _with_little(self.staging, partial(samples.take, self.staging, number, batch))
            records += batch.num_rows
        return records + len(told.workouts)

    def _summarise(self, number: int, export: Export, told: _Told) -> None:
        """A span of days after another: what is in hand is bounded by it, however long the export."""
        self.staging.execute("SET threads = 2")  # nothing reads any more
        for span in _with_little(self.staging, partial(self._lay_out, export, told)):
            self._twins += _with_little(self.staging, partial(self._summarise_span, number, export, span))

    def _lay_out(self, export: Export, told: _Told) -> list[days.Span]:
        zones.write_runs(self.staging, export.zone, told.workouts)
        days.lay_out(self.staging, export.zone)
        return days.spans(self.staging)

    def _summarise_span(self, number: int, export: Export, span: days.Span) -> int:
        """How many of its samples were there twice."""
        twins = samples.choose(self.staging, span)
        minutes.to_minutes(self.staging, span)
        summaries.write_worn(self.staging)
        if "daily" in self.mapping.summaries:
            summaries.write_days(self.staging, number)
        if "hourly" in self.mapping.summaries:
            summaries.write_hours(self.staging, number)
        summaries.write_worn_days(self.staging, number, self.mapping.observation)
        single.write_samples(self.staging, number, export.zone, self.mapping.samples)
        return twins

    def reports(self, exports: list[Export], broken: Broken) -> tuple[FileReport, ...]:
        """One for each export, and one for the patients' file where lines of it were set aside."""
        events = dict(self.staging.execute("SELECT export, count(*) FROM happened GROUP BY export"))
        found = []
        for at, export in enumerate(exports):
            query = "SELECT reason, sum(records) FROM unread WHERE export = $export GROUP BY reason ORDER BY reason"
            reasons = {reason: int(count) for reason, count in self.staging.execute(query, {"export": at})}
            if export.name in self.refused:
                reasons = {f"{self.refused[export.name]}; nothing of it was read": 1}
            rows = self._records.get(export.name, 0)
            found.append(FileReport(file=export.name, rows=rows, events=events.get(at, 0), set_aside=reasons))
        if broken and self.mapping.patients:
            lines = {reason: sum(other == reason for _, other in broken) for _, reason in broken}
            found.append(FileReport(file=self.mapping.patients, rows=len(broken), events=0, set_aside=lines))
        return tuple(found)

    def set_aside_csv(self, exports: list[Export], broken: Broken) -> bytes:
        """Per export: the type of records, the reason, how many; no cell of any record. Exports by their line, or 0."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("file", "type", "reason", "records"))
        writer.writerows((name, "", reason, 1) for name, reason in sorted(self.refused.items()))
        writer.writerows((self.mapping.patients, f"line {line}", reason, 1) for line, reason in broken)
        for export, kind, reason, count in self.staging.execute(
            "SELECT export, type, reason, sum(records) FROM unread GROUP BY ALL ORDER BY ALL"
        ):
            writer.writerow((exports[export].name, kind, reason, int(count)))
        return text.getvalue().encode()

    def notes(self) -> tuple[str, ...]:
        """What was lost or taken on trust, counted over all exports."""
        counted = (
            (self._twins, "records were there twice, the same in everything: one of each was taken"),
            (self._clinical, CLINICAL),
            (self._unread_ecgs, "electrocardiograms could not be read"),
            (self._unread_workouts, "workouts have no times that can be read"),
        )
        return tuple(f"{count:,} {words}" for count, words in counted if count)


_EVENTS = """
SELECT * EXCLUDE (place) FROM (
  SELECT subject_key, kind, t_start, t_end, t_available, precision, utc_offset AS utc_offset_minutes, system, code,
    num, unit, unit_ucum, num_canonical, 'final' AS status, 'affirmed' AS polarity, file AS source_ref,
    left(sha256(concat_ws(chr(31), $source, CAST(subject_key AS VARCHAR), system, code, CAST(t_start AS VARCHAR),
      CAST(t_end AS VARCHAR), place)), 32) AS event_id,
    version AS source_version, $batch AS ingest_batch, false AS deleted, place
  FROM (
    SELECT *, row_number() OVER (PARTITION BY export, system, code, t_start, t_end ORDER BY num, unit) AS place
    FROM (
      SELECT happened.*, subject_key
      FROM happened JOIN people_told USING (export) JOIN people USING (id)
      QUALIFY export = max(export) OVER (PARTITION BY subject_key, system, code, t_start)))
  JOIN files USING (export))"""


def _write(
    staging: Staging, mapping: Mapping, exports: list[Export], versions: dict[str, str], batch: str, secret: bytes
) -> None:
    """Fill the tables of the timeline. A patient may have several exports: what two of them tell of one moment is taken
    from the later in the list, for the day on which an export was made is not whole in it. Of two sexes or births none is
    taken."""
    staging.execute(
        """CREATE TABLE people AS SELECT id, CAST(NULL AS BIGINT) AS subject_key,
             CASE WHEN count(DISTINCT sex) = 1 THEN min(sex) END AS sex,
             CASE WHEN count(DISTINCT born) = 1 THEN sane(clock_of(time_parts(min(born)))) END AS birth
           FROM people_told GROUP BY id"""
    )
    staging.key_patients(secret, mapping.whose)
    staging.execute(
        """INSERT INTO subjects BY NAME
           SELECT subject_key, birth, CASE WHEN birth IS NOT NULL THEN 'day' END AS birth_precision, sex,
             false AS opted_out, $batch AS ingest_batch FROM people""",
        {"batch": batch},
    )
    table = pa.table(
        {
            "export": pa.array(range(len(exports)), pa.int32()),
            "file": [export.name for export in exports],
            "version": list(versions.values()),
        }
    )
    staging.connection.register("incoming", table)
    staging.execute("CREATE TABLE files AS FROM incoming")
    staging.connection.unregister("incoming")
    staging.take_events_from([staging.held(_EVENTS, {"source": mapping.source, "batch": batch})])
    summaries.write_periods(staging, batch, mapping.observation)
