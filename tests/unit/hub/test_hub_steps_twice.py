"""A step that another hub took already, because a connection was cut and both lived on, is not taken again."""

from patience import until
from test_hub_life import recruit, run_round

from rapha.hub.progress import CloseRound, Complete, Conclude, End, OpenRound


def of_rounds(hub, study_id, token):
    return [(each.event, each.round) for each in hub.events(study_id, token) if each.event.startswith("round.")]


def test_every_step_of_a_round_is_taken_once(hub, token, sites, study_of, monkeypatch):
    close = hub.hub.rounds._close_round

    def twice(study, settled):
        deadline = close(study, settled)
        assert close(study, settled) is None  # by a hub that had read the same
        return deadline

    monkeypatch.setattr(hub.hub.rounds, "_close_round", twice)
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
