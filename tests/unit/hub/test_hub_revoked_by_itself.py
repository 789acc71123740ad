"""A hospital ends its own key: with that key and no other, not far back, once; who pinned it follows, and what it signed before stays good."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import HubAtHand, running
from test_hub_life import recruit, run_round
from test_hub_refusals import fetched
from test_hub_refusals_logged import entries
from test_hub_site_keys import JSON, changes, is_let_in, listed, of, revoke, rotated

from rapha.canonical import base64_text
from rapha.errors import DiskFull
from rapha.hub import site_keys
from rapha.hub.app import API
from rapha.hub.receipts import ReceiptDesk
from rapha.proof import keys
from rapha.proof.key_change import followed, signed_revocation
from rapha.proof.verify import judge
from rapha.records.receipt import Receipt
from rapha.sdk.folder import read_folder


def said(hub: HubAtHand, site: FakeSite, hours_ago: float = 0, key: keys.PrivateKey | None = None) -> Receipt:
    """`key`: who signs, where it is not the site's own."""
    keyid = keys.keyid(site.key.public_key())
    since = hub.clock() - timedelta(hours=hours_ago)
    return signed_revocation(site.name, keyid, since, hub.clock(), key or site.key)


def hand_in(hub: HubAtHand, revocation: Receipt):
    return hub.http.post(f"{API}/node/key/revocation", content=revocation.as_bytes(), headers=JSON)


def test_a_key_that_ended_itself_opens_no_door_and_is_told_to_everybody(hub, sites) -> None:
    north, pinned = sites[0], listed(hub)
    one = said(hub, north)
    assert hand_in(hub, one).status_code == 204
    assert not is_let_in(north) and is_let_in(sites[1])
    assert hand_in(hub, one).status_code == 204, "the same again is the same as once"
    assert len(changes(hub).changes) == 1
    (ended,) = of(listed(hub), "north")
    assert ended.window.end == "2026-11-02T08:00:00Z" and ended.window.below == 1
    assert sorted(followed(pinned, changes(hub)).keys, key=str) == sorted(listed(hub).keys, key=str)
    shown = hub.http.get("/explore/sites").text
    assert shown.count("(revoked)") == 1 and f"{ended.keyid} (revoked)" in shown


def test_the_hospital_comes_back_with_a_new_key_and_a_code(hub, sites) -> None:
    north = sites[0]
    hand_in(hub, said(hub, north))
    with pytest.raises(AssertionError):
        north.join()
    north.key = keys.generate()
    north.join()
    assert is_let_in(north)


def test_no_other_key_says_so(hub, sites) -> None:
    north, south, _ = sites
    for other in (south.key, keys.generate()):
        assert hand_in(hub, said(hub, north, key=other)).status_code == 422
    borrowed = said(hub, north, key=south.key)
    named = borrowed.signatures[0].model_copy(update={"keyid": keys.keyid(north.key.public_key())})
    assert hand_in(hub, borrowed.model_copy(update={"signatures": (named,)})).status_code == 422
    assert is_let_in(north) and changes(hub).changes == ()


def test_what_anybody_may_send_does_not_hold_the_lock_of_whoever_changes_something(hub, sites, monkeypatch) -> None:
    """It is read and its signature looked at before: there is no token that would say who it is."""
    from rapha.proof.key_change import signed_rotation

    north, changed, changing = sites[0], [], hub.hub.store.changing
    monkeypatch.setattr(hub.hub.store, "changing", lambda: (changed.append(1), changing())[1])
    good = said(hub, north)
    deaf = good.model_copy(update={"payload": base64_text(b"[" + b"1," * 5000 + b"1]")})
    forged = said(hub, north, key=keys.generate())
    over = signed_rotation("north", keys.generate(), keys.generate(), hub.clock())
    for one in (deaf, forged):
        assert hand_in(hub, one).status_code == 422
    for two in (over, over.model_copy(update={"following": deaf}), over.model_copy(update={"ending": deaf})):
        assert hub.http.post(f"{API}/node/key", content=two.as_bytes(), headers=JSON).status_code == 422
    assert not changed
    assert hand_in(hub, good).status_code == 204 and changed


def test_a_statement_about_a_key_is_short(hub, sites, monkeypatch) -> None:
    good = said(hub, sites[0])
    monkeypatch.setattr(site_keys, "STATEMENT_BYTES", len(good.payload) - 1)
    answer = hand_in(hub, good)
    assert answer.status_code == 422 and "at most" in answer.json()["message"]
    monkeypatch.setattr(site_keys, "STATEMENT_BYTES", len(good.payload))
    assert hand_in(hub, good).status_code == 204


def test_a_statement_of_another_kind_ends_no_key(hub, sites) -> None:
    from rapha.proof.key_change import signed_rotation

    north = sites[0]
    assert hand_in(hub, signed_rotation("north", north.key, keys.generate(), hub.clock()).ending).status_code == 422
    keyid = keys.keyid(north.key.public_key())
    of_the_hub = signed_revocation("north", keyid, hub.clock(), hub.clock(), north.key, "hub")
    assert hand_in(hub, of_the_hub).status_code == 422
    assert is_let_in(north)


def test_a_key_that_another_followed_says_nothing_more_of_itself(hub, sites) -> None:
    """Whoever stole a former key could else end the one that followed it with it."""
    north, old = sites[0], sites[0].key
    hub.pass_time(hours=5)
    rotated(hub, north)
    keyid = keys.keyid(old.public_key())
    late = signed_revocation("north", keyid, hub.clock() - timedelta(hours=3), hub.clock(), old)
    answer = hand_in(hub, late)
    assert answer.status_code == 403 and "steward" in answer.json()["message"]
    assert is_let_in(north)


def test_a_key_that_has_ended_cannot_be_ended_from_earlier_by_itself(hub, sites) -> None:
    hub.pass_time(hours=10)
    north, south, _ = sites
    assert hand_in(hub, said(hub, north)).status_code == 204
    revoke(hub, "south")
    for site in (north, south):
        assert hand_in(hub, said(hub, site, hours_ago=5)).status_code == 403
    assert all(of(listed(hub), site)[0].window.end == "2026-11-02T18:00:00Z" for site in ("north", "south"))
    revoke(hub, "north", keys.keyid(north.key.public_key()), hours_ago=5)
    assert of(listed(hub), "north")[0].window.end == "2026-11-02T13:00:00Z", "the hub's steward can"


@pytest.mark.parametrize(("hours_ago", "status"), [(-1, 409), (-0.005, 204), (24 * 31, 204), (24 * 31 + 1, 409)])
def test_how_far_back_and_ahead_a_key_reaches(hub, sites, hours_ago: float, status: int) -> None:
    assert hand_in(hub, said(hub, sites[0], hours_ago)).status_code == status
    assert is_let_in(sites[0]) == (status != 204)


def test_what_was_signed_before_stays_good_and_after_it_fails(hub, token, sites, study_of, tmp_path: Path) -> None:
    hub.pass_time(hours=10)
    study_id = recruit(hub, study_of(rounds=1), token, sites)
    for _ in range(3):
        run_round(sites)
    hub.wait_for(study_id, token, "completed")
    folder = fetched(hub, study_id, token, tmp_path / "model")
    pinned = listed(hub)
    hub.pass_time(hours=5)
    for site, hours_ago in ((sites[0], 4), (sites[1], 6)):
        assert hand_in(hub, said(hub, site, hours_ago)).status_code == 204
    for known in (listed(hub), followed(pinned, changes(hub))):
        verdicts = {v.subject: v for v in judge(read_folder(folder, known))}
        assert verdicts["receipts/north.json"].ok and verdicts["receipts/west.json"].ok
        assert verdicts["receipts/south.json"].steps[-1].number == 18


def test_a_thief_who_changes_keys_all_day_cannot_keep_a_key_from_being_ended(hub, sites) -> None:
    for _ in range(site_keys.CHANGES_A_DAY):
        rotated(hub, sites[0])
    assert hand_in(hub, said(hub, sites[0])).status_code == 204


@pytest.mark.parametrize("body", [b"{}", b"[", b'{"payload": ' + b"[" * 5000])
def test_what_is_no_statement_is_refused(hub, sites, body: bytes) -> None:
    assert hub.http.post(f"{API}/node/key/revocation", content=body, headers=JSON).status_code in (400, 422)
    empty = Receipt.from_bytes(said(hub, sites[0]).as_bytes()).model_copy(update={"payload": base64_text(b"{}")})
    assert hand_in(hub, empty).status_code == 422


@pytest.mark.parametrize("when", ["before", "after"])
def test_it_is_in_the_log_once_whatever_breaks(tmp_path: Path, clock, monkeypatch, when: str) -> None:
    real, calls = ReceiptDesk.logged_once, []

    def breaking(*arguments, **named):
        calls.append(1)
        result = None if len(calls) == 1 and when == "before" else real(*arguments, **named)
        if len(calls) == 1:
            raise DiskFull("no space, for this test")
        return result

    with running(tmp_path / "hub", clock) as hub:
        site = FakeSite(hub, "north").join()
        one = said(hub, site)
        monkeypatch.setattr(ReceiptDesk, "logged_once", breaking)
        assert hand_in(hub, one).status_code == 507
        assert not is_let_in(site), "it counts from the moment that it is kept"
    with running(tmp_path / "hub", clock) as hub:
        assert hand_in(hub, one).status_code == 204
        assert len(changes(hub).changes) == 1
        found = entries(hub)
        assert len(found) == 2 and max(Counter(found).values()) == 1
