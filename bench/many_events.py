"""Fifty million events: the MIMIC-III demo 54 times over, each time with new patients. For the claims about cohorts.

The demo is read from `data/mimic3-demo` of the folder that RAPHA_SHARED names, or of `shared` beside the checkout. Copies
of the same patients compress well and lie in order, so reading them is faster than fifty million events of a hospital.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

from mimic_demo import demo_folder, write_demo

from rapha.cohort.plan import plan_of
from rapha.cohort.statement import cohort_statement
from rapha.records.study import Study
from rapha.timeline.reader import Timeline, open_timeline

COPIES, RUNS = 54, 5
KEY = b"a secret of the site, 32 bytes.."
_never_waited_for: list[subprocess.Popen[str]] = []
"""Held, for one that is let go is waited for."""


@contextmanager
def many_events() -> Iterator[Timeline]:
    """The timeline, written before anything is measured.

    By a process of its own that is never waited for (its last word is), so that its memory is not taken for the peak of
    what is measured.
    """
    data = demo_folder()
    if data is None:
        raise SystemExit(
            "error: the MIMIC-III demo is not there: set RAPHA_SHARED to the folder that has data/mimic3-demo"
        )
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "timeline"
        print(f"writing {COPIES} copies of {data.name}", flush=True)
        writer = subprocess.Popen(
            [sys.executable, __file__, str(data), str(home), str(COPIES)], stdout=subprocess.PIPE, text=True
        )
        _never_waited_for.append(writer)
        if not writer.stdout or writer.stdout.read().strip() != "written":
            raise SystemExit("error: the timeline could not be written")
        yield open_timeline(home)


def timed(timeline: Timeline, study: Study) -> Sequence[float]:
    """Seconds of each run: open the locked connection, ask the one statement, hold its rows."""
    statement = cohort_statement(plan_of(study), KEY)
    runs = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        with timeline.connect() as connection:
            table = connection.table(statement.text, statement.parameters)
        runs.append(time.perf_counter() - begun)
        print(f"{len(table)} rows in {runs[-1]:.2f} s", flush=True)
    return runs


def floor(timeline: Timeline, codes: Sequence[str]) -> float:
    """Seconds to read what the study's codes have of time and value, and no more: the best of three."""
    best = []
    for _ in range(3):
        begun = time.perf_counter()
        with timeline.connect() as connection:
            connection.execute(
                "SELECT min(t_start), min(t_available), min(num) FROM events WHERE code IN (SELECT unnest($codes))",
                {"codes": list(codes)},
            ).fetchall()
        best.append(time.perf_counter() - begun)
    return min(best)


def study_of(**parts: object) -> Study:
    """A study of MIMIC's codes; `parts` are its concepts, cohort, outcome and features."""
    return Study.model_validate(
        {
            "study": "claim",
            "purpose": {"sentence": "Measure how long a cohort takes.", "data_use": ["DUO:0000006"]},
            "data": {"modalities": ["ehr"]},
            "model": {"architecture": "logistic"},
            **parts,
        }
    )


def mimic(**codes: str) -> dict[str, object]:
    """Concepts by name, each one code of MIMIC."""
    return {name: {"system": "mimic", "codes": [code]} for name, code in codes.items()}


if __name__ == "__main__":
    write_demo(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    print("written")
