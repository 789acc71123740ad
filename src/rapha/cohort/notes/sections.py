"""A note's parts and sentences.

A heading stands at the start of a line: a known name before a colon, or alone on its line; or words in capitals before a colon,
which begin a part of unknown name. Known names are those of medspaCy's `section_patterns.json` and common others.

A sentence ends at . ! ? or ; before a blank, at an empty line, at a heading, before a bullet or number of a list, and where a
short line is followed by one that begins with a capital: hospital systems break long lines anywhere, and lists by lines.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from rapha.records.mention import Section

SHORT_LINE = 60
"""Characters: a line as short as this was broken by a person."""

_NAMES: dict[Section, str] = {
    "addendum": "addendum",
    "allergies": "allergies|allergic reactions|allergy|drug allergies",
    "complaint": "cc|chief complaint|presenting complaint|reason for visit|reason for consultation",
    "course": "brief hospital course|hospital course|summary of hospital course|clinical course|course",
    "diagnoses": "diagnoses|diagnosis|admission diagnoses|admission diagnosis|primary diagnosis|secondary diagnosis|"
    "secondary diagnoses|discharge diagnoses|discharge diagnosis|final diagnosis|final diagnoses",
    "exam": "pe|physical exam|physical examination|exam|examination|on examination|vital signs|vitals",
    "family-history": "family history|fh|fhx|family hx|family medical history",
    "findings": "findings|imaging|interpretation|radiology|report|echo|result|results|pertinent results|studies",
    "impression": "impression|assessment|conclusion|conclusions|summary|opinion|clinical impression|final assessment",
    "indication": "indication|indications|clinical indication|reason for examination|reason for exam|"
    "reason for this examination|clinical information|clinical details",
    "instructions": "discharge instructions|followup instructions|follow-up instructions|patient instructions|"
    "instructions|patient education|education|precautions|return precautions|consent",
    "labs": "labs|laboratory|laboratory tests|laboratory data|admission labs|discharge labs|micro|microbiology",
    "medications": "medications|active medications|admission medications|current medications|discharge medications|"
    "home medications|medications at home|medications on admission|medications on discharge|medication",
    "past-history": "past medical history|past surgical history|pmh|pmhx|psh|mhx|past history|medical history|"
    "history|clinical history|past med history|past medical hx|history of chronic illness",
    "plan": "plan|recommendation|recommendations|a/p|assessment/plan|assessment and plan|impression and plan|"
    "impression and recommendation|disposition|discharge plan|follow-up|followup|follow up",
    "present-illness": "hpi|history of present illness|history of presenting complaint|present illness|interval history",
    "problems": "problem list|active problem list|current problems|active problems|medical problems|problems",
    "signature": "electronic signature|signed electronically by|signed by|electronically signed by|signed",
    "social-history": "social history|sh|sexual history|shx",
    "technique": "technique|procedure|comparison|study|examination performed|protocol",
}
_SECTION_OF: dict[str, Section] = {name: section for section, names in _NAMES.items() for name in names.split("|")}
_NAMED = "|".join(sorted((re.escape(name) for name in _SECTION_OF), key=len, reverse=True))
_HEADING = re.compile(
    rf"^[ #*>-]*(?:(?P<known>{_NAMED})\**[ ]*(?::|\**[ ]*$)|(?-i:(?P<other>[A-Z][A-Z /&-]{{2,50}}[A-Z])[ ]*:))",
    re.IGNORECASE | re.MULTILINE,
)
_BREAK = re.compile(
    r"(?<=[^\s.!?;])[.!?;]+(?=\s|$)|\n[ ]*\n|\n(?=[ ]*(?:[-*•>]|\d{1,2}[.)])[ ])|\n(?=[ ]*[A-Z])", re.MULTILINE
)
_SHORTENED = re.compile(r"(?:\b(?:dr|mr|mrs|ms|prof|vs|e\.g|i\.e|approx|pt|st|fig|ca|dept))$", re.IGNORECASE)


class Sentence(NamedTuple):
    """Where it stands in the text, and in which part of the note."""

    start: int
    end: int
    section: Section


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text of `words.plain`, in their order; headings are none."""
    start, section = 0, "other"
    known: Section = "other"
    for heading in _HEADING.finditer(text):
        yield from _split(text, start, heading.start(), known)
        section = (heading["known"] or "").casefold()
        known = _SECTION_OF.get(section, "other")
        start = heading.end()
    yield from _split(text, start, len(text), known)


def _split(text: str, start: int, end: int, section: Section) -> Iterator[Sentence]:
    begins = start
    for each in _BREAK.finditer(text, start, end):
        if not _ends_here(text, each, start):
            continue
        if text[begins : each.end()].strip():
            yield Sentence(begins, each.end(), section)
        begins = each.end()
    if text[begins:end].strip():
        yield Sentence(begins, end, section)


def _ends_here(text: str, found: re.Match[str], start: int) -> bool:
    sign = found.group()
    if sign == ".":
        return not _SHORTENED.search(text, max(start, found.start() - 12), found.start())
    if sign == "\n" and text[found.end() :].lstrip(" ")[:1].isupper():
        line = text.rfind("\n", 0, found.start()) + 1
        return found.start() - line < SHORT_LINE
    return True
