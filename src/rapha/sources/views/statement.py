"""A view -> the one statement that gives its rows.

Each select is SQL of a list of structs, one for each row it gives of one element; selects that stand side by side are
multiplied, those of `unionAll` are put one behind the other. The columns are called `c0`, `c1` ... until the end.
"""

import re
from dataclasses import dataclass
from typing import Any

from rapha.errors import ConfigurationError
from rapha.sources.views.expression import Bindings, Context, Expressions, Value
from rapha.sources.views.functions import call
from rapha.sources.views.parser import parse
from rapha.sources.views.tokens import Unreadable
from rapha.sources.views.tree import Call, Child, Item, Node
from rapha.sources.views.view_file import Column, Select, View

DEEPEST_REPEAT = 16
_WHOLE = ("integer", "positiveInt", "unsignedInt", "integer64")


@dataclass(frozen=True)
class Statement:
    """`sql` reads `resources(resource JSON)` and gives the columns `c0`, `c1` ..., called `names` by the view."""

    sql: str
    parameters: dict[str, Any]
    names: tuple[str, ...]


def compile_view(view: View) -> Statement:
    """The statement of a view.

    Raises:
        ConfigurationError: a path cannot be read, columns of a union do not match, or a name is there twice.
    """
    return _Compiler(view).statement()


def columns_of(select: Select) -> tuple[Column, ...]:
    """Every column that a select gives, in order; a union gives those of its first branch."""
    nested = [column for part in select.selects for column in columns_of(part)]
    union = columns_of(select.union[0]) if select.union else ()
    return (*select.columns, *nested, *union)


class _Compiler:
    def __init__(self, view: View) -> None:
        self.view, self.bindings = view, Bindings()
        self.names = tuple(column.name for select in view.selects for column in columns_of(select))
        for name in self.names:
            if self.names.count(name) > 1:
                raise ConfigurationError(f"{view.file}: the column `{name}` is there more than once: rename one")

    def statement(self) -> Statement:
        context = Context("resource", "0", "resource", root=True)
        everything = Select("view", selects=self.view.selects)
        rows = self._rows(everything, context)
        of = f"json_extract_string(resource, '$.resourceType') = {self.bindings.bind(self.view.resource)}"
        conditions = [f"coalesce({self._truth(*where, context)}, false)" for where in self.view.where]
        columns = ", ".join(f"one_row.c{at} AS c{at}" for at in range(len(self.names)))
        sql = (
            f"SELECT {columns} FROM (SELECT unnest({rows}) AS one_row FROM (SELECT resource FROM resources WHERE {of}) "
            f"WHERE {' AND '.join(conditions) or 'true'})"
        )
        used = set(re.findall(r"\$(p\d+)\b", sql))
        parameters = {name: value for name, value in self.bindings.parameters.items() if name in used}
        return Statement(sql, parameters, self.names)

    def _rows(self, select: Select, context: Context) -> str:
        if select.for_each is None and not select.repeat:
            return self._of_one(select, context)
        if select.repeat:
            items = self._repeated(select, context)
        else:
            items = self._items(select.for_each or "", f"{select.place}.forEach", context)
        items = f"or_null({items})" if select.or_null else items
        each, at = self.bindings.name("x"), self.bindings.name("n")
        body = self._of_one(select, context.within(each, f"({at} - 1)"))
        return f"flatten(list_transform({items}, lambda {each}, {at}: {body}))"

    def _of_one(self, select: Select, context: Context) -> str:
        parts = [self._struct(select.columns, context)] if select.columns else []
        parts += [self._rows(nested, context) for nested in select.selects]
        if select.union:
            self._check_union(select)
            parts.append(f"list_concat({', '.join(self._rows(branch, context) for branch in select.union)})")
        product = parts[0]
        for part in parts[1:]:
            left, right = self.bindings.name("l"), self.bindings.name("r")
            pairs = f"list_transform({part}, lambda {right}: struct_concat({left}, {right}))"
            product = f"flatten(list_transform({product}, lambda {left}: {pairs}))"
        return product

    def _struct(self, columns: tuple[Column, ...], context: Context) -> str:
        cells = (f"'c{self.names.index(column.name)}': {self._cell(column, context)}" for column in columns)
        return f"[{{{', '.join(cells)}}}]"

    def _check_union(self, select: Select) -> None:
        first = [column.name for column in columns_of(select.union[0])]
        for branch in select.union[1:]:
            names = [column.name for column in columns_of(branch)]
            if names != first:
                raise ConfigurationError(
                    f"{self.view.file}: {branch.place}: has the columns {', '.join(names)}; expected the same as the "
                    f"first of the union, in that order: {', '.join(first)}"
                )

    def _repeated(self, select: Select, context: Context) -> str:
        """SQL: the elements that the paths give, each followed by those that they give of it, and so on.

        Level by level, not by nested lambdas, whose cost doubles with each: `c` has all elements so far and `d` those
        of the last level, each as its element `e` with its place `k`, a list of numbers, whose order is that of reading.
        """
        if any(not _goes_down(parse(path)) for path in select.repeat):
            raise ConfigurationError(f"{self.view.file}: {select.place}.repeat: a path must go down to an element")
        levels = f"{{'c': [], 'd': [{{'k': CAST([] AS BIGINT[]), 'e': {context.element}}}]}}"
        for depth in range(DEEPEST_REPEAT + 1):
            each, kid, at, so_far = (self.bindings.name(letter) for letter in "exis")
            start = context if depth == 0 else context.within(f"{each}.e")
            paths = [self._items(path, f"{select.place}.repeat[{n}]", start) for n, path in enumerate(select.repeat)]
            kids = f"list_concat({', '.join(paths)})" if len(paths) > 1 else paths[0]
            placed = f"{{'k': list_append({each}.k, {at}), 'e': {kid}}}"
            level = f"flatten(list_transform({so_far}.d, lambda {each}: list_transform({kids}, lambda {kid}, {at}: {placed})))"
            levels = f"list_transform([{levels}], lambda {so_far}: {{'c': list_concat({so_far}.c, {level}), 'd': {level}}})[1]"
        why = self._paths(f"{select.place}.repeat").why(f"goes deeper than {DEEPEST_REPEAT} levels")
        done, each = self.bindings.name("s"), self.bindings.name("e")
        found = f"list_transform(list_sort({done}.c), lambda {each}: {each}.e)"
        return f"list_transform([{levels}], lambda {done}: CASE len({done}.d) WHEN 0 THEN {found} ELSE error({why}) END)[1]"

    def _paths(self, place: str, hint: str = "") -> Expressions:
        return Expressions(
            call, self.bindings, self.view.constants, self.view.resource, f"{self.view.file}: {place}", hint
        )

    def _value(self, path: str, place: str, context: Context, hint: str = "") -> Value:
        try:
            return self._paths(place, hint).value(parse(path), context)
        except Unreadable as error:
            raise ConfigurationError(f"{self.view.file}: {place}: {error}") from None

    def _items(self, path: str, place: str, context: Context) -> str:
        return self._value(path, place, context).as_list()

    def _truth(self, path: str, place: str, context: Context) -> str:
        try:
            return self._paths(place).truth(parse(path), context)
        except Unreadable as error:
            raise ConfigurationError(f"{self.view.file}: {place}: {error}") from None

    def _cell(self, column: Column, context: Context) -> str:
        value = self._value(column.path, column.place, context, column.type or "")
        kind = column.type or {"boolean": "boolean", "number": "decimal"}.get(value.kind, "string")
        why = self._paths(column.place).why(f"expected at most one {kind}, as the column `{column.name}` says")
        each = self.bindings.name("v")
        read = {"boolean": f"truth_in({each}, {why})", "decimal": f"number_in({each}, {why})"}.get(
            kind, f"whole_in({each}, {why})" if kind in _WHOLE else f"text_of({each})"
        )
        if column.collection:
            return f"list_transform({value.as_list()}, lambda {each}: {read})"
        items = self.bindings.name("v")
        one = (
            f"list_transform([single({items}, {why})], lambda {each}: CASE WHEN {each} IS NOT NULL THEN {read} END)[1]"
        )
        return f"list_transform([{value.as_list()}], lambda {items}: {one})[1]"


def _goes_down(node: Node) -> bool:
    match node:
        case Child():
            return True
        case Call() | Item():
            return _goes_down(node.base) or (isinstance(node, Call) and node.name == "extension")
        case _:
            return False
