"""From handing in a study to the first training step done at every hospital, cold: decide, freeze, start a sandbox,
test its walls, import torch, gather statistics, train.

Measured to the close of the first training round, which holds that step and one aggregation.
"""

from figure import figure_line
from little_town import little_town, run_study

RUNS, TARGET_SECONDS = 5, 5.0


def main() -> None:
    runs = []
    with little_town() as town:
        for _ in range(RUNS):
            submitted, events = run_study(town, rounds=1)
            closed = [at for name, number, at in events if name == "round.closed" and number == 1]
            runs.append((closed[0] - submitted).total_seconds())
            print(f"first step after {runs[-1]:.2f} s", flush=True)
    print(figure_line("first_step", runs, TARGET_SECONDS))


if __name__ == "__main__":
    main()
