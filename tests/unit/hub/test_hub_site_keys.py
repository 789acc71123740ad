"""A hospital's key follows another, or ends, at the hub: the old one opens no door, what it signed before stays good."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import HubAtHand, running
from test_hub_life import offered, recruit, run_round, task_of
from test_hub_refusals import fetched
from test_hub_refusals_logged import entries

from rapha.canonical import canonical_bytes
from rapha.errors import ConfigurationError, DiskFull, Unproven
from rapha.hub import site_keys
from rapha.hub.app import API
from rapha.hub.receipts import ReceiptDesk
from rapha.proof import keys
from rapha.proof.key_change import followed, signed_rotation
from rapha.proof.verify import judge
from rapha.records.key_change import KeyChanges, Rotation
from rapha.records.wire import TrustedKey, TrustedKeys
from rapha.sdk.folder import read_folder

JSON = {"content-type": "application/json"}


def go_over(hub: HubAtHand, rotation: Rotation):
    return hub.http.post(f"{API}/node/key", content=rotation.as_bytes(), headers=JSON)


def rotated(hub: HubAtHand, site: FakeSite) -> Rotation:
    """The site has another key from now on."""
    following = keys.generate()
    rotation = signed_rotation(site.name, site.key, following, hub.clock())
    answer = go_over(hub, rotation)
    assert answer.status_code == 204, answer.text
    site.key = following
    return rotation


def revoke(hub: HubAtHand, site: str, keyid: str | None = None, hours_ago: float | None = None) -> None:
    since = None if hours_ago is None else hub.clock() - timedelta(hours=hours_ago)
    with hub.hub.store.changing() as change:
        site_keys.revoke(change, hub.hub.signer, site, keyid, since)


def listed(hub: HubAtHand) -> TrustedKeys:
    return TrustedKeys.from_bytes(hub.http.get(f"{API}/keys").content)


def changes(hub: HubAtHand) -> KeyChanges:
    return KeyChanges.from_bytes(hub.http.get(f"{API}/key-changes").content)


def of(known: TrustedKeys, site: str) -> list[TrustedKey]:
    return [key for key in known.keys if key.owner == site]


def is_let_in(site: FakeSite) -> bool:
    return site.send("PUT", "/node/profile", _profile(site)).status_code != 401


def _profile(site: FakeSite):
    from rapha.records.site import SiteProfile

    return SiteProfile(
        site=site.name, name="North", modalities=("ehr",), patients={"about": 500}, coverage=(), version="1"
    )  # type: ignore[arg-type]


def test_after_a_rotation_the_new_key_opens_doors_and_the_old_one_none(hub, sites) -> None:
    north, old = sites[0], sites[0].key
    rotated(hub, north)
    assert is_let_in(north)
    north.key = old
    assert not is_let_in(north)


def test_the_same_rotation_again_is_the_same_as_once(hub, sites) -> None:
    rotation = rotated(hub, sites[0])
    assert go_over(hub, rotation).status_code == 204
    assert len(changes(hub).changes) == 1 and len(of(listed(hub), "north")) == 2


def test_what_pinned_the_keys_of_before_follows_to_the_list_of_now(hub, sites) -> None:
    pinned = listed(hub)
    rotated(hub, sites[0])
    hub.pass_time(hours=2)
    rotated(hub, sites[0])
    hub.pass_time(hours=2)
    revoke(hub, "north", of(listed(hub), "north")[0].keyid)
    now = followed(pinned, changes(hub))
    assert sorted(now.keys, key=str) == sorted(listed(hub).keys, key=str)
    assert of(now, "north")[0].window.below is not None


def test_a_rotation_that_is_not_by_the_key_that_counts_is_refused(hub, sites) -> None:
    north, south, _ = sites
    stranger = keys.generate()
    assert go_over(hub, signed_rotation("north", stranger, keys.generate(), hub.clock())).status_code == 422
    assert go_over(hub, signed_rotation("north", south.key, keys.generate(), hub.clock())).status_code == 422
    assert go_over(hub, signed_rotation("nobody", north.key, keys.generate(), hub.clock())).status_code == 403
    assert go_over(hub, signed_rotation("north", north.key, south.key, hub.clock())).status_code == 403
    old = north.key
    rotated(hub, north)
    assert go_over(hub, signed_rotation("north", old, keys.generate(), hub.clock())).status_code == 422
    assert len(changes(hub).changes) == 1


def test_a_rotation_without_the_new_keys_signature_is_refused(hub, sites) -> None:
    one = signed_rotation("north", sites[0].key, keys.generate(), hub.clock())
    assert go_over(hub, Rotation(ending=one.ending, following=one.ending)).status_code == 422


def test_a_revoked_key_opens_no_door_and_comes_back_by_no_code(hub, sites) -> None:
    north = sites[0]
    revoke(hub, "north")
    assert not is_let_in(north)
    with pytest.raises(AssertionError):
        north.join()
    north.key = keys.generate()
    north.join()
    assert is_let_in(north)
    first, second = of(listed(hub), "north")
    assert (first.window.end, second.window.start) == ("2026-11-02T08:00:00Z", "2026-11-02T08:00:00Z")


def test_a_key_is_not_revoked_from_tomorrow_on_nor_one_that_is_not_there(hub, sites) -> None:
    for arguments in (("north", None, -1.0), ("nobody", None, None), ("north", "ffffffffff", None)):
        with pytest.raises(ConfigurationError):
            revoke(hub, *arguments)
    assert is_let_in(sites[0])


def test_a_study_that_a_rotation_falls_into_ends_in_a_folder_that_holds(
    hub, token, sites, study_of, tmp_path: Path
) -> None:
    """North goes over after its first round; south signs its release with the key of before, and hands it in after."""
    north, south, west = sites
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    west.deny(offered(west), "too-few-events")
    pinned = listed(hub)
    rotated(hub, west)
    for site in (north, south):
        site.approve(offered(site))
    run_round([north, south])
    rotated(hub, north)
    run_round([north, south])
    north.do(task_of(north))
    work, old = task_of(south), south.key
    following = keys.generate()
    assert go_over(hub, signed_rotation("south", old, following, hub.clock())).status_code == 204
    south.signing_key = old
    south.key = following
    south.do(work)
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    assert [v.subject for v in judge(read_folder(folder)) if not v.ok] == []
    now = followed(pinned, changes(hub))
    assert [v.subject for v in judge(read_folder(folder, now)) if not v.ok] == []
    assert not judge(read_folder(folder, pinned))[0].ok, "north's new key was not pinned, and nobody followed it"


def one_release_taken(hub, token, sites, study) -> tuple[str, FakeSite]:
    """The study, with north's release taken; south still has to do its own, within a month."""
    north, south, west = sites
    long = study.model_copy(update={"training": study.training.model_copy(update={"deadline_minutes": 43200})})
    study_id = hub.submit(long, token)
    west.deny(offered(west), "too-few-events")
    for site in (north, south):
        site.approve(offered(site))
    for _ in range(2):
        run_round([north, south])
    north.do(task_of(north))
    return study_id, south


def test_a_release_that_was_taken_before_a_rotation_holds_whenever_it_is_delivered(
    hub, token, sites, study_of, tmp_path: Path
) -> None:
    study_id, south = one_release_taken(hub, token, sites, study_of(rounds=1, at_least=1))
    rotated(hub, sites[0])
    hub.pass_time(hours=30)
    south.do(task_of(south))
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    for known in (None, listed(hub)):
        assert [v.subject for v in judge(read_folder(folder, known)) if not v.ok] == []


def test_a_study_whose_release_is_revoked_before_the_delivery_fails_and_says_so(hub, token, sites, study_of) -> None:
    study_id, south = one_release_taken(hub, token, sites, study_of(rounds=1, at_least=1))
    hub.pass_time(hours=1)
    revoke(hub, "north")
    south.do(task_of(south))
    hub.wait_for(study_id, token, "failed")


def test_what_was_signed_before_a_revocation_stays_good_and_after_it_fails(
    hub, token, sites, study_of, tmp_path: Path
) -> None:
    hub.pass_time(hours=10)
    study_id = recruit(hub, study_of(rounds=1), token, sites)
    for _ in range(3):
        run_round(sites)
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    pinned = listed(hub)
    hub.pass_time(hours=5)
    revoke(hub, "north", hours_ago=4)
    revoke(hub, "south", hours_ago=6)
    for known in (listed(hub), followed(pinned, changes(hub))):
        verdicts = {v.subject: v for v in judge(read_folder(folder, known))}
        assert verdicts["receipts/north.json"].ok and verdicts["receipts/west.json"].ok
        assert verdicts["receipts/south.json"].steps[-1].number == 18


def test_a_receipt_by_a_key_that_ended_is_not_taken(hub, token, sites, study_of) -> None:
    north = sites[0]
    recruit(hub, study_of(rounds=1), token, sites)
    for _ in range(2):
        run_round(sites)
    work, old = task_of(north), north.key
    rotated(hub, north)
    revoke(hub, "north", keys.keyid(old.public_key()))
    north.signing_key = old
    assert north.release(work.task).status_code == 422


def test_a_key_that_was_followed_signs_for_a_day_more(hub, sites) -> None:
    north = sites[0]
    signed = signed_rotation("north", north.key, keys.generate(), hub.clock()).ending
    rotated(hub, north)
    with hub.hub.store.reading() as session:
        assert site_keys.signer_of(session, "north", signed, hub.clock() + timedelta(hours=23)).owner == "north"
        for site, hours in (("north", 25), ("south", 0)):
            with pytest.raises(Unproven):
                site_keys.signer_of(session, site, signed, hub.clock() + timedelta(hours=hours))


@pytest.mark.parametrize("broken", ["certify", "logged_once before", "logged_once after"])
def test_a_change_is_in_the_log_once_whatever_breaks(tmp_path: Path, clock, monkeypatch, broken: str) -> None:
    method, _, when = broken.partition(" ")
    owner = ReceiptDesk if method == "logged_once" else type(_desk(tmp_path, clock).authority)
    real, calls = getattr(owner, method), []

    def breaking(*arguments, **named):
        calls.append(1)
        if len(calls) == 1 and when != "after":
            raise DiskFull("no space, for this test")
        result = real(*arguments, **named)
        if len(calls) == 1:
            raise DiskFull("no space, for this test")
        return result

    with running(tmp_path / "hub", clock) as hub:
        site = FakeSite(hub, "north").join()
        rotation = signed_rotation("north", site.key, keys.generate(), clock())
        monkeypatch.setattr(owner, method, breaking)
        assert go_over(hub, rotation).status_code == 507
    with running(tmp_path / "hub", clock) as hub:
        assert go_over(hub, rotation).status_code == 204
        assert len(changes(hub).changes) == 1
        found = entries(hub)
        assert len(found) == 2 and max(Counter(found).values()) == 1


def _desk(tmp_path: Path, clock) -> ReceiptDesk:
    with running(tmp_path / "hub", clock) as hub:
        return hub.hub.desk


def test_keys_without_a_window_are_written_as_ever(hub, sites) -> None:
    assert b"window" not in hub.http.get(f"{API}/keys").content
    assert b"window" not in canonical_bytes(listed(hub).as_json())


def test_a_thiefs_next_key_ends_with_the_stolen_one(hub, sites) -> None:
    """Who stole a key went over to another with it: that one is theirs too, and the hospital's earlier rotation stays."""
    north = sites[0]
    rotated(hub, north)
    hub.pass_time(hours=5)
    stolen = keys.keyid(north.key.public_key())
    rotated(hub, north)
    hub.pass_time(hours=1)
    assert is_let_in(north)
    with hub.hub.store.changing() as change:
        done = site_keys.revoke(change, hub.hub.signer, "north", stolen, hub.clock() - timedelta(hours=3))
    assert done.keyids == (stolen, keys.keyid(north.key.public_key())) and done.counts is None
    assert not is_let_in(north)
    first, *others = of(listed(hub), "north")
    assert first.window.below is None and all(key.window.end < "2026-11-02T12:00" for key in others)


def test_a_stolen_key_of_before_leaves_the_key_that_followed_before_it_was_stolen(hub, sites) -> None:
    north, old = sites[0], keys.keyid(sites[0].key.public_key())
    rotated(hub, north)
    hub.pass_time(hours=5)
    with hub.hub.store.changing() as change:
        done = site_keys.revoke(change, hub.hub.signer, "north", old, hub.clock() - timedelta(hours=3))
    assert done.keyids == (old,) and done.counts == keys.keyid(north.key.public_key())
    assert is_let_in(north)


def test_a_hospital_changes_its_key_so_often_a_day_and_no_more(hub, sites) -> None:
    north = sites[0]
    for _ in range(site_keys.CHANGES_A_DAY):
        rotated(hub, north)
    refused = go_over(hub, signed_rotation("north", north.key, keys.generate(), hub.clock()))
    assert refused.status_code == 403 and "within a day" in refused.json()["message"]
    hub.pass_time(hours=25)
    rotated(hub, north)


@pytest.mark.parametrize("role", ["witness", "witness-ml-dsa-44", "repeater"])
def test_a_window_where_nobody_looks_at_it_is_refused(role: str) -> None:
    said = {"owner": "x", "role": role, "keyid": "0" * 64, "public_key": "-" * 60}
    TrustedKey.model_validate(said)
    with pytest.raises(ValueError, match="has no window"):
        TrustedKey.model_validate({**said, "window": {"end": "2026-11-02T08:00:00Z"}})
