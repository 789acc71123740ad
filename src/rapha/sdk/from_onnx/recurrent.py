"""LSTM and GRU of ONNX in torch: other orders of the gates, so that the file's own tensors are sliced and put together anew at each use.

What is learnt are the file's tensors under the file's names. ONNX has the gates i, o, f, c and z, r, h; torch i, f, c, o and r, z, h.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Value = Any
_PLAIN = {"activations": None, "clip": None, "layout": 0, "input_forget": 0}
"""What is not translated where it says something else."""


def lstm(given: Mapping[str, Any], inputs: list[Value], training: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Of [T, rows, I]: all states [T, D, rows, H], the last [D, rows, H], the last cells."""
    _check(given, inputs, (7,))
    steps, parameters, both = inputs[0], _parameters(inputs, (0, 2, 3, 1)), given.get("direction") == "bidirectional"
    start = [_start(inputs, place, steps) for place in (5, 6)]
    states, last, cells = torch.lstm(steps, start, parameters, _has_bias(inputs), 1, 0.0, training, both, False)
    return _by_direction(states, last), last, cells


def gru(given: Mapping[str, Any], inputs: list[Value], training: bool) -> tuple[Tensor, Tensor]:
    """Of [T, rows, I]: all states [T, D, rows, H], and the last [D, rows, H]."""
    _check(given, inputs, ())
    if not given.get("linear_before_reset", 0):
        raise NotImplementedError("that resets before it is multiplied: torch has linear_before_reset=1")
    steps, parameters, both = inputs[0], _parameters(inputs, (1, 0, 2)), given.get("direction") == "bidirectional"
    states, last = torch.gru(
        steps, _start(inputs, 5, steps), parameters, _has_bias(inputs), 1, 0.0, training, both, False
    )
    return _by_direction(states, last), last


def _check(given: Mapping[str, Any], inputs: list[Value], never: Sequence[int]) -> None:
    other = [name for name, plain in _PLAIN.items() if given.get(name, plain) != plain]
    direction = given.get("direction", "forward")
    if other or direction not in ("forward", "bidirectional"):
        raise NotImplementedError(f"with {other[0] if other else direction}")
    if any(_at(inputs, place) is not None for place in (4, *never)):
        raise NotImplementedError("of sequences of several lengths, or with peepholes")


def _parameters(inputs: list[Value], order: Sequence[int]) -> list[Tensor]:
    """Of each direction: what goes in, what comes back, and their biases, in the gates' order of torch."""
    found, (_, given, back), bias = [], inputs[:3], _at(inputs, 3)
    for way in range(given.shape[0]):
        found += [_reordered(given[way], order), _reordered(back[way], order)]
        if bias is not None:
            found += [_reordered(half, order) for half in bias[way].chunk(2)]
    return found


def _reordered(gates: Tensor, order: Sequence[int]) -> Tensor:
    parts = gates.chunk(len(order))
    return torch.cat([parts[place] for place in order])


def _start(inputs: list[Value], place: int, steps: Tensor) -> Tensor:
    found = _at(inputs, place)
    back = inputs[2]
    return found if isinstance(found, Tensor) else steps.new_zeros((back.shape[0], steps.shape[1], back.shape[2]))


def _has_bias(inputs: list[Value]) -> bool:
    return _at(inputs, 3) is not None


def _by_direction(states: Tensor, last: Tensor) -> Tensor:
    """From [T, rows, D * H]."""
    return states.reshape(*states.shape[:2], last.shape[0], last.shape[2]).permute(0, 2, 1, 3)


def _at(inputs: list[Value], place: int) -> Value:
    return inputs[place] if len(inputs) > place else None
