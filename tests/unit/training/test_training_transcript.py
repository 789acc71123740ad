"""A transcript says what a round did, to the step, and changes nothing of it."""

import dataclasses
from itertools import pairwise

import pytest
import torch
from made_up_site import ARCHITECTURES, make_dataset, make_study

from rapha.proof.transcript import Waypoint, read_round
from rapha.records.transcript import Recording
from rapha.training import loop
from rapha.training.architectures import build
from rapha.training.inputs import make_inputs
from rapha.training.loop import train_round
from rapha.training.numerics import generator
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.transcript import Recorder
from rapha.training.weights import load_into, weights_of

KEY = "ab" * 32
DROPOUT = {"mlp": {"dropout": 0.3}}


def a_round(study, folder, every=1, until=None, recorded=True, key=KEY, number=1):
    """(weights, waypoints) of a round from the study's own first weights."""
    dataset = make_dataset(study, folder)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study)
    network.reset(generator(study.training.seed, "weights"))
    load_into(network, start)
    recorder = Recorder(Recording(key=key, every_steps=every, until=until), number) if recorded else None
    train_round(study, network, make_inputs(dataset.train, start), number, recorder=recorder)
    weights = {name: values.tobytes() for name, values in weights_of(network).items()}
    return weights, (read_round(recorder.leaves, number, every) if recorder and until is None else recorder)


def unpacked(recorder) -> list[Waypoint]:
    return recorder._found


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_transcript_repeats_and_changes_no_weight(tmp_path, architecture):
    study = make_study(architecture, DROPOUT.get(architecture))
    bare, _ = a_round(study, tmp_path, recorded=False)
    weights, leaves = a_round(study, tmp_path)
    assert weights == bare
    assert a_round(study, tmp_path) == (weights, leaves)
    steps = len(leaves) - 1
    assert [leaf.step for leaf in leaves] == [*range(1, steps + 1), steps]
    assert len({leaf.weights for leaf in leaves}) == steps >= 3, "the end has the weights of the last step"
    assert len({leaf.batches for leaf in leaves}) == steps + 1


def test_a_longer_distance_has_the_same_states(tmp_path):
    study = make_study("mlp", {"dropout": 0.3}, local_epochs=2, batch_size=32)
    _, every = a_round(study, tmp_path)
    _, third = a_round(study, tmp_path, every=3)
    states = {leaf.step: leaf[2:5] for leaf in every[:-1]}
    assert [leaf.step for leaf in third] == [*range(3, every[-1].step + 1, 3), every[-1].step]
    assert all(states[leaf.step] == leaf[2:5] for leaf in third[:-1])
    assert third[-1][2:5] == every[-1][2:5]


def test_every_part_of_the_state_is_in_it(tmp_path):
    _, leaves = a_round(make_study("mlp", {"dropout": 0.3}), tmp_path)
    for part in ("weights", "optimizer", "chance"):
        assert all(getattr(before, part) != getattr(after, part) for before, after in pairwise(leaves[:-1])), part


def test_tokens_of_batches_need_the_key(tmp_path):
    study = make_study("logistic")
    _, ours = a_round(study, tmp_path)
    _, others = a_round(study, tmp_path, key="cd" * 32)
    assert all(one.differs_in(other) == ("batches",) for one, other in zip(ours, others, strict=True))


@pytest.mark.parametrize("until", [1, 7, 11])
def test_a_round_can_be_gone_as_far_as_a_step(tmp_path, until):
    """11 is in the second epoch, which has a generator of its own."""
    study = make_study("mlp", {"dropout": 0.3}, local_epochs=2, batch_size=32)
    _, whole = a_round(study, tmp_path)
    _, partial = a_round(study, tmp_path, every=5, until=until)
    assert unpacked(partial)[-1][1:5] == whole[until - 1][1:5]


def _learning_rate_doubled_at(step, monkeypatch):
    made = loop.make_optimizer

    def tampered(spec, parameters):
        optimizer = made(spec, parameters)
        plain, taken = optimizer.step, [0]

        def stepped():
            taken[0] += 1
            optimizer._learning_rate = spec.learning_rate * (2 if taken[0] == step else 1)
            plain()

        optimizer.step = stepped
        return optimizer

    monkeypatch.setattr(loop, "make_optimizer", tampered)


def _batch_dropped_at(step, monkeypatch):
    losses = loop._losses

    def fewer(*given):
        return (found for at, found in enumerate(losses(*given), 1) if at != step)

    monkeypatch.setattr(loop, "_losses", fewer)


@pytest.mark.parametrize("tampering", [_learning_rate_doubled_at, _batch_dropped_at])
def test_tampering_shows_at_its_very_step(tmp_path, monkeypatch, tampering):
    study = make_study("logistic", batch_size=4)
    _, honest = a_round(study, tmp_path)
    tampering(37, monkeypatch)
    _, other = a_round(study, tmp_path)
    first = next(at for at, (one, two) in enumerate(zip(honest, other, strict=False)) if one != two)
    assert honest[first].step == 37
    assert ("batches" in honest[first].differs_in(other[first])) == (tampering is _batch_dropped_at)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_pinned_number_of_threads_is_what_counts(tmp_path, threads):
    """Whatever torch was told before: `pin` fixes the number, and the profile says it."""
    from rapha.training.numerics import pin

    torch.set_num_threads(threads)
    assert pin().threads == 1
    study = make_study("mlp")
    assert a_round(study, tmp_path)[1] == a_round(study, tmp_path)[1]


def test_a_row_that_differs_shows_in_the_state(tmp_path):
    study = make_study("logistic")
    _, honest = a_round(study, tmp_path)
    dataset = make_dataset(study, tmp_path)
    event = dataset.train.event.copy()
    event[5] = 1 - event[5]
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study)
    network.reset(generator(study.training.seed, "weights"))
    load_into(network, start)
    recorder = Recorder(Recording(key=KEY, every_steps=1), 1)
    train_round(
        study, network, make_inputs(dataclasses.replace(dataset.train, event=event), start), 1, recorder=recorder
    )
    found = read_round(recorder.leaves, 1, 1)
    first = next(at for at, (one, two) in enumerate(zip(honest, found, strict=True)) if one != two)
    assert honest[first].differs_in(found[first]) == ("weights", "optimizer")
