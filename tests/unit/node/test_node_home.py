"""A node's home, made and opened by hand: every mistake is a sentence with the file or the word in it."""

from pathlib import Path

import pytest
from hostile_hub import Heard, Said, hostile_hub

from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Unreachable
from rapha.node.configuration import Home
from rapha.node.enrolment import make_home
from rapha.node.register import Register
from rapha.node.way import trusted_authorities
from rapha.proof import keys
from rapha.records.record import SiteId
from rapha.records.wire import Enrolled

GOOD = {"site": "north", "name": "North", "hub_url": "http://127.0.0.1:1", "code": "0123-4567"}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"site": "St Anna"}, "no name for a site"),
        ({"site": "../x"}, "no name for a site"),
        ({"name": "x" * 121}, "1 to 120"),
        ({"code": "123"}, "no enrolment code"),
        ({"hub_url": "localhost:8400"}, "not the address of a hub"),
        ({"hub_url": ""}, "not the address of a hub"),
        ({"hub_url": "http://[::bad"}, "not the address of a hub"),
        ({"ca": "/nowhere/ca.pem"}, "No such file"),
        ({"proxy": "socks5://proxy.example:1080"}, "the proxy's address is none"),
    ],
)
def test_a_wrong_word_is_said_before_anything_is_made(tmp_path: Path, wrong: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        make_home(tmp_path / "home", **{**GOOD, **wrong})
    assert not (tmp_path / "home").exists()


def test_a_home_is_made_through_the_proxy_and_keeps_it(tmp_path: Path) -> None:
    asked: list[str] = []

    def answers(heard: Heard) -> Said:
        asked.append(heard.target)
        public = keys.public_to_pem(keys.generate().public_key())
        return Said(200, Enrolled(site=SiteId("north"), hub="trial-hub", hub_key=public).as_bytes())

    with hostile_hub(answers) as proxy:
        make_home(tmp_path / "home", **{**GOOD, "hub_url": "http://hub.example"}, proxy=proxy)
    assert asked == ["http://hub.example:80/api/v1/node/enrol"]
    assert Home(tmp_path / "home").configuration.proxy == proxy


def test_a_hub_that_is_away_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        Unreachable, match=r"no hub answers at http://127\.0\.0\.1:1: ConnectionRefusedError; is it running\?"
    ):
        make_home(tmp_path / "home", **GOOD)


def test_a_file_without_a_certificate_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(ConfigurationError, match="no certificate in PEM"):
        trusted_authorities(str(tmp_path / "ca.pem"))


@pytest.mark.parametrize("content", [b"", b"\xff", b"site: [", b"site: 1", b"- a"])
def test_a_damaged_configuration_is_said_with_its_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "node.yaml").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"node\.yaml"):
        Home(tmp_path)


def test_a_missing_secret_is_said_with_its_file(tmp_path: Path) -> None:
    home = Home.__new__(Home)
    home.folder = tmp_path
    with pytest.raises(ConfigurationError, match="secret: cannot be read"):
        _ = home.secret


def test_a_damaged_register_is_said_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"this was a database once" * 100)
    with pytest.raises(ConfigurationError, match=r"node\.db is damaged"):
        Register(tmp_path / "node.db", utc_now)
