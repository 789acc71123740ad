"""A bulk export of 277,089 FHIR resources, 238 MB of NDJSON, to a timeline of 381,589 events on the disk.

The claim is 300,000 events a second and 400 MB; the figure is the time of one ingest, files read and batch written, each in
a process of its own. The floor is what DuckDB needs to read the same fields of the same files with `read_json`, told beforehand what they
are, into tables in memory: no reference is resolved, no time or number read, no digest made, nothing sorted and nothing written.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

from figure import figure_line
from made_up_fhir import deal_export

from rapha.lean import leave_out_pandas

PATIENTS, RUNS, EVENTS_PER_SECOND = 1900, 5, 300_000
FLOOR = "floor"
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
        runs, floors, events = [], [], 0
        for number in range(RUNS):
            floors.append(_run(folder, FLOOR)[0])
            seconds, counted = _run(folder, str(number))
            runs.append(seconds)
            events = int(counted)
            told = f"{resources:,} resources, {events:,} events, {events / seconds:,.0f} events/s"
            print(f"{told}; fields read alone {floors[-1]:.2f} s", flush=True)
    print(figure_line("fhir_ingest", runs, events / EVENTS_PER_SECOND, floor=median(floors)))


def _run(folder: Path, what: str) -> tuple[float, float]:
    """Seconds and rows of one run in a process of its own."""
    command = [sys.executable, __file__, str(folder), what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, counted = done.stdout.split()
    return float(seconds), float(counted)


def one_run(folder: Path, number: str) -> None:
    """Ingest once, into a timeline of its own; the seconds, and how many events."""
    leave_out_pandas()
    from rapha.sources.fhir import ingest

    begun = perf_counter()
    report = ingest(folder / "clinic.mapping.yaml", folder / "export", folder / number, b"made up for the bench")
    print(perf_counter() - begun, report.events)


def one_floor(folder: Path) -> None:
    """Read the fields alone; the seconds, and how many resources."""
    import duckdb

    from rapha.sources.fhir.structures import EVERY, STRUCTURES

    begun = perf_counter()
    resources = 0
    with duckdb.connect(":memory:", config={"threads": 2}) as connection:
        for path in sorted((folder / "export").glob("*.ndjson")):
            fields = {**EVERY, **STRUCTURES[path.stem]}
            columns = ", ".join(f"'{name}': '{_type(form)}'" for name, form in fields.items())
            reading = f"read_json($path, format = 'newline_delimited', columns = {{{columns}}})"
            connection.execute(f'CREATE TABLE "{path.stem}" AS FROM {reading}', {"path": str(path)})
            [(rows,)] = connection.execute(f'SELECT count(*) FROM "{path.stem}"').fetchall()
            resources += rows
    print(perf_counter() - begun, resources)


def _type(form: Any) -> str:
    """SQL of the type that one of the structures is read into."""
    if isinstance(form, str):
        return form
    if isinstance(form, list):
        return f"{_type(form[0])}[]"
    parts = ", ".join(f'"{name}" {_type(part)}' for name, part in form.items())
    return f"STRUCT({parts})"


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[2] == FLOOR:
        one_floor(Path(sys.argv[1]))
    elif len(sys.argv) == 3:
        one_run(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
