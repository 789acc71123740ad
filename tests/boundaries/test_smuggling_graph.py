"""A graph that is made to carry rows out, trained by our own trainer: it does, unless differential privacy was asked for.

An imprint module (Fowl et al. 2022, "Robbing the Fed", https://arxiv.org/abs/2110.13057): a row picks a slot of a table by one of its
values, and the slot's gradient is that row. This is here so that docs/security.md cannot grow rosier than the code is.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from own_model import exported, with_graph
from safetensors.numpy import load, save
from torch import nn

sys.path.append(str(Path(__file__).parents[1] / "unit" / "training"))
from made_up_site import make_dataset, make_study

from rapha.egress.weights import canonical_weights
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.training.architectures import build
from rapha.training.inputs import Inputs, make_inputs
from rapha.training.loop import train_round
from rapha.training.private import train_privately
from rapha.training.statistics import feature_statistics, start_of
from rapha.training.weights import load_into, weights_of

SLOTS, AGE = 600, 1
RANGES = {"hdl": [10, 120], "age": [18, 100], "sex": [0, 1]}


class Imprint(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("lower", torch.linspace(-3, 3, SLOTS))
        self.table = nn.Parameter(torch.zeros(SLOTS, 7))

    def forward(self, features):
        age = features[:, AGE : AGE + 1]
        slot = ((age >= self.lower) & (age < self.lower + 6 / (SLOTS - 1))).float()
        row = torch.cat([features, torch.ones_like(age)], 1)
        return ((slot @ self.table) * row).sum(1)


def carried(study: Study, private: bool, graph: bytes, folder: Path) -> int:
    """How many rows of the site can be read, whole, from an update that passed the gate."""
    dataset = make_dataset(study, folder)
    start = start_of(feature_statistics(study, dataset.train))
    network = build(study, graph)
    load_into(network, start)
    inputs = make_inputs(dataset.train, start)
    train_privately(study, network, inputs, 1) if private else train_round(study, network, inputs, 1)
    table = load(canonical_weights(save(weights_of(network)), declared_weights(study)))["table"]
    read = table[np.abs(table[:, 6]) > 0]
    return rows_among(inputs, read[:, :6] / read[:, 6:])


def rows_among(inputs: Inputs, read: np.ndarray) -> int:
    return sum(bool((np.abs(read - row).max(axis=1) < 1e-3).any()) for row in inputs.features.numpy())


def test_without_differential_privacy_a_graph_may_carry_rows_out(tmp_path: Path) -> None:
    graph = exported(tmp_path / "model.pt2", Imprint(), (6,))
    plain = make_study("logistic", optimizer="sgd", learning_rate=1.0, batch_size=4096, rounds=1)
    assert carried(with_graph(plain, tmp_path / "model.pt2"), False, graph, tmp_path) > 100


def test_with_differential_privacy_it_carries_none(tmp_path: Path) -> None:
    graph = exported(tmp_path / "model.pt2", Imprint(), (6,))
    stated = make_study("logistic").as_json()
    terms = {"epsilon": 3, "delta": 1e-5, "clip": 1.0, "sampling_rate": 0.25, "ranges": RANGES}
    stated |= {"privacy": {"min_cohort": 10, "differential_privacy": terms}, "training": {"rounds": 1}}
    private = Study.model_validate(stated)
    assert carried(with_graph(private, tmp_path / "model.pt2"), True, graph, tmp_path) == 0
