"""Updates of fewer bytes through the hub's own doors: taken in the study's form and in no other, averaged, and said in the receipt."""

import numpy as np
import pytest
from hub_at_hand import bearer
from safetensors.numpy import load, save
from test_hub_life import final_weights, recruit, run_round, task_of

from rapha.egress.compression import arrived, compressed
from rapha.hub.app import API
from rapha.proof.verify import judge
from rapha.sdk.folder import read_folder


def given(hub, site, task):
    path = f"{API}/blobs/{task.weights}"
    return hub.http.get(path, headers=site.headers("GET", path)).content


@pytest.mark.parametrize("form", ["bf16", "int8"])
def test_a_study_is_learnt_and_its_receipt_says_how_updates_travelled(hub, token, sites, study_of, tmp_path, form):
    study = study_of(rounds=2, at_least=3, **{"learning_rate: 0.05": f"learning_rate: 0.05, updates: {form}"})
    study_id = recruit(hub, study, token, sites)
    run_round(sites)
    run_round(sites)
    came, rows = [], [site.rows for site in sites]
    for site in sites:
        task = task_of(site).task
        assert task.counted == 1
        start = given(hub, site, task)
        sent, _ = compressed(start, save(site.tensors(task)), None, study)
        came.append(load(arrived(start, sent, study)))
        assert site.hand_in(task, sent).status_code == 204
    run_round(sites)
    delivered = load(final_weights(hub, study_id, token))
    expected = np.average([one["linear.weight"] for one in came], axis=0, weights=rows)
    np.testing.assert_allclose(delivered["linear.weight"], expected, rtol=1e-5)
    for file in hub.delivery(study_id, token).files:
        path = tmp_path / "model" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.http.get(f"{API}/blobs/{file.blob}", headers=bearer(token)).content)
    verdicts = judge(read_folder(tmp_path / "model"))
    assert all(verdict.ok for verdict in verdicts), [v.steps[-1] for v in verdicts]
    assert verdicts[-1].steps[19].detail.endswith(f"updates as {form}")


def test_an_update_in_another_form_than_the_study_s_is_refused(hub, token, sites, study_of):
    study = study_of(rounds=2, at_least=2, **{"learning_rate: 0.05": "learning_rate: 0.05, updates: int8"})
    recruit(hub, study, token, sites)
    run_round(sites)
    run_round(sites)
    answer = sites[0].answer(task_of(sites[0]).task)
    assert answer.status_code == 422 and "wrong-dtype" in answer.text
