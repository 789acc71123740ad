"""A mapping file -> Mapping. A mistake is told by file, line and key, with the nearest word where there is one."""

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rapha.errors import ConfigurationError
from rapha.sources.tables import mapping as language
from rapha.sources.tables.mapping import Mapping

LIMIT_BYTES = 1 << 20
LIMIT_VALUES, LIMIT_DEPTH = 20_000, 20
Place = tuple[str | int, ...]
_RECORDS = [each for each in vars(language).values() if isinstance(each, type) and issubclass(each, BaseModel)]
_KEYS = sorted({key for record in _RECORDS for key in record.model_fields})


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file.

    Raises:
        ConfigurationError: it cannot be read or is wrong; one line for each mistake.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8 text") from None
    if len(data) > LIMIT_BYTES:
        raise ConfigurationError(f"{path}: larger than 1 MiB; a mapping is a page or two")
    return parse_mapping(text, path.name)


def parse_mapping(text: str, name: str) -> Mapping:
    """The mapping in a text; `name` is what messages call the file. Raises as `read_mapping`."""
    lines: dict[Place, int] = {}
    try:
        value = _plain(_compose(text, name), (), lines, name)
        return Mapping.model_validate(value)
    except ValidationError as error:
        told = [_sentence(mistake, lines, name) for mistake in _apart(error.errors(include_url=False))]
    raise ConfigurationError("\n".join(dict.fromkeys(told)))


def _compose(text: str, name: str) -> Node:
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f":{mark.line + 1}" if mark else ""
        raise ConfigurationError(f"{name}{at}: not readable as YAML: {error.problem or error.context}") from None
    except (YAMLError, RecursionError):
        raise ConfigurationError(f"{name}: not readable as YAML") from None
    if not isinstance(node, MappingNode):
        raise ConfigurationError(f"{name}: a mapping has keys such as `source:` and `subjects:`; this file has none")
    return node


def _plain(node: Node, place: Place, lines: dict[Place, int], name: str) -> Any:
    """Dicts, lists and texts, numbers as written; the line of each is noted. Aliases are copied, up to a limit."""
    line = lines.setdefault(place, node.start_mark.line + 1)
    if len(lines) > LIMIT_VALUES or len(place) > LIMIT_DEPTH:
        raise ConfigurationError(f"{name}:{line}: more than {LIMIT_VALUES} values, or deeper than {LIMIT_DEPTH} levels")
    if isinstance(node, SequenceNode):
        return [_plain(item, (*place, at), lines, name) for at, item in enumerate(node.value)]
    if isinstance(node, MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or key.value in found:
                raise ConfigurationError(f"{name}:{key.start_mark.line + 1}: a key that is there twice, or no word")
            lines[*place, key.value] = key.start_mark.line + 1
            found[key.value] = _plain(value, (*place, key.value), lines, name)
        return found
    if str(node.tag).endswith(":null"):
        return None
    return node.value


def _apart(mistakes: list[ErrorDetails]) -> list[ErrorDetails]:
    """Without those that only follow from another: a list is too short because its one item is wrong."""
    places = [mistake["loc"] for mistake in mistakes]
    return [
        mistake
        for mistake in mistakes
        if mistake["type"] != "too_short"
        or not any(place[: len(mistake["loc"])] == mistake["loc"] != place for place in places)
    ]


def _sentence(mistake: ErrorDetails, lines: dict[Place, int], name: str) -> str:
    """`mapping.yaml:12: events.0.kind: ...`. The tags of unions, `(column)`, are left out of the place."""
    place: Place = ()
    for part in mistake["loc"]:
        if (*place, part) in lines:
            place = (*place, part)
    kind, expected = mistake["type"], mistake.get("ctx", {}).get("expected", "")
    key = str(mistake["loc"][-1]) if mistake["loc"] else ""
    message = mistake["msg"].removeprefix("Value error, ")
    if kind == "missing":
        message = f"`{key}` is missing"
    elif kind == "extra_forbidden":
        near = get_close_matches(key, _KEYS, n=1)
        message = "no such key" + (f"; did you mean `{near[0]}`?" if near else "")
    elif kind == "literal_error":
        message = f"expected {expected}"
    written = ".".join(map(str, place))
    return f"{name}:{lines[place]}: {written + ': ' if written else ''}{message}"
