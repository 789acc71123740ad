"""The JSON of a graph, read with limits into a `Graph`. Nothing of it is ever run, and no name in it is looked up in torch.

Torch's own schema 8 (torch/_export/serde/schema.py, torch 2.13). Keys that say nothing of what is computed are passed over.

1. strict JSON; 2. one result, given by a node; 3. every value has one name and is named before it is used, so that there is no
cycle; 4. operators of the list alone; 5. arguments are numbers, words of a list, element types, and names; 6. tensors of plain
element types, contiguous, of exactly their bytes; 7. nothing but batch norm moves a tensor, and that a buffer of its own, which nothing
else reads: what one step leaves there, no other operator of the next step can find.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from rapha.errors import TrainingFailed
from rapha.graph.archive import MODEL, TENSORS, read_members, refused, weight_member
from rapha.graph.forms import Argument, Dtype, Graph, InputForm, Node, Ref, TensorForm
from rapha.graph.operators import (
    BATCH_NORM,
    MAX_SPREAD,
    OPERATORS,
    SPREADING,
    UNREAD,
    WITHOUT_CHANCE,
    WORDS,
)
from rapha.strict_json import NotStrict, strict_json

SCHEMA = 8
MAX_NODES, MAX_TENSORS, MAX_INPUTS, MAX_SIDES, MAX_LIST = 10_000, 5_000, 16, 8, 1_000
MAX_ELEMENTS = 1 << 27
ELEMENTS = {1: "U8", 4: "I32", 5: "I64", 7: "F32", 8: "F64", 12: "BOOL"}
"""Torch's numbers of element types."""

BYTES = {"U8": 1, "I32": 4, "I64": 8, "F32": 4, "F64": 8, "BOOL": 1}
TENSOR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_LETTERS = 200


def read_graph(data: bytes) -> Graph:
    """The graph of a `.pt2` file that `rapha.export_model` wrote.

    Raises:
        TrainingFailed: `graph-refused`: the file or its graph is not as it should be; `operator-not-allowed`.
    """
    members = read_members(data)
    model, weights = _json(members[MODEL], "graph"), _json(members[TENSORS], "list of tensors")
    if not isinstance(version := _at(model, "schema_version", dict).get("major"), int) or version != SCHEMA:
        raise refused(f"it is written by another torch: schema {SCHEMA} is read")
    module = _at(model, "graph_module", dict)
    graph, signature = _at(module, "graph", dict), _at(module, "signature", dict)
    reading = _Reading(members, _at(weights, "config", dict), graph)
    reading.take_inputs(_at(signature, "input_specs", list), _at(graph, "inputs", list))
    reading.take_nodes(_at(graph, "nodes", list))
    return reading.finish(_at(signature, "output_specs", list), _at(graph, "outputs", list))


class _Reading:
    """Goes through a graph once, from its inputs to its result."""

    def __init__(self, members: Mapping[str, memoryview], weights: Mapping[str, Any], graph: Mapping[str, Any]) -> None:
        self._members, self._weights = members, weights
        self._values = _at(graph, "tensor_values", dict)
        self._named: dict[str, str] = {}
        self._parameters: dict[str, bool] = {}
        self._constants: set[str] = set()
        self._running: set[str] = set()
        self._read: set[str] = set()
        self._inputs: list[InputForm] = []
        self._nodes: list[Node] = []
        self._known: set[str] = set()
        self._given: set[str] = set()

    def take_inputs(self, specs: list[Any], inputs: list[Any]) -> None:
        if len(specs) > MAX_TENSORS + MAX_INPUTS or [_input_name(spec) for spec in specs] != [
            _tensor(i) for i in inputs
        ]:
            raise refused("its inputs are not those of its signature, or are too many")
        for spec in specs:
            kind, about = _only(spec)
            name = _input_name(spec)
            self._define(name)
            match kind:
                case "user_input":
                    self._inputs.append(self._input(name))
                case "parameter":
                    self._own(_tensor_name(about.get("parameter_name")), name, parameter=True)
                case "buffer":
                    self._own(tensor := _tensor_name(about.get("buffer_name")), name, parameter=False)
                    self._constants |= set() if about.get("persistent") is True else {tensor}
                case _:
                    raise refused(f"an input of the kind {str(kind)[:40]!r}; there are inputs, parameters and buffers")
        if not 1 <= len(self._inputs) <= MAX_INPUTS:
            raise refused(f"it takes {len(self._inputs)} inputs; 1 to {MAX_INPUTS} can be given")

    def take_nodes(self, nodes: list[Any]) -> None:
        if not 1 <= len(nodes) <= MAX_NODES:
            raise refused(f"it has {len(nodes)} nodes; 1 to {MAX_NODES} are read")
        for node in nodes:
            if not isinstance(node, dict):
                raise refused("a node is no object")
            operator = str(node.get("target"))[:_MOST_LETTERS].removeprefix("torch.ops.")
            if operator not in OPERATORS:
                raise _not_allowed(operator)
            read = Node(operator, dict(self._arguments(operator, _at(node, "inputs", list))), self._outputs(node))
            self._check(read)
            self._nodes.append(read)

    def finish(self, specs: list[Any], outputs: list[Any]) -> Graph:
        if len(specs) != 1 or len(outputs) != 1:
            raise refused("it gives more than one result; a model gives one number a row")
        kind, about = _only(specs[0])
        result = _tensor(outputs[0])
        if kind != "user_output" or _tensor(about.get("arg")) != result or result not in self._given:
            raise refused("its result is not what a node gives")
        if shared := self._running & self._read:
            raise refused(f"the running figure {min(shared)} of a batch norm is read by another operator too")
        tensors = {name: self._form(name) for name in self._named.values()}
        if set(self._weights) != set(tensors):
            raise refused("the tensors of the file are not those of the graph")
        if not any(tensor.role == "parameter" for tensor in tensors.values()):
            raise refused("it has no parameter to learn")
        return Graph(tensors, dict(self._named), tuple(self._inputs), tuple(self._nodes), result)

    def _define(self, name: str) -> None:
        if name in self._known:
            raise refused(f"the name {name} is given twice")
        self._known.add(name)

    def _own(self, tensor: str, name: str, *, parameter: bool) -> None:
        if tensor in self._parameters:
            raise refused(f"the tensor {tensor} is there twice")
        self._named[name], self._parameters[tensor] = tensor, parameter

    def _input(self, name: str) -> InputForm:
        element, sizes = _meta(self._values.get(name))
        if not sizes or sizes[0] is not None or None in sizes[1:]:
            raise refused(f"the input {name}: its first side, and no other, is the number of rows")
        return InputForm(name, _shape(sizes[1:]), element)

    def _form(self, tensor: str) -> TensorForm:
        entry = self._weights.get(tensor)
        if not isinstance(entry, dict) or entry.get("use_pickle") is not False:
            raise refused(f"the tensor {tensor} is not there as plain bytes")
        meta = entry.get("tensor_meta")
        element, sizes = _meta(meta)
        shape = _shape(sizes)
        number = re.fullmatch(r"weight_(\d{1,5})", str(entry.get("path_name")))
        content = self._members.get(weight_member(int(number[1]))) if number else None
        if content is None or len(content) != math.prod(shape) * BYTES[element]:
            raise refused(f"the tensor {tensor} has not the bytes of its shape")
        assert isinstance(meta, dict)
        role = "constant" if tensor in self._constants else "fixed"
        if tensor in self._running:
            role = "running"
        elif self._parameters[tensor] and meta.get("requires_grad") is True:
            role = "parameter"
        if role in ("running", "parameter") and element != "F32":
            raise refused(f"the tensor {tensor} is {element}; what is learnt is F32")
        return TensorForm(shape, element, role, content)

    def _arguments(self, operator: str, given: list[Any]) -> Iterator[tuple[str, Argument]]:
        names: set[str] = set()
        if len(given) > MAX_LIST:
            raise refused(f"{operator} is given too much")
        for one in given:
            name = one.get("name") if isinstance(one, dict) else None
            if not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _MOST_LETTERS or name in names:
                raise refused(f"an argument of {operator} has no name, or another's")
            names.add(name)
            if name not in UNREAD:
                yield name, self._argument(operator, one.get("arg"))

    def _argument(self, operator: str, value: Any) -> Argument:
        kind, content = _only(value)
        match kind, content:
            case "as_none", _:
                return None
            case "as_tensor", {"name": str(name)}:
                return self._ref(name)
            case (("as_sym_int" | "as_int" | "as_bool" | "as_float"), _):
                return self._number(content)
            case (("as_tensors" | "as_ints" | "as_floats" | "as_bools" | "as_sym_ints"), list(items)):
                if len(items) <= MAX_LIST:
                    return tuple(self._ref(_named(i)) if kind == "as_tensors" else self._number(i) for i in items)
            case "as_string", str(word) if word in WORDS:
                return word
            case "as_scalar_type", int(number) if number in ELEMENTS:
                return Dtype(ELEMENTS[number])
        raise refused(f"{operator} is given what no operator of the list is given ({str(kind)[:40]})")

    def _number(self, value: Any) -> Argument:
        """A number, or the name of one that a node gave."""
        match value:
            case bool():
                return value
            case int() if -(2**63) <= value < 2**63:
                return value
            case float() if math.isfinite(value):
                return value
            case {"as_name": str(name)} if len(value) == 1:
                return self._ref(name)
            case {"as_int": int(number)} if len(value) == 1 and -(2**63) <= number < 2**63:
                return number
        raise refused("a number is none, or too large")

    def _ref(self, name: str) -> Ref:
        if name not in self._known:
            raise refused(f"the value {name[:80]} is used before it is there")
        return Ref(name)

    def _outputs(self, node: Mapping[str, Any]) -> tuple[str | tuple[str, ...], ...]:
        outputs: list[str | tuple[str, ...]] = []
        for output in _at(node, "outputs", list):
            kind, content = _only(output)
            match kind, content:
                case "as_tensor", {"name": str(name)}:
                    outputs.append(self._give(name))
                case "as_sym_int", {"as_name": str(name)}:
                    outputs.append(self._give(name))
                case "as_tensors", list(items) if len(items) <= MAX_LIST:
                    outputs.append(tuple(self._give(_named(item)) for item in items))
                case _:
                    raise refused("a node gives neither a tensor nor a whole number")
        if not 1 <= len(outputs) <= MAX_LIST:
            raise refused("a node gives nothing, or too much")
        return tuple(outputs)

    def _give(self, name: str) -> str:
        if not _NAME.fullmatch(name) or len(name) > _MOST_LETTERS:
            raise refused("a value has no name of letters and digits")
        self._define(name)
        self._given.add(name)
        return name

    def _check(self, node: Node) -> None:
        """What only holds of some operators."""
        if node.operator in SPREADING and _spread(node) > MAX_SPREAD:
            raise refused(f"{node.operator} gives more than {MAX_SPREAD} elements a row")
        if (chance := WITHOUT_CHANCE.get(node.operator)) and node.arguments.get(chance, 0.0) != 0.0:
            raise refused(f"{node.operator} has a dropout of its own: put an nn.Dropout behind it")
        moving = ("running_mean", "running_var") if _moves(node) else ()
        for name in moving:
            moved = node.arguments.get(name)
            tensor = self._named.get(moved.name, "") if isinstance(moved, Ref) else ""
            if moved is not None and (self._parameters.get(tensor, True) or tensor in self._running):
                raise refused(f"a batch norm moves a {name} that is no buffer of its own")
            self._running |= {tensor} if moved is not None else set()
        given = (value for name, each in node.arguments.items() if name not in moving for value in _several(each))
        self._read |= {self._named.get(value.name, "") for value in given if isinstance(value, Ref)}


def _moves(node: Node) -> bool:
    return node.operator == BATCH_NORM and node.arguments.get("training") is not False


def _spread(node: Node) -> int:
    """The most elements a row that the node asks for by number."""
    sizes = [size for name in ("size", "repeats", "end") for size in _several(node.arguments.get(name))]
    return math.prod(max(abs(size), 1) for size in sizes if isinstance(size, int))


def _several(value: Argument) -> tuple[Argument, ...]:
    return value if isinstance(value, tuple) and not isinstance(value, Ref | Dtype) else (value,)


def _json(content: memoryview, what: str) -> dict[str, Any]:
    try:
        value = strict_json(content)
    except NotStrict:
        value = None
    if not isinstance(value, dict):
        raise refused(f"the {what} is no plain JSON object")
    return value


def _at(where: Mapping[str, Any], key: str, kind: type) -> Any:
    value = where.get(key)
    if not isinstance(value, kind):
        raise refused(f"the key {key} is missing, or of another form")
    return value


def _only(value: Any) -> tuple[str, Any]:
    """The one key of a union, and what is under it."""
    if not isinstance(value, dict) or len(value) != 1:
        raise refused("a value is of none of the known forms")
    ((key, content),) = value.items()
    return key, content


def _named(value: Any) -> str:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise refused("a value has no name")
    name: str = value["name"]
    return name


def _tensor(value: Any) -> str:
    kind, content = _only(value)
    if kind != "as_tensor":
        raise refused("an input or result is no tensor")
    return _named(content)


def _input_name(spec: Any) -> str:
    kind, about = _only(spec)
    given = about.get("arg") if isinstance(about, dict) else None
    name = _tensor(given) if kind == "user_input" else _named(given)
    if not _NAME.fullmatch(name) or len(name) > _MOST_LETTERS:
        raise refused("an input has no name of letters and digits")
    return name


def _tensor_name(value: Any) -> str:
    if not isinstance(value, str) or not TENSOR_NAME.fullmatch(value) or len(value) > _MOST_LETTERS:
        raise refused("a tensor has no name of letters, digits, '_' and '.'")
    return value


def _meta(meta: Any) -> tuple[str, list[int | None]]:
    """(element type, sides); None is a side that is not fixed."""
    if not isinstance(meta, dict) or type(meta.get("dtype")) is not int or meta["dtype"] not in ELEMENTS:
        raise refused("a tensor is of no plain element type")
    sizes = [_side(side) for side in _at(meta, "sizes", list)[: MAX_SIDES + 1]]
    if len(sizes) > MAX_SIDES or math.prod(size or 1 for size in sizes) > MAX_ELEMENTS:
        raise refused(f"a tensor has more than {MAX_SIDES} sides, or more than {MAX_ELEMENTS} elements")
    return ELEMENTS[meta["dtype"]], sizes


def _side(value: Any) -> int | None:
    kind, content = _only(value)
    if kind == "as_expr":
        return None
    if kind != "as_int" or type(content) is not int or not 0 <= content <= MAX_ELEMENTS:
        raise refused("a side of a tensor is no number of elements")
    return content


def _shape(sizes: list[int | None]) -> tuple[int, ...]:
    if any(size is None for size in sizes):
        raise refused("a side of a tensor is not fixed")
    return tuple(size for size in sizes if size is not None)


def _not_allowed(operator: str) -> TrainingFailed:
    known = re.sub(r"[^A-Za-z0-9_.:]", "?", operator)[:80]
    return TrainingFailed(f"the model's graph: the operator {known} is not on the list", "operator-not-allowed")
