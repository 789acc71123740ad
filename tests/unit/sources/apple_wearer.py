"""A patient with a Watch: one export and its mapping, changed a little by each test."""

from pathlib import Path

from rapha.cli.demo.made_up_wearers import export_xml, record, write_zip
from rapha.sources.apple_health import ingest
from rapha.timeline.reader import open_timeline

SECRET = b"a secret of this site: 32 bytes."
MAPPING = """\
source: watches
format: apple-health
zone: Europe/Amsterdam
patient: p1
"""
SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"
STAGE = "HKCategoryValueSleepAnalysis"
HEART = ("HeartRate", "2024-01-02 08:00:00 +0100", "2024-01-02 08:00:00 +0100")


class Wearer:
    """One export, changed a little by each test."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.timeline, self.mapping = folder, folder / "timeline", folder / "w.mapping.yaml"
        self.zip = folder / "export.zip"
        self.mapping.write_text(MAPPING)

    def put(self, *parts: str, beside: dict[str, str] | None = None, name: str = "export.zip") -> None:
        write_zip(self.folder / name, export_xml(parts), beside)

    def ingest(self):
        return ingest(self.mapping, self.folder, self.timeline, SECRET)

    def ask(self, columns, table="events", where="true", order="1, 2"):
        with open_timeline(self.timeline).connect() as connection:
            return connection.execute(f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {order}").fetchall()

    def daily(self) -> dict[str, float]:
        """Of the only day."""
        return dict(self.ask("code, num_canonical", where="system = 'apple-health-daily'"))


def steps(start, end, count, model="Watch", **more):
    return record("StepCount", f"2024-01-02 {start} +0100", f"2024-01-02 {end} +0100", count, "count", model, **more)


def heart(clock, rate, unit="count/min", **more):
    at = f"2024-01-02 {clock} +0100"
    return record("HeartRate", at, at, rate, unit, **more)


def asleep(start, end, stage, **more):
    return record(SLEEP, f"{start} +0100", f"{end} +0100", STAGE + stage, **more)
