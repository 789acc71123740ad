"""The official suite of SQL on FHIR v2, read from beside the checkout: every test of it must pass."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rapha.errors import RaphaError
from rapha.sources.views.resources import SCHEMA
from rapha.sources.views.run import rows_of
from rapha.sources.views.view_file import parse_view

SHARED = Path(os.environ.get("RAPHA_SHARED", Path(__file__).resolve().parents[4] / "shared"))
SUITE = SHARED / "data" / "sql-on-fhir-suite"
FILES = [json.loads(path.read_text()) | {"file": path.stem} for path in sorted(SUITE.glob("*.json"))]
CASES = [(file["resources"], test, f"{file['file']}: {test['title']}") for file in FILES for test in file["tests"]]

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not CASES, reason=f"the suite is not at {SUITE}; RAPHA_SHARED says where shared data is"),
]


def row(values: dict[str, Any]) -> list[str]:
    """A row to compare and sort: 5 and 5.0 are the same number, but true is not 1."""
    return sorted(repr((key, float(v) if type(v) is int else v)) for key, v in values.items())


def rows(resources: list[Any], view: Any) -> tuple[list[str], list[list[str]]]:
    texts = pa.array([json.dumps(resource) for resource in resources], pa.string())
    found = rows_of(parse_view(view, "view.json"), [pa.RecordBatch.from_arrays([texts], schema=SCHEMA)])
    return found.schema.names, sorted(row(values) for batch in found for values in batch.to_pylist())


@pytest.mark.parametrize(("resources", "test", "title"), CASES, ids=[title for _, _, title in CASES])
def test_official_suite(resources: list[Any], test: dict[str, Any], title: str) -> None:
    if test.get("expectError"):
        with pytest.raises(RaphaError):
            rows(resources, test["view"])
        return
    names, found = rows(resources, test["view"])
    assert found == sorted(row(values) for values in test["expect"])
    assert names == test.get("expectColumns", names)


def test_it_has_134_tests() -> None:
    assert len(CASES) == 134
