"""Run ohdsi-circepy on a cohort over a CDM in a folder of CSV: (person, day of entry) as JSON lines on stdout."""

import json
import sys
from pathlib import Path

import duckdb
import ibis
from circe import cohort_expression_from_json
from circe.execution.api import build_cohort

cohort, folder = Path(sys.argv[1]), Path(sys.argv[2])
duckdb_file = sys.argv[3]
with duckdb.connect(duckdb_file) as duck:
    for path in folder.glob("*.csv.gz"):
        name = path.name.split(".")[0].lower()
        texts = ", types = {'concept_code': 'VARCHAR', 'invalid_reason': 'VARCHAR'}" if name == "concept" else ""
        duck.execute(f"CREATE TABLE IF NOT EXISTS {name} AS FROM read_csv(?{texts})", [str(path)])
backend = ibis.duckdb.connect(duckdb_file)
rows = build_cohort(
    cohort_expression_from_json(cohort.read_text()), backend=backend, cdm_schema="main", cohort_id=1
).execute()
for person, start in sorted(zip(rows["person_id"], rows["start_date"], strict=True)):
    print(json.dumps([int(person), str(start)[:10]]))
