"""A real hub's log as a node sees it: followed through restarts and changes of its keys, and refused where the hub was put back from an old copy."""

import shutil
from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, running
from test_hub_life import recruit
from test_hub_own_keys import rotated
from test_hub_site_keys import rotated as site_rotated

from rapha.errors import Conflict, Unproven, Unreachable
from rapha.hub.app import API
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.own_roles import LOG_BEFORE
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.public_log import CHANGES, PublicLog
from rapha.node.public_log_files import REFUSED, checkpoint_of, keys_of_now
from rapha.node.register import Register
from rapha.proof import checkpoint as notes
from rapha.proof import merkle
from rapha.proof.continued import NotShown
from rapha.proof.given_back import check_given_back
from rapha.proof.tiles import TileReader
from rapha.records.logged import LoggedReceipt


class AtHand:
    """The line of a node to a hub at hand."""

    def __init__(self, hub: HubAtHand) -> None:
        self._hub = hub

    def public(self, path: str, limit_bytes: int) -> bytes:
        answer = self._hub.http.get(path)
        if answer.status_code != 200:
            raise Conflict(f"the hub answered {answer.status_code}")
        if len(answer.content) > limit_bytes:
            raise Unreachable("too long")
        return answer.content


def node_of(folder: Path, hub: HubAtHand) -> PublicLog:
    """What a node's home keeps of that hub; made with the key that the hub has now, where it is new."""
    if not (folder / "node.yaml").exists():
        folder.mkdir()
        key = hub.hub.signer.trusted.public_key
        settings = NodeConfiguration(site="north", name="N", hub_url="http://hub", hub="test-hub", hub_key=key)
        write_configuration(folder / "node.yaml", settings)
    home = Home(folder)
    return PublicLog(home, AtHand(hub), Register(home.database, hub.clock), hub.clock)


def grown(hub: HubAtHand, count: int, of: str = "the history") -> None:
    """So many entries more."""
    before = hub.hub.desk.log.checkpoint.size
    hub.hub.desk.log.append([f"entry {before + n} of {of}".encode() for n in range(count)])


def size(log: PublicLog) -> int:
    return checkpoint_of(log.look()).size


def kept_size(log: PublicLog) -> int:
    kept = log.kept()
    assert kept is not None
    return checkpoint_of(kept).size


def test_it_is_followed_through_restarts_and_a_freeze_is_in_it(tmp_path, clock, study_of) -> None:
    with running(tmp_path / "hub", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        assert size(log) == 0
        sites = [FakeSite(hub, name).join() for name in ("north", "south")]
        recruit(hub, study_of(at_least=2), hub.token(), sites)
        freeze = sites[0].froze()
        log.check_holds(check_given_back(freeze, LoggedReceipt.from_bytes(sites[0].freeze(freeze).content), "freeze"))
        kept = log.kept()
        assert kept is not None and checkpoint_of(kept).size == 2
        grown(hub, 300)
        assert size(log) == 302
    with running(tmp_path / "hub", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        grown(hub, 1)
        assert size(log) == 303
        assert log.refused() is None


def seen_to_ten_copied_at_five(folder: Path, clock: Clock) -> None:
    """A hub's home, its `copy` of when the log had five entries, and a node that has seen ten."""
    with running(folder / "hub", clock) as hub:
        grown(hub, 5)
    shutil.copytree(folder / "hub", folder / "copy")
    with running(folder / "hub", clock) as hub:
        grown(hub, 5)
        assert size(node_of(folder / "node", hub)) == 10


def test_a_hub_put_back_from_an_old_copy_is_refused_until_a_steward_goes_on(tmp_path: Path, clock: Clock) -> None:
    seen_to_ten_copied_at_five(tmp_path, clock)
    with running(tmp_path / "copy", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        with pytest.raises(NotShown, match="had 10 entries when it was seen last, and has 5 now"):
            log.look()
        grown(hub, 20, "another history")  # it is no copy that lags any more
        with pytest.raises(Unproven, match="does not continue the one of 10"):
            node_of(tmp_path / "node", hub).look()
        log.begin_anew()
        grown(hub, 1)
        assert size(log) == 26
    assert (tmp_path / "node" / REFUSED.replace(".json", "-1.json")).exists()


def test_a_steward_goes_on_with_a_hub_put_back_while_its_log_is_shorter(tmp_path: Path, clock: Clock) -> None:
    seen_to_ten_copied_at_five(tmp_path, clock)
    with running(tmp_path / "copy", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        log.begin_anew()
        grown(hub, 1)
        assert size(log) == 6


def seen_and_rotated(tmp_path: Path, clock: Clock) -> None:
    """A node has seen twenty entries; the log then goes over to another key."""
    with running(tmp_path / "hub", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        log.look()
        grown(hub, 20)
        assert size(log) == 20
    clock.pass_(days=2)
    rotated(tmp_path / "hub", clock, "log")


def test_an_older_tree_under_a_newer_key_takes_nothing_back(tmp_path: Path, clock: Clock) -> None:
    seen_and_rotated(tmp_path, clock)
    (tmp_path / "hub" / LOG_BEFORE).unlink()
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 1)
        log = node_of(tmp_path / "node", hub)
        its = hub.hub.desk.log
        assert isinstance(its, LogKeeper)
        of_ten = merkle.root(10, TileReader(its.read, its.checkpoint.size).node)
        older = notes.signed(its.origin, 10, of_ten, its._private)
        with pytest.raises(NotShown):  # the change is in the log, beyond what was seen
            log.check_holds(older)
        assert kept_size(log) == 20
        whole = size(log)
        log.check_holds(older)
        assert kept_size(log) == whole > 20


def test_an_older_tree_under_a_key_that_is_new_here_takes_nothing_back(tmp_path: Path, clock: Clock) -> None:
    """While the key before signs too, what is seen is whole, and the newer key is met with a tree from before."""
    seen_and_rotated(tmp_path, clock)
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 1)
        log = node_of(tmp_path / "node", hub)
        its = hub.hub.desk.log
        assert isinstance(its, LogKeeper)
        whole, before = size(log), log.kept()
        of_ten = merkle.root(10, TileReader(its.read, its.checkpoint.size).node)
        log.check_holds(notes.signed(its.origin, 10, of_ten, its._private))
        assert kept_size(log) == whole > 20 and log.kept() == before


def test_a_change_of_keys_in_a_tree_that_nobody_else_sees_is_not_followed(
    tmp_path: Path, clock: Clock, monkeypatch
) -> None:
    with running(tmp_path / "hub", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        log.look()
        grown(hub, 20)
        log.look()
    shutil.copytree(tmp_path / "hub", tmp_path / "side")
    clock.pass_(days=2)
    rotated(tmp_path / "side", clock, "log")
    (tmp_path / "side" / LOG_BEFORE).unlink()
    with running(tmp_path / "side", clock) as side:
        its = side.hub.desk.log
        assert isinstance(its, LogKeeper)
        theirs, changes = its._private, side.http.get(CHANGES).content
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 5, "no change of keys in here")
        log, newest = node_of(tmp_path / "node", hub), hub.hub.desk.log.checkpoint
        instead = {
            "/log/checkpoint": notes.signed(newest.origin, newest.size, newest.root, theirs).as_bytes(),
            CHANGES: changes,
        }
        asked = AtHand.public
        monkeypatch.setattr(AtHand, "public", lambda line, path, limit: instead.get(path) or asked(line, path, limit))
        with pytest.raises(NotShown, match="signed with no key that is kept"):
            log.look()
        assert kept_size(log) == 20 and log.refused() is None


def test_what_a_crash_left_beyond_the_checkpoint_is_shown_to_nobody(tmp_path: Path, clock: Clock) -> None:
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 300)
        ahead = ("tile/0/001.p/45", "tile/entries/001.p/45", "tile/0/002", "tile/1/000.p/2", "tile/3/x001/000.p/1")
        for path in ahead:
            file = tmp_path / "hub" / "log" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"x" * 32)
            assert hub.http.get(f"/log/{path}").status_code == 404, path
        for path in ("tile/0/000", "tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1", "tile/entries/000"):
            assert hub.http.get(f"/log/{path}").status_code == 200, path


def test_a_hub_that_grew_another_way_from_an_old_copy_is_refused(tmp_path: Path, clock: Clock) -> None:
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 5)
    shutil.copytree(tmp_path / "hub", tmp_path / "copy")
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 4)
        assert size(node_of(tmp_path / "node", hub)) == 9
    with running(tmp_path / "copy", clock) as hub:
        grown(hub, 300, "another")
        log = node_of(tmp_path / "node", hub)
        with pytest.raises(Unproven, match="does not continue the one of 9"):
            log.look()
        refused = log.refused()
        assert refused is not None and refused.kind == "rewritten" and refused.proof


@pytest.mark.parametrize("what", [("log",), ("authority", "log"), ("hub", "log"), ("log", "authority", "hub", "log")])
def test_a_change_of_the_logs_key_is_followed_by_the_log_itself(tmp_path: Path, clock: Clock, what) -> None:
    with running(tmp_path / "hub", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        site_rotated(hub, FakeSite(hub, "north").join())
        before = keys_of_now(log.look())
    for each in what:
        clock.pass_(days=2)
        rotated(tmp_path / "hub", clock, each)
        (tmp_path / "hub" / LOG_BEFORE).unlink(missing_ok=True)  # from here on the new key signs alone
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 3)
        log = node_of(tmp_path / "node", hub)
        now = keys_of_now(log.look())
        assert {key.keyid for key in before}.isdisjoint(key.keyid for key in now) and len(now) == len(before) == 2
        events = [event for _, event, _, _ in Register(tmp_path / "node" / "node.db", clock).events()]
        assert events == ["public-log.pinned", "public-log.keys-followed"]
        grown(hub, 3)
        log.look()


def test_a_change_that_the_hub_does_not_show_is_not_followed(tmp_path: Path, clock: Clock, monkeypatch) -> None:
    with running(tmp_path / "hub", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        log.look()
        none = hub.http.get(CHANGES).content
    rotated(tmp_path / "hub", clock, "log")
    (tmp_path / "hub" / LOG_BEFORE).unlink()
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 1)  # the newest of before has a line of the old key yet
        log = node_of(tmp_path / "node", hub)
        asked = AtHand.public
        monkeypatch.setattr(AtHand, "public", lambda *said: none if CHANGES in said else asked(*said))
        with pytest.raises(NotShown, match="signed with no key that is kept"):
            log.look()
        assert log.refused() is None and kept_size(log) == 0


def test_however_often_hospitals_change_their_keys_the_hubs_own_are_followed(
    tmp_path: Path, clock: Clock, monkeypatch
) -> None:
    with running(tmp_path / "hub", clock) as hub:
        log = node_of(tmp_path / "node", hub)
        north = FakeSite(hub, "north").join()
        for _ in range(5):
            site_rotated(hub, north)
        log.look()
    rotated(tmp_path / "hub", clock, "log")
    (tmp_path / "hub" / LOG_BEFORE).unlink()
    with running(tmp_path / "hub", clock) as hub:
        grown(hub, 1)
        whole, own = (len(hub.http.get(path).content) for path in (f"{API}/key-changes", CHANGES))
        assert whole - own > 4 * 5000
        monkeypatch.setattr("rapha.node.public_log.ANSWER_LIMIT_BYTES", own)
        assert size(node_of(tmp_path / "node", hub)) == hub.hub.desk.log.checkpoint.size


def test_a_home_whose_hub_had_another_key_when_it_enrolled_follows_that_first(tmp_path: Path, clock: Clock) -> None:
    with running(tmp_path / "hub", clock) as hub:
        node_of(tmp_path / "node", hub)
    for what in ("hub", "log", "hub"):
        clock.pass_(days=2)
        rotated(tmp_path / "hub", clock, what)
    with running(tmp_path / "hub", clock) as hub:
        assert size(node_of(tmp_path / "node", hub)) > 0
