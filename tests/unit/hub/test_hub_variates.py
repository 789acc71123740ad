"""SCAFFOLD on the hub: variates go out with every round but the first, the model that is delivered has none."""

import numpy as np
from safetensors.numpy import load
from test_hub_life import final_weights, recruit, run_round, task_of

from rapha.hub.app import API
from rapha.records.task import Task
from rapha.records.tensors import declared_weights
from rapha.records.variates import declared_given

SGD = {"learning_rate: 0.05": "learning_rate: 0.05, optimizer: sgd, aggregation: scaffold"}


def given(hub, site, task):
    path = f"{API}/blobs/{task.weights}"
    return load(hub.http.get(path, headers=site.headers("GET", path)).content)


def tensors(site, number):
    """What a hospital hands in for a round of training."""
    nothing = "sha256:" + "0" * 64
    task = Task(id="t", study_id="s", study_digest=nothing, dispatch="d", site=site.name, round=number, do="train")
    return site.tensors(task)


def mean_of_round_one(sites):
    found = [tensors(site, 1) for site in sites]
    return {name: np.average([one[name] for one in found], axis=0, weights=[100, 300, 50]) for name in found[0]}


def test_variates_go_out_and_come_to_what_the_updates_say_and_the_model_has_none(hub, token, sites, study_of):
    study = study_of(rounds=3, at_least=3, **SGD)
    study_id = recruit(hub, study, token, sites)
    run_round(sites)
    run_round(sites)
    second = [task_of(site).task for site in sites]
    before = given(hub, sites[0], second[0])
    assert set(before) == set(declared_given(study, 2)) and not before["variate:linear.weight"].any()
    run_round(sites)
    third = [task_of(site).task for site in sites]
    after = given(hub, sites[0], third[0])
    # Three hospitals of 100, 300 and 50 rows in batches of 64: 2, 5 and 1 steps of 0.05.
    gradients = [
        (before["linear.weight"] - site.tensors(task)["linear.weight"]) / (0.05 * steps)
        for site, task, steps in zip(sites, second, (2, 5, 1), strict=True)
    ]
    expected = np.average(gradients, axis=0, weights=[100, 300, 50])
    np.testing.assert_allclose(after["variate:linear.weight"], expected, rtol=1e-4, atol=1e-6)
    assert [[task.counted for task in tasks] for tasks in (second, third)] == [[1] * 3, [2] * 3]
    run_round(sites)
    run_round(sites)
    delivered = load(final_weights(hub, study_id, token))
    assert set(delivered) == set(declared_weights(study))


def test_a_hospital_that_missed_a_round_is_told_which_of_its_updates_counted_last(hub, token, sites, study_of):
    recruit(hub, study_of(rounds=3, at_least=2, **SGD), token, sites)
    run_round(sites)
    run_round(sites)
    *others, absent = sites
    run_round(others)
    hub.pass_time(minutes=61)
    found = [task_of(site).task for site in sites]
    assert [(task.round, task.counted) for task in found] == [(3, 2), (3, 2), (3, 1)]
    # 400 of 450 rows took part: the mean gradient moves by so much of theirs.
    north, south = (tensors(site, 2)["linear.weight"] for site in others)
    start = mean_of_round_one(sites)["linear.weight"]
    expected = (
        400 / 450 * np.average([(start - north) / (0.05 * 2), (start - south) / (0.05 * 5)], axis=0, weights=[100, 300])
    )
    np.testing.assert_allclose(given(hub, absent, found[2])["variate:linear.weight"], expected, rtol=1e-4, atol=1e-6)


def test_of_another_way_no_task_says_anything_of_it(hub, token, sites, study_of):
    recruit(hub, study_of(rounds=2, at_least=3), token, sites)
    run_round(sites)
    run_round(sites)
    work = task_of(sites[0])
    assert work.task.counted is None and b"counted" not in work.task.as_bytes()


def test_training_that_stops_early_ends_without_variates_too(hub, token, sites, study_of):
    stopping = {"aggregation: scaffold": "aggregation: scaffold, early_stopping: {metric: auroc, patience: 1}"}
    study = study_of(rounds=9, at_least=3, **SGD, **stopping)
    study_id = recruit(hub, study, token, sites)
    run_round(sites)
    for auroc in (0.7, 0.6):
        for site in sites:
            task = task_of(site).task
            site.answer(task, scores=({"name": "auroc", "value": auroc},))
    run_round(sites)
    assert set(load(final_weights(hub, study_id, token))) == set(declared_weights(study))
