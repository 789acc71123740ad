"""A bulk export of 277,089 FHIR resources, 238 MB of NDJSON, to a timeline of 381,589 events on the disk.

The claim is 300,000 events a second and 400 MB; the figure is the time of one ingest, files read and batch written, each in
a process of its own.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

from figure import figure_line
from made_up_fhir import deal_export

PATIENTS, RUNS, EVENTS_PER_SECOND = 1900, 5, 300_000
MAPPING = """\
source: clinic
format: fhir
observation: {start: first event, end: last event}
available: same
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        resources = deal_export(folder / "export", PATIENTS)
        (folder / "clinic.mapping.yaml").write_text(MAPPING)
        runs, events = [], 0
        for number in range(RUNS):
            command = [sys.executable, __file__, str(folder), str(number)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, counted = done.stdout.split()
            runs.append(float(seconds))
            events = int(counted)
            print(f"{resources:,} resources, {events:,} events, {events / runs[-1]:,.0f} events/s", flush=True)
    print(figure_line("fhir_ingest", runs, events / EVENTS_PER_SECOND))


def one_run(folder: Path, number: str) -> None:
    """Ingest once, into a timeline of its own; the seconds, and how many events."""
    from rapha.sources.fhir import ingest

    begun = perf_counter()
    report = ingest(folder / "clinic.mapping.yaml", folder / "export", folder / number, b"made up for the bench")
    print(perf_counter() - begun, report.events)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one_run(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
