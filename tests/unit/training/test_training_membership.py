"""The attack on a model before others make it: it finds what was remembered, and nothing where nothing was."""

import gc
import math
import weakref

import numpy as np
import pyarrow as pa
import pytest
from made_up_site import ARCHITECTURES, make_dataset, make_study, make_table, write_rows

from rapha.egress.memorisation import judge
from rapha.records.audit import AuditLimits
from rapha.records.study import Study
from rapha.records.tensors import dense_of
from rapha.training import membership
from rapha.training.architectures import build
from rapha.training.dataset import Dataset, read_dataset
from rapha.training.inputs import make_inputs
from rapha.training.loop import train_round
from rapha.training.membership import Membership, row_likelihood
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into


def audited(study: Study, dataset: Dataset):
    """What the audit says of a model of this hospital alone, trained as the study says."""
    start = start_of(feature_statistics(study, dataset.train))
    network, inputs = build(study), make_inputs(dataset.train, start)
    load_into(network, start)
    for number in range(1, study.training.rounds + 1):
        train_round(study, network, inputs, number)
    return Membership(study, dataset, start).measure(network, study.training.rounds)


def verdict(study: Study, dataset: Dataset) -> str:
    raw = audited(study, dataset)
    return judge(raw, AuditLimits(), raw.members, raw.held_out, 1.0, None).verdict


def marked(study: Study, share: float) -> pa.Table:
    """Of this share of the patients the note is a mark that nobody else has, and chance says whether they fall ill: what can be
    learned of those is they themselves. The others are as they were."""
    table, note, chance = make_table(study), dense_of(study)[0], np.random.default_rng(5)
    planted = chance.random(table.num_rows) < share
    others = chance.choice(["well", "stable", "poor", "failing"], (table.num_rows, 6))
    texts = [f"mark{row} " * 4 if planted[row] else " ".join(others[row]) for row in range(table.num_rows)]
    letters = pa.array(np.frombuffer(b"".join(note.encode(text.encode()) for text in texts), np.uint8))
    label = np.where(planted, chance.integers(0, 2, table.num_rows), table["label"].to_numpy())
    replaced = {
        note.name: pa.FixedSizeListArray.from_arrays(letters, note.at_most),
        "label": pa.array(label, pa.int8()),
    }
    return pa.table({name: replaced.get(name, table[name]) for name in table.column_names})


def test_a_model_of_planted_patients_is_refused_and_its_clean_twin_passes(tmp_path) -> None:
    """The same hospital, study and training, with and without them."""
    study = make_study(
        "text-classifier", {"buckets": 4096, "embedding": 8}, rounds=6, local_epochs=2, learning_rate=0.05
    )
    found = {
        share: verdict(study, read_dataset(study, write_rows(tmp_path / f"{share}.arrow", marked(study, share))))
        for share in (0.0, 0.1, 0.5)
    }
    assert found == {0.0: "passed", 0.1: "refused", 0.5: "refused"}


def test_a_model_that_knows_numbers_by_heart_is_refused_and_a_line_passes(tmp_path) -> None:
    by_heart = make_study(
        "mlp", {"hidden": [128, 128]}, numeric=True, rounds=20, local_epochs=20, learning_rate=0.005, batch_size=32
    )
    line = make_study("linear", rounds=10)
    dataset = make_dataset(line, tmp_path, rows=300)
    assert (verdict(by_heart, dataset), verdict(line, dataset)) == ("refused", "passed")


def test_rows_known_alike_count_as_held_out(tmp_path, monkeypatch) -> None:
    study = make_study("logistic")
    dataset = make_dataset(study, tmp_path)
    monkeypatch.setattr(membership, "row_likelihood", lambda scores, event, time: np.zeros(len(scores)))
    found = audited(study, dataset)
    assert (found.recognised, found.best_known) == (0.5, 0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_can_be_audited_twice_with_the_same_answer(tmp_path, architecture) -> None:
    study = make_study(architecture, rounds=2)
    dataset = make_dataset(study, tmp_path, rows=200)
    first = audited(study, dataset)
    assert first == audited(study, dataset)
    assert (first.members, first.held_out) == (len(dataset.train), len(dataset.validation) + len(dataset.test))
    assert first.recognised is not None and 0.3 < first.recognised < 0.7


def test_a_round_that_is_done_again_is_found_the_same(tmp_path) -> None:
    study = make_study("mlp", rounds=12)
    dataset = make_dataset(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study)
    load_into(network, start)
    audit = Membership(study, dataset, start)
    found = [audit.measure(network, number).recognised for number in (1, 2, 3, 9, 12, 1)]
    assert found[0] == found[-1] and found[2] == found[3] == found[4]
    assert len(set(found)) == 3


def test_references_are_built_when_they_are_needed_and_gone_once_they_are_trained(tmp_path, monkeypatch) -> None:
    """Each is as large as the model: of a large one there is room for few at once."""
    study = make_study("mlp", rounds=6)
    dataset = make_dataset(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    made = []

    def counted(*arguments):
        network = build(*arguments)
        made.append(weakref.ref(network))
        return network

    monkeypatch.setattr(membership, "build", counted)
    audit, network = Membership(study, dataset, start), build(study)
    assert made == []
    first = audit.measure(network, 1)
    audit.measure(network, study.training.rounds)
    gc.collect()
    assert [each() for each in made] == [None, None]
    assert audit.measure(network, study.training.rounds - 1) == audit.measure(network, study.training.rounds)
    assert len(made) == 2
    assert audit.measure(network, 1) == first and len(made) == 4


def test_of_a_time_too_more_is_remembered_the_longer_it_is_learned(tmp_path) -> None:
    wide = {"hidden": [64, 64]}
    brief, long = (make_study("deep-survival", wide, rounds=4, local_epochs=n, learning_rate=0.02) for n in (1, 20))
    dataset = make_dataset(brief, tmp_path, rows=250)
    assert audited(brief, dataset).recognised + 0.03 < audited(long, dataset).recognised > 0.56


def test_halves_without_an_event_are_said_not_to_be_measured(tmp_path) -> None:
    study = make_study("cox", rounds=1)
    dataset = make_dataset(study, tmp_path)
    event = np.zeros_like(dataset.train.event)
    event[0] = 1
    train = type(dataset.train)(dataset.train.features, event, dataset.train.time, None)
    assert audited(study, Dataset(train, dataset.validation, dataset.test)).recognised is None


def test_a_likelihood_of_a_time_is_that_of_breslow() -> None:
    """Worked by hand: three patients, ill after 1, 2, and seen for 2 days; hazards 1, 2, 4."""
    scores, event, time = np.log([1.0, 2.0, 4.0]), np.array([1, 1, 0]), np.array([1.0, 2.0, 2.0])
    first, second = 1 / 7, 1 / 6
    hand = [
        math.log(1 * first) - first * 1,
        math.log(2 * second) - (first + second) * 2,
        -(first + second) * 4,
    ]
    assert np.allclose(row_likelihood(scores, event, time), hand)
    moved = row_likelihood(scores + 800, event, time)
    assert np.allclose(moved, hand)


def test_a_likelihood_of_a_label_is_its_probability() -> None:
    assert np.allclose(np.exp(row_likelihood(np.log([3.0, 3.0]), np.array([1, 0]), None)), [0.75, 0.25])
