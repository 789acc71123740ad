"""Run ohdsi-circepy on cohorts over a CDM in a folder of CSV: for each its rows of [person, day of entry], as one JSON line on stdout."""

import json
import sys
from pathlib import Path

import duckdb
import ibis
from circe import cohort_expression_from_json
from circe.execution.api import build_cohort

folder, duckdb_file, *cohorts = sys.argv[1:]
with duckdb.connect(duckdb_file) as duck:
    for path in Path(folder).glob("*.csv.gz"):
        name = path.name.split(".")[0].lower()
        texts = ", types = {'concept_code': 'VARCHAR', 'invalid_reason': 'VARCHAR'}" if name == "concept" else ""
        duck.execute(f"CREATE TABLE IF NOT EXISTS {name} AS FROM read_csv(?{texts})", [str(path)])
backend = ibis.duckdb.connect(duckdb_file)
for cohort in cohorts:
    expression = cohort_expression_from_json(Path(cohort).read_text())
    rows = build_cohort(expression, backend=backend, cdm_schema="main", cohort_id=1).execute()
    found = sorted(zip(rows["person_id"], rows["start_date"], strict=True))
    print(json.dumps([[int(person), str(start)[:10]] for person, start in found]))
