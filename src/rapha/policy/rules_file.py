"""rules.yaml -> SiteRules. A mistake is told by file, line and key, with the nearest word where there is one."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from rapha.errors import ConfigurationError
from rapha.policy.data_use import Condition
from rapha.policy.rules import AutomaticRule, Feasibility, Hours, PrivacyBudget, SiteRules
from rapha.policy.stewards import Steward, Stewards
from rapha.records.audit import AuditLimits, GenerativeLimits
from rapha.records.record import Record

MAX_BYTES = 256 * 1024
MAX_TOLD = 10


def read_rules(source: Path | str) -> SiteRules:
    """The rules in a file (`Path`), or in a text (`str`).

    Raises:
        ConfigurationError: the file cannot be read, is not YAML, or holds what rules do not have.
    """
    return parse_rules(_text_of(source), str(source)) if isinstance(source, Path) else parse_rules(source, "rules.yaml")


@lru_cache(maxsize=16)
def parse_rules(text: str, name: str) -> SiteRules:
    """The rules in `text`; `name` is what messages call the file.

    Raises:
        ConfigurationError: up to ten mistakes, one a line.
    """
    tree = _yaml(text, name)
    if not isinstance(tree, CommentedMap):
        raise ConfigurationError(f"{name}: rules are keys and values; the file holds none. See docs/rules.md")
    try:
        return SiteRules.model_validate(_plain(tree))
    except ValidationError as error:
        found = error.errors(include_url=False)
    told = [_sentence(tree, mistake, name) for mistake in found[:MAX_TOLD]]
    raise ConfigurationError("\n".join(told))


def read_tree(path: Path) -> Any:
    """Lists, dicts and scalars of a YAML file, within the limits of a rules file. Raises ConfigurationError, as `read_rules`."""
    return _plain(_yaml(_text_of(path), str(path)))


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror}); docs/rules.md has an example") from None
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"{path}: larger than {MAX_BYTES // 1024} KiB; rules fit on a page")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not a UTF-8 text") from None


def _yaml(text: str, name: str) -> Any:
    try:
        return YAML(typ="rt", pure=True).load(StringIO(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f" line {mark.line + 1}" if mark else ""
        problem = str(error.problem or "not readable as YAML").splitlines()[0]
        raise ConfigurationError(f"{name}{line}: {problem}") from None
    except (YAMLError, ValueError, RecursionError):
        raise ConfigurationError(f"{name}: not readable as YAML") from None


def _plain(node: Any) -> Any:
    """Dicts and lists of scalars, without the reader's line marks."""
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(item) for item in node]
    return node


def _sentence(tree: CommentedMap, mistake: ErrorDetails, name: str) -> str:
    """`rules.yaml line 4: unknown key `reseachers`; did you mean `researchers`?`"""
    path = [step for step in mistake["loc"] if isinstance(step, int) or not step.startswith(("literal", "tuple"))]
    line, value = _find(tree, path)
    where = f"{name} line {line}"
    key = ".".join(str(step) for step in path)
    match mistake["type"]:
        case "extra_forbidden":
            words = list(_record_at(path).model_fields)
            return f"{where}: unknown key `{str(path[-1])[:60]}`; {_nearest(str(path[-1]), words)}"
        case "missing":
            return f"{where}: the key `{key}` is missing; nothing is permitted by leaving it out"
        case "literal_error":
            words = re.findall(r"'([^']*)'", mistake["ctx"]["expected"])
            return f"{where}: {key}: `{str(value)[:60]}` is not a word of the rules; {_nearest(str(value), words)}"
        case "string_pattern_mismatch":
            form = _form(path)
            return f"{where}: {key}: `{str(value)[:60]}` is not {form}"
        case _:
            return f"{where}: {key + ': ' if key else ''}{mistake['msg']}"


def _form(path: list[int | str]) -> str:
    if path[-1] in ("rule", "steward"):
        return "a short name: small letters, digits, hyphens"
    return "a code like MONDO:0005148" if path[0] == "diseases" else "a code like DUO:0000006"


def _record_at(path: list[int | str]) -> type[Record]:
    """The record that has the last step of `path` as a key, or should have."""
    if len(path) == 1:
        return SiteRules
    if path[0] == "stewards":
        return Steward if "who" in path else Stewards
    inner: dict[int | str, type[Record]] = {
        "privacy": PrivacyBudget, "feasibility": Feasibility, "audit": AuditLimits, "generative": GenerativeLimits, "conditions": Condition, "hours": Hours,
    }  # fmt: skip
    return inner.get(path[0], AutomaticRule)


def _nearest(word: str, words: list[str]) -> str:
    if close := get_close_matches(word, words, n=1):
        return f"did you mean `{close[0]}`?"
    return "expected one of " + ", ".join(words)


def _find(tree: CommentedMap, path: list[int | str]) -> tuple[int, object]:
    """The line (from 1) and the value of the deepest step of `path` that is in the file."""
    node: Any = tree
    line = tree.lc.line + 1
    for step in path:
        if isinstance(node, CommentedMap) and isinstance(node, Mapping) and step in node:
            line = node.lc.key(step)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
            line = node.lc.item(step)[0] + 1
        else:
            break
        node = node[step]
    return line, node
