"""A hospital with two tables and a mapping, changed a little by each test."""

from pathlib import Path
from typing import Any

import pytest
from fhir_clinic import Clinic

from rapha.sources.tables import ingest
from rapha.timeline.reader import open_timeline
from rapha.timeline.report import IngestReport

SECRET = b"a secret of this site: 32 bytes."
MAPPING = """\
source: ward
origin: 2000-01-01
subjects:
  file: people.csv
  id: id
  birth: {column: born}
  sex: {column: sex, values: {F: female, M: male}}
  death: {at: {column: died}}
observation:
  start: first event
  end: {column: seen}
events:
  - file: labs.csv
    id: patient
    kind: measurement
    time: {column: taken}
    available: {column: reported}
    system: local
    code: {column: test}
    value: value
    unit: {column: unit}
"""
PEOPLE = """\
id,born,sex,died,seen
p1,1950-03-04,F,,2012-01-01
p2,1960,M,2011-05-06,2011-05-06
"""
LABS = """\
patient,taken,reported,test,value,unit
p1,2010-01-01 08:00,2010-01-02 09:30:15,hdl,50,mg/dL
p2,2010-02-03,2010-02-03,crp,<5,mg/L
"""


class Hospital:
    """A folder of data, a mapping, a timeline."""

    def __init__(self, folder: Path) -> None:
        self.data, self.timeline = folder / "data", folder / "timeline"
        self.mapping_file = folder / "ward.mapping.yaml"
        self.data.mkdir()
        self.mapping, self.people, self.labs = MAPPING, PEOPLE, LABS

    def ingest(self) -> IngestReport:
        """Write the files as they stand, then ingest."""
        self.mapping_file.write_text(self.mapping, encoding="utf-8")
        (self.data / "people.csv").write_text(self.people, encoding="utf-8", newline="")
        (self.data / "labs.csv").write_text(self.labs, encoding="utf-8", newline="")
        return ingest(self.mapping_file, self.data, self.timeline, SECRET)

    def ask(self, columns: str, table: str = "events", order: str = "source_ref, code") -> list[tuple[Any, ...]]:
        """Columns of a table of the timeline; times as text."""
        with open_timeline(self.timeline).connect() as connection:
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()

    def aside(self) -> list[str]:
        """The lines of the file of rows set aside, without its header."""
        return (self.timeline / "set-aside" / "ward.csv").read_text(encoding="utf-8").splitlines()[1:]

    def content(self) -> dict[str, bytes]:
        """Every file of the timeline folder."""
        files = (path for path in self.timeline.rglob("*") if path.is_file())
        return {str(path.relative_to(self.timeline)): path.read_bytes() for path in files}


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    return Hospital(tmp_path)


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    return Clinic(tmp_path)
