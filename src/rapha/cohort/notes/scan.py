"""A text against the mentions of a study: which of them it says."""

import re
from collections.abc import Mapping
from typing import Generic, TypeVar

from rapha.cohort.notes.context import Meaning, Span, meanings
from rapha.cohort.notes.sections import Sentence, sentences
from rapha.cohort.notes.words import Token, plain, tokens
from rapha.records.mention import (
    FAMILY_SECTIONS,
    PAST_SECTIONS,
    PERHAPS_SECTIONS,
    Mention,
    Person,
    Polarity,
    Section,
    Time,
)

MOST_CHARACTERS = 1 << 20
"""Of a note, so many are read: a text longer than a book is no note."""

Name = TypeVar("Name")


class Scanner(Generic[Name]):
    """Looks for the phrases of several mentions at once. Same mentions and text: same answer."""

    def __init__(self, mentions: Mapping[Name, Mention]) -> None:
        self._mentions = mentions
        self._phrases: dict[tuple[str, ...], list[Name]] = {}
        for name, mention in mentions.items():
            for phrase in mention.phrases:
                words = tuple(token.word for token in tokens(plain(phrase)))
                self._phrases.setdefault(words, []).append(name)
        self._first = {words[0] for words in self._phrases}
        longest_first = sorted({words[0] for words in self._phrases}, key=lambda word: (-len(word), word))
        self._any = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)

    def said_in(self, content: bytes) -> frozenset[Name]:
        """The mentions that a note says: one of the phrases, meant as the mention accepts. What is not UTF-8 is passed over."""
        text = plain(content.decode("utf-8", "replace")[:MOST_CHARACTERS])
        found: set[Name] = set()
        folded = text.casefold()
        if not any(word in folded for word in self._first):  # most notes say none of it
            return frozenset()
        for sentence in sentences(text):
            if self._any.search(text, sentence.start, sentence.end):
                found |= self._in_sentence(tokens(text, sentence.start, sentence.end), sentence)
        return frozenset(found)

    def _in_sentence(self, line: list[Token], sentence: Sentence) -> set[Name]:
        words = [token.word for token in line]
        found: set[Name] = set()
        for start, word in enumerate(words):
            if word not in self._first:
                continue
            for phrase, names in self._phrases.items():
                end = start + len(phrase)
                if word == phrase[0] and tuple(words[start:end]) == phrase:
                    meant = meanings(line, Span(start, end)) | _of_section(sentence.section)
                    found |= {name for name in names if accepts(self._mentions[name], meant, sentence.section)}
        return found


def accepts(mention: Mention, meant: frozenset[Meaning], section: Section) -> bool:
    """Whether a phrase that is meant so, in this part of a note, is what the mention asks for."""
    polarity: Polarity = "negated" if "negated" in meant else "possible" if "possible" in meant else "affirmed"
    about: Person = "family" if "family" in meant else "patient"
    time: Time = "hypothetical" if "hypothetical" in meant else "historical" if "historical" in meant else "current"
    there = section in mention.sections if mention.sections else section not in mention.not_sections
    return there and polarity in mention.polarity and about in mention.about and time in mention.time


def _of_section(section: Section) -> frozenset[Meaning]:
    """What all of a part of a note is, whatever its words: as in medspaCy, but for social history, which is not over."""
    means: dict[Meaning, tuple[Section, ...]] = {
        "family": FAMILY_SECTIONS,
        "historical": PAST_SECTIONS,
        "hypothetical": PERHAPS_SECTIONS,
    }
    return frozenset(meaning for meaning, parts in means.items() if section in parts)
