"""Who asks with a number that was merged into another is told so, without the other."""

from pathlib import Path

from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.sources.hl7v2 import ingest

MAPPING = "source: lab\nformat: hl7v2\nauthority: HOSP\nzone: UTC\nobservation: {start: first event, end: 2020-12-31}\n"
MERGE = "MSH|^~\\&|A|H|||20190601120000||ADT^A40|1|P|2.5\rPID|1||4712^^^HOSP\rMRG|4711^^^HOSP\r"


def test_a_retired_number_is_said_to_be_one(tmp_path: Path) -> None:
    home, data = tmp_path / "home", tmp_path / "data"
    for folder in (home, data):
        folder.mkdir()
    write_configuration(
        home / "node.yaml",
        NodeConfiguration(site="a", name="A", hub_url="http://hub", hub="hub", hub_key="k"),
    )
    (home / "secret").write_bytes(b"s" * 32)
    (data / "a.hl7").write_text(MERGE)
    (tmp_path / "m.yaml").write_text(MAPPING)
    opened = Home(home)
    ingest(tmp_path / "m.yaml", data, opened.timeline, opened.secret)

    def ask(number: str) -> str:
        done = CliRunner().invoke(app, ["patient-secret", str(home), number, "--source", "lab"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "was merged into another" in ask("4711")
    assert "4712" not in ask("4711")
    assert "merged" not in ask("4712")
