"""A node says that its own key is not to be believed: in that key's name, from a time that has come, and nothing in its home changes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rapha.errors import ConfigurationError, Unreachable
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.keys import load_key, make_secrets
from rapha.node.revocation import revoke_key, to_move_away
from rapha.proof import keys
from rapha.proof.revocation import check_revoked_by_itself
from rapha.records.receipt import Receipt

NOW = datetime(2026, 11, 28, 12, 0, 0, 500_000, tzinfo=UTC)


class FakeHub:
    """Takes what is signed by the key that it knows, as a hub does."""

    def __init__(self, public: keys.PublicKey) -> None:
        self.public, self.away = public, False
        self.since: datetime | None = None

    def revoke(self, revocation: Receipt) -> None:
        if self.away:
            raise Unreachable("no hub answers, for this test")
        self.since = check_revoked_by_itself(revocation, "north", self.public)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    make_secrets(tmp_path)
    said = {"site": "north", "name": "North", "hub_url": "http://h", "hub": "hub", "hub_key": "k"}
    write_configuration(tmp_path / "node.yaml", NodeConfiguration.model_validate(said))
    return Home(tmp_path)


def contents(home: Home) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.folder.iterdir()}


@pytest.mark.parametrize("since", [None, NOW - timedelta(days=3)])
def test_the_hub_is_told_from_when_by_the_key_itself(home: Home, since: datetime | None) -> None:
    public, before = load_key(home.key).public_key(), contents(home)
    hub: Any = FakeHub(public)
    assert revoke_key(home, hub, lambda: NOW, since) == keys.keyid(public)
    assert hub.since == (since or NOW).replace(microsecond=0)
    assert contents(home) == before


def test_a_time_that_is_yet_to_come_is_refused_before_anything_is_said(home: Home) -> None:
    hub: Any = FakeHub(load_key(home.key).public_key())
    with pytest.raises(ConfigurationError, match="has come"):
        revoke_key(home, hub, lambda: NOW, NOW + timedelta(seconds=1))
    assert hub.since is None


def test_it_can_be_run_again_where_the_hub_did_not_answer(home: Home) -> None:
    hub: Any = FakeHub(load_key(home.key).public_key())
    hub.away = True
    with pytest.raises(Unreachable):
        revoke_key(home, hub, lambda: NOW, None)
    hub.away = False
    revoke_key(home, hub, lambda: NOW, None)
    assert hub.since is not None


def test_what_is_to_be_moved_away_is_what_belongs_to_the_key(home: Home) -> None:
    assert to_move_away(home) == ("node.yaml", "key.pem")
    (home.folder / "rotation.json").touch()
    assert to_move_away(home) == ("node.yaml", "key.pem", "rotation.json")
    assert all(name in contents(home) for name in to_move_away(home)) and "secret" not in to_move_away(home)


def test_in_the_middle_of_going_over_to_another_key_that_is_to_be_ended_first(home: Home) -> None:
    hub: Any = FakeHub(load_key(home.key).public_key())
    (home.folder / "rotation.json").touch()
    with pytest.raises(ConfigurationError, match="rapha node rotate-key"):
        revoke_key(home, hub, lambda: NOW, None)
    assert hub.since is None
