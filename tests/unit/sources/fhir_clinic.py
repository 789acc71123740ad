"""A clinic's FHIR export, a few resources at a time, and its timeline."""

import json
from pathlib import Path
from typing import Any

from rapha.sources.fhir import ingest
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."
MAPPING = """\
source: clinic
format: fhir
observation: {start: first event, end: 2020-12-31}
available: same
"""
LOINC = "http://loinc.org"
Resource = dict[str, Any]


def patient(name: str = "p1", **more: Any) -> Resource:
    return {"resourceType": "Patient", "id": name, "birthDate": "1950-03-04", "gender": "female", **more}


def coded(code: str, system: str = LOINC) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def observation(name: str = "o1", **more: Any) -> Resource:
    """A final glucose of p1, taken and issued, without a value."""
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": coded("2339-0"),
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2019-05-01T08:00:00+02:00",
        "issued": "2019-05-01T12:30:00.250+02:00",
        **more,
    }


def about(kind: str, name: str = "x1", **more: Any) -> Resource:
    """A resource about p1."""
    who = "patient" if kind in ("Immunization", "AllergyIntolerance", "Consent") else "subject"
    return {"resourceType": kind, "id": name, who: {"reference": "Patient/p1"}, **more}


class Clinic:
    """A folder of data, a mapping, a timeline."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline = folder / "data", folder / "timeline"
        self.mapping_file = folder / "clinic.mapping.yaml"
        self.data.mkdir()
        self.mapping = MAPPING

    def ingest(self, *resources: Resource) -> IngestReport:
        """Write them as `all.ndjson`, if there are any; then ingest the folder as it stands."""
        if resources:
            self.write("all.ndjson", "".join(json.dumps(resource) + "\n" for resource in resources))
        self.mapping_file.write_text(self.mapping, encoding="utf-8")
        return ingest(self.mapping_file, self.data, self.timeline, SECRET)

    def write(self, name: str, text: str) -> None:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def bundle(self, name: str, *entries: Resource, **more: Any) -> None:
        self.write(
            name, json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries, **more}, indent=1)
        )

    def ask(self, columns: str, table: str = "events", order: str = "source_ref, event_id") -> list[tuple[Any, ...]]:
        """Columns of a table of the timeline."""
        order = order if table == "events" else "1"
        with open_timeline(self.timeline).connect() as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()

    def aside(self) -> list[str]:
        """The lines of the file of rows set aside, without its header."""
        return (self.timeline / "set-aside" / "clinic.csv").read_text(encoding="utf-8").splitlines()[1:]

    def content(self) -> dict[str, bytes]:
        """Every file of the timeline folder."""
        files = (path for path in self.timeline.rglob("*") if path.is_file())
        return {str(path.relative_to(self.timeline)): path.read_bytes() for path in files}
