"""A text as words: letters and digits together, every other sign by itself; `don't` is `do` and `n't`, `cannot` is `can` and
`not`, `patient's` is `patient` and `'s`, as the rules of `context_rules.json` are written."""

import re
from typing import NamedTuple

_WORD = re.compile(r"can(?=not\b)|[^\W_]+?(?=n't\b)|n't\b|'s\b|[^\W_]+|[^\w\s]|_", re.IGNORECASE)


class Token(NamedTuple):
    """A word in lower case, and where in the text it stands."""

    word: str
    start: int
    end: int


def tokens(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The words of a stretch of text."""
    found = _WORD.finditer(text, start, len(text) if end is None else end)
    return [Token(each.group().casefold(), each.start(), each.end()) for each in found]


def plain(text: str) -> str:
    """The text with one kind of apostrophe, hyphen and blank; every character stays in its place."""
    return text.translate(_SAME)


_SAME = str.maketrans({"’": "'", "‘": "'", "‐": "-", "‑": "-", "–": "-", "\xa0": " ", "\t": " ", "\r": " ", "\0": " "})
