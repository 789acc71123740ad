"""The life of a study as hospitals and researcher see it, through the hub's own doors."""

import base64
from pathlib import Path

import numpy as np
import pytest
from fake_site import FakeSite
from hub_at_hand import Clock, HubAtHand, bearer, running
from patience import until
from safetensors.numpy import load

from rapha.hub.app import API
from rapha.hub.assignments import next_assignments
from rapha.proof.bundle import entry_of, read_bundle
from rapha.proof.checkpoint import read_checkpoint
from rapha.proof.tiles import TileReader, check_whole
from rapha.proof.verify import judge
from rapha.records.record import SiteId
from rapha.records.study import Study
from rapha.records.wire import Offer, Poll, Stop, Work
from rapha.sdk.folder import read_folder


def offered(site: FakeSite) -> Offer:
    offer = site.poll()
    assert isinstance(offer, Offer)
    return offer


def task_of(site: FakeSite) -> Work:
    work = site.wait_for_work()
    assert isinstance(work, Work), work
    return work


def recruit(hub: HubAtHand, study: Study, token: str, sites: list[FakeSite]) -> str:
    study_id = hub.submit(study, token)
    for site in sites:
        assert site.approve(offered(site)).status_code == 204
    return study_id


def run_round(sites: list[FakeSite]) -> None:
    for site in sites:
        site.do(task_of(site))


def final_weights(hub: HubAtHand, study_id: str, token: str) -> bytes:
    hub.wait_for(study_id, token, "completed")
    blob = next(f.blob for f in hub.delivery(study_id, token).files if f.path == "model.safetensors")
    return hub.http.get(f"{API}/blobs/{blob}", headers=bearer(token)).content


def test_the_model_is_the_mean_of_the_last_updates_weighted_by_rows(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(rounds=2, at_least=3), token, sites)
    run_round(sites)
    run_round(sites)
    last = [(task_of(site).task, site) for site in sites]
    expected: dict[str, np.ndarray] = {}
    for task, site in last:
        for name, values in site.tensors(task).items():
            expected[name] = expected.get(name, 0) + values.astype(np.float64) * site.rows / 450
        site.answer(task)
    run_round(sites)
    found = load(final_weights(hub, study_id, token))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values.astype(np.float32))


def test_what_is_delivered_verifies_and_says_who_denied(hub, token, sites, study_of, tmp_path):
    north, south, west = sites
    study_id = hub.submit(study_of(rounds=1, at_least=2), token)
    assert west.deny(offered(west)).status_code == 204
    for site in (north, south):
        site.approve(offered(site))
    for _ in range(3):
        run_round([north, south])
    status = hub.wait_for(study_id, token, "completed")
    assert {d.site: (d.state, d.reason) for d in status.dispatches} == {
        "north": ("released", None), "south": ("released", None), "west": ("denied", "purpose-not-allowed"),
    }  # fmt: skip
    for file in hub.delivery(study_id, token).files:
        path = tmp_path / "model" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.http.get(f"{API}/blobs/{file.blob}", headers=bearer(token)).content)
    verdicts = {verdict.subject: verdict for verdict in judge(read_folder(tmp_path / "model"))}
    assert set(verdicts) == {
        "receipts/north.json",
        "receipts/south.json",
        "receipts/aggregation.json",
        "refusals/west.json",
    }
    assert all(verdict.ok for verdict in verdicts.values()), verdicts
    in_the_public_log(hub, tmp_path / "model")


def in_the_public_log(hub, model: Path) -> None:
    """What is delivered as logged is what the hub's log shows to anybody who asks over HTTP."""

    def fetch(path: str) -> bytes:
        answer = hub.http.get(f"/log/{path}")
        assert answer.status_code == 200, path
        return answer.content

    checkpoint = read_checkpoint(fetch("checkpoint"))
    assert checkpoint.size == 8, "each receipt with its key, and with its certificate"
    check_whole(fetch, checkpoint.size, checkpoint.root)
    reader = TileReader(fetch, checkpoint.size)
    for file in ("aggregation", "north", "south"):
        bundle = read_bundle((model / "receipts" / f"{file}.json").read_bytes())
        logged = bundle.verificationMaterial.tlogEntries[0]
        assert base64.b64encode(reader.entry(int(entry_of(bundle).logIndex))).decode() == logged.canonicalizedBody
    for missing in ("tile/0/000", "tile/0/../../log-key.pem", "tile/0/%2e%2e/%2e%2e/log-key.pem", ".writer", ""):
        assert hub.http.get(f"/log/{missing}").status_code == 404, missing


def test_the_order_of_arrival_does_not_show_in_the_bits(tmp_path, study_of):
    study = study_of(rounds=2, at_least=3)
    assert whole(tmp_path / "a", study, backwards=False) == whole(tmp_path / "b", study, backwards=True)


def test_a_hub_that_stops_at_every_round_ends_in_the_same_bits(tmp_path, study_of):
    study = study_of(rounds=2, at_least=3)
    assert whole(tmp_path / "a", study) == whole(tmp_path / "b", study, restart=True)


def whole(home: Path, study: Study, *, backwards: bool = False, restart: bool = False) -> bytes:
    """The weights after a whole study."""
    clock = Clock()
    with running(home, clock) as hub:
        token = hub.token()
        sites = [FakeSite(hub, name, rows).join() for name, rows in (("north", 100), ("south", 300), ("west", 50))]
        study_id = recruit(hub, study, token, sites)
        if not restart:
            for _ in range(4):
                run_round(sites[::-1] if backwards else sites)
            return final_weights(hub, study_id, token)
    for _ in range(4):
        with running(home, clock) as hub:
            for site in sites:
                site.hub = hub
                site.do(task_of(site))
    with running(home, clock) as hub:
        return final_weights(hub, study_id, token)


def test_a_lost_quorum_ends_the_study_with_the_reason(hub, token, sites, study_of):
    study_id = hub.submit(study_of(at_least=3), token)
    sites[0].deny(offered(sites[0]), "steward-denied")
    status = hub.wait_for(study_id, token, "refused")
    assert status.reason == "3 sites needed: north denied (steward-denied)"
    assert isinstance(sites[1].poll(), Stop)


def test_a_concept_nobody_has_is_refused_at_once(hub, token, study_of):
    FakeSite(hub, "north").join(codes=("chol", "hdl"))
    FakeSite(hub, "south").join(codes=("chol", "hdl"))
    status = hub.status(hub.submit(study_of(), token), token)
    assert (status.state, status.dispatches) == ("refused", ())
    assert str(status.reason).startswith("unknown-concept: no site lists a code of the concept diabetes")


def test_a_round_closes_at_its_deadline_and_a_late_site_rejoins(hub, token, sites, study_of):
    north, south, west = sites
    study_id = recruit(hub, study_of(rounds=2, at_least=2), token, sites)
    late = task_of(west).task
    run_round([north, south])
    hub.pass_time(minutes=61)
    run_round([north, south])
    answer = west.answer(late)
    assert (answer.status_code, answer.json()["code"]) == (409, "task-over")
    assert "closed before the answer came" in answer.text
    failed = west.fail(late)
    assert (failed.status_code, failed.json()["code"]) == (409, "task-over"), "it is not out of the study for that"
    run_round([west])
    run_round(sites)
    hub.wait_for(study_id, token, "releasing")
    closed = {
        event.round: event.facts["sites"] for event in hub.events(study_id, token) if event.event == "round.closed"
    }
    assert closed == {0: "north south", 1: "north south west", 2: "north south west"}


def test_too_few_at_the_deadline_is_a_failure_that_names_the_silent(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(at_least=3), token, sites)
    run_round(sites[:2])
    hub.pass_time(minutes=61)
    status = hub.wait_for(study_id, token, "failed")
    assert status.reason == "3 sites needed: west did not answer in time (deadline)"


def test_a_cancelled_study_stops_everywhere(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(), token, sites)
    work = task_of(sites[0])
    for _ in range(2):
        assert hub.http.post(f"{API}/studies/{study_id}/cancel", headers=bearer(token)).status_code == 204
    assert hub.status(study_id, token).state == "cancelled"
    for site in sites:
        stop = site.poll(holding=[work.task.id])
        assert isinstance(stop, Stop) and stop.state == "cancelled"
        site.do(stop)
    assert sites[0].answer(work.task).status_code == 409


def test_nothing_of_the_updates_is_kept_after_the_round(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    for _ in range(3):
        run_round(sites)
    hub.wait_for(study_id, token, "completed")
    delivered = {file.blob for file in hub.delivery(study_id, token).files}
    until(lambda: set(hub.hub.blobs.digests()) == delivered)


def test_a_lost_task_is_given_again_and_a_held_one_is_not(hub, token, sites, study_of):
    recruit(hub, study_of(at_least=3), token, sites)
    first = task_of(sites[0])
    assert sites[0].poll() == first
    assert sites[0].poll(holding=[first.task.id]) is None


def test_polls_at_once_are_answered_each_as_by_itself(hub, token, sites, study_of):
    recruit(hub, study_of(at_least=3), token, sites)
    north = task_of(sites[0])

    def at_once(*asked: tuple[str, tuple[str, ...]]) -> list[Work | None]:
        polls = [(SiteId(site), Poll(wait_seconds=0, holding=holding)) for site, holding in asked]
        return next_assignments(hub.hub.store, hub.hub.blobs, polls)

    another, lost, south, held = at_once(
        ("north", ()), ("north", ()), ("south", (north.task.id,)), ("west", (north.task.id,))
    )
    assert another == lost == north
    assert (south.task.site, held.task.site) == ("south", "west")
    mine = south.task.id
    kept, for_another = at_once(("south", (mine,)), ("west", (mine,)))
    assert kept is None
    assert for_another == held, "a site may not hold what is another's"


def test_an_offer_under_consideration_is_not_repeated(hub, token, sites, study_of):
    hub.submit(study_of(), token)
    offer = offered(sites[0])
    assert sites[0].poll() == offer
    assert sites[0].poll(considering=[offer.dispatch.id]) is None


def test_the_same_answer_again_is_the_same_as_once(hub, token, sites, study_of):
    study_id = hub.submit(study_of(rounds=1, at_least=3), token)
    for site in sites:
        offer = offered(site)
        door = f"/node/dispatches/{offer.dispatch.id}"
        for _ in range(2):
            assert site.send("POST", f"{door}/feasible", site.feasible(offer)).status_code == 204
            assert site.wait_for_a_person(offer).status_code == 204
        assert site.approve(offer).status_code == 204
        assert site.approval and site.send("POST", f"{door}/approval", site.approval).status_code == 204
    tasks = [task_of(site).task for site in sites]
    for _ in range(2):
        assert sites[0].answer(tasks[0]).status_code == 204
    other = sites[0].answer(tasks[0], weight=7)
    assert (other.status_code, other.json()["code"]) == (409, "conflict"), (
        "two agents with one key, or bits that differ"
    )
    assert "answered otherwise" in other.text
    assert sites[0].fail(tasks[0]).json()["code"] == "conflict"
    names = [event.event for event in hub.events(study_id, token)]
    assert names.count("dispatch.approved") == 3 and names.count("task.done") == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weights": "sha256:" + "0" * 64}, "another weights"),
        ({"study": "another-study"}, "another study"),
        ({"policy": "sha256:" + "0" * 64}, "another policy"),
        ({"architecture": "mlp"}, "another architecture"),
        ({"approval": "sha256:" + "0" * 64}, "another approval"),
        ({"rounds": ()}, "is not the update that was handed in"),
    ],
)
def test_a_release_that_claims_something_else_is_not_taken(hub, token, sites, study_of, changes, said):
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    run_round(sites)
    answer = sites[0].release(task_of(sites[0]).task, **changes)
    assert answer.status_code == 422 and said in answer.text
    assert hub.wait_for(study_id, token, "failed").reason == "3 sites needed: north failed (output-malformed)"


@pytest.mark.parametrize("changed", ["weights_in", "weights_out"])
def test_a_release_of_rounds_with_other_weights_is_not_taken(hub, token, sites, study_of, changed):
    recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    run_round(sites)
    first, *others = sites[0].traces
    rounds = (first.model_copy(update={changed: "sha256:" + "0" * 64}), *others)
    answer = sites[0].release(task_of(sites[0]).task, rounds=rounds)
    assert answer.status_code == 422 and "is not the update that was handed in" in answer.text


def test_a_delivery_is_fetched_by_its_researcher_and_by_nobody_else(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    for _ in range(3):
        run_round(sites)
    assert final_weights(hub, study_id, token)
    other = hub.token("bob")
    for file in hub.delivery(study_id, token).files:
        for path in (f"/blobs/{file.blob}", f"/blobs/{file.blob}/chunks"):
            assert hub.http.get(API + path, headers=bearer(token)).status_code == 200
            assert hub.http.get(API + path, headers=bearer(other)).status_code == 403
