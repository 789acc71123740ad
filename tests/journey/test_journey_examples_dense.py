"""Examples on notes, images and wearables, as a newcomer runs them."""

from pathlib import Path

import pytest
from example_run import DENSE, run_examples

from rapha.sdk.report.findings import read_findings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("example", DENSE)
def test_an_example_runs_to_verified_receipts(example: str, tmp_path: Path) -> None:
    run_examples(tmp_path / "home", example)
    if example == "nodule-segmentation":
        metrics = read_findings(tmp_path / "home" / "models" / example).metrics
        assert [(one.segment, one.score.sites) for one in metrics.segments] == [("nodule", 2), ("lung", 2)]
        assert all(one.score.value > 0.8 for one in metrics.segments)
