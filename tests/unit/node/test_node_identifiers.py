"""What a hospital knows of its patients is found again by their keys, stays in one file, and hides nothing when it is wrong."""

import stat

import pytest
from test_node_opt_out import Site
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.cohort.deidentify.known import Known
from rapha.errors import SourceError
from rapha.node.identifiers import known_of, take_identifiers
from rapha.timeline.pseudonym import subject_key

FILE = "id,name,name,number\np1, Ann Whitfield ,Ann Smith,MRN-77\np2,Bo Ek,,\np9,Not Here,,\np1,,,SSN-5\n"


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def taken(site, text=FILE):
    (site.data / "who.csv").write_text(text)
    return take_identifiers(site.home, site.data / "who.csv")


def key(site, word, patient):
    return subject_key(site.home.secret, word, patient)


def test_known_is_what_the_file_says_of_the_patients_asked_for(site):
    site.read()
    assert known_of(site.home, [key(site, "ward", "p1")]) == {}
    assert taken(site) == 3
    one, two, three = (key(site, "ward", name) for name in ("p1", "p2", "p3"))
    assert known_of(site.home, [one, three]) == {
        one: (
            Known("id", "p1"), Known("name", "Ann Whitfield"), Known("name", "Ann Smith"), Known("id", "MRN-77"),
            Known("id", "SSN-5"),
        )
    }  # fmt: skip
    assert set(known_of(site.home, [one, two, three])) == {one, two}


def test_it_holds_for_sources_read_later_and_for_those_that_share_their_people(site):
    taken(site)
    site.read("ward")
    site.read("lab", people="clinic")
    for word in ("ward", "clinic"):
        assert known_of(site.home, [key(site, word, "p2")])
    assert not known_of(site.home, [key(site, "lab", "p2")])


def test_a_new_file_replaces_the_former_one_and_only_the_node_may_read_it(site):
    site.read()
    taken(site)
    taken(site, "id,email\np3,x@y.org\n")
    assert known_of(site.home, [key(site, "ward", "p1")]) == {}
    assert stat.S_IMODE(site.home.identifiers.stat().st_mode) == 0o600
    holding = [path for path in site.folder.rglob("*") if path.is_file() and b"x@y.org" in path.read_bytes()]
    assert holding == [site.home.identifiers]


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "first line names the columns"),
        ("name,number\nAnn Secret,1\n", "first line names the columns"),
        ("id,id\np1,p2\n", "first line names the columns"),
        ("id,shoe size\np1,44\n", "first line names the columns"),
        ("id,name\np1,Ann Secret,too many\n", "row 2 has not as many cells"),
        ("id,name\n,Ann Secret\n", "row 2 has no id"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_and_the_former_one_holds(site, text, said):
    site.read()
    taken(site)
    with pytest.raises(SourceError, match=said) as refused:
        taken(site, text)
    assert "Secret" not in str(refused.value)
    assert known_of(site.home, [key(site, "ward", "p1")])


def test_without_the_file_that_was_there_no_note_is_read(site):
    site.read()
    taken(site)
    site.home.identifiers.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="no CSV"):
        known_of(site.home, [1])


def test_the_command_takes_it_over_and_says_no_name(site):
    site.read()
    (site.data / "who.csv").write_text(FILE)
    done = CliRunner().invoke(
        app, ["identifiers", str(site.folder), str(site.data / "who.csv"), "--steward", "maria-lopez"]
    )
    assert done.exit_code == 0, done.output
    assert "3 patients are named" in done.output and "Ann" not in done.output
