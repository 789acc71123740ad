"""`rapha.export_onnx`: an ONNX file as the graph that a study names, computing what the file computes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rapha.errors import ConfigurationError, StudyError
from rapha.sdk.export import export_model
from rapha.sdk.from_onnx.reading import OnnxInput, OnnxModel, model_of, read_onnx

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor

    from rapha.sdk.from_onnx.module import OnnxModule

_ROWS = 3


def export_onnx(file: Path | str, path: Path | str) -> Path:
    """Write the graph of an ONNX file, with its tensors, to `path` (`model.pt2`), and return it.

    The file's first axis is the number of rows, and is dynamic; it gives one number a row, the logit or log hazard. Its float32
    tensors are learnt, under their own names. It is translated, and held against ONNX's own reference on rows made up here.

    Raises:
        StudyError: it is no such file, uses an operator that is not translated (it is named), or does not compute the same.
        ConfigurationError: onnx or torch is not installed, a file cannot be read or written, or both are one.
    """
    if Path(file).resolve() == Path(path).resolve():
        raise ConfigurationError(f"{path} is the ONNX file itself: write its graph to another file")
    model = read_onnx(Path(file))
    try:
        import torch

        from rapha.sdk.from_onnx.module import OnnxModule
    except ModuleNotFoundError:
        raise ConfigurationError("to export a model needs torch: pip install 'rapha[train]'") from None
    module = OnnxModule(model)
    chance = np.random.default_rng(0)
    example = tuple(torch.from_numpy(_rows(each, chance)) for each in model.inputs)
    _check_same(model, module, example)
    uneven = model_of(_uneven(model.proto, chance))
    _check_same(uneven, OnnxModule(uneven), example)
    return export_model(module, example, path)


def _rows(taken: OnnxInput, chance: np.random.Generator) -> "np.ndarray[Any, Any]":
    """A few made-up rows. Whole numbers are 0 and 1: every table has so many places."""
    shape = (_ROWS, *taken.shape)
    return chance.integers(0, 2, shape) if taken.whole else chance.standard_normal(shape).astype(np.float32)


def _check_same(model: OnnxModel, module: "OnnxModule", example: "tuple[Tensor, ...]") -> None:
    """The translation gives what ONNX's reference gives."""
    import torch
    from onnx.reference import ReferenceEvaluator

    given = {each.name: rows.numpy() for each, rows in zip(model.inputs, example, strict=True)}
    try:
        with torch.no_grad():
            found = module.eval()(*example)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise StudyError(f"the ONNX file does not run on {_ROWS} rows: {first[0][:300]}") from error
    try:
        (result,) = ReferenceEvaluator(_as_it_predicts(model.proto)).run([model.result], given)
    except Exception as error:  # of many kinds, none of them ours
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise StudyError(f"the ONNX file does not run in ONNX's own reference: {first[0][:300]}") from error
    wanted = np.asarray(result)
    same = isinstance(found, torch.Tensor) and found.shape == wanted.shape
    if not same or not np.allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5):
        raise StudyError("the ONNX file: its translation does not compute what ONNX's own reference computes")


def _uneven(proto: "ModelProto", chance: np.random.Generator) -> "ModelProto":
    """The same with tensors that are one number throughout a little uneven: a last layer of zeros hides all that lies before it."""
    import onnx
    from onnx import numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for tensor in copy.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.ndim and np.all(array == array.flat[0]):
            noise = 0.05 * np.abs(chance.standard_normal(array.shape))
            tensor.CopyFrom(numpy_helper.from_array((array + noise).astype(np.float32), tensor.name))
    return copy


def _as_it_predicts(proto: "ModelProto") -> "ModelProto":
    """The same, where it was exported as it trains: batch norms with their kept figures, dropouts that drop nothing."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for node in copy.graph.node:
        if node.op_type == "BatchNormalization":
            kept = [each for each in node.attribute if each.name != "training_mode"]
            del node.attribute[:], node.output[1:]
            node.attribute.extend(kept)
        elif node.op_type == "Dropout":
            del node.input[1:], node.output[1:]
    return copy
