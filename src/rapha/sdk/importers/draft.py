"""A study on its way to a file a person can read; and what could not be translated."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rapha.errors import StudyError
from rapha.sdk.marked_yaml import Fault
from rapha.sdk.study_file import parse_study

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[ .-][A-Za-z0-9_]+)*")
_WORDLIKE = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
Rule = dict[str, Any]
"""A criterion, an index event or an outcome, in the short form of the language."""


class Untranslated(Exception):
    """One construct, by place, that has no exact translation."""

    def __init__(self, message: str, line: int = 0, place: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.place = message, line, place


@dataclass
class Draft:
    """`comments` go before what they tell of: `head`, or the name of a part; each rule has its own."""

    name: str
    head: list[str]
    concepts: dict[str, tuple[Rule, str]] = field(default_factory=dict)
    index: tuple[Rule, str] = field(default_factory=lambda: ({}, ""))
    encounter: list[str] = field(default_factory=list)
    include: list[tuple[Rule, str]] = field(default_factory=list)
    exclude: list[tuple[Rule, str]] = field(default_factory=list)
    outcome: tuple[Rule, str] = field(default_factory=lambda: ({}, ""))

    def text(self) -> str:
        """The study file. Raises StudyError: it is not a valid study; the message says which part is not."""
        lines = [f"# {line}" for line in self.head]
        lines += [f"study: {self.name}", "purpose:"]
        lines += ["  # Not in the source. Say in one plain sentence what it is for, and for what use data are asked."]
        lines += [f"  sentence: Imported cohort {self.name}, to be described.", "  data_use: [DUO:0000006]"]
        lines += ["data: {modalities: [ehr]}", "", "concepts:"]
        for name, (concept, comment) in self.concepts.items():
            lines += [*_commented(comment, 2), f"  {name}: {flow(concept)}"]
        lines += ["", "cohort:", *_commented(self.index[1], 2), f"  index: {flow(self.index[0])}"]
        lines += [f"  encounter: {flow(self.encounter)}"] if self.encounter else []
        for part, rules in (("include", self.include), ("exclude", self.exclude)):
            lines += [f"  {part}:"] if rules else []
            for rule, comment in rules:
                lines += [*_commented(comment, 4), f"    - {flow(rule)}"]
        lines += ["", *_commented(self.outcome[1], 0), "outcome:"]
        lines += [f"  {key}: {flow(value)}" for key, value in self.outcome[0].items()]
        survival = self.outcome[0].get("kind") == "time-to-event"
        lines += ["", "# Not in the source: what the model sees, and the model. Write your own.", "features:"]
        lines += ["  - {demographic: age}", "  - {demographic: sex}"]
        lines += ["", f"model: {{architecture: {'cox' if survival else 'logistic'}}}", "privacy: {min_cohort: 25}", ""]
        text = "\n".join(lines)
        parse_study(text, f"{self.name} (as translated)")
        return text


def refuse(untranslated: Iterable[Untranslated], file: str) -> None:
    """Raise StudyError with one line for each construct; nothing where all were translated."""
    faults = [
        Fault(each.line, (), f"{each.place}: {each.message}" if each.place else each.message) for each in untranslated
    ]
    if faults:
        told = dict.fromkeys(
            fault.sentence(file) if fault.line else f"{file}: {fault.message}"
            for fault in sorted(faults, key=lambda fault: fault.line)
        )
        raise StudyError("\n".join(told))


def flow(value: Any) -> str:
    """A value in YAML's short form, quoted where it has to be."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _WORDLIKE:
        return value
    return json.dumps(value, ensure_ascii=False)


def slug(text: str) -> str:
    """A study's name out of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "imported"


def word(text: str, taken: Iterable[str] = ()) -> str:
    """A concept's name out of any text, unlike those that are taken and unlike `death`."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", text).strip("_.-")[:50] or "concept"
    busy = {*taken, "death"}
    name, number = plain, 2
    while name in busy:
        name, number = f"{plain}_{number}", number + 1
    return name


def _commented(comment: str, indent: int) -> list[str]:
    return [f"{' ' * indent}# {line}" for line in comment.splitlines()]
