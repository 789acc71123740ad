"""Rounds of a ten-weight model over so many hospitals.

A round is the time between two rounds closing on the hub: hand out, train in the sandbox, gate, upload, aggregate. The
median of each study's twenty rounds is one run. The floor is a bare loop of long polls and sums, without authentication,
sandbox, retries or store, measured on a machine of two cores. Beside it, in the same run, Flower and NVFLARE where they are installed.
"""

from itertools import pairwise
from statistics import median

from figure import figure_line
from little_town import little_town, run_study
from peer_rounds import beside

ROUNDS, RUNS = 20, 5


def measure(name: str, hospitals: int, target_seconds: float, floor_seconds: float) -> None:
    """Print what each run gives, then the figure."""
    runs = []
    with little_town(hospitals) as town:
        for _ in range(RUNS):
            _, events = run_study(town, ROUNDS)
            closed = [at for event, _, at in events if event == "round.closed"]
            gaps = [(after - before).total_seconds() for before, after in pairwise(closed[1:-1])]
            runs.append(median(gaps))
            print(f"{len(gaps)} rounds, median {runs[-1] * 1000:.1f} ms, worst {max(gaps) * 1000:.1f} ms", flush=True)
    print(figure_line(name, runs, target_seconds, *beside(hospitals), floor=floor_seconds))
