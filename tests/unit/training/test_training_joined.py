"""Several arrays and numbers together: who is missing one stays in, and nothing that lies there is read."""

import numpy as np
import pytest
import torch
from made_up_site import make_dataset, make_study

from rapha.errors import StudyError
from rapha.records.tensors import dense_of
from rapha.training.architectures import build
from rapha.training.inputs import make_inputs
from rapha.training.pooled import score, train_alone
from rapha.training.predict import load_model
from rapha.training.weights import weights_of


@pytest.fixture
def study():
    return make_study("late-fusion")


@pytest.fixture
def inputs(study, tmp_path):
    return make_inputs(make_dataset(study, tmp_path).train, weights_of(build(study)))


def test_nobody_is_left_out_for_want_of_an_array(study, tmp_path):
    dataset = make_dataset(study, tmp_path, rows=200)
    missing = {name: (~arrays.present).sum() for name, arrays in dataset.train.arrays.items()}
    assert len(missing) == 4 and all(missing.values())
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 200


def test_what_lies_under_a_missing_array_is_not_read(study, inputs):
    network = build(study)
    before = score(network, inputs)
    for feature in dense_of(study):
        arrays = inputs.arrays[feature.name]
        (chunk,) = arrays.chunks
        changed = chunk.copy()
        changed[arrays.rows[~arrays.present]] = 77
        inputs.arrays[feature.name] = type(arrays)((changed,), arrays.rows, arrays.present)
    assert (score(network, inputs) == before).all()


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_none_is_another_thing_than_an_empty_one(study, inputs, place):
    name = dense_of(study)[place].name
    arrays = inputs.arrays[name]
    empty = tuple(np.zeros_like(chunk) for chunk in arrays.chunks)
    network, scores = build(study), []
    for present in (np.ones_like(arrays.present), np.zeros_like(arrays.present)):
        inputs.arrays[name] = type(arrays)(empty, arrays.rows, present)
        scores.append(score(network, inputs))
    assert (scores[0] != scores[1]).all()


def test_each_reader_learns(study, tmp_path):
    dataset = make_dataset(study, tmp_path)
    before = weights_of(build(study))
    after, _ = train_alone(study, [dataset])
    moved = {name.rpartition(".")[0] for name in before if (before[name] != after[name]).any()}
    wanted = {"readers.0.embedding", "readers.1.layers.0", "readers.2.embedding", "numbers.0", "head.0", "output"}
    assert wanted <= moved


def test_all_together_tell_more_than_each_alone(study, tmp_path):
    """The outcome is made of the numbers, the words and the picture."""
    dataset = make_dataset(study, tmp_path, rows=900)

    def auroc(*features):
        kinds = {feature.kind for feature in features}
        model = study.model.model_copy(update={k: None for k in ("note", "image") if k not in kinds})
        only = study.model_copy(
            update={"features": features, "model": model, "training": study.training.model_copy(update={"rounds": 25})}
        )
        kept = [place for place, feature in enumerate(study.features[:3]) if feature in features]
        parts = [
            type(part)(
                part.features[:, kept], part.event, None, None, {f.name: part.arrays[f.name] for f in dense_of(only)}
            )
            for part in (dataset.train, dataset.validation, dataset.test)
        ]
        figures = train_alone(only, [type(dataset)(*parts)])[1].figures
        return next(figure.value for figure in figures if figure.name == "auroc")

    numbers, notes, picture = study.features[:3], (study.features[3], study.features[5]), (study.features[4],)
    alone = [auroc(*numbers, *picture), auroc(*notes), auroc(*picture)]
    assert auroc(*study.features) > max(alone) + 0.03


def test_a_ready_model_takes_texts_pictures_genotypes_and_none(study):
    model = load_model(study, weights_of(build(study)))
    letter, picture, other, panel = (feature.name for feature in dense_of(study))
    rows = {name: [50.0, None, 50.0] for name in model.features}
    rows |= {letter: ["well", None, "well"], picture: [None, torch.zeros(8, 8).numpy(), None], other: [None, None, "x"]}
    rows[panel] = [None, None, [0, 1, 2, -1] * 3]
    assert len(set(model.predict(rows))) == 3
    with pytest.raises(StudyError, match="wants copies"):
        model.predict(rows | {panel: [None, None, [3] * 12]})
