"""A graph once it is read: nodes in the order in which they are done, each an operator of the list and what it is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Element = str
"""Of a tensor: `F32`, `F64`, `I64`, `I32`, `U8` or `BOOL`, in the words of safetensors."""


class Ref(NamedTuple):
    """A value by its name: an input, a tensor of the model, or what an earlier node gave."""

    name: str


class Dtype(NamedTuple):
    """An element type, where an operator is given one."""

    element: Element


Argument: TypeAlias = "bool | int | float | str | Ref | Dtype | tuple[Argument, ...] | None"


class Node(NamedTuple):
    """`outputs`: the names of what it gives; one tuple of names, where it gives one list."""

    operator: str
    arguments: Mapping[str, Argument]
    outputs: tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True)
class TensorForm:
    """A tensor of the model. `role`: `parameter` is learnt; `running` follows the rows (a batch norm's figures); `fixed` stays
    as it is; a `constant` too, and is no part of the module's state. `content`: its first elements, little endian, row major."""

    shape: tuple[int, ...]
    element: Element
    role: str
    content: bytes | memoryview


@dataclass(frozen=True)
class InputForm:
    """An input of b rows; `shape` without b."""

    name: str
    shape: tuple[int, ...]
    element: Element


@dataclass(frozen=True)
class Graph:
    """`tensors` by the researcher's own names; `named`: the name under which nodes speak of each. `result`: what it gives."""

    tensors: Mapping[str, TensorForm]
    named: Mapping[str, str]
    inputs: tuple[InputForm, ...]
    nodes: tuple[Node, ...]
    result: str

    def shapes(self, role: str) -> dict[str, tuple[int, ...]]:
        """The tensors of a role, in the order of the file."""
        return {name: tensor.shape for name, tensor in self.tensors.items() if tensor.role == role}
