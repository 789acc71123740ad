"""One text: what is found in it gives way to its kind, in square brackets."""

from collections.abc import Iterable

from rapha.cohort.deidentify.known import Known, by_knowledge
from rapha.cohort.deidentify.patterns import Found, by_form
from rapha.cohort.deidentify.people import by_custom


def found_in(text: str, known: Iterable[Known] = ()) -> list[Found]:
    """What is to be hidden, in the order of the text, without overlaps: of what overlaps, all is hidden, as the kind that begins
    first, and of those the longest."""
    every = [*by_knowledge(text, known), *by_form(text), *by_custom(text)]
    every.sort(key=lambda found: (found.start, -found.end))
    kept: list[Found] = []
    for each in every:
        if kept and each.start < kept[-1].end:
            kept[-1] = kept[-1]._replace(end=max(kept[-1].end, each.end))
        elif each.end > each.start:
            kept.append(each)
    return kept


def hide(text: str, known: Iterable[Known] = ()) -> str:
    """The text with `[NAME]`, `[DATE]` and so on in the place of what was found. Same text and knowledge: same answer."""
    parts, at = [], 0
    for each in found_in(text, known):
        parts += [text[at : each.start], f"[{each.kind}]"]
        at = each.end
    return "".join([*parts, text[at:]])
