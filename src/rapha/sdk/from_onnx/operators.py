"""What each ONNX operator is in torch, as onnx.ai/onnx/operators says from version 13 on.

An operator is given its attributes, its inputs and whether the model trains; it gives a value, or a tuple of them. Sizes, axes and
places are whole numbers, or lists of them, and stay so: torch then knows which is the number of rows.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rapha.sdk.from_onnx.recurrent import gru, lstm

Value = Any
"""A tensor, a whole number, a list of them, or None where an input is left out."""
Given = Mapping[str, Any]
Operator = Callable[[Given, list[Value], bool], Value]
_POOLS = {"max": (F.max_pool1d, F.max_pool2d, F.max_pool3d), "avg": (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)}
_CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d)
_EVERYWHERE = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)


def is_number(array: "np.ndarray[Any, Any]") -> bool:
    """Whether a constant is a number, or a list of whole ones, and no tensor."""
    return array.ndim == 0 or (array.ndim == 1 and array.dtype.kind in "ib")


def _at(inputs: list[Value], place: int, default: Value = None) -> Value:
    return inputs[place] if len(inputs) > place and inputs[place] is not None else default


def _plain(curve: Callable[[Tensor], Tensor]) -> Operator:
    return lambda given, inputs, training: curve(inputs[0])


def _of_two(whole: Callable[[Any, Any], Any]) -> Operator:
    """Of two tensors, or of two sizes."""

    def run(given: Given, inputs: list[Value], training: bool) -> Value:
        one, two = (_listed_like(*inputs), _listed_like(*inputs[::-1]))
        if isinstance(one, list) and isinstance(two, list):
            if len(one) != len(two) and 1 not in (len(one), len(two)):
                raise NotImplementedError("lists of different lengths")
            length = max(len(one), len(two))
            return [whole(a, b) for a, b in zip(one * (length // len(one)), two * (length // len(two)), strict=True)]
        return whole(_tensor_if_list(one), _tensor_if_list(two))

    return run


def _listed_like(value: Value, other: Value) -> Value:
    """A whole number beside a list of them is a list of one."""
    return [value] if isinstance(other, list) and isinstance(value, int) else value


def _tensor_if_list(value: Value) -> Value:
    return torch.tensor(value) if isinstance(value, list) else value


def _divide(one: Value, two: Value) -> Value:
    if isinstance(one, int) and isinstance(two, int):
        return one // two
    if not any(
        isinstance(each, float) or (isinstance(each, Tensor) and each.is_floating_point()) for each in (one, two)
    ):
        raise NotImplementedError("of whole numbers of the rows")
    return one / two


def _power(one: Value, two: Value) -> Value:
    if isinstance(one, Tensor) and not one.is_floating_point():
        raise NotImplementedError("of whole numbers")
    return one**two


def _gemm(given: Given, inputs: list[Value], training: bool) -> Value:
    one, two = inputs[0].t() if given.get("transA", 0) else inputs[0], inputs[1]
    alpha, beta, rest = given.get("alpha", 1.0), given.get("beta", 1.0), _at(inputs, 2)
    weight = two if given.get("transB", 0) else two.t()
    if alpha == 1.0 and beta == 1.0 and (rest is None or rest.dim() == 1):
        return F.linear(one, weight, rest)
    product = F.linear(one, weight) * alpha
    return product if rest is None else product + rest * beta


def _padded(given: Given, state: Tensor, sides: int, value: float) -> tuple[Tensor, list[int]]:
    """The state, and what is left for the layer itself to pad: what is the same at both ends."""
    if given.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise NotImplementedError("auto_pad is not translated: export it with explicit pads")
    pads = list(given.get("pads", [0] * (2 * sides))) if given.get("auto_pad") != "VALID" else [0] * (2 * sides)
    if pads[:sides] == pads[sides:]:
        return state, pads[:sides]
    around = [pad for side in reversed(range(sides)) for pad in (pads[side], pads[sides + side])]
    return F.pad(state, around, value=value), [0] * sides


def _convolution(given: Given, inputs: list[Value], training: bool) -> Value:
    sides = inputs[1].dim() - 2
    state, pads = _padded(given, inputs[0], sides, 0.0)
    strides, spread = given.get("strides", [1] * sides), given.get("dilations", [1] * sides)
    return _CONVOLUTIONS[sides - 1](state, inputs[1], _at(inputs, 2), strides, pads, spread, given.get("group", 1))


def _pool(kind: str) -> Operator:
    def run(given: Given, inputs: list[Value], training: bool) -> Value:
        window = list(given["kernel_shape"])
        strides, spread = given.get("strides", [1] * len(window)), list(given.get("dilations", [1] * len(window)))
        ceiling, counted = bool(given.get("ceil_mode", 0)), bool(given.get("count_include_pad", 0))
        pads = list(given.get("pads", []))
        if kind == "avg" and (spread != [1] * len(window) or ceiling):
            raise NotImplementedError("an average over spread windows, or with ceil_mode, is not translated")
        if kind == "avg" and pads[: len(window)] != pads[len(window) :] and not counted:
            raise NotImplementedError("an average with pads of two sizes is not translated")
        if given.get("storage_order", 0):
            raise NotImplementedError("storage_order is not translated")
        state, pads = _padded(given, inputs[0], len(window), -math.inf if kind == "max" else 0.0)
        pool: Any = _POOLS[kind][len(window) - 1]
        if kind == "max":
            return pool(state, window, strides, pads, spread, ceiling)
        return pool(state, window, strides, pads, ceiling, counted)

    return run


def _pool_everything(given: Given, inputs: list[Value], training: bool) -> Value:
    pool: Any = _EVERYWHERE[inputs[0].dim() - 3]
    return pool(inputs[0], [1] * (inputs[0].dim() - 2))


def _batch_norm(given: Given, inputs: list[Value], training: bool) -> Value:
    state, weight, bias, mean, variance = inputs
    return F.batch_norm(
        state, mean, variance, weight, bias, training, 1.0 - given.get("momentum", 0.9), given.get("epsilon", 1e-5)
    )


def _layer_norm(given: Given, inputs: list[Value], training: bool) -> Value:
    first = given.get("axis", -1) % inputs[0].dim()
    return F.layer_norm(inputs[0], inputs[0].shape[first:], inputs[1], _at(inputs, 2), given.get("epsilon", 1e-5))


def _dropout(given: Given, inputs: list[Value], training: bool) -> Value:
    """The file's own say on whether it trains is passed over: it trains while the trainer trains."""
    return F.dropout(inputs[0], float(_at(inputs, 1, 0.5)), training)


def _clip(given: Given, inputs: list[Value], training: bool) -> Value:
    return inputs[0].clamp(_at(inputs, 1), _at(inputs, 2))


def _softmax(curve: Callable[..., Tensor]) -> Operator:
    return lambda given, inputs, training: curve(inputs[0], given.get("axis", -1))


def _hard_sigmoid(given: Given, inputs: list[Value], training: bool) -> Value:
    return (inputs[0] * given.get("alpha", 0.2) + given.get("beta", 0.5)).clamp(0.0, 1.0)


def _prelu(given: Given, inputs: list[Value], training: bool) -> Value:
    return torch.where(inputs[0] >= 0, inputs[0], inputs[0] * inputs[1])


def _reshape(given: Given, inputs: list[Value], training: bool) -> Value:
    state, wanted = inputs[0], list(inputs[1])
    if given.get("allowzero", 0) and 0 in wanted:
        raise NotImplementedError("a side of nothing")
    if isinstance(state, list):
        raise NotImplementedError("the sizes of sizes")
    sizes = [state.shape[place] if isinstance(size, int) and size == 0 else size for place, size in enumerate(wanted)]
    return state.reshape(sizes)


def _flatten(given: Given, inputs: list[Value], training: bool) -> Value:
    if (axis := given.get("axis", 1) % (inputs[0].dim() + 1)) != 1:
        raise NotImplementedError(f"along axis {axis}; along 1, it keeps the rows")
    return inputs[0].flatten(1) if inputs[0].dim() > 1 else inputs[0].unsqueeze(1)


def _squeeze(given: Given, inputs: list[Value], training: bool) -> Value:
    if isinstance(inputs[0], list):
        return inputs[0][0] if len(inputs[0]) == 1 else inputs[0]
    if (axes := _at(inputs, 1)) is None:
        raise NotImplementedError("without axes it would take the rows away where there is one")
    return inputs[0].squeeze(tuple(axes))


def _unsqueeze(given: Given, inputs: list[Value], training: bool) -> Value:
    state, axes = inputs
    if not isinstance(state, Tensor):
        if isinstance(state, list):
            raise NotImplementedError("a list of lists")
        return [state]
    sides = state.dim() + len(axes)
    for axis in sorted(axis % sides for axis in axes):
        state = state.unsqueeze(axis)
    return state


def _concat(given: Given, inputs: list[Value], training: bool) -> Value:
    if all(isinstance(each, list) for each in inputs):
        return [item for each in inputs for item in each]
    return torch.cat([_tensor_if_list(each) for each in inputs], given["axis"])


def _slice(given: Given, inputs: list[Value], training: bool) -> Value:
    state, starts, ends = inputs[:3]
    steps = _at(inputs, 4, [1] * len(starts))
    if any(step < 1 for step in steps):
        raise NotImplementedError("backwards")
    if isinstance(state, list):
        return state[starts[0] : ends[0] : steps[0]]
    axes = _at(inputs, 3, list(range(len(starts))))
    places = [slice(None)] * state.dim()
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis % state.dim() == 0:
            raise NotImplementedError("of the rows: a model sees each row by itself")
        places[axis % state.dim()] = slice(start, end, step)
    return state[tuple(places)]


def _split(given: Given, inputs: list[Value], training: bool) -> Value:
    if (sizes := _at(inputs, 1)) is None:
        raise NotImplementedError("into parts of no stated sizes")
    return tuple(inputs[0].split(list(sizes), given.get("axis", 0)))


def _gather(given: Given, inputs: list[Value], training: bool) -> Value:
    state, places, axis = inputs[0], inputs[1], given.get("axis", 0)
    if isinstance(state, list):
        return [state[place] for place in places] if isinstance(places, list) else state[places]
    if isinstance(places, int):
        return state.select(axis, places)
    places = _tensor_if_list(places).long()
    if axis == 0 and state.dim() == 2:
        return F.embedding(places, state)
    if places.dim() != 1:
        raise NotImplementedError("of many places along another axis than the first of a table")
    return state.index_select(axis, places)


def _transpose(given: Given, inputs: list[Value], training: bool) -> Value:
    return inputs[0].permute(given.get("perm", list(reversed(range(inputs[0].dim())))))


def _reduced(over: Callable[..., Tensor]) -> Operator:
    def run(given: Given, inputs: list[Value], training: bool) -> Value:
        axes = given.get("axes", _at(inputs, 1))  # an attribute before version 18, but for the sum
        if axes is None:
            raise NotImplementedError("over everything: a model sees each row by itself")
        return over(inputs[0], dim=list(axes), keepdim=bool(given.get("keepdims", 1)))

    return run


def _cast(given: Given, inputs: list[Value], training: bool) -> Value:
    kinds = {1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool}
    if (kind := kinds.get(given["to"])) is None:
        raise NotImplementedError("to another element type than float32, int32, int64 and bool")
    if not isinstance(inputs[0], Tensor):
        if kind is torch.float32:
            raise NotImplementedError("of a number of elements to a fraction")
        return inputs[0]
    return inputs[0].to(kind)


def _constant(given: Given, inputs: list[Value], training: bool) -> Value:
    if "value" not in given:
        return next(iter(given.values()))
    array: np.ndarray[Any, Any] = given["value"]
    return array.tolist() if is_number(array) else torch.from_numpy(array.copy())


def _where(given: Given, inputs: list[Value], training: bool) -> Value:
    whether, one, two = inputs
    if all(isinstance(each, list) for each in inputs) and len(whether) == len(one) == len(two):
        return [a if some else b for some, a, b in zip(whether, one, two, strict=True)]
    if not isinstance(whether, Tensor) or any(isinstance(each, list) for each in (one, two)):
        raise NotImplementedError("of sizes")
    one, two = (each if isinstance(each, Tensor) else torch.zeros_like(whether, dtype=torch.float32) + each for each in (one, two))  # fmt: skip
    return torch.where(whether, one, two)


def _expand(given: Given, inputs: list[Value], training: bool) -> Value:
    """To both shapes at once: a side of 1, of either, becomes the other's."""
    state, wanted = inputs[0], list(inputs[1])
    if not isinstance(state, Tensor):
        raise NotImplementedError("of a number, or of sizes")
    sides = [1] * (len(wanted) - state.dim()) + list(state.shape)
    wanted = [1] * (len(sides) - len(wanted)) + wanted
    return state.expand(
        [own if type(size) is int and size == 1 else size for own, size in zip(sides, wanted, strict=True)]
    )


def _filled(given: Given, inputs: list[Value], training: bool) -> Value:
    value = given["value"].reshape(-1)[0].item() if "value" in given else 0.0
    if isinstance(value, float):
        return torch.full(list(inputs[0]), value)
    if len(inputs[0]) != 1:
        raise NotImplementedError("of whole numbers, but as a list of sizes")
    return [value] * inputs[0][0]


def _compared(way: Callable[[Any, Any], Any]) -> Operator:
    def run(given: Given, inputs: list[Value], training: bool) -> Value:
        if all(isinstance(each, list) for each in inputs):
            return _of_two(way)(given, inputs, training)
        if not isinstance(inputs[0], Tensor) or isinstance(inputs[1], list):
            raise NotImplementedError("of sizes")
        return way(inputs[0], inputs[1])

    return run


def _gelu(given: Given, inputs: list[Value], training: bool) -> Value:
    return F.gelu(inputs[0], approximate=given.get("approximate", "none"))


TABLE: dict[str, Operator] = {
    "Abs": _plain(torch.abs),
    "Add": _of_two(lambda one, two: one + two),
    "And": _compared(torch.logical_and),
    "AveragePool": _pool("avg"),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Conv": _convolution,
    "Cos": _plain(torch.cos),
    "Div": _of_two(_divide),
    "Dropout": _dropout,
    "Elu": lambda given, inputs, training: F.elu(inputs[0], given.get("alpha", 1.0)),
    "Equal": _compared(lambda one, two: one == two),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": _gelu,
    "GRU": gru,
    "Gemm": _gemm,
    "GlobalAveragePool": _pool_everything,
    "Greater": _compared(lambda one, two: one > two),
    "GreaterOrEqual": _compared(lambda one, two: one >= two),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(F.hardswish),
    "Identity": lambda given, inputs, training: inputs[0],
    "LSTM": lstm,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": lambda given, inputs, training: F.leaky_relu(inputs[0], given.get("alpha", 0.01)),
    "Less": _compared(lambda one, two: one < two),
    "LessOrEqual": _compared(lambda one, two: one <= two),
    "Log": _plain(torch.log),
    "LogSoftmax": _softmax(F.log_softmax),
    "MatMul": lambda given, inputs, training: inputs[0] @ inputs[1],
    "MaxPool": _pool("max"),
    "Mish": _plain(F.mish),
    "Mul": _of_two(lambda one, two: one * two),
    "Neg": _plain(torch.neg),
    "Not": _plain(torch.logical_not),
    "Or": _compared(torch.logical_or),
    "PRelu": _prelu,
    "Pow": _of_two(_power),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceMax": _reduced(torch.amax),
    "ReduceMean": _reduced(torch.mean),
    "ReduceMin": _reduced(torch.amin),
    "ReduceSum": _reduced(torch.sum),
    "Relu": _plain(F.relu),
    "Reshape": _reshape,
    "Shape": lambda given, inputs, training: list(inputs[0].shape)[given.get("start", 0) : given.get("end")],
    "Sigmoid": _plain(torch.sigmoid),
    "Sin": _plain(torch.sin),
    "Slice": _slice,
    "Softmax": _softmax(F.softmax),
    "Softplus": _plain(F.softplus),
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": _squeeze,
    "Sub": _of_two(lambda one, two: one - two),
    "Tanh": _plain(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
"""The operators that are translated."""
