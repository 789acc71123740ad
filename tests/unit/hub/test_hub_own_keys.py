"""A hub goes over to another key of its log, or other keys of its authority: its log goes on, and receipts of before and after hold."""

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, running
from test_hub_life import run_round
from test_hub_refusals import fetched
from test_hub_site_keys import changes, listed
from typer.testing import CliRunner

from rapha import faults
from rapha.cli.hub import app
from rapha.cli.hub_keys import finish_rotations
from rapha.errors import ConfigurationError
from rapha.hub import own_keys
from rapha.hub.configuration import HubSettings, initialise, load
from rapha.hub.own_keys import check_alone, rotate
from rapha.hub.own_revocation import revoke_former
from rapha.hub.own_roles import LOG_BEFORE, ROLES, begun
from rapha.hub.site_keys import revoke
from rapha.hub.wired import open_hub
from rapha.proof import keys
from rapha.proof.checkpoint import check_log, public_from_pem, read_checkpoint
from rapha.proof.key_change import followed
from rapha.proof.verify import judge
from rapha.proof.window import second_of
from rapha.records.own_keys import KeysBefore
from rapha.records.wire import Offer, Stop, TrustedKey, TrustedKeys, Window
from rapha.sdk.folder import read_folder

POINTS = {
    "hub": ("hub.written:key-next.pem", "hub.said:key-next.pem", "hub.to-rename:key.pem", "hub.renamed:key.pem"),
    "log": ("hub.written:log-key-next.pem", "hub.said:log-key-next.pem", "hub.to-rename:log-key.pem", "hub.renamed:log-key.pem"),
    "authority": (
        "hub.written:authority-next", "hub.said:authority-next", "hub.to-rename:authority", "hub.renamed:authority-gone",
        "hub.renamed:authority",
    ),
}  # fmt: skip


STATEMENTS = {"hub": 2, "log": 2, "authority": 3}
OF_WHAT = {
    "hub": "hub",
    "log": "log",
    "log-ml-dsa-44": "log",
    "authority": "authority",
    "time-stamper": "authority",
    "certificate-log": "authority",
}


class Killed(BaseException):
    pass


def killed(*_: object, **__: object) -> None:
    raise Killed


def rotated(home: Path, clock: Clock, what: str) -> None:
    hub = open_hub(load(home), clock)
    try:
        rotate(ROLES[what](hub.configuration, hub.desk, hub.signer), hub.store)
    finally:
        hub.stop()


KEY = keys.generate()
"""Of the one hospital."""


def north(hub: HubAtHand) -> FakeSite:
    site = FakeSite(hub, "north")
    site.key = KEY
    return site


def delivered(hub: HubAtHand, study_of, folder: Path) -> Path:
    """A study with one hospital, from file to folder."""
    token, site = hub.token(), north(hub)
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    work = site.poll()
    while isinstance(work, Stop):
        work = site.poll(stopped=(work.dispatch,))
    assert isinstance(work, Offer)
    site.approve(work)
    for _ in range(3):
        run_round([site])
    hub.wait_for(study_id, token, "completed")
    return fetched(hub, study_id, token, folder)


def of_role(known: TrustedKeys, role: str) -> list[TrustedKey]:
    return [key for key in known.keys if key.role == role]


def wrong(folder: Path, known: TrustedKeys | None) -> list[tuple[str, int]]:
    return [(v.subject, v.steps[-1].number) for v in judge(read_folder(folder, known)) if not v.ok]


@pytest.mark.parametrize("what", ROLES)
def test_receipts_of_before_and_after_hold(tmp_path: Path, clock: Clock, study_of, what: str) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        before = delivered(hub, study_of, tmp_path / "before")
        pinned = listed(hub)
        size = hub.hub.desk.log.checkpoint.size
    clock.pass_(hours=1)
    rotated(home, clock, what)
    clock.pass_(hours=48)
    with running(home, clock) as hub:
        assert hub.hub.desk.log.checkpoint.size > size
        after = delivered(hub, study_of, tmp_path / "after")
        now, followed_now = listed(hub), followed(pinned, changes(hub))
    for folder in (before, after):
        for known in (None, now, now.model_copy(update={"log_ml_dsa": True})):
            assert wrong(folder, known) == []
    assert wrong(before, pinned) == [] and wrong(before, followed_now) == []
    assert wrong(after, followed_now.model_copy(update={"log_ml_dsa": True})) == []
    assert {key.keyid for key in now.keys if key.role != "node"} == {
        key.keyid for key in followed_now.keys if key.role != "node"
    }
    failed = {"hub": [("receipts/aggregation.json", 2)], "log": [14], "authority": [18]}[what]
    assert wrong(after, pinned) == failed or list({number for _, number in wrong(after, pinned)}) == failed
    role = {"authority": "time-stamper"}.get(what, what)
    assert len(of_role(now, role)) == 2 and len(of_role(pinned, role)) == 1


def test_what_the_old_log_key_promises_after_its_day_is_not_believed(tmp_path: Path, clock: Clock, study_of) -> None:
    """A thief of the old key stamps and logs by it two days later: a hub whose rotation is not in effect stands for them."""
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        clock.pass_(hours=72)
        late = delivered(hub, study_of, tmp_path / "late")
        known = listed(hub)
    (log,) = of_role(known, "log")
    ended = log.model_copy(update={"window": Window(end="2026-11-03T08:00:00Z")})
    cut = TrustedKeys(keys=tuple(ended if key is log else key for key in known.keys))
    assert {number for _, number in wrong(late, cut)} == {18}


@pytest.mark.parametrize(("what", "point"), [(what, point) for what in POINTS for point in POINTS[what]])
def test_killed_at_any_point_it_goes_on_with_keys_that_hold(
    tmp_path: Path, clock: Clock, study_of, monkeypatch: pytest.MonkeyPatch, what: str, point: str
) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        pinned = listed(hub)

    def dies(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(faults, "point", dies)
        with pytest.raises(Killed):
            rotated(home, clock, what)
    monkeypatch.setattr("rapha.hub.wired.utc_now", clock)
    monkeypatch.setattr("rapha.hub.wired.open_hub.__defaults__", (clock,))
    finish_rotations(load(home))
    with running(home, clock) as hub:
        folder = delivered(hub, study_of, tmp_path / "model")
        now, found = listed(hub), changes(hub)
    assert wrong(folder, now) == [] and wrong(folder, followed(pinned, found)) == []
    assert len(found.changes) == STATEMENTS[what]
    assert not (home / "authority-gone").exists() and not begun(load(home))


@pytest.mark.parametrize("what", ROLES)
def test_cut_short_and_taken_up_days_later_it_says_nothing_new_with_keys_that_have_ended(
    tmp_path: Path, clock: Clock, monkeypatch, what: str
) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        pinned = listed(hub)
    with monkeypatch.context() as short:
        short.setattr(own_keys, "log_changes", killed)
        with pytest.raises(Killed):
            rotated(home, clock, what)
    clock.pass_(hours=49)
    waiting = open_hub(load(home), clock)  # a steward's command, which no running hub is needed for
    with waiting.store.changing() as change:
        revoke(change, waiting.signer, "north", None, None)
    waiting.stop()
    clock.pass_(hours=1)
    rotated(home, clock, what)
    with running(home, clock) as hub:
        known = followed(pinned, changes(hub))
        assert len(changes(hub).changes) == STATEMENTS[what] + 1
        assert [key.window.below for key in of_role(known, "node")] != [None]


def test_the_old_log_key_signs_too_until_it_is_removed(tmp_path: Path, clock: Clock, study_of) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        old = public_from_pem(of_role(listed(hub), "log")[0].public_key)
    rotated(home, clock, "log")
    with running(home, clock) as hub:
        delivered(hub, study_of, tmp_path / "both")
        newest = read_checkpoint(hub.hub.desk.log.checkpoint.as_bytes())
        check_log(newest, old)
        check_log(newest, hub.hub.desk.log.public)
    (home / LOG_BEFORE).unlink()
    with running(home, clock) as hub:
        FakeSite(hub, "south").join()
        hub.hub.desk.log.append([b"an entry"])
        assert len(hub.hub.desk.log.checkpoint.signatures) == 2  # both of its keys of now


def test_hubs_that_share_a_database_are_told_that_they_cannot(tmp_path: Path) -> None:
    shared = initialise(tmp_path / "hub", HubSettings(database="postgresql://rapha@db.example/rapha"))
    with pytest.raises(ConfigurationError, match=r"share a database.*nothing was changed.*docs/scale\.md"):
        check_alone(shared)


@pytest.mark.parametrize("point", ["", "hub.said:revocation", "hub.logged:revocation"])
@pytest.mark.parametrize("role", ["hub", "log", "log-ml-dsa-44", "time-stamper"])
def test_a_former_key_that_was_stolen_is_ended_once_and_for_all_readers(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, role: str, point: str
) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        pinned = listed(hub)
    (old,) = of_role(pinned, role)
    rotated(home, clock, OF_WHAT[role])
    clock.pass_(hours=2)
    stolen = clock() - timedelta(hours=1)

    def revoked(keyid: str) -> TrustedKey:
        hub = open_hub(load(home), clock)
        try:
            return revoke_former(hub.configuration, hub.store, hub.desk, hub.signer, role, keyid, stolen)
        finally:
            hub.stop()

    def dies(name: str) -> None:
        if name == point:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(faults, "point", dies)
        if point:
            with pytest.raises(Killed):
                revoked(old.keyid)
    window = revoked(old.keyid[:12]).window
    rotation = second_of(stolen - timedelta(hours=1, seconds=-1))
    assert window is not None and window.below is not None
    assert window.end == (rotation if role == "hub" else second_of(stolen))
    assert (home / LOG_BEFORE).exists() == (role == "log-ml-dsa-44")
    with running(home, clock) as hub:
        now, found = listed(hub), changes(hub)
        (counts,) = (key for key in of_role(now, role) if key.keyid != old.keyid)
    assert [key.window for key in of_role(now, role) if key.keyid == old.keyid] == [window]
    assert [key.window for key in of_role(followed(pinned, found), role) if key.keyid == old.keyid] == [window]
    assert len(found.changes) == STATEMENTS[OF_WHAT[role]] + 1
    with pytest.raises(ConfigurationError, match="rotated first"):
        revoked(counts.keyid)
    stolen -= timedelta(minutes=1)
    with pytest.raises(ConfigurationError, match="cannot be moved"):
        revoked(old.keyid)


@pytest.mark.parametrize("role", OF_WHAT)
def test_a_key_that_was_stolen_before_it_was_changed_is_ended_from_then_on_and_readers_still_go_on_to_the_new_one(
    tmp_path: Path, clock: Clock, study_of, role: str
) -> None:
    home = tmp_path / "hub"
    with running(home, clock) as hub:
        north(hub).join()
        honest = delivered(hub, study_of, tmp_path / "honest")
        pinned = listed(hub)
    (old,) = of_role(pinned, role)
    clock.pass_(hours=1)
    stolen = clock()
    with running(home, clock) as hub:
        doubtful = delivered(hub, study_of, tmp_path / "doubtful")
    clock.pass_(hours=1)
    rotated(home, clock, OF_WHAT[role])
    clock.pass_(hours=1)
    hub_ = open_hub(load(home), clock)
    try:
        revoke_former(hub_.configuration, hub_.store, hub_.desk, hub_.signer, role, old.keyid, stolen)
    finally:
        hub_.stop()
    with running(home, clock) as hub:
        after = delivered(hub, study_of, tmp_path / "after")
        now, found = listed(hub), changes(hub)
    known = followed(pinned, found)
    assert followed(known, found) == known  # and who follows again learns nothing else
    assert {key.keyid for key in followed(now, found).keys} == {key.keyid for key in known.keys}
    (key,) = (key for key in known.keys if key.keyid == old.keyid)
    assert key.window is not None and (key.window.end, key.window.below is None) == (second_of(stolen), False)
    assert key in now.keys
    for keys_file in (known, now):
        assert wrong(honest, keys_file) == [] and wrong(after, keys_file) == []
        assert {number for _, number in wrong(doubtful, keys_file)} == {18}


def test_the_command_ends_a_former_log_key(tmp_path: Path) -> None:
    """By a person, with the clock of the machine."""
    home = initialise(tmp_path / "hub", HubSettings()).home

    def commanded(*words: str) -> Result:
        return CliRunner().invoke(app, [words[0], str(home), *words[1:]])

    assert commanded("rotate", "log").exit_code == 0
    old, lasts = KeysBefore.from_bytes((home / "keys-before.json").read_bytes()).keys
    assert lasts.role == "log-ml-dsa-44" and (home / LOG_BEFORE).exists() and old.role == "log"
    wrong = commanded("revoke-own-key", "authority", old.keyid[:12])
    assert isinstance(wrong.exception, ConfigurationError) and "no former authority key" in str(wrong.exception)
    yet_to_come = commanded("revoke-own-key", "log", old.keyid[:12], "--from", "2999-01-01T00:00:00Z")
    assert isinstance(yet_to_come.exception, ConfigurationError) and "time that has come" in str(yet_to_come.exception)
    ended = commanded("revoke-own-key", "log", old.keyid[:12])
    assert ended.exit_code == 0, ended.output
    after, _ = KeysBefore.from_bytes((home / "keys-before.json").read_bytes()).keys
    assert after.window is not None and after.window.below is not None
    assert f"the log key {old.keyid[:16]} is believed until {after.window.end}, and no longer" in ended.output
    assert not (home / LOG_BEFORE).exists()
