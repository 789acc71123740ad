"""The MIMIC-III demo as a timeline, once or many times over with new patients: for tests of studies, and for benches.

    admissions          an event `admission` from admission to discharge
    labevents           a number; known when it was charted (the demo has no other time)
    chartevents, outputevents, inputevents_*, datetimeevents
                        known when stored; `error` is entered in error; cancelled and rewritten inputs do not count
    prescriptions       known when they begin
    diagnoses_icd       at discharge, when they are coded

Patients are watched from their first admission to the end of the day they died (all of the demo did). A death is told to
the minute where an admission says so, otherwise to the day.
"""

import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from rapha.timeline.manifest import NAME, Batch, Manifest
from rapha.timeline.reader import Timeline, open_timeline
from rapha.timeline.schema import TABLES

CHECKOUT = Path(__file__).resolve().parents[2]
NEXT_COPY = 10_000_000  # subject keys of one copy and the next lie so far apart

_EVENTS = """
  SELECT subject_id, 'encounter' AS kind, admittime AS t_start, dischtime AS t_end, admittime AS t_available,
         'admission' AS code, NULL AS value, NULL AS num, NULL AS unit, hadm_id, 'final' AS status,
         'admissions#' || row_id AS source_ref
  FROM {admissions}
UNION ALL BY NAME
  SELECT subject_id, 'measurement' AS kind, charttime AS t_start, charttime AS t_available, 'lab-' || itemid AS code,
         value, valuenum AS num, valueuom AS unit, hadm_id, 'final' AS status, 'labevents#' || row_id AS source_ref
  FROM {labevents}
UNION ALL BY NAME
  SELECT subject_id, 'measurement' AS kind, charttime AS t_start, storetime AS t_available, itemid AS code, value,
         valuenum AS num, valueuom AS unit, hadm_id, CASE error WHEN '1' THEN 'entered-in-error' ELSE 'final' END AS status,
         'chartevents#' || row_id AS source_ref
  FROM {chartevents_1}
UNION ALL BY NAME
  SELECT subject_id, 'measurement' AS kind, charttime AS t_start, storetime AS t_available, itemid AS code, value,
         valuenum AS num, valueuom AS unit, hadm_id, CASE error WHEN '1' THEN 'entered-in-error' ELSE 'final' END AS status,
         'chartevents#' || row_id AS source_ref
  FROM {chartevents_2}
UNION ALL BY NAME
  SELECT subject_id, 'observation' AS kind, charttime AS t_start, storetime AS t_available, itemid AS code,
         value AS num, valueuom AS unit, hadm_id, CASE iserror WHEN '1' THEN 'entered-in-error' ELSE 'final' END AS status,
         'outputevents#' || row_id AS source_ref
  FROM {outputevents}
UNION ALL BY NAME
  SELECT subject_id, 'medication' AS kind, starttime AS t_start, endtime AS t_end, storetime AS t_available,
         itemid AS code, amount AS num, amountuom AS unit, hadm_id,
         CASE WHEN statusdescription = 'Rewritten' OR cancelreason <> '0' THEN 'cancelled' ELSE 'final' END AS status,
         'inputevents_mv#' || row_id AS source_ref
  FROM {inputevents_mv}
UNION ALL BY NAME
  SELECT subject_id, 'medication' AS kind, charttime AS t_start, storetime AS t_available, itemid AS code,
         amount AS num, amountuom AS unit, hadm_id, 'final' AS status, 'inputevents_cv#' || row_id AS source_ref
  FROM {inputevents_cv}
UNION ALL BY NAME
  SELECT subject_id, 'observation' AS kind, charttime AS t_start, storetime AS t_available, itemid AS code, value,
         hadm_id, 'final' AS status, 'datetimeevents#' || row_id AS source_ref
  FROM {datetimeevents}
UNION ALL BY NAME
  SELECT subject_id, 'medication' AS kind, startdate AS t_start, startdate AS t_available, drug AS code, hadm_id,
         'final' AS status, 'prescriptions#' || row_id AS source_ref
  FROM {prescriptions}
UNION ALL BY NAME
  SELECT d.subject_id, 'condition' AS kind, a.dischtime AS t_start, a.dischtime AS t_available,
         'icd9-' || icd9_code AS code, d.hadm_id, 'final' AS status, 'diagnoses_icd#' || d.row_id AS source_ref
  FROM {diagnoses_icd} AS d JOIN {admissions} AS a ON a.hadm_id = d.hadm_id
"""
_FILES = (
    "admissions", "patients", "labevents", "chartevents_1", "chartevents_2", "outputevents", "inputevents_mv",
    "inputevents_cv", "datetimeevents", "prescriptions", "diagnoses_icd",
)  # fmt: skip


def demo_folder() -> Path | None:
    """Where the demo lies: under RAPHA_SHARED, or in `shared/data` beside the checkout; None where it is absent."""
    shared = Path(os.environ.get("RAPHA_SHARED") or CHECKOUT.parent / "shared")
    folder = shared / "data" / "mimic3-demo"
    return folder if folder.is_dir() else None


def write_demo(data: Path, folder: Path, copies: int = 1) -> Timeline:
    """Write the demo in `data` as a timeline in `folder`, `copies` times with new patients, and open it."""
    duck = duckdb.connect()
    names = {name: f"read_csv('{data}/{name}.csv.gz', all_varchar=true, parallel=true)" for name in _FILES}
    events, subjects, periods = _events(duck, names), _subjects(duck, names), _periods(duck, names)
    files: dict[str, list[str]] = {name: [] for name in TABLES}
    for table in TABLES:
        (folder / table).mkdir(parents=True)
    for copy in range(copies):
        for name, rows in (("events", events), ("subjects", subjects), ("observation_periods", periods)):
            path = f"{name}/{copy:04d}.parquet"
            _write(duck, rows, name, folder / path, copy)
            files[name].append(path)
    rows = {
        "events": len(events) * copies,
        "subjects": len(subjects) * copies,
        "observation_periods": len(periods) * copies,
    }
    batch = Batch(source="mimic3-demo", batch="0" * 32, mapping="sha256:" + "0" * 64, files=files, rows=rows)
    (folder / NAME).write_bytes(Manifest(batches=(batch,)).as_bytes())
    return open_timeline(folder)


def _write(duck: duckdb.DuckDBPyConnection, rows: pa.Table, name: str, path: Path, copy: int) -> None:
    at = rows.schema.get_field_index("subject_key")
    keys = pa.compute.add(rows["subject_key"], copy * NEXT_COPY)
    rows = rows.set_column(at, TABLES[name].field("subject_key"), keys)
    if name == "events":
        duck.register("one", rows.select(["source_ref"]))
        ids = duck.sql("SELECT md5(source_ref || ' of copy ' || $1) AS id FROM one", params=[copy]).to_arrow_table()[
            "id"
        ]
        rows = rows.set_column(rows.schema.get_field_index("event_id"), TABLES[name].field("event_id"), ids)
    encoded = [field.name for field in rows.schema if field.name not in ("event_id", "source_ref", "num")]
    pq.write_table(rows, path, compression="zstd", use_dictionary=encoded, row_group_size=1 << 19)


def _table(duck: duckdb.DuckDBPyConnection, query: str, name: str) -> pa.Table:
    """The query's rows with all columns of the timeline's table, those it does not name null."""
    asked = duck.sql(query).to_arrow_table()
    schema = TABLES[name]
    missing = [pa.nulls(len(asked), field.type) if field.name not in asked.column_names else None for field in schema]
    columns = [
        empty if empty is not None else asked[field.name].cast(field.type)
        for field, empty in zip(schema, missing, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _at(column: str) -> str:
    return f"timezone('UTC', CAST({column} AS TIMESTAMP))"


def _events(duck: duckdb.DuckDBPyConnection, names: dict[str, str]) -> pa.Table:
    query = f"""
SELECT CAST(subject_id AS BIGINT) AS subject_key, '' AS event_id, kind, {_at("t_start")} AS t_start,
       {_at("t_end")} AS t_end, {_at("t_available")} AS t_available, 'second' AS precision, 'mimic' AS system, code,
       coalesce(TRY_CAST(num AS DOUBLE), TRY_CAST(regexp_extract(value, '^[<>]=?\\s*([0-9.]+)$', 1) AS DOUBLE)) AS num,
       nullif(regexp_extract(value, '^([<>]=?)\\s*[0-9.]+$', 1), '') AS comparator, unit,
       status, 'affirmed' AS polarity, hadm_id AS encounter, source_ref, '1' AS source_version, '1' AS ingest_batch,
       false AS deleted
FROM ({_EVENTS.format(**names)})
ORDER BY subject_key, t_start, source_ref"""
    return _table(duck, query, "events")


def _subjects(duck: duckdb.DuckDBPyConnection, names: dict[str, str]) -> pa.Table:
    query = f"""
SELECT CAST(p.subject_id AS BIGINT) AS subject_key, {_at("dob")} AS birth, 'day' AS birth_precision,
       CASE gender WHEN 'F' THEN 'female' ELSE 'male' END AS sex, {_at("coalesce(died, dod)")} AS death,
       CASE WHEN died IS NULL THEN 'day' ELSE 'second' END AS death_precision, false AS opted_out, '1' AS ingest_batch
FROM {names["patients"]} AS p
LEFT JOIN (SELECT subject_id, max(deathtime) AS died FROM {names["admissions"]} GROUP BY subject_id) AS a
  ON a.subject_id = p.subject_id
ORDER BY subject_key"""
    return _table(duck, query, "subjects")


def _periods(duck: duckdb.DuckDBPyConnection, names: dict[str, str]) -> pa.Table:
    query = f"""
SELECT CAST(p.subject_id AS BIGINT) AS subject_key, min({_at("admittime")}) AS t_start,
       any_value({_at("dod")}) + INTERVAL 1 DAY AS t_end, '1' AS ingest_batch
FROM {names["patients"]} AS p JOIN {names["admissions"]} AS a ON a.subject_id = p.subject_id
GROUP BY p.subject_id
ORDER BY subject_key"""
    return _table(duck, query, "observation_periods")
