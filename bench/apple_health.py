"""A Watch's export of some two years, 400 MB of export.xml in its zip, to a timeline on the disk.

The claim is 75 MB of XML a second; the figure is the time of one ingest, zip read and batch written, each in a process of
its own, without pandas, which a node as installed does not have. The floor is unpacking and expat with a handler that does nothing. Of the
peak, some 145 MB are Python, Arrow and DuckDB before a byte is read; the rest is what is in hand, a batch of records or a span of days, and
samples that wait for their day, spilled to the disk above 24 MB.
"""

import datetime as dt
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from time import perf_counter
from xml.parsers import expat

from figure import figure_line

from rapha.cli.demo.made_up_wearers import export_xml, moment, record
from rapha.lean import leave_out_pandas

MEGABYTES, RUNS, MB_PER_SECOND = 400, 5, 75
MAPPING = "source: watch\nformat: apple-health\nzone: Europe/London\npatient: made-up\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "w.mapping.yaml").write_text(MAPPING)
        megabytes = _write(folder / "export.zip")
        runs = []
        for number in range(RUNS):
            command = [sys.executable, __file__, str(folder), str(number)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, events = done.stdout.split()
            runs.append(float(seconds))
            print(f"{megabytes:.0f} MB, {events} events, {megabytes / runs[-1]:.0f} MB/s", flush=True)
        print(figure_line("apple_health", runs, megabytes / MB_PER_SECOND, floor=_floor(folder / "export.zip")))


def _write(path: Path) -> float:
    """Pulse and steps in turn, as a Watch writes them; MB of XML."""
    head, tail = export_xml(["@"]).split("@")
    at, size = dt.datetime(2022, 1, 1, tzinfo=dt.UTC), 0
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("apple_health_export/export.xml", "w", force_zip64=True) as xml,
    ):
        xml.write(head.encode())
        while size < MEGABYTES * 10**6:
            part = "".join(_minute(at + dt.timedelta(minutes=minute)) for minute in range(1000))
            at += dt.timedelta(minutes=1000)
            size += xml.write(part.encode())
        xml.write(tail.encode())
    return size / 10**6


def _minute(at: dt.datetime) -> str:
    now, then = moment(at), moment(at + dt.timedelta(seconds=50))
    context = {"HKMetadataKeyHeartRateMotionContext": "0"}
    rate = 50 + (at.minute * 7 + at.hour * 3) % 60
    return record("HeartRate", now, now, rate, "count/min", metadata=context) + record(
        "StepCount", now, then, 1 + at.minute, "count"
    )


def _floor(path: Path) -> float:
    """Seconds of unpacking and of expat, and of nothing else."""
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = lambda name, attributes: None
    begun = perf_counter()
    with zipfile.ZipFile(path) as archive, archive.open("apple_health_export/export.xml") as xml:
        head = xml.read(1 << 16)
        parser.Parse(head[head.index(b"<HealthData ") :], False)
        while piece := xml.read(1 << 20):
            parser.Parse(piece, False)
    parser.Parse(b"", True)
    return perf_counter() - begun


def one_run(folder: Path, number: str) -> None:
    """Ingest once, into a timeline of its own; the seconds, and how many events."""
    leave_out_pandas()
    from rapha.sources.apple_health import ingest

    begun = perf_counter()
    report = ingest(folder / "w.mapping.yaml", folder / "export.zip", folder / number, b"made up for the bench")
    print(perf_counter() - begun, report.events)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one_run(Path(sys.argv[1]), sys.argv[2])
    else:
        main()
