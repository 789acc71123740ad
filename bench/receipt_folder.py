"""Verify a model folder of 1,800 hospitals with the whole command, from its start to its last line, on as many cores as there are.

`rapha receipt verify FOLDER --keys KEYS` in a process of its own: reading 7,200 files, all nineteen steps of each receipt, each under two
checkpoints of its own with the log's and a witness's signature on each, the aggregation held against all of them, and 84,000 lines said.
A delivery's receipts share a checkpoint, so a real folder of this size takes less.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figure import figure_line

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "vectors"))

from many_receipts import write_folder

HOSPITALS, RUNS, TARGET_SECONDS = 1800, 5, 2.0
"""900 a second, of the whole command."""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        folder, keys = Path(home) / "model", Path(home) / "pinned.json"
        keys.write_bytes(write_folder(folder, HOSPITALS).as_bytes())
        runs = [verify(folder, keys) for _ in range(RUNS)]
    cores = len(os.sched_getaffinity(0))
    print(f"{HOSPITALS / sorted(runs)[RUNS // 2]:,.0f} receipts a second, the whole command, on {cores} cores together")
    print(figure_line("receipt_folder", runs, TARGET_SECONDS))


def verify(folder: Path, keys: Path) -> float:
    """Seconds. Raises CalledProcessError where the command does not say that all of them hold."""
    command = [str(Path(sys.executable).parent / "rapha"), "receipt", "verify", str(folder), "--keys", str(keys)]
    began = time.perf_counter()
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    took = time.perf_counter() - began
    assert f"VERIFIED: all {HOSPITALS + 1} receipts hold." in said
    return took


if __name__ == "__main__":
    main()
