"""`rapha node ingest`: what the steward is told at its end."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.node.configuration import NodeConfiguration, write_configuration

MAPPING = """\
source: ward
subjects: {file: people.csv, id: id}
observation: {start: first event, end: {column: seen}}
events:
  - {file: labs.csv, id: patient, kind: measurement, time: {column: taken}, available: same, system: local, code: hdl, value: value}
"""
PEOPLE = "id,seen\np1,2012-01-01\np2,2012-01-01\n"
LABS = "patient,taken,value\np1,2010-01-01,50\np2,2010-01-01,60\n"


class Ward:
    """A node's home, and the tables of a ward beside it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.data, self.mapping = folder / "home", folder / "data", folder / "ward.mapping.yaml"
        self.home.mkdir()
        self.data.mkdir()
        node = NodeConfiguration(site="st-anna", name="St Anna", hub_url="http://hub", hub="hub", hub_key="k")
        write_configuration(self.home / "node.yaml", node)
        (self.home / "secret").write_bytes(b"s" * 32)
        self.mapping.write_text(MAPPING)
        self.write(PEOPLE, LABS)

    def write(self, people: str, labs: str) -> None:
        (self.data / "people.csv").write_text(people)
        (self.data / "labs.csv").write_text(labs)

    def ingest(self) -> str:
        told = CliRunner().invoke(app, ["ingest", str(self.home), str(self.mapping), str(self.data)])
        assert told.exit_code == 0, told.output
        return told.output


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    return Ward(tmp_path)


def test_an_export_that_fell_short_is_told_against_the_one_before(ward: Ward) -> None:
    assert "before:" not in ward.ingest()
    assert "before:" not in ward.ingest()
    ward.write(PEOPLE, LABS + "p2,2010-02-01,70\n")
    assert "before:" not in ward.ingest()
    ward.write(PEOPLE, LABS.rpartition("p2")[0])
    assert "before: 2 patients, 3 events" in ward.ingest()
    ward.write(PEOPLE.rpartition("p2")[0], LABS.replace("p2", "p1"))
    assert "before: 2 patients, 1 events" in ward.ingest()
