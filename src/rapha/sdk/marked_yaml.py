"""YAML with its lines: every value of a study file, and where a person wrote it.

Only the plain part of YAML 1.2 is read: mappings, lists, text, numbers, nothing. Anchors, aliases and tags are refused,
so that no file can grow when it is read; so is nesting deeper than `DEPTH`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

DEPTH = 20
Place = tuple[str | int, ...]
_PLAIN = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, where, and what was expected.

    `not_yet`: it is a word of a later version. `missing`: nothing is there; `key` is the key that should be, in a fault
    of something else there the key that was probably meant: of two faults about one key, the missing one says less.
    """

    line: int
    place: Place
    message: str
    not_yet: bool = False
    key: str = ""
    missing: bool = False

    def sentence(self, file: str) -> str:
        """`study.yaml:21: cohort.include[0].age: ...`"""
        place = written(self.place)
        return f"{file}:{self.line}: {place}: {self.message}" if place else f"{file}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Marked:
    """A value and the line (from 1) it starts on; the children of a mapping or a list by key or by place."""

    value: Any
    line: int
    children: dict[str | int, "Marked"] = field(default_factory=dict)

    def at(self, *place: str | int) -> "Marked | None":
        """The value at that place below this one, or None."""
        found: Marked | None = self
        for part in place:
            found = found.children.get(part) if found else None
        return found


class Unreadable(Exception):
    """The text is not the YAML that is read here; the faults say why."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(len(faults))
        self.faults = faults


def written(place: Place) -> str:
    """`cohort.include[0].age`"""
    text = ""
    for part in place:
        if isinstance(part, int) or not _PLAIN.match(part):
            text += f"[{part!r}]"
        else:
            text += f".{part}" if text else part
    return text


TRUTHS = ("descendants", "mapped", "slice_by_slice")
"""The keys, of a concept's codes, that take true or false."""


def read_marked(text: str) -> tuple[Marked, list[Fault]]:
    """The marked tree of a text, and what is wrong with keys and scalars in it.

    Raises:
        Unreadable: it is not YAML, or not the plain part of it.
    """
    yaml = YAML(typ="safe", pure=True)
    try:
        if refused := list(_refused(yaml, text)):
            raise Unreadable(*refused)
        node = yaml.compose(text)
    except MarkedYAMLError as error:
        raise Unreadable(_syntax_fault(error)) from None
    except YAMLError:
        raise Unreadable(Fault(1, (), "a character that YAML does not allow; save the file as plain text")) from None
    if node is None:
        raise Unreadable(Fault(1, (), "the file is empty; `rapha study new` writes one to start from"))
    faults: list[Fault] = []
    return _marked(node, (), yaml, faults), faults


def _refused(yaml: YAML, text: str) -> Iterator[Fault]:
    depth = 0
    for event in yaml.parse(text):
        line = event.start_mark.line + 1
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > DEPTH:
            yield Fault(line, (), f"nested deeper than {DEPTH} levels; no study needs that")
            return
        if isinstance(event, NodeEvent) and event.anchor:
            yield Fault(line, (), f"anchors and aliases (&{event.anchor}, *{event.anchor}) are not read: write it out")
        elif getattr(event, "tag", None):
            yield Fault(line, (), f"the tag {str(event.tag)[:60]!r} is not read: leave it out")


def _syntax_fault(error: MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem or "not YAML")
    line = mark.line + 1 if mark else 1
    if "'\\t'" in problem:
        return Fault(line, (), "a tab where spaces belong; indent with two spaces")
    if "single document" in str(error.context):
        return Fault(line, (), "a second document starts here (---); a study file holds one study")
    begun = f" (begun in line {error.context_mark.line + 1})" if error.context_mark else ""
    return Fault(line, (), f"not readable as YAML: {problem}{begun}; check brackets, colons and indentation here")


def _marked(node: Node, place: Place, yaml: YAML, faults: list[Fault]) -> Marked:
    line = node.start_mark.line + 1
    if isinstance(node, SequenceNode):
        items = [_marked(item, (*place, at), yaml, faults) for at, item in enumerate(node.value)]
        return Marked([item.value for item in items], line, dict(enumerate(items)))
    if isinstance(node, MappingNode):
        return _marked_mapping(node, place, yaml, faults)
    if str(node.tag).endswith(":bool"):
        if place and place[-1] in TRUTHS:
            return Marked(yaml.constructor.construct_object(node), line)
        faults.append(
            Fault(line, place, f"this key does not take {node.value}; if a word is meant, write it in quotes")
        )
    return Marked(_scalar(node, yaml), line)


def _marked_mapping(node: MappingNode, place: Place, yaml: YAML, faults: list[Fault]) -> Marked:
    children: dict[str | int, Marked] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, ScalarNode) or not str(key_node.tag).endswith(":str"):
            shown = f" {key_node.value[:60]!r}" if isinstance(key_node, ScalarNode) else ""
            faults.append(Fault(line, place, f"the key{shown} is not a word; write it in quotes"))
            continue
        key = key_node.value
        if key in lines:
            faults.append(Fault(line, place, f"the key {key[:60]!r} is here twice, first in line {lines[key]}"))
        lines.setdefault(key, line)
        child = _marked(value_node, (*place, key), yaml, faults)
        children[key] = Marked(child.value, line, child.children)
    return Marked({key: child.value for key, child in children.items()}, node.start_mark.line + 1, children)


def _scalar(node: Node, yaml: YAML) -> Any:
    """Numbers and nothing by their YAML 1.2 tags; all else, dates and truth values too, as the text that is there."""
    if str(node.tag).rsplit(":", 1)[-1] in ("int", "float", "null"):
        try:
            return yaml.constructor.construct_object(node)
        except ValueError:
            return node.value
    return node.value
