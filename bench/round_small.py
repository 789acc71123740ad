"""One round of a ten-weight model over three hospitals: real processes on loopback, every check and fsync on.

A round is the time between two rounds closing on the hub: hand out, train in the sandbox, gate, upload, aggregate. The
median of each study's twenty rounds is one run.
"""

from itertools import pairwise
from statistics import median

from figure import figure_line
from little_town import little_town, run_study

ROUNDS, RUNS, TARGET_SECONDS = 20, 5, 0.05


def main() -> None:
    runs = []
    with little_town() as town:
        for _ in range(RUNS):
            _, events = run_study(town, ROUNDS)
            closed = [at for name, _, at in events if name == "round.closed"]
            gaps = [(after - before).total_seconds() for before, after in pairwise(closed[1:-1])]
            runs.append(median(gaps))
            print(f"{len(gaps)} rounds, median {runs[-1] * 1000:.1f} ms, worst {max(gaps) * 1000:.1f} ms", flush=True)
    print(figure_line("round_small", runs, TARGET_SECONDS))


if __name__ == "__main__":
    main()
