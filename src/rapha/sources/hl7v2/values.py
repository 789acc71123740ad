"""OBX-5 by its type, OBX-2 (HL7 tables 0125 and 0085)."""

import math
import re
from dataclasses import dataclass

from rapha.sources.hl7v2.messages import Segment

_NUMBER = re.compile(r"(<=|>=|<|>)? *([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)", re.ASCII)
STATUSES = {
    "F": ("final", "affirmed"), "C": ("amended", "affirmed"), "U": ("final", "affirmed"), "P": ("preliminary", "affirmed"),
    "R": ("preliminary", "affirmed"), "S": ("preliminary", "affirmed"), "B": ("preliminary", "affirmed"),
    "I": ("preliminary", "unknown"), "X": ("cancelled", "affirmed"), "D": ("entered-in-error", "affirmed"),
    "W": ("entered-in-error", "affirmed"),
}  # fmt: skip
"""OBX-11: W was posted to the wrong patient, D is deleted, X cannot be obtained, C replaces what was final."""
WITHDRAWN = ("X", "D", "W")
CODED, TEXTS, TIMES = ("CE", "CWE", "CNE", "CF", "ID", "IS"), ("ST", "TX", "FT"), ("DT", "TS", "DTM", "TM")


@dataclass(frozen=True)
class Value:
    number: float | None = None
    comparator: str | None = None
    code: str | None = None
    is_text: bool = False


def value_of(obx: Segment) -> Value | str:
    """The value, or the reason why there is none."""
    kind, repeats = obx.part(2), obx.repeats(5)
    if not obx.raw(5):
        return "has no value (OBX-5)"
    if kind in TEXTS:
        return _number(obx.plain(obx.raw(5)).strip()) or Value(is_text=True)
    if len(repeats) > 1:
        return "has more than one value (OBX-5)"
    parts = [part.strip() for part in obx.parts(repeats[0])]
    if kind == "NM":
        found = _number(parts[0])
        return found if found and found.comparator is None and len(parts) == 1 else "is not a number (OBX-5)"
    if kind == "SN":
        return _structured(parts)
    if kind in CODED:
        return Value(code=parts[0]) if parts[0] else "has no code (OBX-5)"
    if kind in TIMES:
        return Value(code=parts[0])
    return "has a type of value that is not read (OBX-2)"


def _number(text: str) -> Value | None:
    found = _NUMBER.fullmatch(text)
    if found is None or not math.isfinite(float(found[2])):
        return None
    return Value(number=float(found[2]), comparator=found[1])


def _structured(parts: list[str]) -> Value | str:
    sign, number, *more = [*parts, ""]
    if any(more):
        return "is a range or a ratio (OBX-5), which is not read"
    found = _number(number)
    if found is None or found.comparator or sign not in ("", "=", "<", ">", "<=", ">="):
        return "is not a number (OBX-5)"
    return Value(number=found.number, comparator=None if sign in ("", "=") else sign)
