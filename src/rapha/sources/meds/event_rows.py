"""The rows of all shards, in `meds`, into patients, events and periods of observation.

MEDS_BIRTH and MEDS_DEATH are of the patient. A row without a time is a static fact: a sex where the mapping says so, else
set aside, as no study can ask for what has no time. Two rows of one `event_id`, of the edges `start` and `end`, are one
event with a beginning and an end.
"""

from rapha.sources.meds.mapping import Mapping
from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.staging import Staging

BIRTH, DEATH = "MEDS_BIRTH", "MEDS_DEATH"
_FAULTS = (
    Fault("subject_id IS NULL", "'`subject_id` is empty'"),
    Fault("code IS NULL", "'`code` is empty'"),
    Fault("given IS NOT NULL AND moment IS NULL", "'`time` is not between 1800 and 2300'"),
    Fault("moment IS NULL AND sex IS NULL", "'has no time: a static fact, which no study can ask for; `sex:` takes those of sex'"),
    Fault("code IN ('MEDS_BIRTH', 'MEDS_DEATH') AND listed > 1", "'a patient is born and dies once: only the first is taken'"),
    Fault("edge = 'end' AND begun IS NULL", "'is the end of an event whose start is not there'"),
    Fault("edge = 'end' AND moment < begun", "'ends before it starts'"),
    Fault("NOT isfinite(numeric_value)", "'`numeric_value` is not a finite number'"),
)  # fmt: skip


def judge_rows(staging: Staging, mapping: Mapping) -> None:
    """`judged`: every row with what it means, and the reason to set it aside."""
    staging.execute(
        f"""CREATE TABLE judged AS SELECT *, {first_reason(_FAULTS)} AS reason FROM (
              SELECT meds.* EXCLUDE (time, code, edge), time AS given, nullif(trim(meds.code), '') AS code,
                CASE WHEN meds.event_id IS NOT NULL THEN edge END AS edge, starts.begun,
                utc_in(sane(time), $zone) AS moment,
                CASE WHEN time IS NULL THEN ($sexes)[list_position($sex_codes, meds.code)] END AS sex,
                CASE WHEN comparator IN ('<', '<=', '>', '>=') AND numeric_value IS NULL AND starts_with(text_value, comparator)
                  THEN finite(TRY_CAST(substr(text_value, length(comparator) + 1) AS DOUBLE)) END AS compared,
                row_number() OVER (PARTITION BY meds.subject_id, meds.code ORDER BY time, file, line) AS listed
              FROM meds LEFT JOIN (
                SELECT subject_id, event_id, utc_in(sane(min(time)), $zone) AS begun FROM meds
                WHERE edge = 'start' AND event_id IS NOT NULL GROUP BY subject_id, event_id) AS starts
                ON starts.subject_id = meds.subject_id AND starts.event_id = meds.event_id)""",
        {"zone": mapping.zone or "UTC", "sexes": list(mapping.sex.values()), "sex_codes": list(mapping.sex)},
    )


def write_people(staging: Staging, mapping: Mapping, batch: str, secret: bytes) -> None:
    """Whoever has a row is a patient; of two sexes none is taken. A time at midnight is known to the day."""
    staging.execute(
        """CREATE TABLE people AS
           SELECT CAST(subject_id AS VARCHAR) AS id, CAST(NULL AS BIGINT) AS subject_key,
             min(moment) FILTER (WHERE code = 'MEDS_BIRTH') AS birth, min(moment) FILTER (WHERE code = 'MEDS_DEATH') AS death,
             CASE WHEN count(DISTINCT sex) = 1 THEN min(sex) END AS sex
           FROM judged WHERE subject_id IS NOT NULL AND (reason IS NULL OR moment IS NULL) GROUP BY subject_id"""
    )
    staging.key_patients(secret, mapping.whose)
    staging.execute(
        """INSERT INTO subjects BY NAME
           SELECT subject_key, birth, CASE WHEN birth IS NOT NULL THEN 'day' END AS birth_precision, sex, death,
             CASE WHEN death = date_trunc('day', death) THEN 'day' WHEN death IS NOT NULL THEN 'second' END
               AS death_precision,
             false AS opted_out, $batch AS ingest_batch FROM people""",
        {"batch": batch},
    )


def write_events(staging: Staging, mapping: Mapping, versions: dict[str, str], batch: str) -> dict[str, int]:
    """Every good row but births, deaths, sexes and ends. How many each file made."""
    split = mapping.split or ""
    staging.execute(
        """INSERT INTO events BY NAME
           SELECT subject_key, kind, t_start, t_end, t_start AS t_available,
             left(sha256(concat_ws(chr(31), $source, source_ref)), 32) AS event_id,
             if(t_start = date_trunc('day', t_start), 'day', 'second') AS precision,
             if(cut > 1, left(named, cut - 1), $system) AS system,
             if(cut > 1, substr(named, cut + length($split)), named) AS code,
             named AS concept, num, comparator, unit, value_code, 'final' AS status, 'affirmed' AS polarity, source_ref,
             ($digests)[list_position($files, file)] AS source_version, $batch AS ingest_batch, false AS deleted
           FROM (
             SELECT *, if($split = '', 0, strpos(named, $split)) AS cut FROM (
               SELECT people.subject_key, judged.file, judged.moment AS t_start, ends.moment AS t_end,
                 if(coalesce(judged.numeric_value, compared) IS NULL, 'observation', 'measurement') AS kind,
                 if(judged.edge = 'start', regexp_replace(judged.code, '//start$', ''), judged.code) AS named,
                 coalesce(judged.numeric_value, compared) AS num, judged.unit,
                 CASE WHEN compared IS NULL THEN judged.text_value END AS value_code,
                 CASE WHEN compared IS NOT NULL THEN judged.comparator END AS comparator,
                 judged.file || '#' || judged.line AS source_ref
               FROM judged
               JOIN people ON people.id = CAST(judged.subject_id AS VARCHAR)
               LEFT JOIN (SELECT subject_id, event_id, max(moment) AS moment FROM judged
                          WHERE reason IS NULL AND edge = 'end' GROUP BY subject_id, event_id) AS ends
                 ON judged.edge = 'start' AND ends.subject_id = judged.subject_id AND ends.event_id = judged.event_id
               WHERE reason IS NULL AND judged.moment IS NOT NULL AND coalesce(edge, '') <> 'end'
                 AND code NOT IN ('MEDS_BIRTH', 'MEDS_DEATH')))""",
        {
            "source": mapping.source,
            "system": mapping.system,
            "split": split,
            "files": list(versions),
            "digests": list(versions.values()),
            "batch": batch,
        },
    )
    return dict(staging.execute("SELECT split_part(source_ref, '#', 1), count(*) FROM events GROUP BY ALL"))


def write_periods(staging: Staging, mapping: Mapping, batch: str, *, told: bool) -> None:
    """As `told` in `meds_periods`; else by the mapping's rule, from what happened but birth."""
    if told:
        staging.execute(
            """INSERT INTO observation_periods BY NAME
               SELECT subject_key, utc_in(sane(start_time), $zone) AS t_start, utc_in(sane(end_time), $zone) AS t_end,
                 $batch AS ingest_batch
               FROM meds_periods JOIN people ON people.id = CAST(subject_id AS VARCHAR)
               WHERE sane(start_time) IS NOT NULL AND sane(end_time) >= start_time""",
            {"batch": batch, "zone": mapping.zone or "UTC"},
        )
        return
    rule = mapping.observation
    staging.execute(
        """INSERT INTO observation_periods BY NAME
           SELECT * FROM (
             SELECT subject_key, coalesce(utc_in(clock_of(time_parts($start)), $zone), min(moment)) AS t_start,
               coalesce(utc_in(clock_of(time_parts($end)), $zone), max(moment)) AS t_end, $batch AS ingest_batch
             FROM judged JOIN people ON people.id = CAST(subject_id AS VARCHAR)
             WHERE reason IS NULL AND moment IS NOT NULL AND code <> 'MEDS_BIRTH'
             GROUP BY subject_key)
           WHERE t_start <= t_end""",
        {
            "start": None if rule.start == "first event" else rule.start,
            "end": None if rule.end == "last event" else rule.end,
            "zone": mapping.zone or "UTC",
            "batch": batch,
        },
    )
