"""Two studies whose cohorts differ by one patient, and nothing but what honest training gives: the difference of the updates is that
patient's row, unless differential privacy was asked for. This is here so that docs/security.md cannot grow rosier than the code is.

At weights of zero a logistic model's gradient is the mean of (1/2 - label) * row. Nobody's code runs and no wall is met: the criteria of
the second study leave out whom the first one lets in ("born in 1931, with this code").
"""

import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load, save

sys.path.append(str(Path(__file__).parents[1] / "unit" / "training"))
import pyarrow as pa
from made_up_site import make_study, make_table, write_rows

from rapha.egress.statistics import canonical_statistics
from rapha.egress.weights import canonical_weights
from rapha.records.study import Study
from rapha.records.tensors import declared_statistics, declared_weights
from rapha.training.architectures import build
from rapha.training.dataset import Dataset, read_dataset
from rapha.training.inputs import make_inputs
from rapha.training.loop import train_round
from rapha.training.private import train_privately
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, weights_of

PATIENTS = 40
PLAIN = {"optimizer": "sgd", "learning_rate": 1.0, "batch_size": 4096, "rounds": 1}
RANGES = {"hdl": [10, 120], "age": [18, 100], "sex": [0, 1]}
PRIVATE = {"epsilon": 3, "delta": 1e-5, "clip": 1.0, "sampling_rate": 0.25, "ranges": RANGES}


def standards(study: Study, dataset: Dataset) -> dict[str, np.ndarray]:
    """As they leave the hospital: suppressed and rounded."""
    found = save({name: np.asarray(value) for name, value in feature_statistics(study, dataset.train).items()})
    return start_of(load(canonical_statistics(found, declared_statistics(study), 25)))


def update(study: Study, dataset: Dataset, start: dict[str, np.ndarray]) -> np.ndarray:
    """What leaves for a round, past the gate: weights of the features, then the bias."""
    network = build(study)
    load_into(network, start)
    inputs = make_inputs(dataset.train, start)
    if study.privacy.differential_privacy is None:
        train_round(study, network, inputs, 1)
    else:
        train_privately(study, network, inputs, 1)
    left = load(canonical_weights(save(weights_of(network)), declared_weights(study)))
    return np.concatenate([left[name].ravel() for name in sorted(left, reverse=True) if name.startswith("linear")])


def read_back(study: Study, folder: Path) -> int:
    """Of how many patients the whole row is found from the difference, by somebody who knows the cohort's size to within five."""
    table = make_table(study, 600)
    trained = np.flatnonzero(np.array(table["split"].to_pylist()) == 0)
    whole = read_dataset(study, write_rows(folder / "all.arrow", table))
    start, found = standards(study, whole), 0
    with_all, rows = update(study, whole, start), make_inputs(whole.train, start).features.numpy()
    for at, place in enumerate(trained[:PATIENTS]):
        left = pa.concat_tables([table.slice(0, place), table.slice(place + 1)])
        less = read_dataset(study, write_rows(folder / f"{at}.arrow", left))
        same = all(
            (one == other).all() for one, other in zip(start.values(), standards(study, less).values(), strict=True)
        )
        without = update(study, less, start) if same else np.zeros_like(with_all)
        tried = [n * with_all - (n - 1) * without for n in range(len(trained) - 2, len(trained) + 3)]
        found += same and any(np.abs(moved[:-1] / moved[-1] - rows[at]).max() < 1e-2 for moved in tried)
    return found


def test_without_differential_privacy_the_difference_of_two_studies_is_a_patient(tmp_path: Path) -> None:
    """Open. The day it no longer is, the page has to say so too."""
    assert read_back(make_study("logistic", **PLAIN), tmp_path) > PATIENTS / 2


def test_with_differential_privacy_it_is_nobody(tmp_path: Path) -> None:
    stated = make_study("logistic").as_json()
    stated |= {"privacy": {"min_cohort": 25, "differential_privacy": PRIVATE}, "training": {"rounds": 1}}
    assert read_back(Study.model_validate(stated), tmp_path) == 0
