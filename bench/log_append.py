"""Append 40,000 entries to a public log in batches of 256: every file and folder flushed, every batch acknowledged.

A run is a fresh log on this disk. The entries have the size of a receipt's.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from figure import figure_line

from rapha.hub.log_keeper import LogKeeper

ENTRIES, BATCH, RUNS, ENTRY_BYTES = 40_000, 256, 5, 489
TARGET_SECONDS = 1.0
"""40,000 a second."""


def main() -> None:
    entries = [b"%010d" % n + b"x" * (ENTRY_BYTES - 10) for n in range(ENTRIES)]
    runs = [append_all(entries) for _ in range(RUNS)]
    print(f"{ENTRIES / sorted(runs)[RUNS // 2]:,.0f} entries a second, batches of {BATCH}, flushed")
    print(figure_line("log_append", runs, TARGET_SECONDS))


def append_all(entries: list[bytes]) -> float:
    with TemporaryDirectory(dir=Path(__file__).resolve().parent) as folder:
        keeper = LogKeeper(Path(folder) / "log", "bench/log", Ed25519PrivateKey.generate())
        began = time.perf_counter()
        for at in range(0, len(entries), BATCH):
            keeper.append(entries[at : at + BATCH])
        took = time.perf_counter() - began
        keeper.close()
        return took


if __name__ == "__main__":
    main()
