"""Examples on notes, images and wearables, as a newcomer runs them."""

from pathlib import Path

import pytest
from example_run import DENSE, by_record, run_examples

from rapha.sdk.report.findings import read_findings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("examples", by_record(DENSE), ids="+".join)
def test_an_example_runs_to_verified_receipts(examples: tuple[str, ...], tmp_path: Path) -> None:
    run_examples(tmp_path / "home", *examples)
    if examples == ("nodule-segmentation",):
        metrics = read_findings(tmp_path / "home" / "models" / "nodule-segmentation").metrics
        assert [(one.segment, one.score.sites) for one in metrics.segments] == [("nodule", 2), ("lung", 2)]
        assert all(one.score.value > 0.8 for one in metrics.segments)
