"""An ONNX file, read with limits: one graph of the standard operators, its tensors inside the file, one number a row."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rapha.errors import ConfigurationError, StudyError
from rapha.records.learning import LARGEST_GRAPH_BYTES

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto

OLDEST_OPSET = 13
"""From this version on axes and sizes are inputs of an operator, not attributes."""
_LAST_CURVES = {"Sigmoid", "HardSigmoid", "Softmax", "LogSoftmax"}
_OF_THE_FORM = {
    "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Identity", "Cast", "Transpose", "Gather", "Slice", "Split", "Clip",
}  # fmt: skip
_TENSOR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_MOST_LETTERS = 200


@dataclass(frozen=True)
class OnnxInput:
    """What the model takes: its first side is the number of rows, `shape` the others. `whole`: int64, else float32."""

    name: str
    shape: tuple[int, ...]
    whole: bool


@dataclass(frozen=True)
class OnnxNode:
    """One operator of the standard. An input that is left out is an empty text."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    given: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.operator} (that gives {self.outputs[0]})"


@dataclass(frozen=True)
class OnnxModel:
    """`tensors`: the file's, by its own names. `proto`: the file itself, for ONNX's reference."""

    inputs: tuple[OnnxInput, ...]
    nodes: tuple[OnnxNode, ...]
    tensors: dict[str, "np.ndarray[Any, Any]"]
    result: str
    proto: "ModelProto"


def read_onnx(path: Path) -> OnnxModel:
    """The model of a file.

    Raises:
        ConfigurationError: onnx is not installed, or the file cannot be read.
        StudyError: it is no ONNX file, or none of which a study's model can be made; what to do is said.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError:
        raise ConfigurationError("to read an ONNX file needs onnx: pip install 'rapha[onnx]'") from None
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_GRAPH_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_GRAPH_BYTES:
        raise StudyError(f"{path} is larger than {LARGEST_GRAPH_BYTES} bytes, the largest model that travels")
    try:
        proto = onnx.load_model_from_string(content)
        constants = [attribute.t for node in proto.graph.node for attribute in node.attribute]
        for tensor in (*proto.graph.initializer, *constants):
            _check_inside(tensor)
        onnx.checker.check_model(proto)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        first = str(error).strip().splitlines() or ["not readable"]
        raise StudyError(f"{path} is no valid ONNX file: {first[0][:300]}") from None
    return model_of(proto)


def tensor_name(name: str) -> str:
    """The name under which a tensor of the file is trained and comes back: its own, but for signs that no tensor's name has.

    `dense/kernel:0` is `dense.kernel_0`, `onnx::MatMul_12` is `onnx__MatMul_12`.
    """
    plain = re.sub(r"[^A-Za-z0-9_.]", "_", name.replace("/", "."))
    plain = re.sub(r"\.{2,}", ".", plain).strip(".")
    return plain if _TENSOR_NAME.fullmatch(plain) else f"t_{plain}"


def model_of(proto: "ModelProto") -> OnnxModel:
    """What an ONNX message says. Raises StudyError."""
    graph = proto.graph
    for opset in proto.opset_import:
        if opset.domain not in ("", "ai.onnx") or opset.version < OLDEST_OPSET:
            raise _refused(f"it uses operators of {opset.domain or 'version'} {opset.version}; those of ONNX itself, from version {OLDEST_OPSET} on, are read")  # fmt: skip
    if proto.functions or graph.sparse_initializer:
        raise _refused("it has functions of its own, or sparse tensors")
    tensors = {each.name: _array(each) for each in graph.initializer}
    if len(graph.output) != 1:
        raise _refused(f"it gives {len(graph.output)} results; a study's model gives one, of one number a row")
    result = graph.output[0].name
    nodes = tuple(_untied(tuple(_node(node) for node in graph.node), tensors))
    _check_names(tensors)
    if (last := _last(nodes, result)) in _LAST_CURVES:
        raise _refused(f"it ends with {last}: a study's model gives the logit, so let the graph end before it")
    inputs = tuple(_input(each) for each in graph.input if each.name not in tensors)
    if not inputs:
        raise _refused("it takes no input")
    return OnnxModel(inputs, nodes, tensors, result, proto)


def _last(nodes: tuple[OnnxNode, ...], result: str) -> str:
    """The last operator that makes a value of another, and not only another form of it, or a part."""
    for node in reversed(nodes):
        if result in node.outputs:
            if node.operator not in _OF_THE_FORM or not node.inputs:
                return node.operator
            result = node.inputs[0]
    return ""


def _untied(nodes: tuple[OnnxNode, ...], tensors: "dict[str, np.ndarray[Any, Any]]") -> Iterator[OnnxNode]:
    """Tensors that are equal when a file is written are kept there once, and named again by an Identity: each is one of its own."""
    for node in nodes:
        if node.operator == "Identity" and node.inputs[0] in tensors:
            tensors[node.outputs[0]] = tensors[node.inputs[0]]
        else:
            yield node


def _check_names(tensors: "dict[str, np.ndarray[Any, Any]]") -> None:
    """No two tensors by one name, none inside another."""
    known: dict[str, str] = {}
    for name in tensors:
        plain = tensor_name(name)
        if plain in known or len(plain) > _MOST_LETTERS:
            raise _refused(f"the tensors {known.get(plain, name)} and {name} would both be called {plain[:_MOST_LETTERS]}: rename one")  # fmt: skip
        known[plain] = name
    for plain, name in known.items():
        parents = [plain[: found.start()] for found in re.finditer(r"\.", plain)]
        if inside := next((known[each] for each in parents if each in known), None):
            raise _refused(f"the tensor {name} is named as if it were inside the tensor {inside}: rename one")


def _node(node: "NodeProto") -> OnnxNode:
    from onnx import AttributeProto, helper

    given: dict[str, Any] = {}
    for attribute in node.attribute:
        if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            raise _refused(f"{node.op_type} holds a graph of its own: a study's model has no control flow")
        value = helper.get_attribute_value(attribute)
        if attribute.type == AttributeProto.TENSOR:
            value = _array(value)
        given[attribute.name] = value.decode() if isinstance(value, bytes) else value
    return OnnxNode(node.op_type, tuple(node.input), tuple(node.output), given)


def _input(value: "ValueInfoProto") -> OnnxInput:
    from onnx import TensorProto

    kind = value.type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.INT64):
        raise _refused(f"its input {value.name} is neither float32 nor int64")
    sides = list(kind.shape.dim)
    if not sides or sides[0].HasField("dim_value"):
        raise _refused(f"its input {value.name} has a fixed number of rows: export it with a dynamic first axis")
    if any(not side.HasField("dim_value") or side.dim_value < 1 for side in sides[1:]):
        raise _refused(f"its input {value.name} has a side besides the rows that is not fixed")
    return OnnxInput(value.name, tuple(side.dim_value for side in sides[1:]), kind.elem_type == TensorProto.INT64)


def _check_inside(tensor: "TensorProto") -> None:
    """Nothing but the file is read."""
    if tensor.external_data or tensor.data_location:
        raise _refused(f"the tensor {tensor.name or 'of a constant'} lies outside the file: save the model in one file")


def _array(tensor: "TensorProto") -> "np.ndarray[Any, Any]":
    from onnx import numpy_helper

    _check_inside(tensor)
    array = np.asarray(numpy_helper.to_array(tensor))
    if array.dtype not in (np.float32, np.int64, np.int32, np.bool_):
        raise _refused(
            f"the tensor {tensor.name or 'of a constant'} is {array.dtype}; float32, int64, int32 and bool are read"
        )
    return array


def _refused(why: str) -> StudyError:
    return StudyError(f"the ONNX file: {why}")
