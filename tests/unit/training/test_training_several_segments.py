"""Several segments at once: a class for each and one for the background, Dice of each and their mean, and nobody's scan moves another's."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from rapha.errors import TrainingFailed
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.sdk.study_file import read_study
from rapha.training.architectures import build
from rapha.training.arrays import Arrays
from rapha.training.dataset import Dataset, read_dataset
from rapha.training.inputs import make_inputs
from rapha.training.metrics import evaluation, figures
from rapha.training.numerics import generator
from rapha.training.overlap import drawn, losses, overlaps
from rapha.training.pooled import score, train_alone
from rapha.training.predict import load_model
from rapha.training.statistics import feature_statistics, start_of

STUDY = read_study(Path(__file__).resolve().parents[3] / "examples" / "nodule-segmentation" / "study.yaml")
SHAPES = {2: [16, 16], 3: [8, 8, 8]}


def study_of(sides: int = 2, model: dict[str, Any] | None = None, **training: Any) -> Study:
    said = STUDY.as_json()
    said["outcome"] = {"kind": "segment", "segments": ["nodule", "lung"], "unobserved": "exclude"}
    said["features"][0] |= {"shape": SHAPES[sides], "spacing": [1] * sides}
    said["model"] = {"architecture": "segmenter", "channels": [4, 6], **(model or {})}
    said["training"] = {"rounds": 6, "local_epochs": 2, "batch_size": 8, "learning_rate": 0.02, **training}
    return Study.model_validate(said)


def table(study: Study, rows: int = 60, highest: int = 2) -> pa.Table:
    """A square and, beside it, a band through the whole image, as bright as one another: shape tells which is which."""
    chance = np.random.default_rng(1)
    shape = study.features[0].dims  # type: ignore[union-attr]
    images = chance.random((rows, *shape)).astype(np.float32) * 0.4
    masks = np.zeros((rows, *shape), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        half = shape[-1] // 2
        band = (..., slice(half + 1, half + 3))
        square = (
            *(slice(at, at + 3) for at in (int(chance.integers(0, side - 3)) for side in shape[:-1])),
            slice(1, half - 1),
        )
        image[band], mask[band] = 0.9, highest
        image[square], mask[square] = 0.9, 1
    width = int(np.prod(shape))
    return pa.table(
        {
            "split": pa.array(chance.choice(3, rows, p=[0.6, 0.15, 0.25]), pa.int8()),
            study.features[0].name: pa.FixedSizeListArray.from_arrays(pa.array(images.ravel()), width),
            "mask": pa.FixedSizeListArray.from_arrays(pa.array(masks.ravel()), width),
        }
    )


def dataset_of(study: Study, folder: Path, **how: Any) -> Dataset:
    path, found = folder / "rows.arrow", table(study, **how)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, found.schema) as writer:
        writer.write_table(found, max_chunksize=16)
    return read_dataset(study, path)


WAYS = [(2, {}), (3, {}), (3, {"slice_by_slice": True}), (3, {"channels": [3, 2, 4]})]


@pytest.mark.parametrize(("sides", "model"), WAYS)
def test_its_tensors_are_those_declared_and_it_gives_a_number_a_class_for_each_voxel(
    tmp_path: Path, sides: int, model: dict[str, Any]
) -> None:
    study = study_of(sides, model)
    network = build(study)
    found = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert found == {name: spec.shape for name, spec in declared_weights(study).items()}
    dataset = dataset_of(study, tmp_path)
    inputs = make_inputs(dataset.train, start_of(feature_statistics(study, dataset.train)))
    assert network(inputs, torch.arange(5)).shape == (5, 3, *study.features[0].dims)  # type: ignore[union-attr]


def test_slice_by_slice_each_voxel_keeps_its_place(tmp_path: Path) -> None:
    """What a slice gives does not depend on the others of its volume, and stands where the slice does."""
    study = study_of(3, {"slice_by_slice": True})
    dataset = dataset_of(study, tmp_path)
    inputs = make_inputs(dataset.train, start_of(feature_statistics(study, dataset.train)))
    network = build(study)
    network.reset(generator(3, "weights"))
    with torch.no_grad():
        given = network(inputs, torch.arange(3))
        (arrays,) = inputs.arrays.values()
        slices = torch.from_numpy(arrays.batch(np.arange(3))).float()
        for patient in range(3):
            for place in range(8):
                alone = network._through(slices[patient, place][None, None])[0]
                assert torch.allclose(given[patient, :, place], alone, atol=1e-5)


def test_it_learns_two_segments_of_one_brightness_and_says_how_well_each(tmp_path: Path) -> None:
    study = study_of(rounds=12, local_epochs=3)
    dataset = dataset_of(study, tmp_path, rows=80)
    _, found = train_alone(study, [dataset])
    dice = next(figure for figure in found.figures if figure.name == "dice")
    assert dice.value > 0.9 and [figure.name for figure in found.segments] == ["dice", "dice"]
    assert np.mean([figure.value for figure in found.segments]) == pytest.approx(dice.value)
    assert min(figure.value for figure in found.segments) > 0.85


def test_dice_by_hand() -> None:
    """Two patients of four voxels; the likeliest class has the voxel."""
    likeliest = torch.tensor([[1, 1, 2, 0], [0, 0, 2, 2]])
    logits = torch.nn.functional.one_hot(likeliest, 3).movedim(-1, 1).float()
    masks = torch.tensor([[1, 2, 2, 0], [0, 0, 0, 2]], dtype=torch.uint8)
    found = overlaps(logits, masks)
    assert found.tolist() == [
        pytest.approx([2 / 3, 2 / 3]),
        pytest.approx([1.0, 2 / 3]),
    ]  # nobody drew a 1, none was found


def test_a_segment_is_drawn_where_it_has_a_voxel() -> None:
    masks = np.array([[0, 2, 2], [0, 0, 0], [1, 2, 0]], np.uint8)
    assert drawn(Arrays((masks,), np.arange(3), np.ones(3, bool)), 2) == (1, 2)


def test_the_loss_by_hand() -> None:
    chance = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])  # of each voxel, by class
    logits = torch.tensor(np.log(chance).T[None], dtype=torch.float32)
    mask = torch.tensor([[1, 0]], dtype=torch.uint8)
    entropy = -(np.log(0.5) + np.log(0.6)) / 2
    soft_of_one, soft_of_two = (2 * 0.5 + 1) / (0.5 + 0.3 + 1 + 1), (0 + 1) / (0.3 + 0.1 + 0 + 1)
    assert losses(logits, mask).item() == pytest.approx(entropy + 1 - (soft_of_one + soft_of_two) / 2)


def test_a_patient_alone_scores_the_same_and_figures_are_means_over_patients(tmp_path: Path) -> None:
    study = study_of()
    dataset = dataset_of(study, tmp_path)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study)
    network.reset(generator(3, "weights"))
    scores = score(network, make_inputs(dataset.test, start))
    assert scores.shape == (len(dataset.test), 4)
    alone = [score(network, make_inputs(dataset.test.take(np.array([at])), start))[0] for at in range(len(scores))]
    assert np.allclose(scores, alone, atol=1e-6) and np.allclose(scores[:, 0], scores[:, 2:].mean(1))
    found = {figure.name: figure.value for figure in figures(scores, dataset.test)}
    assert found == pytest.approx({"loss": scores[:, 1].mean(), "dice": scores[:, 0].mean()})
    told = evaluation(scores, dataset.test, "federated")
    assert [figure.value for figure in told.segments] == pytest.approx(scores[:, 2:].mean(0).tolist())
    assert dataset.test.masks is not None
    of_each = [dataset.test.masks.batch(np.array([row])) for row in range(len(dataset.test))]
    assert told.drawn == tuple(sum(bool((mask == number).any()) for mask in of_each) for number in (1, 2))
    nobody = dataset.test.take(np.array([], np.int64))
    assert evaluation(scores[:0], nobody, "federated").segments == ()


def test_a_ready_model_gives_each_voxel_a_probability_a_class(tmp_path: Path) -> None:
    study = study_of()
    dataset = dataset_of(study, tmp_path)
    weights, _ = train_alone(study, [dataset])
    name, every = study.features[0].name, np.arange(len(dataset.test))
    images = dataset.test.arrays[name].batch(every)
    model = load_model(study, weights)
    found = model.predict({name: list(images)})
    assert model.classes == ("background", "nodule", "lung")
    assert found.shape == (len(images), 3, *images.shape[1:]) and np.allclose(found.sum(1), 1)
    assert dataset.test.masks is not None
    masks = dataset.test.masks.batch(every)
    for number in range(3):
        assert found[:, number][masks == number].mean() > found[:, number][masks != number].mean()


def test_a_number_that_no_segment_has_is_refused(tmp_path: Path) -> None:
    study = study_of(rounds=1)
    with pytest.raises(TrainingFailed, match="other numbers than 0 to 2"):
        train_alone(study, [dataset_of(study, tmp_path, highest=3)])
