"""Verify 1,800 receipts of two hospitals, all nineteen steps of each, with the log's and a witness's signature each time.

Of one receipt and the next only parsed keys, the study and the trust file's certificates are remembered; no verdict, no
signature, no checkpoint is: what these are remembered by is emptied before each.
"""

import sys
import time
from pathlib import Path

from figure import figure_line

from rapha.proof.checkpoint import _check_fits, read_checkpoint
from rapha.proof.envelope import _payload
from rapha.proof.verify import ModelFolder, judge_receipt
from rapha.sdk.folder import read_folder, read_keys

TESTS = Path(__file__).resolve().parents[1] / "tests"
RECEIPTS, RUNS, TARGET_SECONDS = 1800, 5, 2.0
"""900 a second."""


def main() -> None:
    vectors = TESTS / "vectors" / "receipts"
    folder = read_folder(vectors / "good", read_keys(vectors / "pinned.json"))
    runs = [judge_all(folder) for _ in range(RUNS)]
    print(f"{RECEIPTS / sorted(runs)[RUNS // 2]:,.0f} receipts a second, {sys.implementation.name} on one core")
    print(figure_line("receipt_verify", runs, TARGET_SECONDS))


def judge_all(folder: ModelFolder, cold: bool = True) -> float:
    """Seconds for all of them. `cold`: each checkpoint is read, and its signatures verified, again each time."""
    began = time.perf_counter()
    for at in range(RECEIPTS):
        if cold:
            _check_fits.cache_clear()
            read_checkpoint.cache_clear()
            _payload.cache_clear()
        verdict = judge_receipt(folder, ("receipts/north.json", "receipts/south.json")[at % 2])
        assert verdict.ok
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
