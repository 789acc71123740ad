"""How the readmission cohort's time grows with the number of events: 1, 3, 10, 30 and 100 million, of the MIMIC-III demo replicated.

Every size is written, asked and removed before the next, so the disk holds one at a time. The figure is that of the
largest size, against twice the target of `readmission` at 50 million; RAPHA_GROWTH_MILLIONS names a smaller largest one. The
whole curve is kept in `growth.txt`, with the processor time of a run beside its time: the one that a busy machine leaves alone.
"""

import os
import time
from pathlib import Path
from typing import NamedTuple

import many_events
from figure import figure_line
from many_events import many_events as timeline_of
from many_events import timed
from readmission import STUDY
from run import machine

TARGET_SECONDS = 2.0
MILLIONS = (1, 3, 10, 30, 100)
PER_COPY = 926_440
KEPT = Path(__file__).with_name("growth.txt")


class Size(NamedTuple):
    """One size of the curve: the median time of a run and the processor time of one, both in seconds, and how many programs
    wanted a core meanwhile."""

    events: int
    seconds: float
    processor: float
    load: float

    def line(self) -> str:
        measured = f"seconds {self.seconds:.3g} processor {self.processor:.3g} load {self.load:.1f}"
        return f"{machine()} | events {self.events} {measured}"


def main() -> None:
    largest = int(os.environ.get("RAPHA_GROWTH_MILLIONS", MILLIONS[-1]))
    each: list[Size] = []
    runs: list[float] = []
    for millions in (size for size in MILLIONS if size <= largest):
        many_events.COPIES = max(1, round(millions * 1_000_000 / PER_COPY))
        with timeline_of() as timeline:
            begun = time.process_time()
            runs = sorted(timed(timeline, STUDY))
            processor = (time.process_time() - begun) / len(runs)
        each.append(Size(many_events.COPIES * PER_COPY, runs[len(runs) // 2], processor, os.getloadavg()[0]))
        print(each[-1].line(), flush=True)
    _keep(each)
    (few, _, soon, _), (many, _, late, _) = each[0], each[-1]
    ratio = late / many / (soon / few)
    print(f"a million events among {many:,} take {ratio:.2f} times the processor time they take among {few:,}")
    print(figure_line("growth", runs, TARGET_SECONDS))


def _keep(each: list[Size]) -> None:
    """These sizes in place of the same of this machine; others stay."""
    lines = (
        {line.partition(" seconds")[0]: line for line in KEPT.read_text(encoding="utf-8").splitlines()}
        if KEPT.exists()
        else {}
    )
    lines |= {size.line().partition(" seconds")[0]: size.line() for size in each}
    KEPT.write_text("".join(f"{line}\n" for line in lines.values()), encoding="utf-8")


if __name__ == "__main__":
    main()
