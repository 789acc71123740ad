"""`rapha view run`: rows as Parquet, and what was set aside, by file and line."""

import json
from pathlib import Path

import pyarrow.parquet as pq
from typer.testing import CliRunner

from rapha.cli.view import app


def test_rows_are_written_and_what_was_set_aside_is_told(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(
        json.dumps({"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]})
    )
    fhir, out = tmp_path / "fhir", tmp_path / "out.parquet"
    fhir.mkdir()
    (fhir / "a.ndjson").write_text('{"resourceType": "Patient", "id": "a"}\nbroken\n')
    done = CliRunner().invoke(app, ["run", str(tmp_path / "v.json"), str(fhir), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert pq.read_table(out).to_pylist() == [{"id": "a"}]
    assert "1 rows of 1 resources" in done.output
    assert "a.ndjson:2 is no JSON object" in done.output
