"""Our own attempts to carry rows past the gate, as docs/security.md tells of them. The first one gets through, and says so."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from rapha.egress import gate
from rapha.egress.metrics import FigureRules
from rapha.errors import EgressRefused
from rapha.records.outputs import FIGURES, WEIGHTS
from rapha.records.tensors import TensorSpec

ROW = b"patient 4711, HbA1c 9.3, 1961-04-02"
DECLARED = {"linear.weight": TensorSpec(shape=(8, 64), dtype="F32")}


def test_a_row_in_the_low_byte_of_each_weight_gets_through(tmp_path: Path) -> None:
    """Open. The day it no longer does, the page has to say so too."""
    weights = np.random.default_rng(1).normal(size=(8, 64)).astype(np.float32)
    carrier = weights.view(np.uint8).reshape(-1, 4).copy()
    carrier[: len(ROW), 0] = list(ROW)
    smuggled = carrier.reshape(-1).view(np.float32).reshape(8, 64)
    assert np.max(np.abs(smuggled / weights - 1)) < 1 / 30_000, "no figure of the model would show it"
    (tmp_path / WEIGHTS).write_bytes(save({"linear.weight": smuggled}))
    released = load(b"".join(map(bytes, gate.pass_weights(tmp_path, DECLARED))))["linear.weight"]
    assert bytes(released.reshape(-1).view(np.uint8)[::4][: len(ROW)]) == ROW


@pytest.mark.parametrize(
    "file",
    [
        save({"linear.weight": np.ones((8, 64), np.float32)}, {"note": ROW.decode()}),
        save({"linear.weight": np.ones((8, 64), np.float32), ROW.decode(): np.ones(1, np.float32)}),
        save({"linear.weight": np.ones((8, 64), np.float32)}) + ROW,
        ROW,
    ],
    ids=["metadata", "name-of-a-tensor", "behind-the-tensors", "instead-of-tensors"],
)
def test_a_row_beside_the_weights_is_stopped_and_not_repeated(tmp_path: Path, file: bytes) -> None:
    (tmp_path / WEIGHTS).write_bytes(file)
    with pytest.raises(EgressRefused) as refusal:
        list(gate.pass_weights(tmp_path, DECLARED))
    assert "4711" not in str(refusal.value) and "4711" not in refusal.value.reason


@pytest.mark.parametrize(
    "figures",
    [
        '[{"name": "patient-4711", "value": "0.5"}]',
        '[{"name": "auroc", "value": "0.5", "note": "patient 4711"}]',
    ],
    ids=["name", "extra-key"],
)
def test_a_row_among_the_figures_is_stopped_and_not_repeated(tmp_path: Path, figures: str) -> None:
    (tmp_path / FIGURES).write_text(f'{{"rows": 203, "positives": 30, "negatives": 40, "figures": {figures}}}')
    with pytest.raises(EgressRefused) as refusal:
        gate.pass_scores(tmp_path, 203, 70, 25, FigureRules())
    assert "4711" not in str(refusal.value)


@pytest.mark.parametrize("value", ["0.7124711", "4711"], ids=["far-digits", "out-of-range"])
def test_a_row_in_the_value_of_a_figure_does_not_leave(tmp_path: Path, value: str) -> None:
    figures = f'[{{"name": "auroc", "value": "{value}"}}, {{"name": "loss", "value": "0.5"}}]'
    (tmp_path / FIGURES).write_text(f'{{"rows": 203, "positives": 30, "negatives": 40, "figures": {figures}}}')
    scores = gate.pass_scores(tmp_path, 203, 70, 25, FigureRules())[1]
    assert "loss" in [score.name for score in scores] and "4711" not in str(scores)


@pytest.mark.parametrize(
    "said",
    [
        '"rows": 4711, "positives": 30, "negatives": 40',
        '"rows": 204, "positives": 30, "negatives": 40',
        '"rows": 203, "positives": 4711, "negatives": 4711',
        '"rows": 203, "positives": 30, "negatives": 41',
    ],
    ids=["its-weight", "its-weight-by-one", "patients-there-are-not", "one-patient-there-is-not"],
)
def test_a_row_in_the_numbers_behind_the_figures_is_stopped(tmp_path: Path, said: str) -> None:
    """The number of rows is the site's weight in the average and leaves: it is the node's own, not the workload's."""
    (tmp_path / FIGURES).write_text(f'{{{said}, "figures": []}}')
    with pytest.raises(EgressRefused) as refusal:
        gate.pass_scores(tmp_path, 203, 70, 25, FigureRules())
    assert refusal.value.reason == "output-malformed" and "4711" not in str(refusal.value)
