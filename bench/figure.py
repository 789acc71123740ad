"""The last line of every claim of speed, in one form, so that a page can be written from them.

figure readmission 0.41 s target 1.0 ok peer aces 24.9 ratio 0.016 peak_mb 182 floor 0.30
"""

import re
import resource
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

RUNS_AT_LEAST = 5
LINE = re.compile(
    r"figure (?P<name>[a-z0-9_]+) (?P<value>[0-9.]+) (?P<unit>\S+) target (?P<target>[0-9.]+) (?P<verdict>ok|short)"
    r"(?: peer \S+ [0-9.]+ ratio [0-9.]+)* peak_mb \d+(?: floor [0-9.]+)?"
)


class Peer(NamedTuple):
    """Another program on the same task in the same run. `seconds` is the median of its runs."""

    name: str
    seconds: float


def figure_line(name: str, seconds: Sequence[float], target: float, *peers: Peer, floor: float = 0) -> str:
    """The line for `seconds`, one measurement per run; the median must not pass `target`.

    `floor`, in seconds, is what the machine needs for the same at the very least, where that is known. `peak_mb` is of
    the largest process of this claim, itself or one that it started and waited for.

    Raises:
        ValueError: fewer than five runs.
    """
    if len(seconds) < RUNS_AT_LEAST:
        raise ValueError(f"a figure is the median of at least {RUNS_AT_LEAST} runs, not of {len(seconds)}")
    value = median(seconds)
    words = ["figure", name, f"{value:.3g}", "s", "target", f"{target:g}", "ok" if value <= target else "short"]
    for peer in peers:
        words += ["peer", peer.name, f"{peer.seconds:.3g}", "ratio", f"{value / peer.seconds:.3g}"]
    words += ["peak_mb", str(peak_mb())]
    if floor:
        words += ["floor", f"{floor:.3g}"]
    return " ".join(words)


def peak_mb() -> int:
    """Resident memory at its highest, in millions of bytes (Linux counts it in KiB)."""
    kib = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return kib * 1024 // 10**6
