"""A node that goes over to another key: cut short at any point it has the key that the hub knows, and ends what it began."""

from pathlib import Path
from typing import Any

import pytest

from rapha import faults
from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Conflict, Unproven, Unreachable
from rapha.node import rotation
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.keys import load_key, make_secrets
from rapha.node.rotation import BEGUN, NEXT, finish_rotation, rotate_key
from rapha.proof import keys
from rapha.proof.key_change import check_rotation
from rapha.records.key_change import Rotation

POINTS = (
    "node.written:key-next.pem", "node.to-rename:rotation.json", "node.renamed:rotation.json", "hub took it",
    "node.to-rename:key.pem", "node.renamed:key.pem",
)  # fmt: skip


class Killed(BaseException):
    pass


class FakeHub:
    """Knows one key of the node, as a hub does; the same rotation twice is the same as once."""

    def __init__(self, public: keys.PublicKey) -> None:
        self.public, self.taken, self.away = public, "", False

    def go_over(self, asked: Rotation) -> None:
        if self.away:
            raise Unreachable("no hub answers, for this test")
        if asked.ending.digest != self.taken:
            try:
                self.public, self.taken = check_rotation(asked, "north", self.public), asked.ending.digest
            except Unproven as error:
                raise Conflict(str(error)) from error  # as the line makes of the hub's 422
        faults.point("hub took it")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    make_secrets(tmp_path)
    write_configuration(
        tmp_path / "node.yaml",
        NodeConfiguration(site="north", name="North", hub_url="http://h", hub="hub", hub_key="k"),
    )
    return Home(tmp_path)


def mine(home: Home) -> keys.PublicKey:
    return load_key(home.key).public_key()


def test_a_rotation_leaves_one_key_and_it_is_the_hubs(home: Home) -> None:
    old = mine(home)
    hub: Any = FakeHub(old)
    keyid = rotate_key(home, hub, utc_now)
    assert mine(home) == hub.public != old and keyid == keys.keyid(hub.public)
    assert sorted(path.name for path in home.folder.iterdir()) == ["key.pem", "node.yaml", "secret"]
    assert (home.key.stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("again", ["the command", "the agent"])
def test_killed_at_any_point_it_can_answer_and_ends_what_it_began(
    home: Home, monkeypatch: pytest.MonkeyPatch, point: str, again: str
) -> None:
    old = mine(home)
    hub: Any = FakeHub(old)

    def dies(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(rotation.faults, "point", dies)
        with pytest.raises(Killed):
            rotate_key(home, hub, utc_now)
    here = [load_key(path).public_key() for path in (home.key, home.folder / NEXT) if path.exists()]
    assert hub.public in here, "it has no key that the hub knows"
    begun = (home.folder / BEGUN).exists()
    if again == "the agent":
        finish_rotation(home, hub)
    else:
        rotate_key(home, hub, utc_now)
    assert mine(home) == hub.public
    assert (hub.public != old) == (begun or again == "the command")


def test_a_hub_that_is_away_leaves_the_old_key_and_what_was_begun(home: Home) -> None:
    old = mine(home)
    hub: Any = FakeHub(old)
    hub.away = True
    with pytest.raises(Unreachable):
        rotate_key(home, hub, utc_now)
    assert mine(home) == old and (home.folder / BEGUN).exists()
    following = load_key(home.folder / NEXT).public_key()
    hub.away = False
    finish_rotation(home, hub)
    assert mine(home) == hub.public == following


def test_a_statement_that_was_spoilt_is_said_with_its_file(home: Home) -> None:
    hub: Any = FakeHub(mine(home))
    hub.away = True
    with pytest.raises(Unreachable):
        rotate_key(home, hub, utc_now)
    (home.folder / BEGUN).write_bytes(b"{}")
    with pytest.raises(ConfigurationError, match="rotation"):
        finish_rotation(home, hub)


def test_a_hub_that_refuses_is_said_with_what_can_be_done(home: Home) -> None:
    hub: Any = FakeHub(keys.generate().public_key())  # it knows another key of this node
    old = mine(home)
    with pytest.raises(Conflict, match=rf"move {NEXT} and {BEGUN} out of {home.folder}"):
        rotate_key(home, hub, utc_now)
    for name in (NEXT, BEGUN):
        (home.folder / name).rename(home.folder.parent / name)
    finish_rotation(home, hub)
    assert mine(home) == old
