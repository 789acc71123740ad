"""A hub goes over to another key of its own: what waits is signed anew, what was begun ends in order, and the old key is not taken back."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, running
from test_hub_life import offered, run_round
from test_hub_own_keys import Killed, delivered, north, of_role, rotated, wrong
from test_hub_refusals import fetched
from test_hub_site_keys import changes, listed

from rapha import faults
from rapha.cli.hub_keys import finish_rotations, finish_rotations_or_wait
from rapha.errors import ConfigurationError
from rapha.hub import own_keys, site_keys, wired
from rapha.hub.configuration import load
from rapha.hub.own_keys import read_before
from rapha.hub.own_roles import ROLES, begun
from rapha.hub.signer import Signer
from rapha.hub.store.database import open_store
from rapha.hub.wired import open_hub
from rapha.proof import keys
from rapha.proof.key_change import followed


@pytest.fixture(autouse=True)
def _at_this_time(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapha.hub.wired.open_hub.__defaults__", (clock,))


def key_of(home: Path) -> keys.PrivateKey:
    return keys.private_from_pem((home / "key.pem").read_bytes())


def cut_short(home: Path, clock: Clock, what: str, point: str) -> None:
    def dies(name: str) -> None:
        if name == point:
            raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(faults, "point", dies)
        with pytest.raises(Killed):
            rotated(home, clock, what)


def ends_the_key_of(site: str, home: Path, clock: Clock, private: keys.PrivateKey) -> None:
    """As `rapha hub revoke-key` does beside a hub, with the key that it read."""
    from rapha.hub.notify import Bell

    store = open_store(load(home).database, Bell(), clock)
    try:
        with store.changing() as change:
            site_keys.revoke(change, Signer("hub", private, clock), site, None, clock() - timedelta(minutes=1))
    finally:
        store.close()


def names_the_hub(hub: HubAtHand, entry: int) -> bool:
    return f"<dd>{hub.hub.signer.name}" in hub.http.get(f"/explore/entry/{entry}").text


def test_a_study_that_the_change_falls_into_ends_in_a_folder_that_holds(tmp_path: Path, clock: Clock, study_of) -> None:
    """One offer is answered and one round done before, the rest after."""
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        site, token = north(hub).join(), hub.token()
        study_id = hub.submit(study_of(rounds=1, at_least=1), token)
        site.approve(offered(site))
        run_round([site])
        pinned, old = listed(hub), key_of(home)
    clock.pass_(minutes=5)
    rotated(home, clock, "hub")
    assert keys.keyid(key_of(home).public_key()) != keys.keyid(old.public_key())
    with running(home, clock) as hub:
        site.hub = hub
        run_round([site])
        run_round([site])
        hub.wait_for(study_id, token, "completed")
        folder = fetched(hub, study_id, token, tmp_path / "model")
        now, found = listed(hub), changes(hub)
        signed = [entry for entry in range(hub.hub.desk.log.checkpoint.size) if names_the_hub(hub, entry)]
    for known in (None, now, followed(pinned, found)):
        assert wrong(folder, known) == []
    assert len(signed) == 6  # each of two changes' two entries, and the aggregation's
    assert wrong(folder, pinned) == [("receipts/aggregation.json", 2)]


def test_what_the_former_key_signs_after_its_day_is_not_believed(tmp_path: Path, clock: Clock, study_of) -> None:
    """A thief of the old key, in league with log, stamper and authority: the hub's home as it was before stands for them."""
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        pinned, old = listed(hub), (home / "key.pem").read_bytes()
    rotated(home, clock, "hub")
    with running(home, clock) as hub:
        now, found = listed(hub), changes(hub)
    clock.pass_(minutes=5)
    new = (home / "key.pem").read_bytes()
    (home / "key.pem").write_bytes(old)
    with pytest.raises(ConfigurationError, match="is one of before"):
        rotated(home, clock, "hub")
    before = (home / "keys-before.json").rename(home / "elsewhere")
    with pytest.MonkeyPatch.context() as thief:
        thief.setattr(wired, "check_followed", lambda *_: None)
        with running(home, clock) as hub:
            late = delivered(hub, study_of, tmp_path / "late")
    for known in (now, followed(pinned, found)):
        assert wrong(late, known) == [("receipts/aggregation.json", 18)]
    before.rename(home / "keys-before.json")
    (home / "key.pem").write_bytes(new)
    with running(home, clock) as hub:
        assert len(of_role(listed(hub), "hub")) == 2


@pytest.mark.parametrize("point", ["", "hub.said:key-next.pem", "hub.to-rename:key.pem", "hub.renamed:key.pem"])
def test_a_revocation_that_waits_is_followed_whichever_key_signed_it(tmp_path: Path, clock: Clock, point: str) -> None:
    """The command that ends a hospital's key asks no lock: it may have read the key that is gone since."""
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        for name in ("north", "south"):
            FakeSite(hub, name).join()
        pinned, old = listed(hub), key_of(home)
    clock.pass_(hours=1)
    ends_the_key_of("north", home, clock, old)
    if point:
        cut_short(home, clock, "hub", point)
    else:
        rotated(home, clock, "hub")
    clock.pass_(minutes=5)
    ends_the_key_of("south", home, clock, old)
    finish_rotations(load(home))
    with running(home, clock) as hub:
        now, found = listed(hub), changes(hub)
    known = followed(pinned, found)
    assert len(found.changes) == 4 and len(of_role(now, "hub")) == 2
    assert {key.owner for key in known.keys if key.role == "node" and key.window and key.window.below} == {
        "north",
        "south",
    }


def test_what_was_begun_ends_with_the_hubs_own_key_first(tmp_path: Path, clock: Clock, study_of) -> None:
    """A statement of the log's next key by the hub's old one would come after that has ended."""
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        pinned = listed(hub)
    cut_short(home, clock, "log", "hub.written:log-key-next.pem")
    cut_short(home, clock, "hub", "hub.to-rename:key.pem")
    clock.pass_(hours=1)
    assert begun(load(home)) == ("hub", "log")
    assert set(finish_rotations(load(home))) == {"hub", "log"} and finish_rotations(load(home)) == {}
    with running(home, clock) as hub:
        folder = delivered(hub, study_of, tmp_path / "model")
        known = followed(pinned, changes(hub))
    assert wrong(folder, known) == []
    kept = read_before(load(home))
    assert kept is not None and sorted(key.role for key in kept.keys) == ["hub", "log", "log-ml-dsa-44"]


def test_one_change_after_another_is_followed_from_the_first_key(tmp_path: Path, clock: Clock, study_of) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        pinned = listed(hub)
    for what in ("hub", "authority", "hub", "log", "hub"):
        rotated(home, clock, what)
        clock.pass_(hours=1)
    with running(home, clock) as hub:
        folder = delivered(hub, study_of, tmp_path / "model")
        now, known = listed(hub), followed(pinned, changes(hub))
    assert len(of_role(now, "hub")) == 4 and wrong(folder, known) == [] and wrong(folder, now) == []
    assert {key.keyid for key in now.keys} == {key.keyid for key in known.keys}


@pytest.mark.parametrize("other", ["log", "authority"])
def test_a_change_of_another_role_that_was_begun_excuses_no_key_of_before(
    tmp_path: Path, clock: Clock, other: str
) -> None:
    """Else that change would be signed with a key that nobody believes."""
    home = tmp_path / "hub"
    with running(home, clock):
        old = (home / "key.pem").read_bytes()
    rotated(home, clock, "hub")
    clock.pass_(hours=1)
    cut_short(home, clock, other, f"hub.written:{ROLES[other].NEXT}")
    kept = (home / "keys-before.json").read_bytes()
    (home / "key.pem").write_bytes(old)
    with pytest.raises(ConfigurationError, match="is one of before"):
        finish_rotations(load(home))
    assert (home / "keys-before.json").read_bytes() == kept


def test_a_key_goes_over_to_no_other_than_the_log_says(tmp_path: Path, clock: Clock) -> None:
    """The former key is back, out of an older copy of the home, or the next one was lost when it had been named."""
    home = tmp_path / "hub"
    with running(home, clock):
        old = (home / "key.pem").read_bytes()
    cut_short(home, clock, "hub", "hub.said:key-next.pem")
    named = (home / "key-next.pem").read_bytes()
    (home / "key-next.pem").unlink()
    with pytest.raises(ConfigurationError, match="the log says already"):
        rotated(home, clock, "hub")
    assert (home / "key.pem").read_bytes() == old
    (home / "key-next.pem").write_bytes(named)
    finish_rotations(load(home))
    assert (home / "key.pem").read_bytes() == named


@pytest.mark.parametrize("what", ROLES)
def test_a_hub_whose_database_says_that_a_key_was_changed_does_not_start_with_the_old_one_alone(
    tmp_path: Path, clock: Clock, what: str
) -> None:
    """An older copy of the keys, without keys-before.json and without the next key, beside a newer database."""
    home, older = tmp_path / "hub", tmp_path / "older"
    with running(home, clock):
        pass
    shutil.copytree(home, older)
    clock.pass_(hours=1)
    rotated(home, clock, what)
    kept = (home / "keys-before.json").read_bytes()
    place = {"hub": "key.pem", "log": "log-key.pem", "authority": "authority"}[what]
    newest = tmp_path / "newest"
    (home / place).rename(newest)
    (shutil.copytree if newest.is_dir() else shutil.copy)(older / place, home / place)
    (home / "keys-before.json").unlink()
    with pytest.raises(
        ConfigurationError, match=r"the log says already that the key .* neither .*next.* put the newest copy"
    ):
        open_hub(load(home), clock)
    shutil.rmtree(home / place) if newest.is_dir() else (home / place).unlink()
    newest.rename(home / place)
    with pytest.raises(ConfigurationError, match=r"the log says already .*keys-before.json has no word of it"):
        open_hub(load(home), clock)
    (home / "keys-before.json").write_bytes(kept)
    open_hub(load(home), clock).stop()


@pytest.mark.parametrize("what", ROLES)
def test_a_clock_that_is_behind_the_log_changes_no_key(
    tmp_path: Path, clock: Clock, study_of, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        clock.pass_(seconds=10)
        delivered(hub, study_of, tmp_path / "model")
        known = listed(hub)
    before, size = {path.name for path in home.iterdir()}, checkpoint_size(home, clock)
    clock.pass_(seconds=-1)
    with pytest.raises(ConfigurationError, match=r"this machine's clock says 2026-11-02 .* certified at 2026-11-02"):
        rotated(home, clock, what)
    assert {path.name for path in home.iterdir()} == before
    clock.pass_(seconds=1)
    cut_short(home, clock, what, f"hub.written:{ROLES[what].NEXT}")
    clock.pass_(seconds=-1)
    with pytest.raises(ConfigurationError, match="set the clock right"):
        finish_rotations(load(home))
    assert checkpoint_size(home, clock) == size, "nothing was said"
    finish_rotations_or_wait(load(home))  # as `rapha hub run` does
    told = capsys.readouterr().err
    assert told.startswith(f"the {what} keeps its keys until the next start: this machine's clock says 2026-11-02")
    with running(home, clock) as hub:
        assert wrong(delivered(hub, study_of, tmp_path / "meanwhile"), known) == []
    size = checkpoint_size(home, clock)
    clock.pass_(seconds=1)
    finish_rotations(load(home))
    assert checkpoint_size(home, clock) > size and not (home / ROLES[what].NEXT).exists()


def test_a_clock_is_behind_the_log_whichever_receipt_is_its_last(
    tmp_path: Path, clock: Clock, study_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last by name was certified when its hospital gave it, and the aggregation and the other one later."""
    monkeypatch.setattr(own_keys, "LOOKED_AT", 1)  # a batch is looked at whole, however many it has
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        token, sites = hub.token(), [FakeSite(hub, name).join() for name in ("north", "south")]
        study_id = hub.submit(study_of(rounds=1, at_least=2), token)
        for site in sites:
            site.approve(offered(site))
        for _ in range(2):
            run_round(sites)
        run_round(sites[1:])
        clock.pass_(seconds=40)
        run_round(sites[:1])
        hub.wait_for(study_id, token, "completed")
        clock.pass_(seconds=-10)
    size = checkpoint_size(home, clock)
    with pytest.raises(ConfigurationError, match=r"clock says 2026-11-02 08:00:30 .* certified at 2026-11-02 08:00:40"):
        rotated(home, clock, "log")
    assert checkpoint_size(home, clock) == size


def checkpoint_size(home: Path, clock: Clock) -> int:
    hub = open_hub(load(home), clock)
    try:
        return hub.desk.log.checkpoint.size
    finally:
        hub.stop()
