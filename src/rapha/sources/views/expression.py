"""The tree of a FHIRPath -> SQL over one resource.

Nothing of a view is pasted into a statement: names of elements, texts, numbers and the words of messages are bound as
parameters; what stands in the statement are words of our own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rapha.sources.views.macros import MARK
from rapha.sources.views.tokens import Unreadable
from rapha.sources.views.tree import Binary, Call, Child, Empty, Item, Literal, Minus, Node, This, Variable
from rapha.sources.views.view_file import Constant

NOTHING = "CAST([] AS JSON[])"


@dataclass(frozen=True)
class Value:
    """SQL of a collection (`list`), or of at most one boolean, number or text: then NULL is nothing."""

    sql: str
    kind: str = "list"

    def as_list(self) -> str:
        return self.sql if self.kind == "list" else f"as_list({self.sql})"


@dataclass(frozen=True)
class Context:
    """Where a path begins: SQL of the element, of its row index, and of the whole resource. `root`: it is the latter."""

    element: str
    row_index: str
    resource: str
    root: bool = False

    def within(self, element: str, row_index: str | None = None) -> "Context":
        return replace(self, element=element, row_index=row_index or self.row_index, root=False)


@dataclass
class Bindings:
    """The parameters of one statement, and names for its lambdas."""

    parameters: dict[str, Any] = field(default_factory=dict)
    _names: int = 0

    def bind(self, value: Any) -> str:
        """The placeholder of a value; the same for the same value."""
        for name, bound in self.parameters.items():
            if type(bound) is type(value) and bound == value:
                return f"${name}"
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"${name}"

    def name(self, letter: str) -> str:
        """A name that no other lambda of the statement has."""
        self._names += 1
        return f"{letter}{self._names}"


@dataclass(frozen=True)
class Expressions:
    """Writes the SQL of paths of one view. `call` knows the functions; `place` is where the path stands in the view,
    `hint` the FHIR type that its column says it has."""

    call: Callable[["Expressions", Call, Context], Value]
    bindings: Bindings
    constants: dict[str, Constant]
    resource_type: str
    place: str
    hint: str = ""

    def why(self, what: str) -> str:
        """The placeholder of what is told when a cell is not as expected."""
        return self.bindings.bind(f"{MARK}{self.place}: {what}")

    def value(self, node: Node, context: Context) -> Value:
        """SQL of a path. Raises Unreadable: it asks for what cannot be."""
        match node:
            case Literal():
                return self._constant(node.value)
            case Empty():
                return Value(NOTHING)
            case This():
                return Value(f"list_filter([{context.element}], lambda m_s: m_s IS NOT NULL)")
            case Variable():
                return self._variable(node.name, context)
            case Child():
                return self._child(node, context)
            case Item():
                return self._item(node, context)
            case Minus():
                return Value(f"(- {self.number(node.operand, context)})", "number")
            case Binary():
                return self._binary(node, context)
            case Call():
                return self.call(self, node, context)

    def items(self, node: Node, context: Context) -> str:
        """SQL of a path as a collection."""
        return self.value(node, context).as_list()

    def truth(self, node: Node, context: Context) -> str:
        """SQL of a path as a boolean."""
        value = self.value(node, context)
        if value.kind == "list":
            return f"one_truth({value.sql}, {self.why('expected true, false or nothing')})"
        if value.kind != "boolean":
            raise Unreadable(f"expected true or false, found a {value.kind}")
        return value.sql

    def number(self, node: Node, context: Context) -> str:
        """SQL of a path as a number."""
        value = self.value(node, context)
        if value.kind == "list":
            return f"one_number({value.sql}, {self.why('expected one number or nothing')})"
        if value.kind != "number":
            raise Unreadable(f"expected a number, found a {value.kind}")
        return value.sql

    def text(self, node: Node, context: Context) -> str:
        """SQL of a path as a text."""
        value = self.value(node, context)
        if value.kind == "list":
            return f"one_text({value.sql}, {self.why('expected one value or nothing')})"
        return value.sql if value.kind == "text" else f"CAST({value.sql} AS VARCHAR)"

    def kids(self, base: Node, name: str, context: Context) -> str:
        """SQL of the elements called `name` of each element of a path."""
        if '"' in name or "\\" in name:
            raise Unreadable(f"{name!r} is no name of an element")
        path = self.bindings.bind(f'$."{name}"')
        if isinstance(base, This):
            return f"kid({context.element}, {path})"
        each = self.bindings.name("k")
        return f"flatten(list_transform({self.items(base, context)}, lambda {each}: kid({each}, {path})))"

    def kept(self, items: str, criterion: Node, context: Context) -> str:
        """SQL of those elements for which a criterion is true."""
        each = self.bindings.name("w")
        truth = self.truth(criterion, context.within(each))
        return f"list_filter({items}, lambda {each}: coalesce({truth}, false))"

    def _constant(self, value: bool | int | float | str) -> Value:
        if isinstance(value, bool):
            return Value("true" if value else "false", "boolean")
        if isinstance(value, str):
            return Value(f"CAST({self.bindings.bind(value)} AS VARCHAR)", "text")
        return Value(f"CAST({self.bindings.bind(value)} AS DOUBLE)", "number")

    def _variable(self, name: str, context: Context) -> Value:
        if name in self.constants:
            return self._constant(self.constants[name].value)
        if name == "rowIndex":
            return Value(f"CAST({context.row_index} AS DOUBLE)", "number")
        if name in ("resource", "rootResource"):
            return Value(f"[{context.resource}]")
        known = ", ".join(f"%{word}" for word in (*self.constants, "rowIndex", "resource"))
        raise Unreadable(f"%{name} is not defined; known are {known}")

    def _child(self, node: Child, context: Context) -> Value:
        if isinstance(node.base, This) and context.root and node.name == self.resource_type:
            return self.value(node.base, context)
        return Value(self.kids(node.base, node.name, context))

    def _item(self, node: Item, context: Context) -> Value:
        each, at = self.bindings.name("e"), self.bindings.name("i")
        index = self.number(node.index, context)
        items = self.items(node.base, context)
        return Value(f"list_filter({items}, lambda {each}, {at}: coalesce({at} - 1 = {index}, false))")

    def _binary(self, node: Binary, context: Context) -> Value:
        match node.operator:
            case "and" | "or":
                left, right = self.truth(node.left, context), self.truth(node.right, context)
                return Value(f"({left} {node.operator.upper()} {right})", "boolean")
            case "xor":
                return Value(f"({self.truth(node.left, context)} <> {self.truth(node.right, context)})", "boolean")
            case "=" | "!=":
                equal = f"equal({self.items(node.left, context)}, {self.items(node.right, context)})"
                return Value(equal if node.operator == "=" else f"(NOT {equal})", "boolean")
            case "<" | "<=" | ">" | ">=":
                why = self.why("expected two numbers, two texts or two times to compare")
                order = f"compared({self.items(node.left, context)}, {self.items(node.right, context)}, {why})"
                return Value(f"({order} {node.operator} 0)", "boolean")
            case "&":
                parts = (self.text(side, context) for side in (node.left, node.right))
                return Value(f"concat({', '.join(parts)})", "text")
            case _:
                return self._arithmetic(node, context)

    def _arithmetic(self, node: Binary, context: Context) -> Value:
        sides = [self.value(side, context).kind for side in (node.left, node.right)]
        if node.operator == "+" and "text" in sides:
            return Value(f"({self.text(node.left, context)} || {self.text(node.right, context)})", "text")
        left, right = self.number(node.left, context), self.number(node.right, context)
        match node.operator:
            case "+" | "-" | "*":
                return Value(f"({left} {node.operator} {right})", "number")
            case "/":
                return Value(f"({left} / nullif({right}, 0))", "number")
            case "div":
                return Value(f"trunc({left} / nullif({right}, 0))", "number")
            case _:
                return Value(f"fmod({left}, nullif({right}, 0))", "number")
