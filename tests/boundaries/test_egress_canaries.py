"""Whatever a workload writes, no refusal repeats a word of it: not in the message, not in a traceback."""

import json
import struct
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from rapha.egress import gate
from rapha.egress.metrics import FigureRules
from rapha.errors import EgressRefused
from rapha.records.outputs import EVALUATION, FIGURES, WEIGHTS
from rapha.records.tensors import TensorSpec

CANARY = "canary-MRN-4711-Jane-Doe"
NUMBER = 47114711
WEIGHT = {"w": TensorSpec(shape=(1,), dtype="F32")}
STATISTICS = {f"features.{f}": TensorSpec(shape=(1,), dtype="F64") for f in ("count", "mean", "variance")}
GOOD = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def tensors(header: object, body: bytes = bytes(4)) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def statistic(value: float) -> bytes:
    names = sorted(STATISTICS)
    header = {n: {"dtype": "F64", "shape": [1], "data_offsets": [8 * i, 8 * i + 8]} for i, n in enumerate(names)}
    return tensors(header, struct.pack("<ddd", 100.0, value, -float(NUMBER)))


FILES: list[tuple[str, bytes]] = [
    (WEIGHTS, CANARY.encode()),
    (WEIGHTS, tensors(CANARY)),
    (WEIGHTS, tensors({CANARY: GOOD})),
    (WEIGHTS, tensors({"w": GOOD, CANARY: GOOD})),
    (WEIGHTS, tensors({"w": GOOD, "__metadata__": {"note": CANARY}})),
    (WEIGHTS, tensors({"w": {**GOOD, "dtype": CANARY}})),
    (WEIGHTS, tensors({"w": {**GOOD, "shape": [NUMBER]}})),
    (WEIGHTS, tensors({"w": {**GOOD, "data_offsets": [NUMBER, NUMBER + 4]}})),
    (WEIGHTS, tensors({"w": {**GOOD, CANARY: 1}})),
    (WEIGHTS, tensors({"w": GOOD}, struct.pack("<f", NUMBER))),
    (WEIGHTS, tensors({"w": GOOD}, bytes(4) + CANARY.encode())),
    (WEIGHTS, statistic(float(NUMBER))),
    (FIGURES, CANARY.encode()),
    (FIGURES, json.dumps({"rows": CANARY}).encode()),
    (FIGURES, json.dumps({"rows": NUMBER, "positives": 0, "negatives": 0, "figures": [{"name": CANARY}]}).encode()),
    (FIGURES, json.dumps({CANARY: NUMBER}).encode()),
    (FIGURES, json.dumps({"rows": NUMBER * 100, "positives": 0, "negatives": 0, "figures": []}).encode()),
    (EVALUATION, json.dumps({"evaluations": [{"model": CANARY, "positives": NUMBER}]}).encode()),
    (
        EVALUATION,
        json.dumps({"evaluations": [{"model": "local", "positives": NUMBER, "negatives": 1, "figures": []}]}).encode(),
    ),
]
DOORS: dict[str, Callable[[Path], object]] = {
    "weights": lambda folder: list(gate.pass_weights(folder, WEIGHT)),
    "statistics": lambda folder: gate.pass_statistics(folder, STATISTICS, 25),
    "scores": lambda folder: gate.pass_scores(folder, 100, 60, 25, FigureRules()),
    "evaluation": lambda folder: gate.pass_evaluation(folder, "north", 100, {"competing": 3}, 25, 200, FigureRules()),
}
OPENS = {"weights": WEIGHTS, "statistics": WEIGHTS, "scores": FIGURES, "evaluation": EVALUATION}


@pytest.mark.parametrize(("name", "content"), FILES)
@pytest.mark.parametrize("door", DOORS)
def test_no_refusal_repeats_what_was_written(tmp_path: Path, door: str, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / CANARY).write_bytes(content)
    try:
        DOORS[door](tmp_path)
    except EgressRefused as error:
        said = "".join([str(error), repr(error), repr(error.__dict__), *traceback.format_exception(error)])
        assert CANARY not in said and str(NUMBER) not in said
        if name == OPENS[door]:
            assert error.__context__ is None, "an exception that was being handled still holds the bytes"
    else:
        pytest.fail("let through")
