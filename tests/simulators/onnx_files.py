"""Small ONNX files."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHANCE = np.random.default_rng(7)
ROWS = ["rows"]


def array(*shape: int) -> "np.ndarray[Any, Any]":
    return CHANCE.standard_normal(shape).astype(np.float32)


def whole(*numbers: int) -> "np.ndarray[Any, Any]":
    return np.array(numbers, dtype=np.int64)


def written(
    path: Path,
    nodes: list[onnx.NodeProto],
    tensors: dict[str, Any],
    shape: list[Any],
    kind: int = TensorProto.FLOAT,
    opset: int = 20,
) -> Path:
    """A file that takes `x` and gives `y`."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", kind, [*ROWS, *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ROWS)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return path


def one(operator: str, *inputs: str, gives: str = "y", **given: Any) -> onnx.NodeProto:
    return helper.make_node(operator, ["x", *inputs], [gives], **given)
