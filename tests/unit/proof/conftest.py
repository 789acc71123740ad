"""Records to state and sign: the golden ones."""

from pathlib import Path

import pytest

from rapha.records.receipt import Aggregation
from rapha.records.release import Release

GOLDEN = Path(__file__).resolve().parents[2] / "vectors" / "records"


@pytest.fixture(scope="session")
def release() -> Release:
    return Release.from_bytes((GOLDEN / "release.json").read_bytes())


@pytest.fixture(scope="session")
def aggregation() -> Aggregation:
    return Aggregation.from_bytes((GOLDEN / "aggregation.json").read_bytes())
