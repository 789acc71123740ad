"""ACES endpoints -> moments around the trigger, and from there around the index.

An endpoint is nothing (the record's start or end), the trigger or another endpoint moved by a fixed time, or the next or
last event of a predicate from there.
"""

import re
from dataclasses import dataclass, replace
from datetime import timedelta

from rapha.sdk.importers.draft import Untranslated
from rapha.sdk.marked_yaml import Marked

_MOVED = re.compile(r"^(\S+)\s*([+-])\s*(.+)$")
_EVENT = re.compile(r"^(\S+)\s*(->|<-)\s*(\S+)$")
_PIECE = re.compile(r"(\d+)\s*([a-z]+)")
_UNITS = {
    "weeks": ("w", "week", "weeks", "wk", "wks"),
    "days": ("d", "day", "days"),
    "hours": ("h", "hr", "hrs", "hour", "hours"),
    "minutes": ("m", "min", "mins", "minute", "minutes"),
    "seconds": ("s", "sec", "secs", "second", "seconds"),
}
_WINDOW_KEYS = ("start", "end", "start_inclusive", "end_inclusive", "has", "label", "index_timestamp")


@dataclass(frozen=True)
class Moment:
    """`of`: "trigger", "record" (its start or end), "next" or "last"; the latter of `predicate`, from `origin`."""

    of: str
    moved: timedelta = timedelta(0)
    predicate: str = ""
    origin: "Moment | None" = None


@dataclass(frozen=True)
class Window:
    name: str
    node: Marked
    start: Moment
    end: Moment
    start_in: bool
    end_in: bool

    @property
    def place(self) -> str:
        return f"windows.{self.name}"


def read_windows(tree: Marked) -> list[Window]:
    """Every window, its ends resolved to moments around the trigger. Raises Untranslated."""
    top = tree.at("windows")
    if top is None or not top.children:
        raise Untranslated("there are no windows", tree.line, "windows")
    nodes = {str(name): node for name, node in top.children.items()}
    for name, node in nodes.items():
        for key, child in node.children.items():
            if key not in _WINDOW_KEYS:
                raise Untranslated("no such key is known of an ACES window", child.line, f"windows.{name}.{key}")
    return [
        Window(
            name, node, _endpoint(nodes, name, "start", 0), _endpoint(nodes, name, "end", 0),
            _flag(node, name, "start_inclusive"), _flag(node, name, "end_inclusive"),
        )
        for name, node in nodes.items()
    ]  # fmt: skip


def _flag(node: Marked, name: str, key: str) -> bool:
    child = node.children.get(key)
    said = "" if child is None else str(child.value).lower()
    if said not in ("true", "false"):
        raise Untranslated("is neither True nor False", child.line if child else node.line, f"windows.{name}.{key}")
    return said == "true"


def _endpoint(nodes: dict[str, Marked], name: str, side: str, depth: int) -> Moment:
    node = nodes[name]
    child = node.children.get(side)
    place, line = f"windows.{name}.{side}", child.line if child else node.line
    if depth > 2 * len(nodes):
        raise Untranslated("leads round in a circle", line, place)
    if child is None or child.value is None or str(child.value).strip() in ("", "NULL", "None"):
        return Moment("record")
    text = str(child.value).strip()

    def referred(reference: str) -> Moment:
        if reference == "trigger":
            return Moment("trigger")
        of, _, other = reference.rpartition(".")
        of = of or name
        if of not in nodes or other not in ("start", "end"):
            raise Untranslated(f"refers to `{reference}`, which is not there", line, place)
        return _endpoint(nodes, of, other, depth + 1)

    if found := _EVENT.match(text):
        return Moment("next" if found[2] == "->" else "last", timedelta(0), found[3], referred(found[1]))
    if found := _MOVED.match(text):
        by = _duration(found[3], line, place)
        start = referred(found[1])
        if start.of == "record":
            raise Untranslated(
                "is so long from the record's start or end, which the language does not name", line, place
            )
        return replace(start, moved=start.moved + (by if found[2] == "+" else -by))
    return referred(text)


def _duration(text: str, line: int, place: str) -> timedelta:
    pieces = _PIECE.findall(text.lower())
    names = {short: unit for unit, shorts in _UNITS.items() for short in shorts}
    rest = _PIECE.sub("", text.lower()).replace(",", "").replace("and", "").strip()
    if not pieces or rest or any(unit not in names for _, unit in pieces):
        raise Untranslated(f"the duration {text!r} is not read: write it as '24 hours' or '30 days'", line, place)
    total = timedelta(0)
    for count, unit in pieces:
        total += timedelta(**{names[unit]: int(count)})
    return total


def said(length: timedelta, line: int, place: str) -> str:
    """`30 days`, `36 hours`. Raises Untranslated: it is no whole number of hours, or too long."""
    hours, rest = divmod(length, timedelta(hours=1))
    days = hours % 24 == 0
    count = hours // 24 if days else hours
    if rest or not 1 <= count <= 36_500:
        raise Untranslated(
            "is no whole number of hours, or longer than a life: a study counts hours and days", line, place
        )
    return f"{count} {'days' if days else 'hours'}"
