"""A step that another hub took already, because a connection was cut and both lived on, is not taken again."""

from datetime import timedelta

import pytest
from patience import until
from test_hub_life import recruit, run_round, task_of

from rapha.errors import Conflict
from rapha.hub import closing, retention
from rapha.hub.progress import CloseRound, Complete, Conclude, End, OpenRound


def of_rounds(hub, study_id, token):
    return [(each.event, each.round) for each in hub.events(study_id, token) if each.event.startswith("round.")]


def test_every_step_of_a_round_is_taken_once(hub, token, sites, study_of, monkeypatch):
    monkeypatch.setattr(closing, "LIGHT_BYTES", 0)
    close = hub.hub.rounds._close

    def twice(study, settled):
        deadline = close(study, settled)
        assert close(study, settled) is None  # by a hub that had read the same
        return deadline

    monkeypatch.setattr(hub.hub.rounds, "_close", twice)
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    again = [OpenRound(0, "prepare"), CloseRound(0), OpenRound(1, "train"), CloseRound(1), OpenRound(2, "evaluate")]
    for done in (3, 5):
        run_round(sites)
        until(lambda done=done: len(of_rounds(hub, study_id, token)) == done)
        for step in again[:done]:
            hub.hub.rounds._carry_out(study_id, step)
    run_round(sites)
    hub.wait_for(study_id, token, "completed")
    before = hub.events(study_id, token), hub.delivery(study_id, token)
    for step in (*again, CloseRound(2), Complete(), Conclude(), End("failed", "no-quorum")):
        hub.hub.rounds._carry_out(study_id, step)
    assert (hub.events(study_id, token), hub.delivery(study_id, token)) == before
    assert of_rounds(hub, study_id, token) == [
        (f"round.{what}", number) for number in range(3) for what in ("opened", "closed")
    ]


def test_a_round_that_is_not_over_any_more_is_not_ended(hub, token, sites, study_of):
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    task = task_of(sites[0]).task
    hub.hub.rounds._carry_out(study_id, CloseRound(1))  # decided before it was paused and resumed, say
    assert sites[0].answer(task).status_code == 204


def test_what_could_not_be_swept_is_swept_the_next_time(hub, token, sites, study_of, monkeypatch):
    def fails(*said):
        raise Conflict("not now")

    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    task_of(sites[0])
    rounds = hub.hub.rounds
    until(lambda: study_id not in rounds._let_go)
    rounds._let_go[study_id] = {"sha256:" + "0" * 64}
    monkeypatch.setattr(retention, "sweep", fails)
    with pytest.raises(Conflict):
        rounds.drive(study_id)
    assert rounds._let_go[study_id]
    monkeypatch.undo()
    rounds.drive(study_id)
    assert study_id not in rounds._let_go


def test_a_lost_best_of_an_earlier_round_is_said_and_not_tried_for_ever(hub, token, sites, study_of, monkeypatch):
    monkeypatch.setattr(closing, "LIGHT_BYTES", 0)
    rounds, held = hub.hub.rounds, []
    close = rounds._close

    def hold(study, settled):
        if settled.number == 0:
            return close(study, settled)
        held.append(settled)
        return hub.clock() + timedelta(hours=1)

    monkeypatch.setattr(rounds, "_close", hold)
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    run_round(sites)
    until(lambda: bool(held))
    monkeypatch.setattr("rapha.hub.closing.best_weights", lambda study, before: ["sha256:" + "0" * 64])
    with pytest.raises(Conflict, match="is lost"):
        close(study_id, held[0])
