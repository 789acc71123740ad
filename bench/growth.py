"""How the readmission cohort's time grows with the number of events: 1, 3, 10, 30 and 100 million, of the MIMIC-III demo replicated.

Every size is written, asked and removed before the next, so the disk holds one at a time. The figure is that of the
largest size, against twice the target of `readmission` at 50 million; RAPHA_GROWTH_MILLIONS names a smaller largest one.
"""

import os

import many_events
from figure import figure_line
from many_events import many_events as timeline_of
from many_events import timed
from readmission import STUDY

TARGET_SECONDS = 2.0
MILLIONS = (1, 3, 10, 30, 100)
PER_COPY = 926_440


def main() -> None:
    largest = int(os.environ.get("RAPHA_GROWTH_MILLIONS", MILLIONS[-1]))
    each: list[tuple[int, float]] = []
    runs: list[float] = []
    for millions in (size for size in MILLIONS if size <= largest):
        many_events.COPIES = max(1, round(millions * 1_000_000 / PER_COPY))
        with timeline_of() as timeline:
            runs = sorted(timed(timeline, STUDY))
        events = many_events.COPIES * PER_COPY
        each.append((events, runs[len(runs) // 2]))
        print(f"{events:,} events: {each[-1][1]:.3f} s, {each[-1][1] / events * 1e6:.4f} s a million", flush=True)
    (few, soon), (many, late) = each[0], each[-1]
    print(f"a million events among {many:,} take {late / many / (soon / few):.2f} times what they take among {few:,}")
    print(figure_line("growth", runs, TARGET_SECONDS))


if __name__ == "__main__":
    main()
