"""Who is on the site's list enters no cohort: whichever source tells of them, and however often it is read."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.errors import ConfigurationError, Conflict, SourceError
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.opt_out import apply_list, take_list
from rapha.sources.tables import ingest
from rapha.timeline.coverage import measure
from rapha.timeline.manifest import OPT_OUT, read_manifest
from rapha.timeline.pseudonym import subject_key
from rapha.timeline.reader import open_timeline

MAPPING = """\
source: {source}
{people}subjects:
  file: people.csv
  id: id
observation: {{start: first event, end: {{column: seen}}}}
events:
  - {{file: labs.csv, id: patient, kind: measurement, time: {{column: taken}}, available: same, system: local, code: hdl, value: value}}
"""
PEOPLE = "id,seen\n" + "".join(f"p{number},2012-01-01\n" for number in range(1, 5))
LABS = "patient,taken,value\n" + "".join(f"p{number},2010-01-01,50\n" for number in range(1, 5))


class Site:
    """A node's home and the tables of a hospital."""

    def __init__(self, folder: Path) -> None:
        self.data, self.folder = folder / "data", folder / "home"
        self.data.mkdir()
        self.folder.mkdir()
        configuration = NodeConfiguration(site="st-anna", name="St Anna", hub_url="http://hub", hub="hub", hub_key="k")
        write_configuration(self.folder / "node.yaml", configuration)
        (self.folder / "secret").write_bytes(b"s" * 32)
        self.home = Home(self.folder)
        (self.data / "people.csv").write_text(PEOPLE)
        (self.data / "labs.csv").write_text(LABS)

    def read(self, source: str = "ward", people: str | None = None) -> None:
        mapping = self.data.parent / f"{source}.mapping.yaml"
        mapping.write_text(MAPPING.format(source=source, people=f"people: {people}\n" if people else ""))
        apply_list(self.home, [people or source])
        ingest(mapping, self.data, self.home.timeline, self.home.secret)

    def take(self, text: str) -> tuple[int, int, int]:
        (self.data / "out.txt").write_text(text)
        return take_list(self.home, self.data / "out.txt")

    def inside(self) -> set[int]:
        statement = "SELECT subject_key FROM subjects GROUP BY subject_key HAVING NOT bool_or(opted_out)"
        with open_timeline(self.home.timeline).connect() as connection:
            return {key for (key,) in connection.execute(statement).fetchall()}

    def keys(self, word: str, *patients: str) -> set[int]:
        return {subject_key(self.home.secret, word, patient) for patient in patients}


@contextmanager
def writing(timeline: Path) -> Iterator[None]:
    """As while an ingest runs."""
    folder = os.open(timeline, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    yield
    os.close(folder)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_whom_the_list_names_is_out_and_stays_out_when_the_source_is_read_again(site: Site) -> None:
    site.read()
    assert site.take("p1\n p 3 ,\n\nnobody\n") == (3, 2, 0)
    assert site.inside() == site.keys("ward", "p2", "p4")
    (site.data / "labs.csv").write_text(LABS + "p1,2010-02-01,60\n")
    site.read()
    assert site.inside() == site.keys("ward", "p2", "p4")


def test_a_source_that_is_read_later_never_shows_whom_the_list_names(site: Site) -> None:
    site.take("p1\n")
    apply_list(site.home, ["ward"])  # before the first batch of the source
    assert read_manifest(site.home.timeline).of("ward") is None
    site.read()
    assert site.inside() == site.keys("ward", "p2", "p3", "p4")


def test_a_shorter_list_lets_in_and_an_empty_one_ends_it(site: Site) -> None:
    site.read()
    site.take("p1\np2\n")
    site.take("p2\n")
    assert site.inside() == site.keys("ward", "p1", "p3", "p4")
    assert site.take("") == (0, 0, 1)
    assert site.inside() == site.keys("ward", "p1", "p2", "p3", "p4")


def test_sources_of_the_same_people_share_patients_and_list(site: Site) -> None:
    site.read("ward", people="st-anna")
    site.read("lab", people="st-anna")
    site.read("elsewhere")
    site.take("p1\n")
    assert site.inside() == site.keys("st-anna", "p2", "p3", "p4") | site.keys("elsewhere", "p2", "p3", "p4")


def test_the_profile_does_not_count_whoever_is_out(site: Site) -> None:
    site.read()
    site.take("p1\n")
    with open_timeline(site.home.timeline).connect() as connection:
        assert measure(connection).patients == 3


def test_a_list_that_cannot_be_read_changes_nothing(site: Site) -> None:
    site.read()
    site.take("p1\n")
    (site.data / "out.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="not UTF-8"):
        take_list(site.home, site.data / "out.txt")
    assert site.inside() == site.keys("ward", "p2", "p3", "p4")


def test_the_list_is_for_its_owner_alone_and_its_name_is_taken(site: Site) -> None:
    site.take("p1\n")
    assert site.home.opt_out.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigurationError, match="name of the site's own list"):
        site.read(OPT_OUT)


def test_the_command_says_how_many_and_no_name(site: Site) -> None:
    site.read()
    (site.data / "out.txt").write_text("p1\np9\n")
    told = CliRunner().invoke(
        app, ["opt-out", str(site.folder), str(site.data / "out.txt"), "--steward", "maria-lopez"]
    )
    assert told.exit_code == 0, told.output
    assert "2 identifiers are listed; 1 patients" in told.output
    assert "p1" not in told.output


def test_the_command_says_whom_a_wrong_file_would_let_in_again(site: Site) -> None:
    site.read()
    site.take("p1\np2\np4\n")
    (site.data / "out.txt").write_text("id,since\np1,2020-01-01\np2\n")
    told = CliRunner().invoke(
        app, ["opt-out", str(site.folder), str(site.data / "out.txt"), "--steward", "maria-lopez"]
    )
    assert told.exit_code == 0, told.output
    assert "2 identifiers of the former list are not in this one" in " ".join(told.output.split())


def test_a_command_that_failed_half_way_still_says_whom_a_wrong_file_would_let_in(site: Site) -> None:
    site.read()
    site.take("p1\np2\np4\n")
    for _ in range(2):
        with writing(site.home.timeline), pytest.raises(Conflict):
            site.take("p9\n")
    assert site.take("p9\n") == (1, 0, 3)
    assert site.take("p9\n") == (1, 0, 0)
    assert not site.home.opt_out_former.exists()


def test_an_ingest_between_takes_no_warning_away(site: Site) -> None:
    site.read()
    site.take("p1\np2\n")
    with writing(site.home.timeline), pytest.raises(Conflict):
        site.take("p1\n")
    assert site.home.opt_out_former.stat().st_mode & 0o077 == 0
    site.read()
    assert site.inside() == site.keys("ward", "p2", "p3", "p4")
    assert site.take("p1\n") == (1, 1, 1)


def test_the_warning_is_said_before_anything_that_can_fail(site: Site) -> None:
    site.read()
    site.take("p1\np2\n")
    (site.data / "out.txt").write_text("p1\n")
    site.home.database.mkdir()  # no database opens there
    told = CliRunner().invoke(
        app, ["opt-out", str(site.folder), str(site.data / "out.txt"), "--steward", "maria-lopez"]
    )
    assert told.exit_code != 0
    assert "1 identifiers of the former list" in told.output


def test_a_former_list_that_cannot_be_read_is_told_as_the_homes_own(site: Site) -> None:
    site.read()
    site.take("p1\n")
    site.home.opt_out.write_bytes(b"\xff\xfe\x00")
    for act in (lambda: site.take("p1\n"), site.read):
        with pytest.raises(SourceError, match=r"opt-out.txt: .* It is the home's own copy of a list"):
            act()
    assert site.inside() == site.keys("ward", "p2", "p3", "p4")
    site.home.opt_out.unlink()
    assert site.take("p1\n") == (1, 1, 0)
