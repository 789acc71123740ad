"""A signed refusal is in the log when it has come: of any study, once, whatever breaks in between."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hub_at_hand import HubAtHand
from patience import until
from test_hub_life import offered, run_round

from rapha.errors import DiskFull
from rapha.hub.blobs import read
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.store.changes import Change
from rapha.proof import keys
from rapha.proof.bundle import entry_of, read_bundle
from rapha.proof.entry import log_entry
from rapha.proof.tiles import TileReader


def entries(hub: HubAtHand) -> list[bytes]:
    log = hub.hub.desk.log
    size = log.checkpoint.size  # once: another entry may come at any moment
    reader = TileReader(log.read, size)
    return [reader.entry(at) for at in range(size)]


def all_say_no(hub: HubAtHand, sites: list[Any]) -> list[bytes]:
    """Every site refuses; the entries that must be in the log, under their keys."""
    wanted = []
    for site in sites:
        offer = offered(site)
        refusal = site.refusal(offer.dispatch.study_digest, "purpose-not-allowed")
        assert site.deny(offer, refusal=refusal).status_code == 204
        wanted.append(log_entry(refusal, site.key.public_key()))
    return wanted


def test_of_a_study_that_never_completes(hub, token, sites, study_of) -> None:
    study_id = hub.submit(study_of(at_least=3), token)
    wanted = all_say_no(hub, sites[:1])
    hub.wait_for(study_id, token, "refused")
    until(lambda: len(entries(hub)) == 2)
    assert entries(hub)[0] == wanted[0]
    assert "x509Certificate" in entries(hub)[1].decode()


def test_before_the_study_is_over(hub, token, sites, study_of) -> None:
    study_id = hub.submit(study_of(at_least=1), token)
    (wanted,) = all_say_no(hub, sites[1:2])
    until(lambda: wanted in entries(hub))
    assert hub.status(study_id, token).state == "recruiting"


def test_what_is_delivered_is_what_was_logged_then(hub, token, sites, study_of) -> None:
    north, south, west = sites
    study_id = hub.submit(study_of(rounds=1, at_least=1), token)
    (wanted,) = all_say_no(hub, [south])
    until(lambda: len(entries(hub)) == 2)
    west.deny(offered(west), "purpose-not-allowed")
    north.approve(offered(north))
    for _ in range(3):
        run_round([north])
    hub.wait_for(study_id, token, "completed")
    assert max(Counter(entries(hub)).values()) == 1 and entries(hub).index(wanted) == 0
    (file,) = [one for one in hub.delivery(study_id, token).files if one.path == "refusals/south.json"]
    assert entry_of(read_bundle(read(hub.hub.blobs, file.blob))).logIndex == "0"


def once(raises: Callable[..., Any], after: bool) -> Callable[..., Any]:
    """The function, which breaks at its first call: before or after it did what it does."""
    calls: list[int] = []

    def broken(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 1 and not after:
            raise DiskFull("no space, for this test")
        result = raises(*arguments, **named)
        if len(calls) == 1:
            raise DiskFull("no space, for this test")
        return result

    return broken


BREAKS = {
    "before it is stamped": (Change, "tell", "refusal.stamped", False),
    "when it is stamped and not kept": (Change, "tell", "refusal.stamped", True),
    "before it is logged": (LogKeeper, "add", None, False),
    "when it is logged": (LogKeeper, "add", None, True),
    "when its files are made": (ReceiptDesk, "logged_once", None, True),
    "before that is kept": (Change, "tell", "refusal.logged", False),
}


@pytest.mark.parametrize("name", BREAKS)
def test_once_whatever_breaks(hub, token, sites, study_of, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    owner, method, event, after = BREAKS[name]
    real = getattr(owner, method)
    breaking = once(real, after)

    def chosen(*arguments: Any, **named: Any) -> Any:
        return (breaking if event in (None, *arguments[1:2]) else real)(*arguments, **named)

    monkeypatch.setattr(owner, method, chosen)
    study_id = hub.submit(study_of(at_least=3), token)
    (wanted,) = all_say_no(hub, sites[:1])
    hub.wait_for(study_id, token, "refused")
    until(lambda: bool(hub.hub.rounds.unfinished()) or len(entries(hub)) == 2)
    hub.pass_time(seconds=31)

    def all_kept() -> bool:
        hub.pass_time(seconds=31)
        return not hub.hub.rounds.unfinished()

    until(all_kept)
    found = entries(hub)
    assert len(found) == 2 and found[0] == wanted


def test_nothing_is_logged_again_by_a_hub_that_starts_again(hub, token, sites, study_of) -> None:
    study_id = hub.submit(study_of(at_least=3), token)
    all_say_no(hub, sites[:1])
    hub.wait_for(study_id, token, "refused")
    until(lambda: not hub.hub.rounds.unfinished())
    for _ in range(2):
        hub.hub.rounds.drive(study_id)
    assert len(entries(hub)) == 2
    assert keys.keyid(sites[0].key.public_key()) in hub.http.get("/explore/entry/0").text
