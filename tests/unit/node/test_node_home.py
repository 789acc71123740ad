"""A node's home, made and opened by hand: every mistake is a sentence with the file or the word in it."""

import re
from importlib.resources import files
from pathlib import Path

import pytest
from hostile_hub import Heard, Said, hostile_hub

from rapha.cli.node_run import _in_force, run
from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Unreachable
from rapha.node import agent
from rapha.node.configuration import Home, NodeConfiguration
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


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("limit_mbits: 8", "unknown key `limit_mbits`; did you mean `limit_mbit_per_second`?"),
        ("limits: {memory_mbs: 512}", "unknown key `limits.memory_mbs`; did you mean `memory_mb`?"),
        ("placement: {by: slurm, shared_folder: /s, partitions: a}", "unknown key `placement.partitions`; did you mean `partition`?"),
        ("zebra: 1", "unknown key `zebra`; expected one of site, name, hub_url,"),
    ],
)  # fmt: skip
def test_a_misspelt_key_is_told_with_the_one_that_is_meant(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "node.yaml").write_text(f"{{site: north, name: N, hub_url: http://h, hub: h, hub_key: k, {written}}}")
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        Home(tmp_path)


def test_broken_rules_are_said_at_the_start_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no hub answers: they were noticed only once it did."""
    monkeypatch.setattr(agent, "lock_home", lambda folder: pytest.fail("the agent began"))
    (tmp_path / "node.yaml").write_text("{site: north, name: N, hub_url: 'http://127.0.0.1:1', hub: h, hub_key: k}")
    rules = files("rapha.node").joinpath("default-rules.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(rules.replace("researchers: any", "reseachers: any"))
    with pytest.raises(ConfigurationError, match="unknown key `reseachers`; did you mean `researchers`"):
        run(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["node.yaml", "rules.yaml"]


@pytest.mark.parametrize(
    ("limit", "said"), [(0.5, "at most 0.5 Mbit/s of the line"), (None, "as much of the line as there is")]
)
def test_an_agent_that_starts_says_what_of_the_line_it_may_take(limit: float | None, said: str) -> None:
    settings = NodeConfiguration(
        site="n", name="N", hub_url="https://h", hub="h", hub_key="k", limit_mbit_per_second=limit, runs_at_once=3
    )
    assert _in_force(settings) == f"n: agent is running, hub https://h; weights take {said}, 3 tasks at a time"


def test_a_missing_secret_is_said_with_its_file(tmp_path: Path) -> None:
    home = Home.__new__(Home)
    home.folder = tmp_path
    with pytest.raises(ConfigurationError, match="secret: cannot be read"):
        _ = home.secret


def test_a_damaged_register_is_said_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "node.db").write_bytes(b"this was a database once" * 100)
    with pytest.raises(ConfigurationError, match=r"node\.db is damaged"):
        Register(tmp_path / "node.db", utc_now)
