"""person, death and observation_period into `people`, `subjects` and `observation_periods`."""

from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.staging import Staging

_SEX = {"8507": "male", "8532": "female", "8521": "other", "8570": "other"}
"""gender_concept_id; any other, 0 too, is unknown."""


def stage_people(staging: Staging) -> None:
    """`people`: id, birth, sex, death, and their precisions; `subject_key` is still to come.

    A birth whose month or day the CDM does not give is known to the year or month, whatever `birth_datetime` says: many
    hospitals fill it with 1 January.
    """
    faults = (
        Fault("person_id IS NULL", "'`person_id` is empty'"),
        Fault("listed > 1", "'`person_id` names a patient who is in the table before'"),
        Fault("year_of_birth IS NOT NULL AND birth IS NULL", "'the date of birth is none'"),
    )
    sexes = " ".join(f"WHEN '{concept}' THEN '{sex}'" for concept, sex in _SEX.items())
    staging.execute(
        f"""CREATE TABLE people_rows AS SELECT *, {first_reason(faults)} AS reason FROM (
              SELECT *, CASE gender_concept_id {sexes} END AS sex,
                CASE WHEN month_of_birth IS NULL THEN 'year' WHEN day_of_birth IS NULL THEN 'month' ELSE 'day' END
                    AS birth_precision,
                sane(clock_of(time_parts(year_of_birth || '-' || lpad(coalesce(month_of_birth, '1'), 2, '0') || '-'
                    || lpad(coalesce(if(month_of_birth IS NULL, NULL, day_of_birth), '1'), 2, '0')))) AS birth,
                row_number() OVER (PARTITION BY person_id ORDER BY line) AS listed
              FROM person)"""
    )
    staging.set_aside("person", f"SELECT line, reason, {row_id('person_id')} AS row_id FROM people_rows")
    staging.execute(
        """CREATE TABLE people AS SELECT person_id AS id, CAST(NULL AS BIGINT) AS subject_key, birth, sex,
             CASE WHEN birth IS NOT NULL THEN birth_precision END AS birth_precision
           FROM people_rows WHERE reason IS NULL"""
    )


def write_people(staging: Staging, batch: str, zone: str) -> None:
    """`people` with their deaths into `subjects`. A death at midnight is known to the day."""
    faults = (
        Fault("subject_key IS NULL", "'`person_id` names no patient of person'"),
        Fault("clock IS NULL", "'`death_date` is not a date'"),
        Fault("year(clock) < year(birth)", "'dies before birth'"),
        Fault("listed > 1", "'the death of this patient is in the table before'"),
    )
    staging.execute(
        f"""CREATE TABLE deaths AS SELECT *, {first_reason(faults)} AS reason FROM (
              SELECT death.line, people.subject_key, people.birth,
                sane(clock_of(time_parts(coalesce(death_datetime, death_date)))) AS clock,
                row_number() OVER (PARTITION BY person_id ORDER BY line) AS listed
              FROM death LEFT JOIN people ON people.id = death.person_id)"""
    )
    staging.set_aside("death", "SELECT line, reason FROM deaths")
    staging.execute(
        """INSERT INTO subjects BY NAME
           SELECT people.subject_key, people.birth, birth_precision, sex, utc_in(clock, $zone) AS death,
             CASE WHEN clock = date_trunc('day', clock) THEN 'day' WHEN clock IS NOT NULL THEN 'second' END
                AS death_precision, false AS opted_out, $batch AS ingest_batch
           FROM people LEFT JOIN deaths ON deaths.subject_key = people.subject_key AND reason IS NULL""",
        {"batch": batch, "zone": zone},
    )


def write_periods(staging: Staging, batch: str, zone: str) -> None:
    """observation_period, its last day included: the only licence to say that something did not happen."""
    faults = (
        Fault("subject_key IS NULL", "'`person_id` names no patient of person'"),
        Fault("starts IS NULL OR ends IS NULL", "'start or end is not a date'"),
        Fault("ends < starts", "'ends before it starts'"),
    )
    staging.execute(
        f"""CREATE TABLE periods AS SELECT *, {first_reason(faults)} AS reason FROM (
              SELECT p.line, p.observation_period_id, people.subject_key,
                date_trunc('day', sane(clock_of(time_parts(observation_period_start_date)))) AS starts,
                date_trunc('day', sane(clock_of(time_parts(observation_period_end_date)))) AS ends
              FROM observation_period AS p LEFT JOIN people ON people.id = p.person_id)"""
    )
    rows = f"SELECT line, reason, {row_id('observation_period_id')} AS row_id FROM periods"
    staging.set_aside("observation_period", rows)
    staging.execute(
        """INSERT INTO observation_periods BY NAME
           SELECT subject_key, utc_in(starts, $zone) AS t_start,
             utc_in(ends + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND, $zone) AS t_end, $batch AS ingest_batch
           FROM periods WHERE reason IS NULL""",
        {"batch": batch, "zone": zone},
    )


def row_id(column: str) -> str:
    """SQL: the row's own identifier where it is a number; else nothing of the cell is told."""
    return rf"CASE WHEN regexp_full_match({column}, '\d{{1,20}}') THEN {column} END"
