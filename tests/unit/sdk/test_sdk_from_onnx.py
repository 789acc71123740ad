"""`rapha.export_onnx`: what becomes of an ONNX file on the researcher's machine. ONNX's own reference says what each computes."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from onnx_files import array, one, whole, written
from torch import nn
from typer.testing import CliRunner

import rapha
from rapha.cli.study import app
from rapha.errors import StudyError
from rapha.graph.reading import read_graph
from rapha.sdk.from_onnx.module import OnnxModule
from rapha.sdk.from_onnx.reading import read_onnx, tensor_name
from rapha.training.architectures.exported import Interpreter

CASES: dict[str, tuple[onnx.NodeProto, dict[str, Any], list[int]]] = {
    **{name: (one(name), {}, [3, 4]) for name in (
        "Abs", "Cos", "Erf", "Exp", "HardSwish", "Identity", "Mish", "Neg", "Reciprocal", "Relu", "Sigmoid", "Sin",
        "Softplus", "Tanh", "LeakyRelu", "HardSigmoid", "Elu", "Gelu", "Softmax", "LogSoftmax", "Flatten", "Shape",
    ) if name != "Shape"},
    "Gelu tanh": (one("Gelu", approximate="tanh"), {}, [4]),
    "HardSigmoid of torch": (one("HardSigmoid", alpha=1 / 6), {}, [4]),
    "LeakyRelu steep": (one("LeakyRelu", alpha=0.3), {}, [4]),
    "Elu steep": (one("Elu", alpha=2.0), {}, [4]),
    "Softmax along 1": (one("Softmax", axis=1), {}, [3, 4]),
    "Add": (one("Add", "w"), {"w": array(4)}, [3, 4]),
    "Sub a number": (one("Sub", "w"), {"w": np.float32(0.25)}, [4]),
    "Mul": (one("Mul", "w"), {"w": array(3, 1)}, [3, 4]),
    "Div": (one("Div", "w"), {"w": np.float32(4)}, [4]),
    "Pow": (one("Pow", "w"), {"w": np.float32(2)}, [4]),
    "MatMul": (one("MatMul", "w"), {"w": array(4, 5)}, [3, 4]),
    "Gemm": (one("Gemm", "w", "b"), {"w": array(4, 5), "b": array(5)}, [4]),
    "Gemm turned": (one("Gemm", "w", transB=1), {"w": array(5, 4)}, [4]),
    "Gemm scaled": (one("Gemm", "w", "b", alpha=0.5, beta=2.0), {"w": array(4, 5), "b": array(5)}, [4]),
    "Gemm with a table": (one("Gemm", "w", "b"), {"w": array(4, 5), "b": array(1, 5)}, [4]),
    "Conv": (one("Conv", "w", "b", pads=[1, 1, 1, 1], strides=[2, 1]), {"w": array(2, 3, 3, 3), "b": array(2)}, [3, 7, 8]),
    "Conv of uneven pads": (one("Conv", "w", pads=[0, 1, 2, 0]), {"w": array(2, 3, 3, 3)}, [3, 7, 8]),
    "Conv in groups": (one("Conv", "w", group=2, dilations=[2, 2]), {"w": array(4, 2, 2, 2)}, [4, 7, 8]),
    "Conv of a line": (one("Conv", "w"), {"w": array(2, 3, 3)}, [3, 9]),
    "MaxPool": (one("MaxPool", kernel_shape=[2, 2], strides=[2, 2]), {}, [2, 7, 8]),
    "MaxPool of uneven pads": (one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]), {}, [2, 7, 7]),
    "MaxPool up": (one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1), {}, [2, 7, 7]),
    "AveragePool": (one("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1]), {}, [2, 6, 6]),
    "AveragePool of all": (one("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1), {}, [2, 6, 6]),
    "GlobalAveragePool": (one("GlobalAveragePool"), {}, [2, 6, 5]),
    "BatchNormalization": (
        one("BatchNormalization", "s", "b", "m", "v"),
        {"s": array(3), "b": array(3), "m": array(3), "v": np.abs(array(3)) + 0.5},
        [3, 4],
    ),
    "LayerNormalization": (one("LayerNormalization", "s", "b", axis=-2), {"s": array(3, 4), "b": array(3, 4)}, [2, 3, 4]),
    "Dropout": (one("Dropout", "r"), {"r": np.float32(0.3)}, [4]),
    "Clip": (one("Clip", "l", "h"), {"l": np.float32(-0.5), "h": np.float32(0.7)}, [4]),
    "Clip from below": (one("Clip", "l"), {"l": np.float32(-0.5)}, [4]),
    "PRelu": (one("PRelu", "s"), {"s": array(3, 1)}, [3, 4]),
    "Reshape": (one("Reshape", "to"), {"to": whole(0, -1)}, [3, 4]),
    "Transpose": (one("Transpose", perm=[0, 2, 1]), {}, [3, 4]),
    "Squeeze": (one("Squeeze", "at"), {"at": whole(1)}, [1, 4]),
    "Unsqueeze": (one("Unsqueeze", "at"), {"at": whole(-1, 1)}, [4]),
    "Slice": (one("Slice", "f", "t", "a", "s"), {"f": whole(1), "t": whole(9), "a": whole(2), "s": whole(2)}, [3, 6]),
    "Gather along": (one("Gather", "at", axis=1), {"at": whole(2, 0)}, [3, 4]),
    "Gather one": (one("Gather", "at", axis=1), {"at": np.int64(1)}, [3, 4]),
    "ReduceMean": (one("ReduceMean", "at", keepdims=0), {"at": whole(1, 2)}, [3, 4]),
    "ReduceSum": (one("ReduceSum", "at"), {"at": whole(-1)}, [3, 4]),
    "ReduceMax": (one("ReduceMax", "at", keepdims=0), {"at": whole(1)}, [3, 4]),
    "ReduceMin": (one("ReduceMin", "at"), {"at": whole(1)}, [3, 4]),
    "Cast": (one("Cast", to=TensorProto.FLOAT), {}, [4]),
    "Expand": (one("Expand", "to"), {"to": whole(1, 3, 4)}, [1, 4]),
    "Expand by a side": (one("Expand", "to"), {"to": whole(2, 1, 1, 4)}, [3, 1]),
}  # fmt: skip
POSITIVE = {"Log": one("Log"), "Sqrt": one("Sqrt")}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_computes_what_onnx_says(tmp_path: Path, name: str) -> None:
    node, tensors, shape = CASES[name]
    held_against_reference(written(tmp_path / "model.onnx", [node], tensors, shape), array(5, *shape))


@pytest.mark.parametrize("name", POSITIVE)
def test_an_operator_of_what_is_above_zero(tmp_path: Path, name: str) -> None:
    held_against_reference(written(tmp_path / "model.onnx", [POSITIVE[name]], {}, [4]), np.abs(array(5, 4)) + 0.1)


def held_against_reference(file: Path, rows: "np.ndarray[Any, Any]") -> None:
    with torch.no_grad():
        found = OnnxModule(read_onnx_of(file)).eval()(torch.from_numpy(rows)).numpy()
    (wanted,) = ReferenceEvaluator(onnx.load(file)).run(None, {"x": rows})
    assert found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-4, atol=1e-5)


def read_onnx_of(file: Path) -> Any:
    """Read with a last layer that ends no model: a curve alone is one here."""
    model = onnx.load(file)
    model.graph.node.append(helper.make_node("Neg", ["y"], ["z"]))
    onnx.save(model, file)
    model.graph.output[0].name = "z"
    onnx.save(model, file)
    return read_onnx(file)


def test_sizes_are_followed_so_that_the_number_of_rows_stays_open(tmp_path: Path) -> None:
    """What exporters write for `x.view(len(x), 2, -1)`: a size taken out, put together with others, and used."""
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "first"], ["rows"], axis=0),
        helper.make_node("Unsqueeze", ["rows", "nought"], ["listed"]),
        helper.make_node("Mul", ["two", "one"], ["halves"]),
        helper.make_node("Concat", ["listed", "halves", "rest"], ["wanted"], axis=0),
        helper.make_node("Reshape", ["x", "wanted"], ["paired"]),
        helper.make_node("Split", ["paired", "parts"], ["left", "right"], axis=1),
        helper.make_node("Concat", ["right", "left"], ["swapped"], axis=2),
        helper.make_node("Squeeze", ["swapped", "at"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"]),
    ]
    tensors = {"first": np.int64(0), "nought": whole(0), "two": whole(2), "one": whole(1), "rest": whole(-1), "parts": whole(1, 1), "at": whole(1), "w": array(6, 1)}  # fmt: skip
    graph = rapha.export_onnx(written(tmp_path / "model.onnx", nodes, tensors, [6]), tmp_path / "model.pt2")
    model = Interpreter(0, (), read_graph(graph.read_bytes())).eval()
    for count in (1, 2, 9):
        rows = array(count, 6)
        (wanted,) = ReferenceEvaluator(onnx.load(tmp_path / "model.onnx")).run(None, {"x": rows})
        assert np.allclose(model.run((torch.from_numpy(rows),)).detach().numpy(), wanted.reshape(-1), atol=1e-5)


class Reads(nn.Module):
    """Of everyday layers."""

    def __init__(self) -> None:
        super().__init__()
        self.sees = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )  # fmt: skip
        self.joins = nn.Sequential(
            nn.LayerNorm(4 + 6), nn.Linear(4 + 6, 8), nn.GELU(), nn.Dropout(0.2), nn.Linear(8, 1)
        )

    def forward(self, features: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        joined: torch.Tensor = self.joins(torch.cat([self.sees(image), features], 1))
        return joined.squeeze(1)


def from_torch(path: Path, module: nn.Module, training: torch.onnx.TrainingMode) -> tuple[torch.Tensor, ...]:
    """As torch itself writes a module, and the example it was given."""
    example = (torch.randn(3, 6), torch.randn(3, 1, 8, 8))
    names = ["features", "image"]
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module, example, str(path), dynamo=False, input_names=names, dynamic_axes={name: {0: "rows"} for name in names},
            training=training, do_constant_folding=False,
        )  # fmt: skip
    return example


@pytest.mark.filterwarnings("ignore:You are using the legacy")
def test_a_module_that_went_through_onnx_has_its_names_and_gives_what_it_gave(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module = Reads()
    example = from_torch(tmp_path / "model.onnx", module, torch.onnx.TrainingMode.TRAINING)
    graph = read_graph(rapha.export_onnx(tmp_path / "model.onnx", tmp_path / "model.pt2").read_bytes())
    assert set(graph.shapes("parameter")) == {name for name, _ in module.named_parameters()}
    assert set(graph.shapes("running")) == {"sees.1.running_mean", "sees.1.running_var"}
    given = {node.operator: node.arguments for node in graph.nodes}
    drops, norm = given["aten.dropout.default"], given["aten.batch_norm.default"]
    assert (drops["p"], drops["train"]) == (pytest.approx(0.2), True)
    assert (norm["training"], norm["momentum"], norm["eps"]) == (True, pytest.approx(0.1), pytest.approx(1e-5))
    model = Interpreter(0, (), graph).eval()
    with torch.no_grad():
        assert torch.allclose(model.run(example), module.eval()(*example), atol=1e-5)


RECURRENT = {
    "LSTM": (4, "lstm", {}),
    "LSTM from zeros": (4, "lstm", {"start": True}),
    "LSTM without biases": (4, "lstm", {"bias": False}),
    "GRU": (3, "gru", {"linear_before_reset": 1}),
    "GRU from zeros": (3, "gru", {"linear_before_reset": 1, "start": True}),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_layer_computes_what_onnx_says_and_learns_the_files_own_tensors(tmp_path: Path, name: str) -> None:
    gates, operator, given = RECURRENT[name]
    tensors = {
        "w": array(1, gates * 5, 6),
        "r": array(1, gates * 5, 5),
        "b": array(1, 2 * gates * 5),
        "v": array(5, 1),
        "at": whole(0),
    }
    inputs = ["steps", "w", "r", "b" if given.get("bias", True) else ""]
    nodes = [helper.make_node("Transpose", ["x"], ["steps"], perm=[1, 0, 2])]
    if given.get("start"):  # as exporters write it: of as many rows as there are
        nodes += [helper.make_node("Shape", ["x"], ["sizes"]), helper.make_node("Gather", ["sizes", "at"], ["rows"]),
                  helper.make_node("Concat", ["one", "rows", "five"], ["wanted"], axis=0),
                  helper.make_node("ConstantOfShape", ["wanted"], ["start"])]  # fmt: skip
        inputs += ["", *["start"] * (2 if operator == "lstm" else 1)]
        tensors |= {"one": whole(1), "five": whole(5)}
    said = {key: value for key, value in given.items() if key == "linear_before_reset"}
    nodes += [helper.make_node(operator.upper(), inputs, ["", "last"], hidden_size=5, **said),
              helper.make_node("Squeeze", ["last", "at"], ["state"]), helper.make_node("Gemm", ["state", "v"], ["y"])]  # fmt: skip
    kept = {key: value for key, value in tensors.items() if given.get("bias", True) or key != "b"}
    file = written(tmp_path / "model.onnx", nodes, kept, [4, 6])
    graph = read_graph(rapha.export_onnx(file, tmp_path / "model.pt2").read_bytes())
    assert set(graph.shapes("parameter")) == set(kept) & {"w", "r", "b", "v"}
    assert f"aten.{operator}.input" in {node.operator for node in graph.nodes}
    model = Interpreter(0, (), graph).eval()
    for count in (1, 2, 7):
        rows = array(count, 4, 6)
        (wanted,) = ReferenceEvaluator(onnx.load(file)).run(None, {"x": rows})
        assert np.allclose(model.run((torch.from_numpy(rows),)).detach().numpy(), wanted.reshape(-1), atol=1e-5)


@pytest.mark.parametrize("operator", ["Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Equal"])
def test_what_is_chosen_by_a_comparison_is_chosen_as_onnx_says(tmp_path: Path, operator: str) -> None:
    nodes = [
        helper.make_node(operator, ["x", "zero"], ["some"]),
        helper.make_node("Less", ["x", "w"], ["more"]),
        helper.make_node("Not", ["some"], ["none"]),
        helper.make_node("And", ["none", "more"], ["both"]),
        helper.make_node("Or", ["both", "more"], ["any"]),
        helper.make_node("Where", ["both", "x", "half"], ["one"]),
        helper.make_node("Where", ["any", "one", "w"], ["two"]),
        helper.make_node("Where", ["some", "half", "zero"], ["three"]),
        helper.make_node("Add", ["two", "three"], ["y"]),
    ]
    tensors = {"zero": np.float32(0), "half": np.float32(0.5), "w": array(4)}
    rows = array(6, 3, 4)
    rows[0, 0, 0] = 0.0
    held_against_reference(written(tmp_path / "model.onnx", nodes, tensors, [3, 4]), rows)


class Follows(nn.Module):
    """A recurrent layer in both directions, as an exporter writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.follows = nn.LSTM(6, 5, batch_first=True, bidirectional=True)
        self.then = nn.GRU(10, 4, batch_first=True)
        self.joins = nn.Linear(4, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        states = self.follows(features.unsqueeze(1).expand(-1, 3, -1))[0]
        last = self.then(torch.where(states > 0, states, states * 0.1))[1][0]
        joined: torch.Tensor = self.joins(last)
        return joined.squeeze(1)


@pytest.mark.filterwarnings("ignore:You are using the legacy")
def test_a_recurrent_module_that_went_through_onnx_gives_what_it_gave(tmp_path: Path) -> None:
    torch.manual_seed(2)
    module, example = Follows().eval(), torch.randn(3, 6)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module, (example,), str(tmp_path / "model.onnx"), dynamo=False, input_names=["features"],
            dynamic_axes={"features": {0: "rows"}},
        )  # fmt: skip
    graph = read_graph(rapha.export_onnx(tmp_path / "model.onnx", tmp_path / "model.pt2").read_bytes())
    model = Interpreter(0, (), graph).eval()
    with torch.no_grad():
        for rows in (example, torch.randn(1, 6), torch.randn(8, 6)):
            assert torch.allclose(model.run((rows,)).reshape(-1), module(rows), atol=1e-5)


@pytest.mark.parametrize(
    ("operator", "gates", "given", "said"),
    [
        ("LSTM", 4, {"layout": 1}, "with layout"),
        ("LSTM", 4, {"direction": "reverse"}, "with reverse"),
        ("LSTM", 4, {"activations": ["Tanh", "Tanh", "Tanh"]}, "with activations"),
        ("GRU", 3, {}, "resets before it is multiplied"),
    ],
)
def test_another_kind_of_recurrent_layer_is_said(
    tmp_path: Path, operator: str, gates: int, given: dict[str, Any], said: str
) -> None:
    nodes = [helper.make_node(operator, ["x", "w", "r"], ["", "last"], hidden_size=5, **given),
             helper.make_node("Gemm", ["last", "v"], ["y"])]  # fmt: skip
    tensors = {"w": array(1, gates * 5, 6), "r": array(1, gates * 5, 5), "v": array(5, 1)}
    with pytest.raises(StudyError, match=said):
        rapha.export_onnx(written(tmp_path / "model.onnx", nodes, tensors, [4, 6]), tmp_path / "model.pt2")


def test_a_result_that_is_left_out_is_not_an_input_that_is_left_out(tmp_path: Path) -> None:
    """ONNX's own reference takes the one for the other."""
    tensors = {"w": array(1, 20, 6), "r": array(1, 20, 5), "most": np.float32(0.1)}
    nodes = [helper.make_node("LSTM", ["x", "w", "r"], ["", "last"], hidden_size=5)]
    clipped = [*nodes, helper.make_node("Clip", ["last", "", "most"], ["y"])]
    rows = torch.from_numpy(array(3, 4, 6))
    found, whole_of = (
        OnnxModule(read_onnx_of(written(tmp_path / name, given, tensors, [4, 6]))).eval()(rows)
        for name, given in (("c.onnx", clipped), ("w.onnx", [*nodes, helper.make_node("Identity", ["last"], ["y"])]))
    )
    assert torch.equal(-found, (-whole_of).clamp(max=0.1))


def test_tensors_that_an_exporter_wrote_once_are_learnt_each_by_itself(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Identity", ["first.bias"], ["last.bias"]),
        helper.make_node("Gemm", ["x", "w", "first.bias"], ["state"], transB=1),
        helper.make_node("Gemm", ["state", "v", "last.bias"], ["y"], transB=1),
    ]
    tensors = {"w": array(1, 4), "v": array(1, 1), "first.bias": array(1)}
    graph = read_graph(
        rapha.export_onnx(written(tmp_path / "model.onnx", nodes, tensors, [4]), tmp_path / "model.pt2").read_bytes()
    )
    assert set(graph.shapes("parameter")) == {"w", "v", "first.bias", "last.bias"}


@pytest.mark.filterwarnings("ignore:You are using the legacy")
def test_the_command_writes_the_graph_beside_the_file(tmp_path: Path) -> None:
    from_torch(tmp_path / "model.onnx", Reads().eval(), torch.onnx.TrainingMode.EVAL)
    done = CliRunner().invoke(app, ["graph", str(tmp_path / "model.onnx")])
    assert done.exit_code == 0 and "joins.4.weight" in done.output, done.output
    assert read_graph((tmp_path / "model.pt2").read_bytes())


def test_names_of_other_frameworks() -> None:
    assert tensor_name("dense/kernel:0") == "dense.kernel_0"
    assert tensor_name("onnx::MatMul_12") == "onnx__MatMul_12"
    assert tensor_name("/net/0/weight") == "net.0.weight"
    assert tensor_name("0.weight") == "t_0.weight"
    assert tensor_name("fc.weight") == "fc.weight"


def test_a_last_layer_of_zeros_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rapha.sdk.from_onnx import operators

    nodes = [helper.make_node("Tanh", ["x"], ["state"]), helper.make_node("Gemm", ["state", "w"], ["y"])]
    file = written(tmp_path / "model.onnx", nodes, {"w": np.zeros((4, 1), np.float32)}, [4])
    assert rapha.export_onnx(file, tmp_path / "model.pt2").exists()
    monkeypatch.setitem(operators.TABLE, "Tanh", lambda given, inputs, training: inputs[0])
    with pytest.raises(StudyError, match="does not compute what ONNX's own reference computes"):
        rapha.export_onnx(file, tmp_path / "model.pt2")


def test_a_scale_of_two_numbers_is_a_fraction(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Div", ["one", "eight"], ["scale"]),
        helper.make_node("Mul", ["x", "scale"], ["state"]),
        helper.make_node("Gemm", ["state", "w"], ["y"]),
    ]
    tensors = {"one": np.float32(1), "eight": np.float32(8), "w": array(4, 1)}
    assert rapha.export_onnx(written(tmp_path / "model.onnx", nodes, tensors, [4]), tmp_path / "model.pt2").exists()
