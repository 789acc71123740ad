"""ONNX files of which no study's model can be made, and what is said of each."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_files import ROWS, array, one, written

import rapha
from rapha.errors import ConfigurationError, StudyError
from rapha.sdk.study_file import read_study

LAST = one("Gemm", "w")
WEIGHT = {"w": array(4, 1)}


def fixed(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def open_side(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "any"


def two_results(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ROWS))


def outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")


def of_halves(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(array(2).astype(np.float16), "half"))


def renamed(name: str) -> Any:
    def rename(model: onnx.ModelProto) -> None:
        model.graph.initializer[0].name = model.graph.node[0].input[1] = name

    return rename


def also(name: str) -> Any:
    return lambda model: model.graph.initializer.append(numpy_helper.from_array(array(2), name))


def then(operator: str, **given: Any) -> Any:
    def append(model: onnx.ModelProto) -> None:
        model.graph.node[0].output[0] = "before"
        model.graph.node.append(helper.make_node(operator, ["before"], ["y"], **given))

    return append


def then_forms(model: onnx.ModelProto) -> None:
    then("Sigmoid")(model)
    model.graph.node[1].output[0] = "curved"
    model.graph.node.append(helper.make_node("Identity", ["curved"], ["y"]))


def then_picks(model: onnx.ModelProto) -> None:
    model.graph.node[0].output[0] = "state"
    model.graph.node.append(helper.make_node("Softmax", ["state"], ["chances"], axis=1))
    model.graph.node.append(helper.make_node("Gather", ["chances", "second"], ["y"], axis=1))
    model.graph.initializer.append(numpy_helper.from_array(np.array(0), "second"))


def constant_outside(model: onnx.ModelProto) -> None:
    tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="secret.bin")
    then("Add")(model)
    model.graph.node[1].input.append("taken")
    model.graph.node.insert(0, helper.make_node("Constant", [], ["taken"], value=tensor))


def one_for_two(model: onnx.ModelProto) -> None:
    model.graph.initializer.extend(
        numpy_helper.from_array(np.full(1, value, np.float32), name) for name, value in (("s", 1), ("b", 0))
    )
    model.graph.node[0].output[0] = "state"
    model.graph.node.append(helper.make_node("BatchNormalization", ["state", "s", "b", "b", "s"], ["y"]))


def of_counts(model: onnx.ModelProto) -> None:
    model.graph.node.insert(0, helper.make_node("Cast", ["x"], ["counts"], to=TensorProto.INT64))
    model.graph.node.insert(1, helper.make_node("Pow", ["counts", "half"], ["root"]))
    model.graph.node.insert(2, helper.make_node("Cast", ["root"], ["taken"], to=TensorProto.FLOAT))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "half"))
    model.graph.node[3].input[0] = "taken"


def wide(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(array(4, 2), "w"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (fixed, "dynamic first axis"),
        (open_side, "a side besides the rows"),
        (two_results, "gives 2 results"),
        (outside, "lies outside the file"),
        (of_halves, "half is float16"),
        (also("w.inside"), "named as if it were inside the tensor w"),
        (also("/w"), "would both be called w"),
        (renamed("training"), "torch keeps a name in training for itself"),
        (renamed("forward.w"), "torch keeps a name in forward.w for itself"),
        (then("Sigmoid"), "ends with Sigmoid"),
        (then_forms, "ends with Sigmoid"),
        (then("Ceil"), "the operator Ceil (that gives y) is none of those that are translated"),
        (then("ReduceSum"), "without axes|over everything"),
        (wide, "one number a row"),
        (then_picks, "ends with Softmax"),
        (then("HardSigmoid"), "ends with HardSigmoid"),
        (constant_outside, "lies outside the file"),
        (one_for_two, "a running figure of a batch norm and an input"),
        (of_counts, "of whole numbers"),
    ],
)
def test_what_no_study_can_train_is_said(tmp_path: Path, change: Any, said: str) -> None:
    model = onnx.load(written(tmp_path / "model.onnx", [LAST], WEIGHT, [4]))
    change(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(StudyError, match=said.replace("(", r"\(").replace(")", r"\)")):
        rapha.export_onnx(tmp_path / "model.onnx", tmp_path / "model.pt2")
    assert not (tmp_path / "model.pt2").exists()


def test_a_translation_that_computes_something_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rapha.sdk.from_onnx import operators

    file = written(tmp_path / "model.onnx", [LAST], WEIGHT, [4])
    monkeypatch.setitem(operators.TABLE, "Gemm", lambda given, inputs, training: inputs[0] @ inputs[1] + 0.01)
    with pytest.raises(StudyError, match="does not compute what ONNX's own reference computes"):
        rapha.export_onnx(file, tmp_path / "model.pt2")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x07" * 50])
def test_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(StudyError, match="no valid ONNX file"):
        rapha.export_onnx(tmp_path / "model.onnx", tmp_path / "model.pt2")


def test_a_graph_does_not_take_the_place_of_its_file(tmp_path: Path) -> None:
    file = written(tmp_path / "model.onnx", [LAST], WEIGHT, [4])
    before = file.read_bytes()
    with pytest.raises(ConfigurationError, match="write its graph to another file"):
        rapha.export_onnx(file, tmp_path / "." / "model.onnx")
    assert file.read_bytes() == before


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        rapha.export_onnx(tmp_path / "none.onnx", tmp_path / "model.pt2")


def test_operators_of_before_version_13(tmp_path: Path) -> None:
    file = written(tmp_path / "model.onnx", [LAST], WEIGHT, [4], opset=11)
    with pytest.raises(StudyError, match="from version 13 on"):
        rapha.export_onnx(file, tmp_path / "model.pt2")


def test_a_study_that_names_the_onnx_file_is_told_the_command(tmp_path: Path) -> None:
    study = (
        (Path(__file__).parents[3] / "examples/mortality-own-model/study.yaml")
        .read_text()
        .replace("model.pt2", "model.onnx")
    )
    (tmp_path / "study.yaml").write_text(study)
    written(tmp_path / "model.onnx", [LAST], WEIGHT, [4])
    with pytest.raises(StudyError, match=r"rapha study graph .*model\.onnx"):
        read_study(tmp_path / "study.yaml")
