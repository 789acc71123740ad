"""Examples on a record of their own, and one with a model of its own, as a newcomer runs them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rapha.cli.demo.records import MADE_UP

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("example", [*sorted(MADE_UP), "mortality-own-model"])
def test_an_example_runs_to_verified_receipts(example: str, tmp_path: Path) -> None:
    if not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed: see `rapha doctor`")
    words = ["demo", "--study", example, "--home", str(tmp_path / "home"), "--hospitals", "2"]
    done = subprocess.run([sys.executable, "-m", "rapha.cli.main", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.count("verified, T0") == 3
    assert (tmp_path / "home" / "models" / example / "model.safetensors").is_file()
