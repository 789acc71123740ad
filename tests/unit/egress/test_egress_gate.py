"""The four doors, with files as the workload writes them."""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from rapha.egress import gate
from rapha.egress.gate import FIGURES_LIMIT_BYTES
from rapha.egress.metrics import FigureRules
from rapha.egress.weights import BLOCK_BYTES
from rapha.errors import EgressRefused
from rapha.records.outputs import EVALUATION, FIGURES, WEIGHTS
from rapha.records.tensors import TensorSpec

DECLARED = {"linear.weight": TensorSpec(shape=(1, 4), dtype="F32"), "linear.bias": TensorSpec(shape=(1,), dtype="F32")}
STATISTICS = {f"features.{f}": TensorSpec(shape=(2,), dtype="F64") for f in ("count", "mean", "variance")}


def joined(blocks: Iterable[bytes | memoryview]) -> bytes:
    return b"".join(bytes(block) for block in blocks)


def test_weights_leave_bit_for_bit(tmp_path: Path) -> None:
    values = {"linear.weight": np.ones((1, 4), np.float32), "linear.bias": np.zeros(1, np.float32)}
    (tmp_path / WEIGHTS).write_bytes(save(values))
    assert joined(gate.pass_weights(tmp_path, DECLARED)) == save(values)


def test_a_large_model_passes_a_block_at_a_time(tmp_path: Path) -> None:
    values = {"long": np.arange(3 * BLOCK_BYTES // 4 + 5, dtype=np.float32) % 1000}
    (tmp_path / WEIGHTS).write_bytes(save(values))
    declared = {"long": TensorSpec(shape=values["long"].shape, dtype="F32")}
    sizes, whole = [], bytearray()
    for block in gate.pass_weights(tmp_path, declared):
        sizes.append(len(block))
        whole += block
    assert (bytes(whole), max(sizes), len(sizes)) == (save(values), BLOCK_BYTES, 5)


def test_what_is_not_finite_in_the_last_block_is_found_there(tmp_path: Path) -> None:
    values = np.zeros(BLOCK_BYTES // 4 + 1, np.float32)
    values[-1] = np.nan
    (tmp_path / WEIGHTS).write_bytes(save({"long": values}))
    with pytest.raises(EgressRefused) as refused:
        joined(gate.pass_weights(tmp_path, {"long": TensorSpec(shape=values.shape, dtype="F32")}))
    assert refused.value.reason == "not-finite"


def test_an_output_that_is_cut_while_it_is_read_is_refused(tmp_path: Path) -> None:
    values = {"long": np.zeros(BLOCK_BYTES // 2, np.float32)}
    (tmp_path / WEIGHTS).write_bytes(save(values))
    passing = gate.pass_weights(tmp_path, {"long": TensorSpec(shape=values["long"].shape, dtype="F32")})
    next(passing), next(passing)
    os.truncate(tmp_path / WEIGHTS, BLOCK_BYTES)
    with pytest.raises(EgressRefused) as refused:
        joined(passing)
    assert refused.value.reason == "output-malformed"


def test_statistics_leave_rounded(tmp_path: Path) -> None:
    values = {"features.count": [203.0, 7.0], "features.mean": [55.51234, 1.0], "features.variance": [200.0, 1.0]}
    (tmp_path / WEIGHTS).write_bytes(save({name: np.array(value) for name, value in values.items()}))
    released = load(gate.pass_statistics(tmp_path, STATISTICS, 25))
    assert released["features.count"].tolist() == [205, 0]
    assert released["features.mean"].tolist() == [55.5, 0]


def test_scores_leave_with_a_weight(tmp_path: Path) -> None:
    (tmp_path / FIGURES).write_text(
        '{"rows": 203, "positives": 30, "negatives": 40, "figures": [{"name": "auroc", "value": "0.71239"}]}'
    )
    weight, (score,) = gate.pass_scores(tmp_path, 203, 70, 25, FigureRules())
    assert (weight, score.name, score.value) == (205, "auroc", 0.712)


def test_an_evaluation_leaves_under_the_name_of_the_node(tmp_path: Path) -> None:
    (tmp_path / EVALUATION).write_text(
        '{"evaluations": [{"model": "local", "positives": 3, "negatives": 50, "figures": []}]}'
    )
    released = gate.pass_evaluation(tmp_path, "north", 203, {"unobserved": 7}, 25, 300, FigureRules())
    assert released.site == "north" and str(released.train_rows) == "about 205"
    assert str(released.evaluations[0].events) == "below 25" and str(released.set_apart["unobserved"]) == "below 25"


@pytest.mark.parametrize("name", [FIGURES, EVALUATION])
def test_figures_of_more_than_64_kib_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b" " * (FIGURES_LIMIT_BYTES + 1))
    with pytest.raises(EgressRefused) as caught:
        gate.pass_scores(tmp_path, 203, 70, 25, FigureRules()) if name == FIGURES else gate.pass_evaluation(
            tmp_path, "north", 203, {}, 25, 300, FigureRules()
        )
    assert caught.value.reason == "output-too-large"


def test_rules_have_one_name_each() -> None:
    assert len(set(gate.RULES)) == len(gate.RULES) >= 10
