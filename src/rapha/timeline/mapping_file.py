"""A source's mapping file -> its record. A mistake is told by file, line and key, with the nearest word where there is one.

Every mapping has `source:` (the name under which the batch stands in the timeline), `format:` (which source reads the data;
`tables` where it is left out) and, where several sources tell of the same patients by the same identifiers, `people:`.
"""

from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import SerializerFunctionWrapHandler, ValidationError, model_serializer, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from rapha.errors import ConfigurationError
from rapha.records.record import SLUG, Record, Slug
from rapha.timeline.manifest import OPT_OUT

LIMIT_BYTES = 1 << 20
LIMIT_VALUES, LIMIT_DEPTH = 20_000, 20
FORMS = {
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "string_type": "a text",
}
"""What is asked for where a value has another form, by pydantic's word for the mistake."""
Place = tuple[str | int, ...]
DEFAULT_FORMAT = "tables"
Read = TypeVar("Read", bound=Record)


class SourceMapping(Record):
    """What every mapping has. `people`: whose identifiers these are. Sources with the same word there share their patients;
    where it is left out, a source has its own."""

    source: Slug
    people: Slug | None = None

    @property
    def whose(self) -> str:
        """The word under which the patients' identifiers are keyed."""
        return self.people or self.source

    @model_validator(mode="after")
    def _not_reserved(self) -> "SourceMapping":
        if self.source == OPT_OUT:
            raise PydanticCustomError(
                "reserved", "`source: opt-out` is the name of the site's own list: choose another"
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, serialise: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What is not said is not written: a mapping keeps its digest when a new key becomes possible."""
        written: dict[str, Any] = serialise(self)
        return {key: value for key, value in written.items() if key != "people" or value is not None}


def read_mapping(path: Path, language: type[Read]) -> Read:
    """The mapping in a file.

    Raises:
        ConfigurationError: it cannot be read or is wrong; one line for each mistake.
    """
    return parse_mapping(_text(path), path.name, language)


def read_format(path: Path) -> str:
    """The word under `format:`. Raises as `read_mapping`, for what is no mapping at all."""
    found = _plain(_compose(_text(path), path.name), (), {}, path.name).get("format", DEFAULT_FORMAT)
    return found if isinstance(found, str) else ""


def read_whose(path: Path) -> str:
    """The word under which the patients of a mapping are keyed. Raises as `read_mapping`, for what is no mapping at all."""
    found = _plain(_compose(_text(path), path.name), (), {}, path.name)
    word = found.get("people") or found.get("source")
    return word if isinstance(word, str) else ""


def _text(path: Path) -> str:
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
    return text


def parse_mapping(text: str, name: str, language: type[Read]) -> Read:
    """The mapping in a text; `name` is what messages call the file. Raises as `read_mapping`."""
    lines: dict[Place, int] = {}
    try:
        value = _plain(_compose(text, name), (), lines, name)
        return language.model_validate(value)
    except ValidationError as error:
        keys = sorted(_keys(language))
        told = [_sentence(mistake, lines, name, keys) for mistake in _apart(error.errors(include_url=False))]
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
            if not isinstance(key, ScalarNode):
                raise ConfigurationError(f"{name}:{key.start_mark.line + 1}: a key that is no word")
            if key.value in found:
                raise ConfigurationError(f"{name}:{key.start_mark.line + 1}: the key `{key.value}` is there twice")
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


def _sentence(mistake: ErrorDetails, lines: dict[Place, int], name: str, keys: list[str]) -> str:
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
        near = get_close_matches(key, keys, n=1)
        message = "no such key" + (f"; did you mean `{near[0]}`?" if near else "")
    elif kind == "literal_error":
        message = f"expected {expected}"
    elif kind == "string_pattern_mismatch" and mistake["ctx"]["pattern"] == SLUG:
        message = "expected lower-case letters, digits and hyphens, at most 63"
    elif kind in FORMS:
        message = f"expected {FORMS[kind]}"
    written = ".".join(map(str, place))
    return f"{name}:{lines[place]}: {written + ': ' if written else ''}{message}"


def _keys(language: Any) -> set[str]:
    """Every key that a mapping of this language may have, at any depth."""
    if isinstance(language, type) and issubclass(language, Record):
        below = (_keys(field.annotation) for field in language.model_fields.values())
        return set(language.model_fields).union(*below)
    return set().union(*(_keys(part) for part in get_args(language)))
