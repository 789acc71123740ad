"""A ViewDefinition as JSON -> its record. A mistake is told by file, place and what was expected.

The form is that of SQL on FHIR v2, https://sql-on-fhir.org/ig/StructureDefinition-ViewDefinition.html. A key that the
standard does not know is refused: `forEech` left unread would give other rows without a word.
"""

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rapha.errors import ConfigurationError

LIMIT_BYTES, LIMIT_DEPTH, LIMIT_PARTS, LONGEST_PATH = 1 << 20, 8, 2_000, 2_000
_ABOUT = [
    "resourceType",
    "id",
    "meta",
    "url",
    "identifier",
    "name",
    "title",
    "status",
    "experimental",
    "date",
    "publisher",
    "contact",
    "description",
    "text",
    "useContext",
    "jurisdiction",
    "purpose",
    "copyright",
    "copyrightLabel",
    "fhirVersion",
    "version",
    "versionAlgorithmString",
    "profile",
    "language",
    "extension",
    "contained",
    "implicitRules",
]
_VIEW = (*_ABOUT, "resource", "constant", "select", "where")
_SELECT = ("column", "select", "forEach", "forEachOrNull", "repeat", "unionAll", "id", "extension")
_COLUMN = ("name", "path", "type", "description", "collection", "tag", "id", "extension")
_WHERE = ("path", "description", "id", "extension")
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,199}$")
_WHOLE = ("Integer", "PositiveInt", "UnsignedInt", "Integer64")
_TEXTS = (
    ["Base64Binary", "Canonical", "Code", "Date", "DateTime", "Id", "Instant", "Markdown", "Oid", "String", "Time", "Uri", "Url", "Uuid"]
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of the output. `type` is a FHIR type, None where the view does not say."""

    name: str
    path: str
    place: str
    type: str | None = None
    collection: bool = False


@dataclass(frozen=True)
class Select:
    """Columns, nested selects and a union, side by side, for each element that `for_each` or `repeat` gives."""

    place: str
    columns: tuple[Column, ...] = ()
    selects: tuple["Select", ...] = ()
    union: tuple["Select", ...] = ()
    for_each: str | None = None
    or_null: bool = False
    repeat: tuple[str, ...] = ()


@dataclass(frozen=True)
class Constant:
    """`%name` in a path. `fhir_type` is the word after `value`: `DateTime`."""

    value: bool | int | float | str
    fhir_type: str


@dataclass(frozen=True)
class View:
    """A whole view. `file` is what messages call it."""

    file: str
    name: str
    resource: str
    selects: tuple[Select, ...]
    where: tuple[tuple[str, str], ...]
    constants: dict[str, Constant]


def read_view(path: Path) -> View:
    """The view in a file.

    Raises:
        ConfigurationError: it cannot be read, or is wrong.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    if len(data) > LIMIT_BYTES:
        raise ConfigurationError(f"{path}: larger than 1 MiB; a view is a page or two")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ConfigurationError(f"{path}: not readable as JSON") from None
    return parse_view(value, path.name)


def parse_view(value: Any, file: str) -> View:
    """The view in parsed JSON; `file` is what messages call it. Raises as `read_view`."""
    return _Reader(file).view(value)


class _Reader:
    def __init__(self, file: str) -> None:
        self.file, self.parts = file, 0

    def view(self, value: Any) -> View:
        found = self._object(value, "view", _VIEW)
        kind = found.get("resourceType", "ViewDefinition")
        if kind != "ViewDefinition":
            self._wrong("resourceType", "is not `ViewDefinition`")
        resource = self._text(found.get("resource"), "resource", 'the type of resource, such as "Patient"')
        if not re.fullmatch(r"[A-Z][A-Za-z]{1,60}", resource):
            self._wrong("resource", 'is no type of resource; expected a name such as "Patient"')
        selects = tuple(self._select(s, f"select[{at}]", 1) for at, s in enumerate(self._list(found, "select", "")))
        if not selects:
            self._wrong("select", "is missing: a list of what to select")
        name = found.get("name")
        constants = dict(self._constant(c, f"constant[{at}]") for at, c in enumerate(self._list(found, "constant", "")))
        where = tuple(self._where(w, f"where[{at}]") for at, w in enumerate(self._list(found, "where", "")))
        return View(self.file, name if isinstance(name, str) else "", resource, selects, where, constants)

    def _select(self, value: Any, place: str, depth: int) -> Select:
        if depth > LIMIT_DEPTH:
            self._wrong(place, f"is nested deeper than {LIMIT_DEPTH} levels")
        found = self._object(value, place, _SELECT)
        loops = [key for key in ("forEach", "forEachOrNull", "repeat") if key in found]
        if len(loops) > 1:
            self._wrong(place, f"has both `{loops[0]}` and `{loops[1]}`: keep one")
        columns, nested, union = (self._list(found, key, place) for key in ("column", "select", "unionAll"))
        loop = next((found[key] for key in ("forEach", "forEachOrNull") if key in found), None)
        for_each = self._path(loop, f"{place}.{loops[0]}") if loops and loops != ["repeat"] else None
        if not (columns or nested or union):
            self._wrong(place, "selects nothing: expected `column`, `select` or `unionAll`")
        return Select(
            place=place,
            columns=tuple(self._column(c, f"{place}.column[{at}]") for at, c in enumerate(columns)),
            selects=tuple(self._select(s, f"{place}.select[{at}]", depth + 1) for at, s in enumerate(nested)),
            union=tuple(self._select(s, f"{place}.unionAll[{at}]", depth + 1) for at, s in enumerate(union)),
            for_each=for_each,
            or_null="forEachOrNull" in found,
            repeat=tuple(
                self._path(path, f"{place}.repeat[{at}]") for at, path in enumerate(self._list(found, "repeat", place))
            ),
        )

    def _column(self, value: Any, place: str) -> Column:
        found = self._object(value, place, _COLUMN)
        name = self._text(found.get("name"), f"{place}.name", "the column's name")
        if not _NAME.match(name):
            self._wrong(f"{place}.name", "has more than letters, digits and underscores, or begins with none")
        kind, many = found.get("type"), found.get("collection", False)
        if kind is not None:
            kind = self._text(kind, f"{place}.type", "a FHIR type").rpartition("/")[2]
        if not isinstance(many, bool):
            self._wrong(f"{place}.collection", "is neither true nor false")
        return Column(name, self._path(found.get("path"), f"{place}.path"), f"{place}.path", kind, many)

    def _where(self, value: Any, place: str) -> tuple[str, str]:
        found = self._object(value, place, _WHERE)
        return self._path(found.get("path"), f"{place}.path"), f"{place}.path"

    def _constant(self, value: Any, place: str) -> tuple[str, Constant]:
        if not isinstance(value, dict):
            self._wrong(place, "is not an object")
        name = self._text(value.get("name"), f"{place}.name", "the constant's name")
        keys = [key for key in value if key.startswith("value")]
        if len(keys) != 1 or not _NAME.match(name):
            self._wrong(place, "needs a plain `name` and one value, such as `valueString`")
        kind, given = keys[0].removeprefix("value"), value[keys[0]]
        fits: dict[str, Any] = dict.fromkeys(_WHOLE, int) | dict.fromkeys(_TEXTS, str)
        fits |= {"Boolean": bool, "Decimal": (int, float)}
        if kind not in fits:
            self._wrong(f"{place}.{keys[0]}", f"is no value of a constant; known are {', '.join(sorted(fits))}")
        if not isinstance(given, fits[kind]) or (isinstance(given, bool) and kind != "Boolean"):
            self._wrong(f"{place}.{keys[0]}", f"does not hold a value of type {kind}")
        return name, Constant(given, kind)

    def _object(self, value: Any, place: str, keys: tuple[str, ...]) -> dict[str, Any]:
        self.parts += 1
        if self.parts > LIMIT_PARTS:
            self._wrong(place, f"is one part too many: a view has at most {LIMIT_PARTS}")
        if not isinstance(value, dict):
            self._wrong(place, "is not an object")
        for key in value:
            if key not in keys:
                near = get_close_matches(key, keys, n=1)
                self._wrong(f"{place}.{key}"[:200], "no such key" + (f"; did you mean `{near[0]}`?" if near else ""))
        found: dict[str, Any] = value
        return found

    def _list(self, found: dict[str, Any], key: str, place: str) -> list[Any]:
        value = found.get(key, [])
        if not isinstance(value, list):
            self._wrong(f"{place}.{key}".lstrip("."), "is not a list")
        items: list[Any] = value
        return items

    def _path(self, value: Any, place: str) -> str:
        path = self._text(value, place, "a FHIRPath as text")
        if len(path) > LONGEST_PATH:
            self._wrong(place, f"is longer than {LONGEST_PATH} characters")
        return path

    def _text(self, value: Any, place: str, expected: str) -> str:
        if not isinstance(value, str) or not value:
            self._wrong(place, f"is missing or no text; expected {expected}")
        text: str = value
        return text

    def _wrong(self, place: str, what: str) -> None:
        raise ConfigurationError(f"{self.file}: {place}: {what}")
