"""A step that another hub took already, because a connection was cut and both lived on, is not taken again."""

from test_hub_life import recruit, run_round

from rapha.hub.progress import CloseRound, Complete, Conclude, End, OpenRound


def test_every_step_of_a_round_is_taken_once(hub, token, sites, study_of, monkeypatch):
    close = hub.hub.rounds._close_round

    def twice(study, settled):
        until = close(study, settled)
        assert close(study, settled) is None  # by a hub that had read the same
        return until

    monkeypatch.setattr(hub.hub.rounds, "_close_round", twice)
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    run_round(sites)
    again = [OpenRound(0, "prepare"), CloseRound(0), OpenRound(1, "train"), CloseRound(1), OpenRound(2, "evaluate")]
    for step in again:
        hub.hub.rounds._carry_out(study_id, step)
    run_round(sites)
    hub.wait_for(study_id, token, "completed")
    before = hub.events(study_id, token), hub.delivery(study_id, token)
    for step in (*again, CloseRound(2), Complete(), Conclude(), End("failed", "no-quorum")):
        hub.hub.rounds._carry_out(study_id, step)
    assert (hub.events(study_id, token), hub.delivery(study_id, token)) == before
    steps = [(event.event, event.round) for event in before[0] if event.event.startswith("round.")]
    assert steps == [(f"round.{what}", number) for number in range(3) for what in ("opened", "closed")]
