"""A whole CDM, counted by plain SQL beside it."""

import os
from pathlib import Path

import duckdb
import pytest
from test_omop_rows import SECRET

from rapha.sources.omop import ingest
from rapha.timeline.reader import open_timeline

MAPPING = "source: cdm\nformat: omop\navailable: {default: same}\n"
PLAIN = {
    "condition": ["CONDITION_OCCURRENCE"], "medication": ["DRUG_EXPOSURE"], "procedure": ["PROCEDURE_OCCURRENCE"],
    "measurement": ["MEASUREMENT"], "observation": ["OBSERVATION", "SPECIMEN"], "device": ["DEVICE_EXPOSURE"],
    "encounter": ["VISIT_OCCURRENCE", "VISIT_DETAIL"],
}  # fmt: skip


@pytest.mark.shared_data
def test_every_row_of_synthea_is_an_event(checkout, tmp_path):
    shared = Path(os.environ.get("RAPHA_SHARED", checkout.parent / "shared"))
    data = shared / "data" / "omop-synthea27nj"
    if not data.is_dir():
        pytest.skip(f"no data set at {data}; RAPHA_SHARED names the folder that holds it")
    (tmp_path / "cdm.mapping.yaml").write_text(MAPPING)
    report = ingest(tmp_path / "cdm.mapping.yaml", data, tmp_path / "timeline", SECRET)

    def rows(tables: list[str], where: str = "true") -> int:
        read = "SELECT count(*) FROM read_csv(?, all_varchar = true) WHERE"
        return sum(duckdb.execute(f"{read} {where}", [str(data / f"{name}.csv.gz")]).fetchone()[0] for name in tables)

    assert report.set_aside == 0
    assert (report.patients, report.observation_periods) == (rows(["PERSON"]), rows(["OBSERVATION_PERIOD"]))
    with open_timeline(tmp_path / "timeline").connect() as connection:
        found = connection.execute("SELECT kind, count(*) FROM events GROUP BY kind").fetchall()
        valued = "SELECT count(*), count(unit_ucum) FROM events WHERE kind = 'measurement' AND num IS NOT NULL"
        [(numbers, units)] = connection.execute(valued).fetchall()
        dead = connection.execute("SELECT count(death) FROM subjects").fetchall()
    assert dict(found) == {kind: rows(tables) for kind, tables in PLAIN.items()}
    assert numbers == rows(["MEASUREMENT"], "value_as_number IS NOT NULL")
    assert units == rows(["MEASUREMENT"], "value_as_number IS NOT NULL AND unit_concept_id <> '0'")
    assert dead == [(rows(["DEATH"]),)]
