"""The made-up notes whose names are marked, and how many of the marks a reader finds.

A note begins with what the hospital knows of its patient. A mark is `{KIND:text}`. `seen.txt` was at hand when the rules were
written; `unseen.txt` was written before them by the same hand, and no rule was changed after looking at it.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rapha.cohort.deidentify.known import Known
from rapha.cohort.deidentify.patterns import Found

FOLDER = Path(__file__).parent / "made_up_notes"
MARK = re.compile(r"\{([A-Z]+):([^{}]*)\}")


@dataclass(frozen=True)
class Marked:
    text: str
    marks: tuple[Found, ...]
    known: tuple[Known, ...]


def notes(name: str) -> Iterator[Marked]:
    for part in (FOLDER / name).read_text().split("=====\n"):
        first, _, marked = part.partition("\n")
        said = [each.strip().split("=", 1) for each in first.removeprefix("known:").split(";")]
        known = tuple(Known(what, value) for what, value in said if what != "birth")
        text, marks, at = "", [], 0
        for mark in MARK.finditer(marked):
            text += marked[at : mark.start()]
            marks.append(Found(len(text), len(text) + len(mark[2]), mark[1]))
            text, at = text + mark[2], mark.end()
        yield Marked(text + marked[at:], tuple(marks), known)


@dataclass
class Score:
    """By kind. A mark is found if all of it is hidden, whatever it is taken for; what is hidden is right if it is of a mark."""

    marks: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    hidden: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def score(name: str, find: Callable[[str, tuple[Known, ...]], list[Found]], known: bool) -> Score:
    total = Score()
    for note in notes(name):
        hidden = find(note.text, note.known if known else ())
        covered = {place for each in hidden for place in range(each.start, each.end)}
        for mark in note.marks:
            letters = {at for at in range(mark.start, mark.end) if note.text[at].isalnum()}
            total.marks[mark.kind] += 1
            total.found[mark.kind] += letters <= covered
            if not letters <= covered:
                total.missed.append(f"{mark.kind}:{note.text[mark.start : mark.end]}")
        for each in hidden:
            right = any(each.start < mark.end and mark.start < each.end for mark in note.marks)
            total.hidden[each.kind] += 1
            total.right[each.kind] += right
            if not right:
                total.wrong.append(f"{each.kind}:{note.text[each.start : each.end]}")
    return total
