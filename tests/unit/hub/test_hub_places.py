"""Where in the log is what a hospital signed? As its hub says, and as its node sees, keeps and tells it."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_site import FakeSite
from hub_at_hand import HubAtHand
from patience import until
from test_hub_life import offered, recruit, run_round
from test_hub_seen_by_a_node import AtHand, node_of
from typer.testing import CliRunner

from rapha.cli.node import app
from rapha.errors import ConfigurationError, Conflict, Unproven
from rapha.hub.app import API
from rapha.hub.store.tables import DispatchRow
from rapha.node.logged_receipts import LOOKS_SECONDS, LoggedReceipts, Place, places
from rapha.node.register import Register
from rapha.proof.bundle import entry_of, read_bundle
from rapha.proof.given_back import check_given_back
from rapha.records.logged import ReceiptPlace
from rapha.records.receipt import Receipt
from rapha.records.site import Denial, Dispatch
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.records.wire import Offer


class Remembering(FakeSite):
    """Knows what it signed."""

    signed: Receipt | None = None
    offer: Offer | None = None

    def approve(self, offer: Offer):
        self.offer = offer
        return super().approve(offer)

    def parcel(self, task: Task, metrics, **changes: object):
        made = super().parcel(task, metrics, **changes)
        self.signed = made.receipt
        return made

    def place(self, dispatch: str | None = None):
        assert self.offer
        path = f"{API}/node/dispatches/{dispatch or self.offer.dispatch.id}/receipt"
        return self.hub.http.get(path, headers=self.headers("GET", path))


class Line(AtHand):
    """A node's line; `instead`: what a hub that lies would answer."""

    instead: ReceiptPlace | None = None

    def __init__(self, hub: HubAtHand, site: Remembering) -> None:
        super().__init__(hub)
        self._site, self.asked = site, 0

    def receipt_place(self, dispatch: str) -> ReceiptPlace:
        self.asked += 1
        answer = self._site.place(dispatch)
        if answer.status_code != 200:
            raise Conflict(f"the hub answered {answer.status_code}")
        return self.instead or ReceiptPlace.from_bytes(answer.content)


class Node:
    """A hospital's home that knows of one run, and looks."""

    def __init__(self, folder: Path, hub: HubAtHand, site: Remembering) -> None:
        self.log = node_of(folder, hub)
        self.folder, self.line, self.site = folder, Line(hub, site), site
        self.register = Register(folder / "node.db", hub.clock)
        self.seconds = 0.0
        self.looking = LoggedReceipts(folder, self.register, self.line, self.log.check_holds, lambda: self.seconds)

    def released(self) -> "Node":
        offer, signed = self.site.offer, self.site.signed
        assert offer and signed
        self.register.add(offer.dispatch, offer.study)
        self.register.move(offer.dispatch.id, "approved", self.site.approval)
        self.register.move(offer.dispatch.id, "released")
        self.leaves(signed)
        return self

    def leaves(self, signed: Receipt) -> None:
        assert self.site.offer
        self.register.note("release.leaving", self.site.offer.dispatch.id, digest=signed.digest)

    def found(self) -> Place:
        (place,) = places(self.folder, self.register)
        return place


@pytest.fixture
def pair(hub: HubAtHand) -> list[Remembering]:
    return [Remembering(hub, name).join() for name in ("north", "south")]  # type: ignore[misc]


@pytest.fixture
def begun(hub: HubAtHand, token: str, pair: list[Remembering], study_of: Callable[..., Study]) -> str:
    """A study of one round, to whose last task both are still to answer."""
    study_id = recruit(hub, study_of(rounds=1, at_least=2), token, list(pair))
    run_round(list(pair))
    run_round(list(pair))
    return study_id


def completed(hub: HubAtHand, token: str, pair: list[Remembering], study_id: str) -> None:
    run_round(list(pair))
    hub.wait_for(study_id, token, "completed")


def test_a_hub_says_where_each_receipt_is_once_it_is_logged(hub, token, pair, begun) -> None:
    assert ReceiptPlace.from_bytes(pair[0].place().content) == ReceiptPlace(study="releasing", logged=None)
    completed(hub, token, pair, begun)
    for site in pair:
        found = ReceiptPlace.from_bytes(site.place().content)
        assert found.study == "completed" and found.logged
        check_given_back(site.signed, found.logged, "receipt")
    assert pair[0].place(pair[1].offer.dispatch.id).status_code == 403


def test_a_refusal_is_found_too(hub, token, pair, study_of, tmp_path) -> None:
    north = pair[0]
    hub.submit(study_of(rounds=1, at_least=1), token)
    north.offer = offered(north)
    north.deny(north.offer)
    node = Node(tmp_path / "node", hub, north)
    node.register.add(north.offer.dispatch, north.offer.study)
    node.register.move(north.offer.dispatch.id, "denied", _denial(hub, north.offer.dispatch))
    until(lambda: ReceiptPlace.from_bytes(north.place().content).logged is not None)
    node.looking.look()
    assert (node.found().word, node.found().state) == ("refusal", "logged")


def test_a_node_sees_keeps_and_tells_it(hub, token, pair, begun, tmp_path) -> None:
    completed(hub, token, pair, begun)
    node = Node(tmp_path / "node", hub, pair[0]).released()
    node.looking.look_now_and_then()
    assert (node.line.asked, node.found().state) == (0, "unasked")
    node.seconds = LOOKS_SECONDS
    node.looking.look_now_and_then()
    file = tmp_path / "node" / "receipts" / f"{pair[0].offer.dispatch.id}.json"
    bundle = read_bundle(file.read_bytes())
    assert bundle.dsseEnvelope == pair[0].signed
    assert (node.found().state, node.found().entry) == ("logged", int(entry_of(bundle).logIndex))
    node.seconds = 2 * LOOKS_SECONDS
    node.looking.look_now_and_then()
    assert node.line.asked == 1, "what was found is not asked for again"
    told = CliRunner().invoke(app, ["receipts", str(tmp_path / "node")])
    assert told.exit_code == 0 and f"entry {entry_of(bundle).logIndex}" in told.stdout
    file.write_bytes(file.read_bytes().replace(b'"hint":"', b'"hint":"0'))
    assert node.found().state == "spoilt"
    spoilt = CliRunner().invoke(app, ["receipts", str(tmp_path / "node")])
    assert isinstance(spoilt.exception, ConfigurationError) and str(file) in str(spoilt.exception)


def test_of_two_that_were_signed_either_counts(hub, token, pair, begun, tmp_path) -> None:
    """A node that died with its release on the way signs it anew, and the hub keeps the first."""
    completed(hub, token, pair, begun)
    node = Node(tmp_path / "node", hub, pair[0]).released()
    node.leaves(pair[1].signed)
    node.looking.look()
    assert node.found().state == "logged"


def test_a_disk_that_is_full_is_said_and_it_is_tried_again(hub, token, pair, begun, tmp_path, monkeypatch) -> None:
    completed(hub, token, pair, begun)
    node = Node(tmp_path / "node", hub, pair[0]).released()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("rapha.node.logged_receipts.write_synced", full)
        node.seconds = LOOKS_SECONDS
        node.looking.look_now_and_then()
    assert node.found().state == "unasked"
    node.seconds = 2 * LOOKS_SECONDS
    node.looking.look_now_and_then()
    assert node.found().state == "logged"


def test_while_the_study_goes_on_it_waits(hub, token, pair, begun, tmp_path) -> None:
    pair[0].do(pair[0].wait_for_work())
    node = Node(tmp_path / "node", hub, pair[0]).released()
    node.looking.look()
    assert (node.found().state, node.found().words) == ("waits", "the study is releasing")
    pair[1].do(pair[1].wait_for_work())
    hub.wait_for(begun, token, "completed")
    node.looking.look()
    assert node.found().state == "logged"


def test_a_completed_study_without_it_is_told(hub, token, pair, begun, tmp_path) -> None:
    completed(hub, token, pair, begun)
    node = Node(tmp_path / "node", hub, pair[0]).released()
    node.line.instead = ReceiptPlace(study="completed", logged=None)
    node.looking.look()
    assert node.found().state == "missing"
    ended = CliRunner().invoke(app, ["receipts", str(tmp_path / "node")])
    assert isinstance(ended.exception, Unproven) and "NO: the study is completed" in ended.stdout
    node.line.instead = None
    node.looking.look()
    assert node.found().state == "logged", "it is asked for again"


def test_another_ones_receipt_does_not_stand_for_it(hub, token, pair, begun, tmp_path) -> None:
    completed(hub, token, pair, begun)
    node = Node(tmp_path / "node", hub, pair[0]).released()
    node.line.instead = ReceiptPlace.from_bytes(pair[1].place().content)
    node.looking.look()
    assert (node.found().state, (tmp_path / "node" / "receipts").exists()) == ("missing", False)
    assert "another receipt than the one that was signed here" in node.found().words


def test_a_tree_of_another_log_shows_nothing(hub, token, pair, begun, tmp_path) -> None:
    """The proof is right, and its tree is not the one that this hospital keeps."""
    completed(hub, token, pair, begun)
    node = Node(tmp_path / "node", hub, pair[0]).released()
    seen = []

    def holds(tree) -> None:
        seen.append(tree.size)
        raise Unproven("another history")

    looking = LoggedReceipts(tmp_path / "node", node.register, node.line, holds)
    with pytest.raises(Unproven, match="another history"):
        looking.look()
    assert seen and node.found().state == "unasked"


def test_of_a_study_that_failed_it_is_asked_once(hub, token, pair, begun, tmp_path) -> None:
    pair[0].do(pair[0].wait_for_work())
    node = Node(tmp_path / "node", hub, pair[0]).released()
    node.line.instead = ReceiptPlace(study="failed", logged=None)
    node.looking.look()
    node.looking.look()
    assert (node.line.asked, node.found().state) == (1, "never")


def _denial(hub: HubAtHand, dispatch: Dispatch) -> Denial:
    with hub.hub.store.reading() as session:
        return Denial.from_bytes(session.get_one(DispatchRow, dispatch.id).denial or b"")
