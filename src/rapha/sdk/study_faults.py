"""What is wrong with a study, in words: pydantic's findings as faults with a line, a place and a nearest word."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import ErrorDetails

from rapha.records.cohort_spec import NESTS
from rapha.records.feature import AGGREGATES
from rapha.records.study import DEATH
from rapha.sdk.marked_yaml import Fault, Marked, Place
from rapha.sdk.vocabulary import (
    CRITERIA,
    EVENT_WORDS,
    FEATURES,
    PICKS,
    SHORT_KEYS,
    nearest,
    tag_key_at,
    tags_at,
    words_at,
)

_PLACED = re.compile(r"^([a-z_0-9.]+): (.*)$")
_PATTERNS = {
    "DUO": "a Data Use Ontology term such as DUO:0000006",
    "sha256:": "the name of a file beside the study, or a digest (sha256: and 64 hex digits)",
    "[A-Za-z_]": "a tensor's name of letters, digits, '_' and '.'",
    "MONDO": "a MONDO term such as MONDO:0005148",
    "[A-Z]{2}": "a country in two capital letters, such as DE",
    "[a-z0-9][a-z0-9-]": "lower-case letters, digits and hyphens, at most 63",
    "[A-Za-z0-9]": "letters, digits, '_', '.' and '-', at most 63",
}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "string": "text (put a number in quotes)",
    "tuple": "a list, such as [a, b]",
    "finite": "a finite number",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}

MUST_BE_SAID = {
    "unobserved": ": say what becomes of who is not watched to the end of the window; `unobserved: exclude` sets them apart as unknown, "
    "not well, and `unobserved: censor` is for a time to an event",
    "during": ": say in which time, such as `during: {until: index, for: 1 year}` before the index, or `{from: index, for: 1 year}` after it",
    "unit": ": say in which unit, such as `unit: mg/dL`; `unit: any` takes numbers whatever their unit",
}
"""What is left out is never guessed."""

BESIDE = (
    "during", "at_least", "at_most", "exactly", "value", "for", "per", "baseline", "at", "after", "washout",
)  # fmt: skip
"""Keys that stand beside the word which says what it is."""


def undeclared(tree: Marked) -> Iterator[tuple[str, Fault]]:
    """Every mention of a concept that is not declared: its name and the fault."""
    concepts = tree.at("concepts")
    if concepts is None or not concepts.children:
        return
    known = [*map(str, concepts.children), DEATH]
    for place, mention in _mentions(tree):
        if isinstance(mention.value, str) and mention.value not in known:
            meant = _meant(mention.value, known)
            message = f"the concept {mention.value[:60]!r} is not declared under concepts{meant}"
            yield mention.value, Fault(mention.line, place, message)


def _mentions(tree: Marked) -> Iterator[tuple[Place, Marked]]:
    """Every place where a concept may be named, and what is written there."""
    places: list[Place] = [("cohort", "index", key) for key in ("first", "last", "every", "of")]
    places += [("cohort", "encounter"), ("outcome", "event"), ("outcome", "events"), ("outcome", "competing")]
    places += [("outcome", "event", key) for key in ("first", "rise")]
    places += [("outcome", "value", key) for key in PICKS]
    for part in ("include", "exclude"):
        places += _criteria(tree, ("cohort", part))
    rows = tree.at("features")
    words = (*AGGREGATES, "sequence", "of")
    places += [("features", at, key) for at in (rows.children if rows else ()) for key in words]
    for place in places:
        if found := tree.at(*place):
            yield place, found
            yield from (((*place, at), item) for at, item in found.children.items() if isinstance(at, int))


def _criteria(tree: Marked, place: Place) -> Iterator[Place]:
    """The places of concepts in a list of criteria, or one criterion, and in those inside."""
    node = tree.at(*place)
    for key in node.children if node else ():
        if isinstance(key, int) or key in NESTS:
            yield from _criteria(tree, (*place, key))
        elif key in (*EVENT_WORDS, "of"):
            yield (*place, key)


def faults_of(errors: Iterable[ErrorDetails], tree: Marked) -> list[Fault]:
    """The findings of pydantic as faults, without those that only follow from another."""
    faults = [fault for error in errors if (fault := _fault_of(error, tree))]
    later = [fault.place for fault in faults if fault.not_yet]
    named = {(fault.place, fault.key) for fault in faults if fault.key and not fault.missing}
    return [
        fault
        for fault in faults
        if not (fault.missing and (fault.place, fault.key) in named)
        and (fault.not_yet or not any(fault.place == place[: len(fault.place)] for place in later))
    ]


def _fault_of(error: ErrorDetails, tree: Marked) -> Fault | None:
    """None where a list only looks short because an item of it is wrong."""
    loc, kind = tuple(error["loc"]), error["type"]
    if kind == "death":
        loc = ("concepts", DEATH)
    elif not loc and (found := _PLACED.match(error["msg"])):
        place = tuple(int(part) if part.isdigit() else part for part in found[1].split("."))
        node, message = tree.at(*place), found[2]
        if kind == "undeclared":
            message += _meant(error["ctx"]["name"], error["ctx"]["known"])
        return Fault(node.line if node else tree.line, place, message)
    node, at, hit = _locate(tree, loc)
    if kind == "too_short" and node.value:
        return None
    if kind == "extra_forbidden" and hit:
        return _unknown_key(node, at, loc)
    if kind == "missing":
        return Fault(node.line, at, _left_out(str(loc[-1])), key=str(loc[-1]), missing=True)
    return Fault(node.line, at, _message(error, node, loc), not_yet=kind == "not_yet")


def _left_out(key: str) -> str:
    """What is missing; and, where nothing is taken for granted, what may be said."""
    return f"the key {key!r} is missing{MUST_BE_SAID.get(key, '')}"


def _locate(node: Marked, loc: Place) -> tuple[Marked, Place, bool]:
    """The value a finding speaks of. Pydantic names the long form and puts the tag of a union between the keys, so each
    part of `loc` is a key, another word for a key, or not there at all. True when the last part was found."""
    if not loc:
        return node, (), True
    options: list[tuple[Marked, Place, bool]] = []
    for key in (loc[0], *SHORT_KEYS.get(loc[0], ())):
        if key in node.children:
            found, place, hit = _locate(node.children[key], loc[1:])
            options.append((found, (key, *place), hit))
    found, place, hit = _locate(node, loc[1:])
    options.append((found, place, hit and len(loc) > 1))
    return max(options, key=lambda option: (option[2], len(option[1])))


def _unknown_key(node: Marked, at: Place, loc: Place) -> Fault:
    key, words = str(at[-1]), words_at(loc[:-1])
    if loc[-2:-1] == loc[-1:] and words:
        return Fault(
            node.line, at, f"expected {_list_of(words, 'and')} under it, as in {{{words[0]}: ...}}", key=words[0]
        )
    meant = nearest(key, words)
    hope = f"did you mean {meant!r}?" if meant else f"known here: {_list_of(words, 'and')}"
    return Fault(node.line, at[:-1], f"unknown key {key[:60]!r}; {hope}", key=meant or "")


def _message(error: ErrorDetails, node: Marked, loc: Place) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("one_word", "criterion", "window"):
        return _one_word(kind, context, error["msg"], node)
    if kind in ("literal_error", "union_tag_invalid"):
        return _not_among(context, node)
    if kind == "union_tag_not_found":
        return f"the key {tag_key_at(loc)!r} is missing; it is one of {_list_of(tags_at(loc), 'or')}"
    if kind == "string_pattern_mismatch":
        shown = repr(str(loc[-2])[:60]) if loc[-1] == "[key]" else _shown(node)
        return f"{shown} is not {next(w for p, w in _PATTERNS.items() if p in context['pattern'])}"
    if kind in _BOUNDS:
        name, bound = _BOUNDS[kind]
        return f"{_shown(node)} is out of range: {bound} {context[name]}"
    if kind.split("_")[0] in _KINDS and kind.split("_")[-1] in ("type", "parsing", "number", "float", "size"):
        return f"expected {_KINDS[kind.split('_')[0]]}; found {_shown(node)}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        words = words_at(loc) or (("architecture",) if loc == ("model",) else ())
        hope = f"keys under it ({_list_of(words, 'and')})" if words else "a mapping, such as {key: value}"
        return f"expected {hope}; found {_shown(node)}"
    if kind in ("too_short", "string_too_short"):
        return f"too short: at least {context['min_length']}"
    if kind in ("too_long", "string_too_long"):
        return f"too long: at most {context['max_length']}"
    return _plain(error["msg"])


def _one_word(kind: str, context: dict[str, Any], message: str, node: Marked) -> str:
    known: tuple[str, ...] = {
        "criterion": (*CRITERIA, "during", "value", "at_least", "at_most", "exactly"),
        "window": ("until", "before", "from", "for"),
    }.get(kind, _known_beside(context))
    for key in node.children:
        if key not in known and (meant := _meant(str(key), known)):
            return f"unknown key {str(key)[:60]!r}{meant}"
    several = [str(key) for key in node.children if key in known and key not in BESIDE]
    return _plain(message) + (f"; here are {_list_of(several, 'and')}" if len(several) > 1 else "")


def _known_beside(context: dict[str, Any]) -> tuple[str, ...]:
    if context.get("what") == "a feature":
        return (*FEATURES, "during", "at_most", "per", "baseline")
    return ("first", "last", "every", "at", "after", "washout")


def _plain(message: str) -> str:
    return message.replace("{{", "{").replace("}}", "}")


def _not_among(context: dict[str, Any], node: Marked) -> str:
    expected = re.findall(r"'([^']+)'", context.get("expected", context.get("expected_tags", "")))
    value = context.get("tag", node.value)
    meant = _meant(value, expected) if isinstance(value, str) else ""
    shown = repr(value[:60]) if isinstance(value, str) else _shown(node)
    return f"{shown} is not known here{meant or '; expected ' + _list_of(expected, 'or')}"


def _meant(word: str, known: Any) -> str:
    found = nearest(word, known)
    return f"; did you mean {found!r}?" if found else ""


def _shown(node: Marked) -> str:
    match node.value:
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case None:
            return "nothing"
        case str():
            return repr(node.value[:60])
        case _:
            return str(node.value)[:60]


def _list_of(words: Any, last: str) -> str:
    *most, end = words
    return f"{', '.join(most)} {last} {end}" if most else str(end)
