"""Pause and resume; requests that come twice, late or out of order; clocks that jump; what stays of ways that remember."""

import pytest
from fake_site import FakeSite
from hub_at_hand import bearer
from patience import until
from safetensors.numpy import load
from sqlalchemy import select
from test_hub_life import final_weights, offered, recruit, run_round, task_of

from rapha.hub import closing
from rapha.hub.app import API
from rapha.hub.store.tables import RoundRow


def ask(hub, token, study_id, word):
    return hub.http.post(f"{API}/studies/{study_id}/{word}", headers=bearer(token)).status_code


def test_a_paused_study_gives_out_nothing_and_goes_on_to_the_same_bits(hub, token, sites, study_of):
    study = study_of(rounds=2, at_least=3)
    plain = recruit(hub, study, token, sites)
    for _ in range(4):
        run_round(sites)
    expected = final_weights(hub, plain, token)
    for site in sites:
        site.do(site.wait_for_work())  # the stop
    study_id = recruit(hub, study, token, sites)
    run_round(sites)
    in_hand = task_of(sites[0])
    for _ in range(2):
        assert ask(hub, token, study_id, "pause") == 204
    assert hub.status(study_id, token).state == "paused"
    assert sites[0].answer(in_hand.task).status_code == 204
    assert sites[1].poll() is None
    hub.pass_time(hours=30)
    assert hub.status(study_id, token).state == "paused"
    for _ in range(2):
        assert ask(hub, token, study_id, "resume") == 204
    for site in sites[1:]:
        site.do(task_of(site))
    for _ in range(2):
        run_round(sites)
    assert final_weights(hub, study_id, token) == expected
    names = [event.event for event in hub.events(study_id, token)]
    assert (names.count("study.paused"), names.count("study.resumed"), names.count("task.missed")) == (1, 1, 0)


def test_what_a_round_began_with_goes_also_where_the_next_one_opens_only_after_a_pause(
    hub, token, sites, study_of, monkeypatch
):
    """The researcher pauses while the average is made: the round is closed, and none is opened with it."""
    monkeypatch.setattr(closing, "LIGHT_BYTES", 0)  # made outside of any change, as of large weights
    made = hub.hub.rounds._closing._made

    def meanwhile(settled, blobs):
        if settled.number == 2:
            assert ask(hub, token, study_id, "pause") == 204
        return made(settled, blobs)

    monkeypatch.setattr(hub.hub.rounds._closing, "_made", meanwhile)
    study = study_of(rounds=4, at_least=3, **{"batch_size: 64": "batch_size: 64, aggregation: fedavgm"})
    study_id = recruit(hub, study, token, sites)
    for _ in range(3):
        run_round(sites)
    until(lambda: (2, True) in rounds_of(hub, study_id))
    assert rounds_of(hub, study_id)[-1] == (2, True)
    before = kept_of(hub, study_id)
    assert ask(hub, token, study_id, "resume") == 204
    task_of(sites[0])
    assert rounds_of(hub, study_id)[-1] == (3, False)
    begun_with, momentum_before, *needed = before
    until(lambda: not {begun_with, momentum_before} & set(hub.hub.blobs.digests()))
    assert set(needed) <= set(hub.hub.blobs.digests())


def rounds_of(hub, study_id):
    with hub.hub.store.reading() as session:
        rows = session.scalars(select(RoundRow).where(RoundRow.study_id == study_id).order_by(RoundRow.number))
        return [(row.number, row.closed_at is not None) for row in rows]


def kept_of(hub, study_id):
    """What round 2 began with, the momentum of the round before; the weights of round 2, and its momentum."""
    with hub.hub.store.reading() as session:
        one, two = (session.get_one(RoundRow, (study_id, number)) for number in (1, 2))
        found = [two.weights_in, one.kept, two.weights_out, two.kept]
    assert set(found) <= set(hub.hub.blobs.digests()) and len(set(found)) == 4
    return found


def test_what_is_not_at_work_is_not_paused_and_what_was_not_paused_does_not_resume(hub, token, sites, study_of):
    study_id = hub.submit(study_of(at_least=3), token)
    assert ask(hub, token, study_id, "pause") == 409
    assert ask(hub, token, study_id, "resume") == 409
    assert ask(hub, hub.token("eve"), study_id, "pause") == 403


def test_a_paused_study_can_be_cancelled_and_then_does_not_resume(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(at_least=3), token, sites)
    task_of(sites[0])
    assert ask(hub, token, study_id, "pause") == 204
    hub.hub.conductor.nudge(study_id)
    assert ask(hub, token, study_id, "cancel") == 204
    assert hub.status(study_id, token).state == "cancelled"
    assert ask(hub, token, study_id, "resume") == 409


@pytest.mark.parametrize("jump", [{"days": 400}, {"days": -400}])
def test_a_clock_that_jumps_costs_no_study(hub, token, sites, study_of, jump, clock):
    """Forward, an open round passes its deadline and closes with those who answered; back, nothing happens too early."""
    study_id = recruit(hub, study_of(rounds=1, at_least=2), token, sites)
    run_round(sites)
    for site in sites[:2]:
        site.do(task_of(site))
    hub.pass_time(**jump)
    if jump["days"] < 0:
        sites[2].do(task_of(sites[2]))
    until(lambda: hub.status(study_id, token).state == "releasing", lambda: hub.status(study_id, token))
    run_round(sites)
    hub.wait_for(study_id, token, "completed")


def test_requests_out_of_order_are_refused_and_do_no_harm(hub, token, sites, study_of):
    study_id = hub.submit(study_of(rounds=1, at_least=3), token)
    offers = [offered(site) for site in sites]
    door = f"/node/dispatches/{offers[0].dispatch.id}"
    assert sites[0].approve(offers[0]).status_code == 204
    assert sites[0].wait_for_a_person(offers[0]).status_code == 409
    assert sites[0].send("POST", f"{door}/feasible", sites[0].feasible(offers[0])).status_code == 204
    for site, offer in zip(sites[1:], offers[1:], strict=True):
        assert site.approve(offer).status_code == 204
    tasks = [task_of(site).task for site in sites]
    content = b"not uploaded yet"
    assert sites[0].hand_in_uploaded(tasks[0], content).status_code == 409
    early = tasks[0].model_copy(update={"weights": "sha256:" + "0" * 64})
    assert sites[0].release(early).status_code == 409
    for site, task in zip(sites, tasks, strict=True):
        assert site.answer(task).status_code == 204
    run_round(sites)
    late = sites[0].answer(tasks[0])
    assert late.status_code == 204, "the same answer again, a round later, is the same as once"
    run_round(sites)
    hub.wait_for(study_id, token, "completed")


def test_a_node_restored_from_an_old_backup_trains_no_round_twice(hub, token, study_of):
    """It has forgotten the rounds it answered: its release cannot pass for the whole truth, and the others go on."""
    sites = [FakeSite(hub, name).join() for name in ("north", "south", "west")]
    study_id = recruit(hub, study_of(rounds=2, at_least=2), token, sites)
    for _ in range(2):
        run_round(sites)
    forgotten, sites[2].traces = sites[2].traces[1:], []
    assert forgotten
    run_round(sites)
    for site in sites[:2]:
        site.do(task_of(site))
    answer = sites[2].release(task_of(sites[2]).task)
    assert answer.status_code == 422 and "is not the update that was handed in" in answer.text
    hub.wait_for(study_id, token, "completed")
    done = [(e.site, e.round) for e in hub.events(study_id, token) if e.event == "task.done"]
    assert len(done) == len(set(done))


@pytest.mark.parametrize("way", ["fedavgm", "fedadam", "fedyogi", "median", "trimmed-mean", "norm-clip"])
def test_each_way_goes_from_file_to_delivery_and_leaves_nothing_behind(hub, token, sites, study_of, way):
    study = study_of(rounds=3, at_least=3, **{"batch_size: 64": f"batch_size: 64, aggregation: {way}"})
    study_id = recruit(hub, study, token, sites)
    for _ in range(5):
        run_round(sites)
    weights = load(final_weights(hub, study_id, token))
    assert weights
    delivered = {file.blob for file in hub.delivery(study_id, token).files}
    until(lambda: set(hub.hub.blobs.digests()) == delivered)


def test_a_hub_that_stops_between_rounds_remembers_what_its_way_keeps(tmp_path, study_of):
    from hub_at_hand import Clock, running

    def weights(home, stopping):
        with running(home, Clock()) as hub:
            token = hub.token()
            sites = [FakeSite(hub, name).join() for name in ("north", "south")]
            study = study_of(rounds=4, **{"batch_size: 64": "batch_size: 64, aggregation: fedadam"})
            study_id = recruit(hub, study, token, sites)
            run_round(sites)
            run_round(sites)
            if not stopping:
                for _ in range(4):
                    run_round(sites)
                return final_weights(hub, study_id, token)
        for _ in range(4):
            with running(home, hub.clock) as again:
                for site in sites:
                    site.hub = again
                run_round(sites)
                again.hub.conductor.nudge(study_id)
        with running(home, hub.clock) as again:
            return final_weights(again, study_id, token)

    assert weights(tmp_path / "one", False) == weights(tmp_path / "two", True)


def test_training_ends_early_when_validation_stands(hub, token, sites, study_of):
    terms = "batch_size: 64, early_stopping: {metric: auroc, patience: 2}"
    study_id = recruit(hub, study_of(rounds=9, at_least=3, **{"batch_size: 64": terms}), token, sites)
    run_round(sites)
    for _ in range(3):
        for site in sites:
            site.answer(task_of(site).task, scores=({"name": "auroc", "value": "0.7"},))
    work = task_of(sites[0])
    assert (work.task.do, work.task.round) == ("evaluate", 4)
    sites[0].do(work)
    for site in sites[1:]:
        site.do(task_of(site))
    hub.wait_for(study_id, token, "completed")


def test_a_study_handed_in_twice_under_one_key_is_one(hub, token, sites, study_of):
    study, other = study_of(rounds=1, at_least=3), study_of(rounds=2, at_least=3)

    def submit(whole, key, who=token):
        headers = bearer(who) | ({"idempotency-key": key} if key else {})
        return hub.http.post(f"{API}/studies", content=whole.as_bytes(), headers=headers)

    first = submit(study, "k" * 16).json()["study_id"]
    assert submit(study, "k" * 16).json()["study_id"] == first
    assert submit(other, "k" * 16).status_code == 409
    assert submit(study, "l" * 16).json()["study_id"] != first
    assert submit(study, None).json()["study_id"] != first
    assert submit(study, "k" * 16, hub.token("eve")).json()["study_id"] != first
    names = [event.event for event in hub.events(first, token)]
    assert names.count("study.submitted") == 1 and names.count("dispatch.offered") == 3
