"""An example as a newcomer runs it: a demonstration with two hospitals, to verified receipts."""

import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from rapha.cli.demo.records import MADE_UP

DENSE = (
    "adapter-for-clinic-letters", "deterioration-multimodal", "failure-said-in-letters", "heart-failure-from-clips",
    "nodule-classification", "nodule-segmentation", "nodule-uptake-pet-ct", "report-classification", "sleep-and-heart-rate",
)  # fmt: skip
"""On notes, images and wearables: what takes the longest, in a file of its own."""


def by_record(names: Collection[str]) -> list[tuple[str, ...]]:
    """Those that are done on one made-up record together: one town does them, one after the other."""
    records = {MADE_UP[name]: [each for each in names if MADE_UP[each] == MADE_UP[name]] for name in names}
    return [tuple(together) for together in records.values()]


def run_examples(home: Path, *studies: str, more: tuple[str, ...] = ()) -> None:
    """Run these with two hospitals, and see their receipts verified: three for each study."""
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    words = ["demo", *more, "--home", str(home), "--hospitals", "2"]
    words += [word for name in studies for word in ("--study", name)]
    done = subprocess.run([sys.executable, "-m", "rapha.cli.main", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.count("verified, T0") == 3 * len(studies)
    for name in studies:
        assert (home / "models" / name / "model.safetensors").is_file()
