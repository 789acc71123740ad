"""The clinical tables, each row an event.

`concept` is the standard concept's id, empty where it is 0. System and code are those of the source: the source concept,
else the source value as it stands, else the standard concept, else `OMOP` and its id. All names in the statements are
of `cdm.py`; every word of the mapping is bound.
"""

from rapha.sources.omop.cdm import Clinical
from rapha.sources.omop.mapping import Mapping
from rapha.sources.omop.people import row_id
from rapha.timeline.notes import NOTE_TEXTS
from rapha.timeline.readings import Fault, first_reason
from rapha.timeline.staging import Staging

_OPERATORS = {"4172703": "=", "4171756": "<", "4171754": "<=", "4172704": ">", "4171755": ">="}
_LAST = "INTERVAL 1 DAY - INTERVAL 1 MICROSECOND"


def write_events(staging: Staging, mapping: Mapping, table: Clinical, version: str, batch: str) -> int:
    """Add the table's events; set aside the rows that cannot be read. Returns the number of events."""
    _stage(staging, mapping, table)
    aside = f"SELECT line, reason, {row_id('row_key')} AS row_id FROM clinical_rows"
    staging.set_aside(table.name, aside)
    if table.name == "visit_occurrence":
        staging.execute("INSERT INTO visit_ends SELECT row_key, t_end FROM clinical_rows WHERE reason IS NULL")
    [(written,)] = staging.execute(
        f"""INSERT INTO events BY NAME
            SELECT subject_key, left(sha256(concat_ws(chr(31), $source, $table, row_key)), 32) AS event_id,
              $kind AS kind, t_start, t_end, precision, concept, system, code, num,
              CASE WHEN num IS NOT NULL THEN comparator END AS comparator, unit, unit_ucum,
              CASE WHEN unit_ucum IS NOT NULL THEN num END AS num_canonical, value_code,
              {"row_ref" if table.text else "CAST(NULL AS VARCHAR)"} AS text_ref, sha256(note_text) AS asset,
              'final' AS status,
              'affirmed' AS polarity, encounter, row_ref AS source_ref, $version AS source_version,
              $batch AS ingest_batch, false AS deleted,
              CASE coalesce(($type_rules)[list_position($types, type)], $rule)
                WHEN 'same' THEN t_start WHEN 'visit end' THEN greatest(t_start, coalesce(ended, day_end))
                ELSE day_end END AS t_available
            FROM clinical_rows LEFT JOIN visit_ends ON visit_ends.visit = clinical_rows.encounter
            WHERE reason IS NULL""",
        {
            "source": mapping.source,
            "table": table.name,
            "kind": table.kind,
            "version": version,
            "batch": batch,
            "rule": mapping.available.tables.get(table.name, mapping.available.default),
            "types": list(mapping.available.types),
            "type_rules": list(mapping.available.types.values()),
        },
    )
    if table.text:
        texts = "SELECT subject_key, note_text FROM clinical_rows WHERE reason IS NULL AND note_text IS NOT NULL"
        staging.execute(f"INSERT INTO {NOTE_TEXTS} {texts}")
    staging.execute("DROP TABLE clinical_rows")
    return int(written)


def _stage(staging: Staging, mapping: Mapping, table: Clinical) -> None:
    """`clinical_rows`: what a row means, and the reason to set it aside. `visit_ends` is empty until visits are read."""
    staging.execute("CREATE TABLE IF NOT EXISTS visit_ends (visit VARCHAR, ended TIMESTAMP)")
    staging.execute(
        f"""CREATE TABLE clinical_rows AS SELECT *, {first_reason(_faults(table))} AS reason,
              $table || '#' || row_key AS row_ref FROM ({_meaning(table)})""",
        {
            "table": table.name,
            "zone": mapping.zone or "UTC",
            "local": mapping.local,
            "left_out": list(mapping.leave_out_types),
        },
    )


def _faults(table: Clinical) -> tuple[Fault, ...]:
    return (
        Fault("row_key IS NULL", f"'`{table.id}` is empty'"),
        Fault("listed > 1", f"'`{table.id}` is in the table before'"),
        Fault("subject_key IS NULL", "'`person_id` names no patient of person'"),
        Fault("t_start IS NULL", f"'`{table.start}_date` is not a date or time'"),
        Fault("end_given AND t_end IS NULL", f"'`{table.end}_date` is not a date or time'"),
        Fault("t_end < t_start", "'ends before it starts'"),
        Fault("code IS NULL", "'has neither a concept nor a source value'"),
        Fault("number_given AND num IS NULL", f"'`{table.number}` is not a number'"),
        Fault("operator_unknown", "'`operator_concept_id` is no comparator'"),
        Fault("list_contains($left_out, coalesce(type, ''))", "'is of a type that the mapping leaves out'"),
    )


def _meaning(table: Clinical) -> str:
    """SQL of the rows with what each cell means; joined to patients, concepts and units."""
    none = "CAST(NULL AS VARCHAR)"
    start = f"clock_of(time_parts(coalesce({table.start}_datetime, {table.start}_date)))"
    end_text = f"coalesce({table.end}_datetime, {table.end}_date)" if table.end else none
    operators = " ".join(f"WHEN '{concept}' THEN '{sign}'" for concept, sign in _OPERATORS.items())
    operator = table.operator or none
    source_concept, value_concept = table.source_concept or none, table.value_concept or none
    visit = table.id if table.name == "visit_occurrence" else "visit_occurrence_id"
    return f"""
        SELECT line, row_key, subject_key, type, encounter, end_given, number_given, listed, note_text,
          utc_in(starts, $zone) AS t_start, if(starts = date_trunc('day', starts), 'day', 'second') AS precision,
          utc_in(date_trunc('day', starts) + {_LAST}, $zone) AS day_end,
          utc_in(if(ends = date_trunc('day', ends), ends + {_LAST}, ends), $zone) AS t_end,
          nullif(concept_id, '0') AS concept, num,
          CASE WHEN comparator <> '=' THEN comparator END AS comparator,
          operator IS NOT NULL AND operator <> '0' AND comparator IS NULL AS operator_unknown,
          CASE WHEN origin.code IS NOT NULL THEN origin.system WHEN source_value IS NOT NULL THEN $local
            WHEN meant.code IS NOT NULL THEN meant.system ELSE 'OMOP' END AS system,
          coalesce(origin.code, source_value, meant.code, nullif(concept_id, '0')) AS code,
          coalesce(unit_source, unit_concept.code) AS unit, unit_concept.code AS unit_ucum,
          coalesce(valued.code, value_source, value_text) AS value_code
        FROM (
          SELECT t.line, t.{table.id} AS row_key, people.subject_key, t.{table.type} AS type, {visit} AS encounter,
            row_number() OVER (PARTITION BY t.{table.id} ORDER BY t.line) AS listed,
            sane({start}) AS starts, sane(clock_of(time_parts({end_text}))) AS ends, {end_text} IS NOT NULL AS end_given,
            t.{table.concept} AS concept_id, t.{table.source_value} AS source_value,
            {source_concept} AS source_concept, {value_concept} AS value_concept,
            {table.value_source or none} AS value_source, {table.value_text or none} AS value_text,
            {table.unit_source or none} AS unit_source, {table.unit_concept or none} AS unit_id,
            {table.text or none} AS note_text, {operator} AS operator, CASE {operator} {operators} END AS comparator,
            finite(TRY_CAST({table.number or none} AS DOUBLE)) AS num, {table.number or none} IS NOT NULL AS number_given
          FROM {table.name} AS t LEFT JOIN people ON people.id = t.person_id)
        LEFT JOIN concepts AS origin ON origin.concept = source_concept
        LEFT JOIN concepts AS meant ON meant.concept = concept_id
        LEFT JOIN concepts AS valued ON valued.concept = value_concept
        LEFT JOIN units AS unit_concept ON unit_concept.concept = unit_id"""
