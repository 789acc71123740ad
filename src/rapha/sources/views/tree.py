"""What a FHIRPath can be made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Literal:
    """A constant of the path. `kind`: boolean, number, text or moment (a date, time or both, as FHIR writes it)."""

    value: bool | int | float | str
    kind: str


@dataclass(frozen=True)
class Empty:
    """`{}`."""


@dataclass(frozen=True)
class This:
    """`$this`, and what a path begins from."""


@dataclass(frozen=True)
class Variable:
    """`%name`."""

    name: str


@dataclass(frozen=True)
class Child:
    """The elements called `name` of each element of `base`."""

    base: "Node"
    name: str


@dataclass(frozen=True)
class Item:
    """`base[index]`, from 0."""

    base: "Node"
    index: "Node"


@dataclass(frozen=True)
class Call:
    """`base.name(arguments)`."""

    base: "Node"
    name: str
    arguments: tuple["Node", ...]


@dataclass(frozen=True)
class Minus:
    """`-operand`."""

    operand: "Node"


@dataclass(frozen=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: "Node"
    right: "Node"


Node = Literal | Empty | This | Variable | Child | Item | Call | Minus | Binary
