"""What can be told by its form: dates, ages above 89, telephone numbers, mail and web addresses, numbers of persons and things,
streets and towns, institutions; and what another tool put in the place of any of these. Each pattern has one group `x`: what is hidden."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

Kind = Literal["NAME", "DATE", "AGE", "PHONE", "EMAIL", "URL", "ID", "ADDRESS", "PLACE", "REMOVED"]


class Found(NamedTuple):
    """A stretch of a text, and what it is."""

    start: int
    end: int
    kind: Kind


_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_WEEKDAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
_CUE = (
    r"(?:on|since|from|of|dated?|until|till|through|thru|to|by|before|after|ends?|starting|began|in|seen|note|visit|dx|pos|neg|line"
    r"|last|next|born|early|late|mid|around|for|RIJ|LIJ|PICC|CT|MRI|PET|CXR|cath|echo|holter|labs?|recon|given|signed|stopped|quit|admitted"
    r"|discharged|operation|EDD|LMP|DOB|d\.o\.b\.|rx)"
)
_DOSE = r"(?!\d|[/%]|\.\d| ?(?:mg|ml|mcg|g\b|l\b|mmhg|strength|pain|murmur|tablets?|tabs?|weeks?|wk|hours?|days?|months?|years?|x\b))"
_STREET = (
    r"(?:street|st|road|rd|lane|ln|avenue|ave|boulevard|blvd|drive|dr|way|court|ct|place|pl|terrace|ter|highway|hwy|square|sq|parkway"
    r"|pkwy|circle|cir|close|crescent|row|hill|gardens?|mews|trail)\b\.?"
)
_STATE = r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])"
_CAP = r"[A-Z][\w'’-]{1,30}"
_UNIT = r"(?:,? (?:suite|ste|apt|apartment|unit|floor|room|#) ?\w{1,6})?"
_INSTITUTION = (
    r"(?:Hospital|Hospitals|Medical Center|Medical Centre|Health System|Healthcare|Health|Clinic|Infirmary|Hospice|Nursing Home|Care Home"
    r"|Rehab|Rehabilitation|Surgery|Convent|Monastery|Church|School|Elementary|College|University|Academy|Regional|Family Medicine"
    r"|Pediatrics|Associates|Logistics|Recovery House|Institute|Pharmacy|Laboratories|Labs|Inc|LLC|Ltd|Corporation|Company|Bank|Herzzentrum"
    r"|Klinikum|Krankenhaus|Praxis)"
)

_I = re.IGNORECASE
_PATTERNS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    # of other tools: MIMIC-III's brackets, Open-i's XXXX (but not four X chromosomes), MIMIC-IV's lines
    ("REMOVED", re.compile(r"(?P<x>\[\*\*[^\]\n]{0,200}\*\*\])")),
    ("REMOVED", re.compile(r"(?<![\w,;])(?P<x>X{4,40})(?!\w)")),
    ("REMOVED", re.compile(r"(?<![\w_])(?P<x>_{3,200})(?!\w)")),
    ("EMAIL", re.compile(r"(?P<x>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6})")),
    ("URL", re.compile(r"(?P<x>(?:https?://|www\.)[^\s<>()\"]{1,500}(?<=[\w/]))", _I)),
    ("URL", re.compile(r"\b(?P<x>(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d))\b(?!\.\d)")),
    # dates, the longest forms first
    ("DATE", re.compile(rf"(?P<x>\b{_YEAR}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)\b")),
    ("DATE", re.compile(r"(?<![\d./-])(?P<x>(?:(?:mon|tue|wed|thu|fri|sat|sun)\w* )?(?:\d{4}[/.]\d{1,2}[/.]\d{1,2}|\d{1,2}([/.-])\d{1,2}\2(?:\d{4}|\d\d)))(?![\d/-]|\.\d)", _I)),
    ("DATE", re.compile(rf"\b(?P<x>{_DAY}[ -](?:of )?(?:{_MONTH})(?:[ ,-]+(?:{_YEAR}|['’]?\d\d\b))?)", _I)),
    ("DATE", re.compile(rf"\b(?P<x>{_MONTH}[ -]{_DAY}\b(?!/|\.\d)(?:,? ?{_YEAR}| ['’]\d\d)?)", _I)),
    ("DATE", re.compile(rf"\b(?P<x>{_MONTH},? ['’]?(?:{_YEAR}|(?<=['’])\d\d))\b", _I)),
    ("DATE", re.compile(rf"\b(?:in|since|until|last|next|of|by|from|early|late|mid|this|through)[ -](?P<x>{_MONTH})(?!\w)", _I)),
    ("DATE", re.compile(rf"\b(?P<x>(?:{_WEEKDAY}[, ]+)?(?:0?[1-9]|1[0-2])/(?:1[1-9]|2\d|3[01]|0?[1-9])-(?:0?[1-9]|1[0-2])/(?:[12]\d|3[01]|0?[1-9]))(?!\d|/)", _I)),
    ("DATE", re.compile(rf"(?<![\d./-])(?P<x>(?:0?[1-9]|1[0-2])/(?:1[1-9]|2\d|3[01])){_DOSE}", _I)),
    ("DATE", re.compile(rf"\b{_CUE}:?\s(?P<x>(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])){_DOSE}", _I)),
    ("DATE", re.compile(r"\((?P<x>(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01]))\)")),
    ("DATE", re.compile(rf"(?<![\d./-])(?P<x>(?:0?[1-9]|1[0-2])/{_YEAR})\b")),
    ("DATE", re.compile(r"\b(?P<x>(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b", _I)),
    ("DATE", re.compile(rf"\b{_CUE}:?\s(?P<x>{_YEAR})\b(?! ?(?:mg|ml|mcg|g|kcal|units?|cc)\b)", _I)),
    ("AGE", re.compile(r"\b(?P<x>9\d|1[01]\d)(?=[ -]*(?:years?|yrs?|y/?o|y\.o|-year)\b)", _I)),
    ("AGE", re.compile(r"\b(?:aged?|age of|aged about|nun of|man of|woman of|lady of|gentleman of):? (?P<x>9\d|1[01]\d)\b", _I)),
    # numbers
    (
        "ID",
        re.compile(
            r"\b(?:MRN?|MR ?#|med(?:ical)? rec(?:ord)?(?: (?:no|number))?|record (?:no|number)|hosp(?:ital)?(?: (?:no|number|#))?|patient id|id"
            r"|acc(?:ession)?(?: (?:no|number))?|SSN(?: on file)?|policy(?: (?:no|number))?|lot|lic(?:ense)?|licen[cs]e(?: (?:no|number))?|NHS number"
            r"|case (?:no|number)|account|acct|serial(?: (?:no|number))?|passport|DEA|NPI|visit (?:no|number)|encounter)"
            r"(?: ?#)?[.:]{0,2} ?#? ?(?P<x>(?=[\w-]{0,24}\d)[A-Z0-9](?:[\w-]|(?<=\d) (?=\d{3,4}\b)){2,24}\w)",
            _I,
        ),
    ),
    ("PHONE", re.compile(r"(?<![\w./-])(?P<x>\+\d{1,3}[ .-]?(?:\(\d+\)[ .-]?)?\d{1,4}(?:[ .-]\d{2,4}){1,4})(?!\w)")),
    ("PHONE", re.compile(r"(?<![\w./-])(?P<x>(?:1[ .-])?(?:\(\d{3,5}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?:,? ?(?:x|ext\.?) ?\d{1,6})?)(?!\w|-)", _I)),
    ("PHONE", re.compile(r"(?<![\w./-])(?P<x>\(?0\d{2,4}\)? \d{3} ?\d{3,4})(?![\w-])")),
    ("PHONE", re.compile(r"(?<![\w./-])(?P<x>\d{3}-\d{4})(?![\w-])")),
    ("PHONE", re.compile(r"\b(?:ext\.?|pager|beeper|bleep) ?#? ?(?P<x>\d{3,7})\b", _I)),
    ("ID", re.compile(r"\b(?P<x>\d{3}-\d{2}-\d{4})\b")),
    ("ID", re.compile(r"(?<![\w./-])(?P<x>\d{7,40})(?![\w.]{0,9}\d)")),
    ("ID", re.compile(r"(?<![\w-])(?P<x>(?=[A-Z0-9-]{0,24}[A-Z])(?=(?:[A-Z-]{0,20}\d){5})[A-Z0-9][A-Z0-9-]{5,24})(?![\w-])")),
    # places
    (
        "ADDRESS",
        re.compile(
            rf"\b(?P<x>(?:P\.? ?O\.? Box \d+|\d{{1,5}}[A-Za-z]?,? (?:[NSEW]\.? )?(?:{_CAP} ){{1,3}}(?i:{_STREET})){_UNIT}"
            rf"(?:,? (?:{_CAP}[ ,]{{0,2}}){{1,3}}(?:,? ?{_STATE}\b)?(?:,? ?\d{{5}}(?:-\d{{4}})?)?(?:,? ?[A-Z]{{1,2}}\d[\dA-Z]? ?\d[A-Z]{{2}})?)?)"
        ),
    ),
    ("ADDRESS", re.compile(rf"\b(?P<x>(?:{_CAP} ){{0,2}}{_CAP}(?:, (?!MD\b|PA\b|DO\b){_STATE}(?:,? \d{{5}}(?:-\d{{4}})?)?|,? {_STATE},? \d{{5}}(?:-\d{{4}})?))(?!\w)")),
    ("ADDRESS", re.compile(rf"\b(?P<x>{_STATE},? \d{{5}}(?:-\d{{4}})?)\b")),
    ("ADDRESS", re.compile(r"(?<!\w)(?P<x>[A-Z]{1,2}\d[\dA-Z]? \d[A-Z]{2})(?!\w)")),
    ("ADDRESS", re.compile(r"(?<!\w)(?P<x>[A-ZÄÖÜ][\wäöüß-]{0,40}?(?:straße|strasse|weg|platz|gasse|allee) \d+\w?(?:, ?\d{4,5} [A-ZÄÖÜ][\wäöüß-]{1,40})?)")),
    (
        "ADDRESS",
        re.compile(rf"\b(?:lives? (?:alone )?in|living in|resides in|moved (?:here )?(?:from|to)|resident of|born in|works? in|at work in|as a \w+ in) (?P<x>{_CAP}(?: {_CAP}){{0,2}})"),
    ),
    ("PLACE", re.compile(rf"\b(?P<x>(?:(?:St\.?|{_CAP}|&|of) ){{0,4}}(?<![.] ){_INSTITUTION}\b(?: (?:{_CAP})){{0,4}})(?!\w)")),
    ("PLACE", re.compile(rf"\b(?:works?(?: (?:night|day) shifts)? (?:at|for)|employed (?:at|by)|accountant at|grade at|(?:living|lives) at) (?P<x>{_CAP}(?:(?: &)? {_CAP}){{0,3}})")),
)  # fmt: skip


def by_form(text: str) -> Iterator[Found]:
    """Every match of every pattern; they may overlap."""
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            yield Found(match.start("x"), match.end("x"), kind)
