"""What the hospital says of a patient, looked for in that patient's notes, however it is spelt there.

Words of three letters or more of a name; numbers with or without the signs between their digits; the lines of an address. A word
of a name that may be another word (`Brown`) is only found where it begins with a capital: the patient's name wins."""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from rapha.cohort.deidentify.patterns import Found, Kind

What = Literal["name", "id", "phone", "email", "address"]
_KINDS: dict[What, Kind] = {"name": "NAME", "id": "ID", "phone": "PHONE", "email": "EMAIL", "address": "ADDRESS"}
SHORTEST_NUMBER, SHORTEST_WORD = 5, 3
_LIKELY_WORD = 7
"""Letters: a shorter word of a name is looked for with a capital only."""


class Known(NamedTuple):
    """One thing that is known of a patient."""

    what: What
    value: str


def by_knowledge(text: str, known: Iterable[Known]) -> Iterator[Found]:
    """Where a text says what is known; places may overlap."""
    for each in known:
        for pattern in _patterns(each):
            for match in pattern.finditer(text):
                yield Found(match.start(), match.end(), _KINDS[each.what])


def _patterns(known: Known) -> Iterator[re.Pattern[str]]:
    value = known.value.strip()
    match known.what:
        case "name":
            for word in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", value):
                if len(word) >= SHORTEST_WORD:
                    yield _word(word)
        case "id" | "phone":
            signs = re.findall(r"[^\W_]", value)
            if len(signs) >= SHORTEST_NUMBER:
                yield re.compile(rf"(?<![^\W_]){r'[ ./()-]*'.join(map(re.escape, signs))}(?![^\W_])", re.IGNORECASE)
        case "email":
            yield re.compile(re.escape(value), re.IGNORECASE)
        case "address":
            for line in re.split(r"[,\n;]+", value):
                if len(line.strip()) >= SHORTEST_NUMBER:
                    yield re.compile(rf"(?<!\w){r'[ ,]+'.join(map(re.escape, line.split()))}(?!\w)", re.IGNORECASE)


def _word(word: str) -> re.Pattern[str]:
    escaped = re.escape(word)
    if len(word) >= _LIKELY_WORD:
        return re.compile(rf"(?<!\w){escaped}(?!\w)", re.IGNORECASE)
    return re.compile(rf"(?<!\w)(?:{re.escape(word.capitalize())}|{re.escape(word.upper())})(?!\w)")
