"""Rounds of a model of so many bytes: real processes on loopback, every check and fsync on, a step that costs little, as the peers' does.

The model is a bag of hashed words (`text-classifier`): its weights are a vector for each bucket, of which a patient's letter touches a few. Each
hospital trains on some sixty of its hundred patients, so that its step is one batch of plain descent, and its audit for memory sees enough.
"""

from itertools import pairwise
from pathlib import Path
from statistics import median

from figure import figure_line
from little_town import little_town, run_study

BUCKETS = 976_562
"""Of words; a study may ask for 1,048,576."""


def measure(name: str, width: int, rounds: int, runs: int, target_seconds: float, floor: float) -> None:
    """Print what each run gives, then the figure, of a model of `width` numbers a word. Memory is told for the hub and for one agent."""
    medians = []
    changes = {
        "modalities: [ehr]": "modalities: [ehr, text]",
        "  diabetes: {system": "  letter: {system: local, codes: [letter]}\n  diabetes: {system",
        "features:": "features:\n  - {note: letter, during: {until: index, for: 2 years}, at_most: 64}",
        "model: {architecture: logistic}": f"model: {{architecture: text-classifier, buckets: {BUCKETS}, embedding: {width}}}",
        "learning_rate: 0.05, batch_size: 64": "learning_rate: 0.001, batch_size: 65536, optimizer: sgd",
        "test_percent: 30, validation_percent: 20": "test_percent: 20, validation_percent: 20",
    }
    with little_town(3, people=100, ill=0.5, letters=True) as town:
        for _ in range(runs):
            _, events = run_study(town, rounds, **changes)
            closed = [at for event, _, at in events if event == "round.closed"]
            gaps = [(after - before).total_seconds() for before, after in pairwise(closed[1:-1])]
            medians.append(median(gaps))
            size = 4 * BUCKETS * width / 1e6
            print(
                f"{len(gaps)} rounds of {size:.0f} MB, median {medians[-1]:.2f} s, worst {max(gaps):.2f} s", flush=True
            )
        peaks = {process: peak_mb_of(pid) for process, pid in town.processes.items()}
        print("peak_mb " + " ".join(f"{process} {mb}" for process, mb in peaks.items()), flush=True)
    print(figure_line(name, medians, target_seconds, floor=floor))


def peak_mb_of(pid: int) -> int:
    """The highest resident memory of a running process, in millions of bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024 // 10**6
