"""ACES predicates -> concepts. Rows of one moment are counted together by ACES: a plain predicate counts rows, `or(...)`
counts moments, and `and(...)` asks that rows of one moment, any of them, meet its parts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rapha.sdk.importers.draft import Draft, Untranslated, word
from rapha.sdk.marked_yaml import Marked

DEATH_CODE = "MEDS_DEATH"
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}
_KEYS = ("code", "value_min", "value_max", "value_min_inclusive", "value_max_inclusive", "static")
_DERIVED = re.compile(r"^\s*(and|or)\s*\((.*)\)\s*$", re.DOTALL)
OWN = ("_ANY_EVENT", "_RECORD_START", "_RECORD_END")


@dataclass(frozen=True)
class Meaning:
    """`concepts` whose events meet the predicate where their number is in `value`; `plain`: ACES counts their rows."""

    concepts: tuple[str, ...]
    value: dict[str, Any] | None
    plain: bool


@dataclass(frozen=True)
class _Part:
    codes: frozenset[str]
    value: tuple[float | None, bool, float | None, bool]  # low, whether it is in, high, whether it is in


_ANYTHING = (None, False, None, False)


class Predicates:
    """`codes` are those of the data, for what only a pattern names; `rows`: `and` is of one row, as its author meant it."""

    def __init__(
        self, tree: Marked, draft: Draft, system: str, split: str, codes: Sequence[str] | None, rows: bool
    ) -> None:
        self._draft, self._system, self._split, self._codes, self._rows = draft, system, split, codes, rows
        self._tree: dict[str, Marked] = {}
        for key in ("predicates", "patient_demographics"):
            below = tree.at(key)
            if below is not None:
                self._tree |= {str(name): each for name, each in below.children.items()}
        self._found: dict[str, Meaning] = {}
        self._names: dict[frozenset[str], str] = {}

    def statics(self, tree: Marked) -> list[tuple[dict[str, Any], str]]:
        """The criteria of sex that static predicates are."""
        demographics = tree.at("patient_demographics")
        named = {str(name) for name in demographics.children} if demographics else set()
        named |= {name for name, each in self._tree.items() if str(_plain(each, "static")).lower() == "true"}
        return [(self._sex(name), f"ACES: static predicate `{name}`") for name in self._tree if name in named]

    def meaning(self, name: str, line: int) -> Meaning:
        """What a predicate means here. Raises Untranslated."""
        if name in OWN:
            raise Untranslated(
                f"`{name}` is of any event at all, counted moment by moment; here events are of concepts: "
                "name those that count in a predicate", line, name,
            )  # fmt: skip
        if name not in self._found:
            kind, parts = self._parts(name, line)
            self._found[name] = self._declare(name, kind, parts)
        return self._found[name]

    def _sex(self, name: str) -> dict[str, Any]:
        node = self._tree[name]
        code = _plain(node, "code")
        sex = _SEXES.get(str(code).rsplit("//", 1)[-1].lower()) if isinstance(code, str) else None
        if sex is None or _plain(node, "value_min") is not None or _plain(node, "value_max") is not None:
            raise Untranslated(
                "of what has no time only sex is in the language, from a code such as SEX//male",
                node.line,
                f"predicates.{name}",
            )
        return {"sex": sex}

    def _parts(self, name: str, line: int, depth: int = 0) -> tuple[str, tuple[_Part, ...]]:
        node = self._tree.get(name)
        if node is None:
            raise Untranslated(f"the predicate `{name}` is not defined", line, name)
        if depth > 20:
            raise Untranslated("is defined by itself", node.line, f"predicates.{name}")
        if "expr" in node.children:
            return self._derived(name, node, depth)
        for key, child in node.children.items():
            if key not in _KEYS:
                raise Untranslated(
                    f"`{key}` compares another column of MEDS, which the timeline has not",
                    child.line,
                    f"predicates.{name}.{key}",
                )
        if str(_plain(node, "static")).lower() == "true":
            raise Untranslated(
                "a static predicate has no time, so no window can hold it", node.line, f"predicates.{name}"
            )
        low, high = _number(node, name, "value_min"), _number(node, name, "value_max")
        value = (low, _said(node, "value_min_inclusive"), high, _said(node, "value_max_inclusive"))
        return "plain", (_Part(self._written(name, node), value if (low, high) != (None, None) else _ANYTHING),)

    def _derived(self, name: str, node: Marked, depth: int) -> tuple[str, tuple[_Part, ...]]:
        place = f"predicates.{name}.expr"
        found = _DERIVED.match(str(_plain(node, "expr")))
        if not found:
            raise Untranslated("is not and(...) or or(...) of predicates", node.children["expr"].line, place)
        line = node.children["expr"].line
        names = [each.strip() for each in found[2].split(",")]
        if any(not re.fullmatch(r"\w+", each) for each in names):
            raise Untranslated(
                "and(...) and or(...) inside one another are not read: define the inner one by itself", line, place
            )
        parts = [self._parts(each, line, depth + 1)[1] for each in names if each not in OWN or self.meaning(each, line)]
        if found[1] == "or":
            return "or", tuple(dict.fromkeys(part for each in parts for part in each))
        if not self._rows:
            raise Untranslated(
                "`and` in ACES asks for rows of one moment, any of them: a creatinine and some other high value meet "
                "`and(creatinine, high)`. The language has no such thing. `--and-on-one-row` takes it for one row that meets all", line, place,
            )  # fmt: skip
        met = parts[0]
        for each in parts[1:]:
            met = tuple(part for one in met for other in each if (part := _both(one, other)) is not None)
        if not met:
            raise Untranslated(
                "no row meets all of it: the codes have nothing in common, or the numbers have not", line, place
            )
        return "and", met

    def _written(self, name: str, node: Marked) -> frozenset[str]:
        code = node.at("code")
        place = f"predicates.{name}.code"
        if code is None or code.value in (None, ""):
            raise Untranslated("has no code", node.line, place)
        if isinstance(code.value, str):
            return frozenset({code.value})
        if isinstance(code.value, dict) and list(code.value) == ["any"] and isinstance(code.value["any"], list):
            return frozenset(map(str, code.value["any"]))
        if not isinstance(code.value, dict) or list(code.value) != ["regex"]:
            raise Untranslated("is neither a code, nor `any` of codes, nor a `regex`", code.line, place)
        if self._codes is None:
            raise Untranslated(
                "a `regex` is of whatever codes the data have; a study names its codes. Give them: `--codes FILE`, one a "
                "line, or metadata/codes.parquet", code.line, place,
            )  # fmt: skip
        try:
            pattern = re.compile(str(code.value["regex"]))
        except re.error:
            raise Untranslated("the `regex` cannot be read", code.line, place) from None
        matched = frozenset(each for each in self._codes if pattern.search(each))
        if not matched:
            raise Untranslated("no code of those given matches the `regex`", code.line, place)
        return matched

    def _declare(self, name: str, kind: str, parts: tuple[_Part, ...]) -> Meaning:
        node = self._tree[name]
        ranges = {part.value for part in parts}
        if len(ranges) > 1:
            raise Untranslated(
                "is of numbers in more than one range; one outcome, and one count, has one. Write it as two",
                node.line, f"predicates.{name}",
            )  # fmt: skip
        codes = frozenset(code for part in parts for code in part.codes)
        concepts = [self._concept(name, codes - {DEATH_CODE}, node.line)] if codes - {DEATH_CODE} else []
        concepts += ["death"] if DEATH_CODE in codes else []
        value = _range(next(iter(ranges)))
        if value and DEATH_CODE in codes:
            raise Untranslated("a death has no number", node.line, f"predicates.{name}")
        return Meaning(tuple(concepts), value, kind == "plain" or (kind == "and" and len(parts) == 1))

    def _concept(self, name: str, codes: frozenset[str], line: int) -> str:
        if codes in self._names:
            return self._names[codes]
        sets: dict[str, list[str]] = {}
        for code in sorted(codes):
            cut = code.find(self._split) if self._split else 0
            system, own = (code[:cut], code[cut + len(self._split) :]) if cut > 0 else (self._system, code)
            sets.setdefault(system, []).append(own)
        listed: list[dict[str, Any]] = [{"system": system, "codes": own} for system, own in sets.items()]
        concept = listed[0] if len(listed) == 1 else {"any_of": listed}
        self._names[codes] = word(name if name != "death" else "death_event", self._draft.concepts)
        self._draft.concepts[self._names[codes]] = (concept, f"ACES: predicates.{name}, line {line}")
        return self._names[codes]


def _both(one: _Part, other: _Part) -> _Part | None:
    codes = one.codes & other.codes
    low, low_in, high, high_in = one.value
    low2, low2_in, high2, high2_in = other.value
    if low2 is not None and (low is None or low2 > low or (low2 == low and not low2_in)):
        low, low_in = low2, low2_in
    if high2 is not None and (high is None or high2 < high or (high2 == high and not high2_in)):
        high, high_in = high2, high2_in
    empty = low is not None and high is not None and (low > high or (low == high and not (low_in and high_in)))
    return _Part(codes, (low, low_in, high, high_in)) if codes and not empty else None


def _range(value: tuple[float | None, bool, float | None, bool]) -> dict[str, Any] | None:
    low, low_in, high, high_in = value
    found: dict[str, Any] = {}
    if low is not None:
        found["at_least" if low_in else "above"] = low
    if high is not None:
        found["at_most" if high_in else "below"] = high
    return found | {"unit": "any"} if found else None


def _plain(node: Marked, key: str) -> Any:
    child = node.children.get(key)
    return None if child is None else child.value


def _said(node: Marked, key: str) -> bool:
    return str(_plain(node, key)).lower() == "true"


def _number(node: Marked, name: str, key: str) -> float | None:
    value = _plain(node, key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Untranslated("is not a number", node.children[key].line, f"predicates.{name}.{key}")
    return value
