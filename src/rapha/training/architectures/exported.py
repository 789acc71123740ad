"""A model of the researcher's own: its graph, node by node. No code of it runs; this page is all that does.

A node's operator is one of `rapha.graph.operators`, done by torch's own function of that name on values that this run made. None
of them writes into what it is given, but batch norm into its running figures, and those are tensors of the model.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.graph.fit import check_fits
from rapha.graph.forms import Argument, Dtype, Graph, Node, Ref
from rapha.graph.operators import ATTENTION, BATCH_NORM, DROPOUT, OF_COUNTS, OPERATORS, SIZE
from rapha.graph.reading import read_graph
from rapha.records.dense import DenseFeature
from rapha.records.feature import SequenceFeature
from rapha.records.study import Study
from rapha.records.tensors import dense_of, feature_names, sequence_of
from rapha.training.architectures.network import Network, Standards
from rapha.training.inputs import Inputs

DTYPES = {
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NUMPY = {"F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
LEARNT = ("parameter", "running")
_LARGEST_COUNT = 1 << 40


def function_of(operator: str) -> Callable[..., Any]:
    """Torch's function of an operator of the list."""
    if operator not in OPERATORS:  # asked again where it is looked up: a name that is not on the list reaches nothing
        raise TrainingFailed(f"the operator {operator[:80]} is not on the list", "operator-not-allowed")
    _, name, overload = operator.split(".")
    function: Callable[..., Any] = getattr(getattr(torch.ops.aten, name), overload)
    return function


class Interpreter(Network):
    """A graph over `Inputs`. It takes the features [b, 2F + D] first: values, then flags of what is missing, also of each of the
    D arrays; of a sequence its `Steps.latest`; then the arrays in the study's order: an image as float32 [b, 1, *shape], a note's bytes as int64 [b, at_most]."""

    def __init__(
        self, features: int, dense: tuple[DenseFeature, ...], graph: Graph, sequence: SequenceFeature | None = None
    ) -> None:
        super().__init__(features)
        self.graph, self.dense, self.steps = graph, dense, sequence
        self.sequence = Standards(len(sequence.of)) if sequence else None
        self._first = {name: _tensor(graph, name) for name in graph.tensors}
        self._learnt = nn.ParameterList(nn.Parameter(self._first[name].clone()) for name in graph.shapes("parameter"))
        self._running = {name: self._first[name].clone() for name in graph.shapes("running")}
        self._held = {
            **self._first,
            **self._running,
            **dict(zip(graph.shapes("parameter"), self._learnt, strict=True)),
        }
        self._nodes = [_Step(self, node) for node in graph.nodes]
        self._last_use = _last_uses(graph)

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        return self.run(self._given(inputs, rows))

    def run(self, given: Sequence[Tensor]) -> Tensor:
        """The score [b] of what the graph takes, in its order."""
        values: dict[str, Any] = {name: self._held[tensor] for name, tensor in self.graph.named.items()}
        values |= {form.name: each for form, each in zip(self.graph.inputs, given, strict=True)}
        for place, step in enumerate(self._nodes):
            step.do(values)
            for name in self._last_use.get(place, ()):
                del values[name]
        score = values[self.graph.result]
        if not isinstance(score, Tensor) or score.numel() != len(given[0]) or not score.is_floating_point():
            raise TrainingFailed("the model's graph does not give one number a row", "graph-mismatch")
        return score.reshape(-1).float()

    def reset(self, chance: torch.Generator) -> None:
        """Back to the tensors that came with the graph: the researcher drew them, or trained them before."""
        with torch.no_grad():
            for name, tensor in self._held.items():
                if self.graph.tensors[name].role in LEARNT:
                    tensor.copy_(self._first[name])

    def state_dict(self, *_: Any, **__: Any) -> dict[str, Any]:  # type: ignore[override]
        """Our standards, and what is learnt, by the researcher's own names."""
        own = {name: tensor for name, tensor in self._held.items() if self.graph.tensors[name].role in LEARNT}
        groups = {"features": self.features} | ({"sequence": self.sequence} if self.sequence else {})
        ours = {f"{name}.{each}": getattr(group, each) for name, group in groups.items() for each in ("mean", "scale")}
        return {**ours, **own}

    def _given(self, inputs: Inputs, rows: Tensor) -> list[Tensor]:
        places, flags, arrays = rows.numpy(), [inputs.features[rows]], []
        for feature in self.dense:
            if feature.name not in inputs.arrays:
                raise TrainingFailed(f"the rows have no {feature.name}")
            found = inputs.arrays[feature.name]
            missing = torch.from_numpy(~found.present[places])
            flags.append(missing.float().unsqueeze(1))
            batch = torch.from_numpy(found.batch(places))
            batch[missing] = 0  # what lies in the rows where there is none is nobody's
            arrays.append(batch.float().unsqueeze(1) if feature.kind == "image" else batch.long())
        if self.steps is not None:
            if inputs.steps is None:
                raise TrainingFailed("the rows have no sequence")
            arrays = [*inputs.steps.latest(rows, self.steps.at_most), *arrays]
        return [torch.cat(flags, dim=1), *arrays]


class _Step:
    """One node: its function, made ready once."""

    def __init__(self, network: Interpreter, node: Node) -> None:
        self._network, self._node = network, node
        self._do: Callable[..., Any] = _OWN[node.operator] if node.operator in _OWN else function_of(node.operator)
        self._own = node.operator in _OWN

    def do(self, values: dict[str, Any]) -> None:
        """Raises TrainingFailed: torch cannot do this with what it is given."""
        given = {name: _value(argument, values) for name, argument in self._node.arguments.items()}
        try:
            found = self._do(self._network, **given) if self._own else self._do(**given)
        except (RuntimeError, TypeError, ValueError, IndexError, KeyError) as error:
            if isinstance(error, RuntimeError) and "alloc" in str(error):  # of memory: not the graph's form
                raise
            raise TrainingFailed(f"{self._node.operator} of the model's graph: {error}", "graph-refused") from error
        outputs = self._node.outputs
        for name, value in zip(outputs, (found,) if len(outputs) == 1 else found, strict=True):
            values |= {name: value} if isinstance(name, str) else dict(zip(name, value, strict=True))


def _value(argument: Argument, values: Mapping[str, Any]) -> Any:
    match argument:
        case Ref():
            return values[argument.name]
        case Dtype():
            return DTYPES[argument.element]
        case tuple():
            return [_value(item, values) for item in argument]
        case _:
            return argument


def _batch_norm(network: Interpreter, training: bool, **given: Any) -> Tensor:
    """While the trainer trains, where the graph says that it trains."""
    own = {key: given.get(key) for key in ("input", "weight", "bias", "running_mean", "running_var")}
    trains = training and (network.training or own["running_mean"] is None)
    found: Tensor = torch.ops.aten.batch_norm.default(
        *own.values(), trains, given.get("momentum", 0.1), given.get("eps", 1e-5), False
    )
    return found


def _dropout(network: Interpreter, input: Tensor, p: float, train: bool) -> Tensor:
    """By the trainer's chance; none where it does not train."""
    if not (network.training and train and p):
        return input
    if not 0 < p < 1:
        raise ValueError("a chance is between 0 and 1")
    kept = torch.empty_like(input).bernoulli_(1 - p, generator=network.noise)
    return input * kept / (1 - p)


def _attention(
    network: Interpreter,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query key' scale) value (Vaswani et al. 2017), written out so that its dropout takes the trainer's chance."""
    if enable_gqa:
        raise ValueError("attention of grouped queries is not done")
    scores = query @ key.transpose(-2, -1) * (scale if scale is not None else query.shape[-1] ** -0.5)
    if is_causal:
        scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -math.inf)
    if attn_mask is not None:
        bools = attn_mask.dtype == torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if bools else scores + attn_mask
    return _dropout(network, torch.softmax(scores, dim=-1), dropout_p, True) @ value


def _size(network: Interpreter, self: Tensor, dim: int) -> int:
    return self.shape[dim]


def _count(do: Callable[[int, int], int]) -> Callable[..., int]:
    def counted(network: Interpreter, a: int, b: int) -> int:
        found = do(int(a), int(b))
        if abs(found) > _LARGEST_COUNT:
            raise ValueError("a number of elements beyond all measure")
        return found

    return counted


_OWN: dict[str, Callable[..., Any]] = {
    BATCH_NORM: _batch_norm,
    DROPOUT: _dropout,
    ATTENTION: _attention,
    SIZE: _size,
    "_operator.add": _count(lambda a, b: a + b),
    "_operator.sub": _count(lambda a, b: a - b),
    "_operator.mul": _count(lambda a, b: a * b),
    "_operator.floordiv": _count(lambda a, b: a // b if b else _LARGEST_COUNT + 1),
}
"""Operators whose doing is ours: those that depend on whether the trainer trains, and those of counts."""
assert set(_OWN) >= OF_COUNTS


def _tensor(graph: Graph, name: str) -> Tensor:
    form = graph.tensors[name]
    return torch.from_numpy(np.frombuffer(form.content, dtype=_NUMPY[form.element]).reshape(form.shape).copy())


def _last_uses(graph: Graph) -> dict[int, list[str]]:
    """By the place of a node: the values that nobody asks for after it."""
    last: dict[str, int] = {}
    for place, node in enumerate(graph.nodes):
        for name in [*_names(tuple(node.arguments.values())), *_flat(node.outputs)]:
            last[name] = place
    last.pop(graph.result, None)
    found: dict[int, list[str]] = {}
    for name, place in last.items():
        found.setdefault(place, []).append(name)
    return found


def _names(arguments: tuple[Argument, ...]) -> list[str]:
    names: list[str] = []
    for argument in arguments:
        if isinstance(argument, Ref):
            names.append(argument.name)
        elif isinstance(argument, tuple) and not isinstance(argument, Dtype):
            names += _names(argument)
    return names


def _flat(outputs: tuple[str | tuple[str, ...], ...]) -> list[str]:
    return [name for output in outputs for name in ((output,) if isinstance(output, str) else output)]


def build_exported(study: Study, graph: bytes | None) -> Interpreter:
    """Raises TrainingFailed: there is no file, it is not one that is read, or not the one that the study states."""
    if graph is None:
        raise TrainingFailed("the model's graph is not here", "graph-refused")
    read = read_graph(graph)
    check_fits(study, read)
    return Interpreter(len(feature_names(study)), dense_of(study), read, sequence_of(study))
