"""ConText: how a phrase is meant, from the words around it.

Harkema, Dowling, Thornblade, Chapman: ConText, J Biomed Inform 2009. The rules are medspaCy's, with some of our own
(`context_rules.json`); the algorithm is that of medspaCy 1.3.1 (MIT licence):

1. The rules that match in a sentence are its modifiers; of two that overlap, the longer is kept.
2. A modifier reaches to the end (forward) or the start (backward) of its sentence, or both.
3. Its reach ends at the next modifier that means the same, and at every one that terminates.
4. It applies to a phrase that it reaches and does not overlap.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, NamedTuple

from rapha.cohort.notes.words import Token

Meaning = Literal["negated", "possible", "historical", "hypothetical", "family"]
Reach = Literal["forward", "backward", "bidirectional", "terminate"]
RuleSet = Literal["medspacy", "own"]


RULES: dict[RuleSet, list[tuple[Meaning, Reach, str]]] = json.loads(
    (files(__package__) / "context_rules.json").read_text()
)
"""Of each set: what a rule means, how it reaches, and its words (see the file)."""


class Span(NamedTuple):
    """Of a sentence's tokens: from `start` up to, and without, `end`."""

    start: int
    end: int

    def touches(self, other: "Span") -> bool:
        """Whether they share a token."""
        return self.start < other.end and other.start < self.end


class ContextRule(NamedTuple):
    """`words`: of each place the words that may stand there, and whether it may be left out."""

    meaning: Meaning
    reach: Reach
    words: tuple[tuple[frozenset[str], bool], ...]


@dataclass
class _Modifier:
    rule: ContextRule
    at: Span
    scope: Span

    def limit(self, other: "_Modifier") -> None:
        """Rule 3."""
        ends = other.rule.reach == "terminate" or other.rule.meaning == self.rule.meaning
        if self.rule.reach == "terminate" or not ends or not self.scope.touches(other.scope):
            return
        if self.rule.reach != "backward" and other.at.start > self.at.start:
            self.scope = Span(self.scope.start, min(self.scope.end, other.at.start))
        if self.rule.reach != "forward" and other.at.end < self.at.end:
            self.scope = Span(max(self.scope.start, other.at.end), self.scope.end)


def meanings(
    sentence: Sequence[Token], phrase: Span, sets: tuple[RuleSet, ...] = ("medspacy", "own")
) -> frozenset[Meaning]:
    """What the words of a sentence say of a phrase in it."""
    found = _modifiers(sentence, sets)
    return frozenset(
        each.rule.meaning
        for each in found
        if each.rule.reach != "terminate" and each.scope.touches(phrase) and not each.at.touches(phrase)
    )


def _modifiers(sentence: Sequence[Token], sets: tuple[RuleSet, ...]) -> list[_Modifier]:
    words = [token.word for token in sentence]
    matches = [
        (rule, Span(start, end))
        for start, word in enumerate(words)
        for rule in _by_first_word(sets).get(word, ())
        for end in (_end(rule, words, start),)
        if end is not None
    ]
    kept: list[_Modifier] = []
    for rule, at in sorted(matches, key=lambda match: (match[1].start - match[1].end, match[1].start)):
        if not any(at.touches(other.at) and at != other.at for other in kept):  # rule 1
            kept.append(_Modifier(rule, at, _scope(rule.reach, at, len(words))))
    for first in kept:
        for second in kept:
            if first is not second:
                first.limit(second)
    return kept


def _scope(reach: Reach, at: Span, length: int) -> Span:
    """Rule 2."""
    match reach:
        case "forward":
            return Span(at.end, length)
        case "backward":
            return Span(0, at.start)
        case "bidirectional" | "terminate":
            return Span(0, length)


def _end(rule: ContextRule, words: Sequence[str], start: int) -> int | None:
    """Where the longest match of a rule that begins at `start` ends; None where it does not match."""
    ends = {start}
    for choices, optional in rule.words:
        ahead = {end + 1 for end in ends if end < len(words) and words[end] in choices}
        ends = ahead | ends if optional else ahead
    return max(ends, default=None)


@cache
def _by_first_word(sets: tuple[RuleSet, ...]) -> dict[str, tuple[ContextRule, ...]]:
    by_word: dict[str, list[ContextRule]] = {}
    for name in sets:
        for meaning, reach, words in RULES[name]:
            rule = ContextRule(meaning, reach, tuple(_place(word) for word in words.split()))
            for first in _beginnings(rule):
                by_word.setdefault(first, []).append(rule)
    return {word: tuple(rules) for word, rules in by_word.items()}


def _beginnings(rule: ContextRule) -> frozenset[str]:
    """The words that a match of a rule may begin with: those of its first places up to one that must be there."""
    found: frozenset[str] = frozenset()
    for choices, optional in rule.words:
        found |= choices
        if not optional:
            break
    return found


def _place(written: str) -> tuple[frozenset[str], bool]:
    optional = len(written) > 1 and written.endswith("?")
    return frozenset(written.removesuffix("?").split("|") if optional else written.split("|")), optional
