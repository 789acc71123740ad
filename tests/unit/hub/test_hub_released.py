"""The weights that are released are those of the round that the study's figure names, and the receipt says which."""

import numpy as np
import pytest
from fake_site import FakeSite
from hub_at_hand import bearer, running
from patience import until
from safetensors.numpy import load
from test_hub_life import final_weights, recruit, run_round, task_of

from rapha.hub.app import API
from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder

BEST = {"learning_rate: 0.05": "learning_rate: 0.05, keep: {best: auroc}"}
WITH_MOMENTUM = {"keep: {best: auroc}": "keep: {best: auroc}, aggregation: fedavgm"}


def train(sites, auroc):
    """A round in which all score alike; what came of it."""
    found = {}
    for site in sites:
        task = task_of(site).task
        scores = ({"name": "auroc", "value": auroc},) if auroc is not None else ()
        assert site.answer(task, scores=scores).status_code == 204
        found[site] = site.tensors(task)
    rows = [site.rows for site in sites]
    return {n: np.average([one[n] for one in found.values()], axis=0, weights=rows) for n in found[sites[0]]}


@pytest.mark.parametrize(
    ("figures", "released"), [([0.7, 0.8, 0.75], 2), ([0.8, 0.7, 0.7], 1), ([0.5, 0.6, 0.7], 3), ([None] * 3, 3)]
)
def test_the_best_round_is_released_and_verifies(hub, token, sites, study_of, tmp_path, figures, released):
    study_id = recruit(hub, study_of(rounds=3, at_least=3, **BEST), token, sites)
    run_round(sites)
    made = [train(sites, figure) for figure in figures]
    run_round(sites)
    delivered = load(final_weights(hub, study_id, token))
    np.testing.assert_allclose(delivered["linear.weight"], made[released - 1]["linear.weight"], rtol=1e-6)
    for file in hub.delivery(study_id, token).files:
        path = tmp_path / "model" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.http.get(f"{API}/blobs/{file.blob}", headers=bearer(token)).content)
    verdicts = judge(read_folder(tmp_path / "model"))
    assert all(verdict.ok for verdict in verdicts), [v.steps[-1] for v in verdicts]
    assert f"the weights are of round {released}" in verdicts[-1].steps[19].detail


def test_what_is_kept_meanwhile_is_the_best_and_what_momentum_needs_and_goes_at_the_end(hub, token, sites, study_of):
    study = study_of(rounds=4, at_least=3, **BEST, **WITH_MOMENTUM)
    study_id = recruit(hub, study, token, sites)
    run_round(sites)
    for figure in (0.8, 0.7, 0.6):
        train(sites, figure)
    task_of(sites[0])
    # The weights that the round began with, the best, and momentum: of this round's start and of the round before.
    until(lambda: len(hub.hub.blobs.digests()) <= 4)
    train(sites, 0.5)
    run_round(sites)
    hub.wait_for(study_id, token, "completed")
    delivered = {file.blob for file in hub.delivery(study_id, token).files}
    until(lambda: set(hub.hub.blobs.digests()) == delivered)


def test_a_hub_that_was_started_again_still_knows_the_best(tmp_path, clock, study_of):
    with running(tmp_path / "hub", clock) as hub:
        token = hub.token()
        sites = [FakeSite(hub, name, rows).join() for name, rows in (("north", 100), ("south", 300), ("west", 50))]
        study_id = recruit(hub, study_of(rounds=2, at_least=3, **BEST), token, sites)
        run_round(sites)
        first = train(sites, 0.8)
    with running(tmp_path / "hub", clock) as again:
        for site in sites:
            site.hub = again
        train(sites, 0.7)
        run_round(sites)
        delivered = load(final_weights(again, study_id, token))
    np.testing.assert_allclose(delivered["linear.weight"], first["linear.weight"], rtol=1e-6)
