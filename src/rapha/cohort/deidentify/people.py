"""Names of persons: after a title, before a degree, after a label or a relation, and by a list of given names."""

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Literal

from rapha.cohort.deidentify.patterns import Found

_CAP = r"(?:(?:[OD]['’])?[A-Z][a-zà-öø-ÿ]{1,25}(?:['’-][A-Z]?[a-zà-öø-ÿ]{1,25}){0,2}|[A-Z]{2,25}(?:-[A-Z]{2,25}){0,2})"
_INITIAL = r"[A-Z]\.?"
_ONE = rf"(?:{_CAP}|{_INITIAL}(?![\w%]))"
_NAME = rf"(?:{_ONE}(?:[ ]{_ONE}){{0,3}})"
_LAST_FIRST = rf"(?:{_CAP}(?: {_CAP})?, {_CAP}(?:[ ]{_ONE}){{0,2}})"
_TITLE = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Doctor|Sister|Father|Brother|Rev|Reverend|Sir|Lady|Nurse|Sgt|Capt|Herr|Frau)"
_DEGREE = r"(?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|DPT|PT|OT|LPN|CNM|CRNA|FACC|FACS|MBBS|FRCP|DDS|PharmD|LCSW|BSN|MSN|MPH|APRN)\b\.?"
_LABEL = (
    r"(?:patient(?:'s)? name|pt name|patient|name|attending(?: physician)?|surgeon|assistant|anesthesiologist|referring(?: physician)?|requesting"
    r" physician|ordering physician|physician|provider|signed(?: electronically)? by|electronically signed by|dictated by|transcribed(?: by)?|reviewed by"
    r"|read by|cc|re|pcp|therapist|nurse|sponsor|author|consultant|next of kin|emergency contact|contact)"
)
_RELATION = (
    r"(?:mother|father|mom|dad|wife|husband|partner|spouse|son|daughter|brother|sister|niece|nephew|aunt|uncle|cousin|grandson|granddaughter"
    r"|grandmother|grandfather|friend|neighbou?r|fianc[ée]e?|girlfriend|boyfriend|ex-wife|ex-husband|caregiver|carer|guardian|sponsor|hematologist"
    r"|cardiologist|oncologist|pcp|gp|therapist|family)"
)
_TITLED = re.compile(rf"\b(?P<x>(?:{_TITLE}\.? ){{1,2}}{_NAME})")
_GRADED = re.compile(rf"\b(?P<x>{_NAME}),? (?:{_DEGREE})(?!\w)")
_LABELLED = re.compile(rf"(?:^|(?<=[\s(]))(?i:{_LABEL}) ?: *(?P<x>{_LAST_FIRST}|{_NAME})", re.MULTILINE)
_WRITTEN_BY = re.compile(
    rf"(?i:(?:signed|dictated|transcribed|reviewed|ref(?:erred)?) (?:electronically )?by) (?P<x>{_LAST_FIRST}|{_NAME})"
)
_RELATED = re.compile(rf"\b(?i:{_RELATION}),? ?[(]?(?P<x>{_CAP}(?: {_ONE}){{0,2}})")
_SIGNED = re.compile(rf"(?i:yours(?: sincerely| faithfully| truly)?|regards|sincerely|dear),?\s+(?P<x>{_NAME})")
_INITIALLED = re.compile(rf"(?<![\w.]) ?(?P<x>(?:[A-Z]\. ?){{1,3}}{_CAP}(?:-{_CAP})?)")
_CAPITALISED = re.compile(rf"\b(?P<x>{_CAP}(?:[ ](?:{_ONE})){{0,3}})")
_TURNED = re.compile(rf"(?<![\w.]){_CAP}(?: {_CAP})?, $")
_EPONYM = re.compile(
    r"(?:['’]s)?[ -](?:disease|syndrome|sign|palsy|test|catheter|fracture|procedure|criteria|score|type|grade|stage|repair|node|fingers|lymphoma"
    r"|ulcer|tube|classification|scale|position|operation|chorea|esophagus|law|foot|phenomenon)\b"
)


@cache
def _listed(name: Literal["names", "no_names"]) -> frozenset[str]:
    """Given names; and words that stand where a name may, and are none."""
    written = json.loads((files(__package__) / "given_names.json").read_text())
    return frozenset(" ".join(written[name]).split())


def by_custom(text: str) -> Iterator[Found]:
    """Names by what stands around them, or by a given name; they may overlap."""
    for pattern in (_TITLED, _GRADED, _LABELLED, _WRITTEN_BY, _RELATED, _SIGNED, _INITIALLED):
        for match in pattern.finditer(text):
            words = match["x"].split()
            if words[0].casefold() not in _listed("no_names") and not _EPONYM.match(text, match.end("x")):
                yield Found(match.start("x"), match.end("x"), "NAME")
    yield from _by_given_name(text)


def _by_given_name(text: str) -> Iterator[Found]:
    """A given name, and the capitalised words and initials after it on its line."""
    for match in _CAPITALISED.finditer(text):
        start = match.start("x")
        for word in re.finditer(r"\S+", match["x"]):
            if word.group().casefold().split("-")[0] in _listed("names"):
                begin, end = start + word.start(), match.end("x")
                if turned := _TURNED.search(text, max(0, begin - 40), begin):
                    begin = turned.start()
                if not _EPONYM.match(text, start + word.end()):
                    yield Found(begin, end, "NAME")
                break
