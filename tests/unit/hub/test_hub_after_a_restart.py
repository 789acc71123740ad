"""A hub that was killed between two steps: what the next step needs is still here after the sweep of the start."""

from fake_site import FakeSite
from hub_at_hand import Clock, running
from test_hub_life import recruit, run_round

from rapha.errors import Conflict


def test_the_metrics_wait_for_a_delivery_that_was_not_made_before_the_restart(tmp_path, study_of, monkeypatch):
    def killed(study_id):
        raise Conflict("killed here")

    clock = Clock()
    with running(tmp_path / "hub", clock) as hub:
        token = hub.token()
        sites = [FakeSite(hub, name).join() for name in ("north", "south")]
        study_id = recruit(hub, study_of(rounds=1, at_least=2), token, sites)
        monkeypatch.setattr(hub.hub.rounds, "_complete", killed)
        for _ in range(3):
            run_round(sites)
        hub.wait_for(study_id, token, "releasing")
    with running(tmp_path / "hub", clock) as hub:
        hub.wait_for(study_id, token, "completed")
        assert {f"metrics/{site.name}.json" for site in sites} <= {
            file.path for file in hub.delivery(study_id, token).files
        }
