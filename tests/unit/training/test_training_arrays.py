"""Dense columns: which row has which array, mapped, pooled and given by a person."""

import numpy as np
import pytest
from made_up_site import make_dataset, make_study, make_table, write_rows

from rapha.errors import StudyError, TrainingFailed
from rapha.records.study import Study
from rapha.records.tensors import dense_of
from rapha.training.architectures.words import bags_of
from rapha.training.arrays import Arrays, arrays_of
from rapha.training.dataset import pool, read_dataset
from rapha.training.predict import load_model
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import weights_of


@pytest.fixture
def study():
    return make_study("text-classifier")


def text_of(arrays: Arrays, row: int) -> str:
    return arrays.batch(np.array([row]))[0].tobytes().rstrip(b"\0").decode()


def given(study: Study, *texts: str | None) -> Arrays:
    return arrays_of(dense_of(study)[0], texts)


def test_rows_taken_keep_their_arrays(study):
    rows = given(study, "one", None, "three", "four")
    taken = rows.take(np.array([3, 0, 1])).take(np.array([1, 2]))
    assert [text_of(taken, row) for row in range(2)] == ["one", ""]
    assert taken.present.tolist() == [True, False]


def test_pooled_sites_keep_their_arrays(study, tmp_path):
    name = dense_of(study)[0].name
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
    sites = [make_dataset(study, tmp_path / str(seed), rows=50, seed=seed) for seed in (1, 2)]
    both, first = pool(sites).train.arrays[name], sites[0].train.arrays[name]
    assert len(both) == len(first) + len(sites[1].train)
    assert text_of(both, len(first)) == text_of(sites[1].train.arrays[name], 0)


def test_words_are_counted_without_regard_to_case_and_a_missing_note_has_none(study):
    bags = bags_of(given(study, "Chest pain, chest PAIN.", None, "--"), 64)
    assert bags.offsets.tolist() == [0, 4, 4, 4]
    assert bags.word[:2].tolist() == bags.word[2:].tolist()


def test_a_column_of_another_shape_is_refused(study, tmp_path):
    wider = study.model_copy(
        update={"features": (*study.features[:-1], study.features[-1].model_copy(update={"at_most": 65}))}
    )
    table = make_table(wider).rename_columns(make_table(study).column_names)
    with pytest.raises(TrainingFailed, match="is of type"):
        read_dataset(study, write_rows(tmp_path / "rows.arrow", table))


def test_a_ready_model_takes_texts(study, tmp_path):
    dataset = make_dataset(study, tmp_path)
    from rapha.training.architectures import build

    weights = weights_of(build(study)) | start_of(feature_statistics(study, dataset.train))
    model, name = load_model(study, weights), dense_of(study)[0].name
    numbers = {feature: [50.0, 50.0] for feature in model.features}
    well, poor = model.predict(numbers | {name: ["well well", None]})
    assert well != poor
    with pytest.raises(StudyError, match="wants one text"):
        model.predict(numbers | {name: [1, 2]})
    with pytest.raises(StudyError, match="different lengths"):
        model.predict(numbers | {name: ["one"]})
