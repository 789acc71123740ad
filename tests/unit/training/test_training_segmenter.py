"""A segmenter: its tensors are those declared, its loss falls, its figure is the mean Dice of patients, and nobody's scan moves another's."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from rapha.errors import TrainingFailed
from rapha.records.study import Study
from rapha.records.tensors import declared_head, declared_weights
from rapha.sdk.study_file import read_study
from rapha.training.architectures import build
from rapha.training.dataset import Dataset, pool, read_dataset
from rapha.training.inputs import make_inputs
from rapha.training.losses import row_loss
from rapha.training.membership import Membership
from rapha.training.metrics import evaluation, figures
from rapha.training.numerics import generator
from rapha.training.overlap import losses, overlaps
from rapha.training.personal import tune_head
from rapha.training.pooled import score, train_alone
from rapha.training.predict import load_model
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into

STUDY = read_study(Path(__file__).resolve().parents[3] / "examples" / "nodule-segmentation" / "study.yaml")
SHAPES = {2: [16, 16], 3: [8, 8, 8]}


def study_of(sides: int = 2, model: dict[str, Any] | None = None, **training: Any) -> Study:
    said = STUDY.model_dump(mode="json")
    said["features"][0] |= {"shape": SHAPES[sides], "spacing": [1] * sides}
    said["outcome"] = {"kind": "segment", "segment": "nodule", "unobserved": "exclude"}
    said["model"] = {"architecture": "segmenter", "channels": [4, 6], **(model or {})}
    said["training"] = {"rounds": 6, "local_epochs": 2, "batch_size": 8, "learning_rate": 0.02, **training}
    return Study.model_validate(said)


def table(study: Study, rows: int = 60, seed: int = 1) -> pa.Table:
    """A bright square among bright dots: the square is the segment."""
    chance = np.random.default_rng(seed)
    shape = study.features[0].dims  # type: ignore[union-attr]
    images = chance.random((rows, *shape)).astype(np.float32) * 0.4
    masks = np.zeros((rows, *shape), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        image[tuple(chance.integers(0, side, 6) for side in shape)] = 1
        corner = [int(chance.integers(0, side - 4)) for side in shape]
        inside = tuple(slice(at, at + 4) for at in corner)
        image[inside], mask[inside] = 0.9, 1
    width = int(np.prod(shape))
    return pa.table(
        {
            "split": pa.array(chance.choice(3, rows, p=[0.6, 0.15, 0.25]), pa.int8()),
            study.features[0].name: pa.FixedSizeListArray.from_arrays(pa.array(images.ravel()), width),
            "mask": pa.FixedSizeListArray.from_arrays(pa.array(masks.ravel()), width),
        }
    )


def written(found: pa.Table, folder: Path) -> Path:
    path = folder / "rows.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, found.schema) as writer:
        writer.write_table(found, max_chunksize=16)
    return path


def dataset_of(study: Study, folder: Path, **how: Any) -> Dataset:
    return read_dataset(study, written(table(study, **how), folder))


WAYS = [
    (2, {}),
    (3, {}),
    (3, {"slice_by_slice": True}),
    (2, {"channels": [2, 3, 4, 5, 6, 7]}),
    (3, {"channels": [3, 2, 4]}),
]


@pytest.mark.parametrize(("sides", "model"), WAYS)
def test_its_tensors_are_those_declared(sides: int, model: dict[str, Any]) -> None:
    study = study_of(sides, model)
    network = build(study)
    found = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert found == {name: spec.shape for name, spec in declared_weights(study).items()}


def test_it_learns_to_find_what_brightness_alone_does_not_tell(tmp_path: Path) -> None:
    study = study_of(rounds=12, local_epochs=3)
    dataset = dataset_of(study, tmp_path, rows=80)
    _, found = train_alone(study, [dataset])
    dice = next(figure for figure in found.figures if figure.name == "dice")
    bright = _dice(dataset, 0.8)
    assert dice.value > max(0.9, bright) and dice.low is not None and dice.low <= dice.value
    assert (found.positives, found.negatives, found.roc, found.bins) == (0, len(dataset.test), (), ())


def _dice(dataset: Dataset, above: float) -> float:
    """Of a threshold on brightness."""
    (arrays,), every = dataset.test.arrays.values(), np.arange(len(dataset.test))
    assert dataset.test.masks is not None
    images, masks = torch.from_numpy(arrays.batch(every)), torch.from_numpy(dataset.test.masks.batch(every))
    return float(overlaps(images - above, masks).mean())


def test_dice_by_hand() -> None:
    logits = torch.tensor([[[2.0, -1.0], [3.0, -4.0]], [[-1.0, -1.0], [-1.0, -1.0]], [[1.0, -1.0], [-1.0, -1.0]]])
    masks = torch.tensor([[[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert overlaps(logits, masks).tolist() == [[0.5], [1.0], [0.0]]


def test_the_loss_by_hand() -> None:
    logits, masks = torch.tensor([[0.0, 0.0, np.log(3.0)]]), torch.tensor([[1.0, 0.0, 1.0]])
    entropy = (np.log(2) + np.log(2) - np.log(0.75)) / 3
    soft = (2 * (0.5 + 0.75) + 1) / ((0.5 + 0.5 + 0.75) + 2 + 1)
    assert losses(logits, masks).item() == pytest.approx(entropy + 1 - soft)


def test_figures_are_means_over_patients_and_a_patient_alone_scores_the_same(tmp_path: Path) -> None:
    study = study_of()
    dataset = dataset_of(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study)
    network.reset(generator(3, "weights"))
    scores = score(network, make_inputs(dataset.test, start))
    assert scores.shape == (len(dataset.test), 2)
    alone = [
        score(network, make_inputs(dataset.test.take(np.array([at])), start))[0] for at in range(len(dataset.test))
    ]
    assert np.allclose(scores, alone, atol=1e-6)
    found = {figure.name: figure.value for figure in figures(scores, dataset.test)}
    assert found == pytest.approx({"loss": scores[:, 1].mean(), "dice": scores[:, 0].mean()})
    assert figures(scores[:0], dataset.test.take(np.array([], np.int64))) == ()
    assert evaluation(scores, dataset.test, "federated").negatives == len(dataset.test)


def test_pooled_rows_keep_each_their_own_mask(tmp_path: Path) -> None:
    study = study_of()
    parts = []
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        parts.append(dataset_of(study, tmp_path / str(seed), seed=seed))
    together = pool(parts).train
    assert together.masks is not None
    (images,), every = together.arrays.values(), np.arange(len(together))
    assert (images.batch(every)[together.masks.batch(every) == 1] == np.float32(0.9)).all()
    assert sum(len(part.train) for part in parts) == len(together)


def test_the_audit_compares_losses(tmp_path: Path) -> None:
    study = study_of(rounds=1)
    dataset = dataset_of(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    audit = Membership(study, dataset, start).measure(build(study), 1)
    assert audit.members == len(dataset.train) and audit.recognised is not None and 0 <= audit.recognised <= 1


def test_a_head_of_one_s_own_is_the_last_layer_and_is_no_worse_on_those_it_is_judged_by(tmp_path: Path) -> None:
    study = study_of(personal="head")
    dataset = dataset_of(study, tmp_path)
    weights, _ = train_alone(study.model_copy(update={"training": study_of(rounds=1).training}), [dataset])
    network = build(study)
    load_into(network, weights)
    train, validation = (make_inputs(rows, weights) for rows in (dataset.train, dataset.validation))
    before = score(network, validation)[:, 1].mean()
    own = tune_head(study, network, train, validation, dataset)
    assert set(own) == set(declared_head(study)) == {"output.weight", "output.bias"}
    assert any((own[name] != weights[name]).any() for name in own)
    assert score(network, validation)[:, 1].mean() < before


def test_the_loss_of_rows_is_the_sum_or_the_mean_of_theirs(tmp_path: Path) -> None:
    study = study_of()
    dataset = dataset_of(study, tmp_path)
    inputs = make_inputs(dataset.train, start_of(feature_statistics(study, dataset.train)))
    network, rows = build(study), torch.arange(3)
    network.reset(generator(3, "weights"))
    each = torch.stack([row_loss(network, inputs, row) for row in rows.split(1)])
    assert row_loss(network, inputs, rows).item() == pytest.approx(each.mean().item(), rel=1e-5)
    assert row_loss(network, inputs, rows, "sum").item() == pytest.approx(each.sum().item(), rel=1e-5)


def test_a_ready_model_gives_the_probability_of_every_voxel(tmp_path: Path) -> None:
    study = study_of()
    dataset = dataset_of(study, tmp_path)
    weights, _ = train_alone(study, [dataset])
    name = study.features[0].name
    every = np.arange(len(dataset.test))
    images = dataset.test.arrays[name].batch(every)
    found = load_model(study, weights).predict({name: list(images)})
    assert found.shape == images.shape and found.min() >= 0 and found.max() <= 1
    assert dataset.test.masks is not None
    masks = dataset.test.masks.batch(every)
    assert found[masks == 1].mean() > found[masks == 0].mean()


def broken(study: Study, how: str) -> pa.Table:
    found = table(study)
    width = int(np.prod(study.features[0].dims))  # type: ignore[union-attr]
    masks = found["mask"].combine_chunks()
    match how:
        case "two":
            masks = pa.FixedSizeListArray.from_arrays(pa.array(np.full(len(found) * width, 2, np.uint8)), width)
        case "null":
            masks = pa.array([None, *masks.to_pylist()[1:]], masks.type)
        case "short":
            masks = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(len(found) * 8, np.uint8)), 8)
    return found.set_column(2, "mask", masks)


@pytest.mark.parametrize("how", ["two", "null", "short"])
def test_a_mask_that_is_none_is_refused(tmp_path: Path, how: str) -> None:
    study = study_of(rounds=1)
    with pytest.raises(TrainingFailed):
        train_alone(study, [read_dataset(study, written(broken(study, how), tmp_path))])
