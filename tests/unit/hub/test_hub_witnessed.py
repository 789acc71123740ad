"""A whole study of a hub that asks a witness: what is delivered satisfies a verifier who insists on it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, bearer, running
from test_hub_site_keys import changes, go_over, listed

from rapha.errors import DiskFull
from rapha.hub.app import API
from rapha.hub.configuration import HubSettings, initialise, with_witness
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.witnesses import WitnessAddress
from rapha.proof import keys
from rapha.proof.key_change import followed, signed_rotation
from rapha.proof.verify import judge
from rapha.records.receipt import Verdict
from rapha.records.wire import Offer, TrustedKeys, Work
from rapha.sdk.folder import read_folder
from rapha.witness.home import Witness, WitnessSettings
from rapha.witness.home import initialise as initialise_witness
from rapha.witness.server import server_of

NAME = "witness.example/east"


@pytest.fixture
def witness(tmp_path: Path, clock: Clock) -> Iterator[Witness]:
    """A hub's home whose log a running witness knows, and the witness."""
    initialise(tmp_path / "hub", HubSettings(name="test-hub", body_limit_mib=1, blob_limit_mib=1))
    with running(tmp_path / "hub", clock) as hub:
        known = TrustedKeys.from_bytes(hub.http.get(f"{API}/keys").content)
    logs = tuple(key for key in known.keys if key.role == "log")
    trusted, second = initialise_witness(tmp_path / "witness", WitnessSettings(name=NAME, port=0, logs=logs))
    opened = Witness(tmp_path / "witness", clock)
    server = server_of(opened)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with_witness(
        tmp_path / "hub", WitnessAddress(url=f"http://127.0.0.1:{server.server_address[1]}", key=trusted, second=second)
    )
    yield opened
    server.shutdown()
    thread.join()
    server.server_close()
    opened.close()


def verdicts(folder: Path, pinned: TrustedKeys) -> tuple[Verdict, ...]:
    return judge(read_folder(folder, pinned))


def test_a_delivery_is_seen_by_the_witness(witness: Witness, tmp_path: Path, clock: Clock, study_of) -> None:
    with running(tmp_path / "hub", clock) as hub:
        fetch(hub, study_of(rounds=1, at_least=2), tmp_path / "model")
        known = TrustedKeys.from_bytes(hub.http.get(f"{API}/keys").content)
    assert NAME in {key.owner for key in known.keys}
    insisting = known.model_copy(update={"witnesses_at_least": 1})
    assert all(verdict.ok for verdict in verdicts(tmp_path / "model", insisting))
    assert not any("no witness" in remark for v in verdicts(tmp_path / "model", known) for remark in v.not_shown)
    lasting = insisting.model_copy(update={"ml_dsa_at_least": 1})
    assert all(verdict.ok for verdict in verdicts(tmp_path / "model", lasting))
    without = lasting.model_copy(update={"keys": tuple(key for key in known.keys if key.role != "witness-ml-dsa-44")})
    assert [v.steps[-1].number for v in verdicts(tmp_path / "model", without)] == [15, 15, 15]
    too_many = known.model_copy(update={"witnesses_at_least": 2})
    assert [v.steps[-1].number for v in verdicts(tmp_path / "model", too_many)] == [15, 15, 15]


def fetch(hub: HubAtHand, study, folder: Path) -> None:  # type: ignore[no-untyped-def]
    """Two hospitals do the study; its files, written to a folder."""
    token = hub.token()
    sites = [FakeSite(hub, name, rows).join() for name, rows in (("north", 100), ("south", 300))]
    study_id = hub.submit(study, token)
    for site in sites:
        offer = site.poll()
        assert isinstance(offer, Offer)
        site.approve(offer)
    for _ in range(3):
        for site in sites:
            work = site.wait_for_work()
            assert isinstance(work, Work)
            site.do(work)
    hub.wait_for(study_id, token, "completed")
    for file in hub.delivery(study_id, token).files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.http.get(f"{API}/blobs/{file.blob}", headers=bearer(token)).content)


def test_a_checkpoint_that_is_cosigned_again_after_a_crash_has_one_line_of_each_key(
    witness: Witness, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ReceiptDesk.logged_once

    def logs_and_dies(*arguments: Any) -> None:
        real(*arguments)
        raise DiskFull("no space, for this test")

    with running(tmp_path / "hub", clock) as hub:
        north = FakeSite(hub, "north").join()
        pinned = listed(hub).model_copy(update={"witnesses_at_least": 1})
        rotation = signed_rotation("north", north.key, keys.generate(), clock())
        with monkeypatch.context() as patched:
            patched.setattr(ReceiptDesk, "logged_once", logs_and_dies)
            assert go_over(hub, rotation).status_code == 507
    clock.pass_(minutes=5)
    with running(tmp_path / "hub", clock) as hub:
        found = changes(hub)
        assert len(hub.hub.desk.log.checkpoint.signatures) == 4  # two of the log, two of the witness
    assert len([key for key in followed(pinned, found).keys if key.owner == "north"]) == 2
