"""Rounds of a model of so many bytes: real processes on loopback, every check and fsync on, a step that costs little.

The model is an mlp of the size; each hospital trains on some sixty of its hundred patients, so that its step is one batch of plain descent,
and its audit for memory sees enough. Both are in the figure: six operations for each weight and patient that is trained on, two for
each that a model is asked about.
"""

import math
from itertools import pairwise
from pathlib import Path
from statistics import median

from figure import figure_line
from little_town import little_town, run_study

WIDEST = 4096
"""A study may ask for no wider layer."""


def hidden_for(size_bytes: int) -> str:
    """Widths of layers, equal ones, of which the matrices between them have the size in float32."""
    matrices = max(2, math.ceil(size_bytes / (4 * WIDEST**2)))
    width = min(WIDEST, round(math.sqrt(size_bytes / (4 * matrices))))
    return f"[{', '.join([str(width)] * (matrices + 1))}]"


def measure(
    name: str, size_bytes: int, hidden: str, rounds: int, runs: int, target_seconds: float, floor: float
) -> None:
    """Print what each run gives, then the figure. Memory is told for the hub and for one agent."""
    medians = []
    changes = {
        "model: {architecture: logistic}": f"model: {{architecture: mlp, hidden: {hidden}}}",
        "learning_rate: 0.05, batch_size: 64": "learning_rate: 0.001, batch_size: 65536, optimizer: sgd",
        "test_percent: 30, validation_percent: 20": "test_percent: 20, validation_percent: 20",
    }
    with little_town(3, people=100, ill=0.5) as town:
        for _ in range(runs):
            _, events = run_study(town, rounds, **changes)
            closed = [at for event, _, at in events if event == "round.closed"]
            gaps = [(after - before).total_seconds() for before, after in pairwise(closed[1:-1])]
            medians.append(median(gaps))
            print(
                f"{len(gaps)} rounds of {size_bytes / 1e6:.0f} MB, median {medians[-1]:.2f} s, worst {max(gaps):.2f} s",
                flush=True,
            )
        peaks = {process: peak_mb_of(pid) for process, pid in town.processes.items()}
        print("peak_mb " + " ".join(f"{process} {mb}" for process, mb in peaks.items()), flush=True)
    print(figure_line(name, medians, target_seconds, floor=floor))


def peak_mb_of(pid: int) -> int:
    """The highest resident memory of a running process, in millions of bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024 // 10**6
