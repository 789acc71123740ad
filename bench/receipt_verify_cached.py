"""Verify 1,800 receipts under checkpoints that were read and verified once: all nineteen steps of each, no verdict remembered.

Its floor is the four signatures on P-256 that each receipt has of its own.
"""

from figure import figure_line
from receipt_verify import RECEIPTS, RUNS, TESTS, judge_all, signatures_alone

from rapha.sdk.folder import read_folder, read_keys

TARGET_SECONDS = 0.45
"""4,000 a second."""


def main() -> None:
    vectors = TESTS / "vectors" / "receipts"
    folder = read_folder(vectors / "good", read_keys(vectors / "pinned.json"))
    runs = [judge_all(folder, cold=False) for _ in range(RUNS)]
    print(f"{RECEIPTS / sorted(runs)[RUNS // 2]:,.0f} receipts a second under cached checkpoints, on one core")
    print(figure_line("receipt_verify_cached", runs, TARGET_SECONDS, floor=signatures_alone(ed25519=0)))


if __name__ == "__main__":
    main()
