"""Patients, and from when to when each was observed."""

from rapha.sources.tables.mapping import ColumnMapping, Death
from rapha.sources.tables.meaning import Meaning, Moment, Word
from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.schema import USABLE_STATUSES
from rapha.timeline.staging import Staging


def stage_deaths(staging: Staging, mapping: ColumnMapping, table: str, columns: dict[str, str]) -> None:
    """Read the file that tells of deaths beside the subjects' into `deaths`: whose, the latest, and how exactly."""
    told = mapping.died_in
    assert told
    meaning = Meaning(mapping.origin, columns)
    died = meaning.time(told.at, needed=False)
    faults = (meaning.empty(told.id), *died.faults)
    staging.execute(
        f"""CREATE TABLE death_rows AS
            SELECT line, {columns[told.id]} AS dead, {died.at} AS died_at, {died.precision} AS died_exactly,
                {first_reason(faults)} AS reason
            FROM {meaning.source(table)}""",
        meaning.parameters,
    )
    staging.set_aside(told.file, "SELECT line, reason FROM death_rows")
    staging.execute(
        """CREATE TABLE deaths AS
           SELECT dead, max(died_at) AS died_at, arg_max(died_exactly, died_at) AS died_exactly
           FROM death_rows WHERE reason IS NULL AND died_at IS NOT NULL GROUP BY dead"""
    )


def stage_sexes(staging: Staging, mapping: ColumnMapping, table: str, columns: dict[str, str]) -> None:
    """Read the rows of the subjects' staged file that tell of a sex into `sexes`: whose, and which. Rows that tell two of one patient
    are set aside, and it stays unknown."""
    subjects, told = mapping.subjects, mapping.subjects.sex
    assert told and told.where
    meaning = Meaning(mapping.origin, columns)
    identifier, sex = columns[subjects.id], meaning.choice(told, needed=False)
    of_one = f"OVER (PARTITION BY {identifier})"
    faults = (
        meaning.empty(subjects.id),
        *sex.faults,
        meaning.fault(
            f"min({sex.sql}) {of_one} <> max({sex.sql}) {of_one}", told.column, "tells two sexes of one patient"
        ),
    )
    staging.execute(
        f"""CREATE TABLE sex_rows AS
            SELECT line, {identifier} AS of_whom, {sex.sql} AS told_sex, {first_reason(faults)} AS reason
            FROM {meaning.source(f"(SELECT * FROM {table} WHERE {meaning.rows(told.where)})")}""",
        meaning.parameters,
    )
    staging.set_aside(subjects.file, "SELECT line, reason FROM sex_rows")
    staging.execute(
        """CREATE TABLE sexes AS
           SELECT of_whom, max(told_sex) AS told_sex FROM sex_rows WHERE reason IS NULL GROUP BY of_whom"""
    )


def stage_people(staging: Staging, mapping: ColumnMapping, table: str, columns: dict[str, str]) -> None:
    """Read the subjects' staged file into `people`: id, birth, sex, death, opt-out; `subject_key` is still to come."""
    subjects = mapping.subjects
    meaning = Meaning(mapping.origin, columns)
    identifier = columns[subjects.id]
    rows = f"WHERE {meaning.rows(subjects.where)}" if subjects.where else ""
    numbered = f"(SELECT *, row_number() OVER (PARTITION BY {identifier} ORDER BY line) AS listed FROM {table} {rows})"
    birth = meaning.birth(subjects.birth)
    sex = Word("CAST(NULL AS VARCHAR)")
    if subjects.sex and subjects.sex.where:
        stage_sexes(staging, mapping, table, columns)
        numbered, sex = f"(SELECT * FROM {numbered} LEFT JOIN sexes ON of_whom = {identifier})", Word("told_sex")
    elif subjects.sex:
        sex = meaning.choice(subjects.sex, needed=False)
    dead, death = _death(meaning, subjects.death)
    if mapping.died_in:
        numbered = f"(SELECT * FROM {numbered} LEFT JOIN deaths ON dead = {identifier})"
        exactly = f"CASE WHEN died_at IS NULL THEN {death.precision} ELSE died_exactly END"
        dead, death = (
            f"(died_at IS NOT NULL OR {dead})",
            Moment(f"coalesce(died_at, {death.at})", exactly, faults=death.faults),
        )
    opted_out = meaning.holds(subjects.opted_out) if subjects.opted_out else "false"
    faults = (
        meaning.empty(subjects.id),
        meaning.fault("listed > 1", subjects.id, "names a patient who is in the file before"),
        *birth.faults,
        *sex.faults,
        *death.faults,
        Fault(f"{dead} AND year({death.at}) < year({birth.at})", meaning.bind("dies before birth")),
    )
    staging.execute(
        f"""CREATE TABLE people_rows AS
            SELECT line, {", ".join(columns.values())}, {birth.at} AS birth, nullif({sex.sql}, 'unknown') AS sex, {opted_out} AS opted_out,
                CASE WHEN {birth.at} IS NOT NULL THEN {birth.precision} END AS birth_precision,
                CASE WHEN {dead} THEN {death.at} END AS death,
                CASE WHEN {dead} THEN {death.precision} END AS death_precision, {first_reason(faults)} AS reason
            FROM {meaning.source(numbered)}""",
        meaning.parameters,
    )
    staging.set_aside(subjects.file, "SELECT line, reason FROM people_rows")
    staging.execute(
        f"""CREATE TABLE people AS SELECT {identifier} AS id, CAST(NULL AS BIGINT) AS subject_key, *
            FROM people_rows WHERE reason IS NULL"""
    )


def write_people(staging: Staging, batch: str) -> None:
    """`people` into `subjects`."""
    staging.execute(
        """INSERT INTO subjects BY NAME
           SELECT subject_key, birth, birth_precision, sex, death, death_precision, opted_out,
               $batch AS ingest_batch FROM people""",
        {"batch": batch},
    )


def write_periods(staging: Staging, mapping: ColumnMapping, columns: dict[str, str], batch: str) -> None:
    """One observation period per patient, after all events are there; a patient without one stays a patient."""
    meaning = Meaning(mapping.origin, columns)
    usable = meaning.bind(list(USABLE_STATUSES))
    starts = [Moment("first_event") if isinstance(s, str) else meaning.time(s) for s in mapping.observation.start]
    end = meaning.until(mapping.observation.end)
    start = f"least({', '.join(moment.at for moment in starts)})"
    faults = (
        *(fault for moment in starts for fault in moment.faults),
        *end.faults,
        Fault(f"{start} IS NULL", meaning.bind("has no event that its observation could start with")),
        Fault(f"{end.at} < {start}", meaning.bind("is observed to a day before the first")),
    )
    staging.execute(
        f"""CREATE TABLE periods AS
            SELECT line, subject_key, {start} AS t_start, {end.at} AS t_end, {first_reason(faults)} AS reason
            FROM {meaning.source("people")} LEFT JOIN (
                SELECT subject_key, min(t_start) AS first_event FROM events
                WHERE list_contains({usable}, status) GROUP BY subject_key) USING (subject_key)""",
        meaning.parameters,
    )
    staging.set_aside(mapping.subjects.file, "SELECT line, reason FROM periods")
    staging.execute(
        """INSERT INTO observation_periods BY NAME
           SELECT subject_key, t_start, t_end, $batch AS ingest_batch FROM periods WHERE reason IS NULL""",
        {"batch": batch},
    )


def _death(meaning: Meaning, death: Death | None) -> tuple[str, Moment]:
    """SQL condition that the patient is dead, and when; faults of the time count only where it holds."""
    if death is None:
        return "false", Moment()
    if death.where is None:
        moment = meaning.time(death.at, needed=False)
        return f"{moment.at} IS NOT NULL", moment
    dead, moment = meaning.holds(death.where), meaning.time(death.at)
    faults = tuple(Fault(f"{dead} AND ({fault.condition})", fault.reason) for fault in moment.faults)
    return dead, Moment(moment.at, moment.precision, moment.offset, faults)
