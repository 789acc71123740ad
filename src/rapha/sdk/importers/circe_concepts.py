"""Circe's concept sets and domain criteria -> concepts of a study, and the number that an event must have."""

from dataclasses import dataclass
from typing import Any

from rapha.sdk.importers.draft import Draft, Rule, Untranslated, word

DOMAINS = (
    "ConditionOccurrence", "DrugExposure", "ProcedureOccurrence", "Measurement", "Observation", "VisitOccurrence",
    "DeviceExposure", "Specimen", "Death",
)  # fmt: skip
ERAS = ("ConditionEra", "DrugEra", "DoseEra")
_SEX = {8507: "male", 8532: "female"}
_OPS = {"gt": "above", "gte": "at_least", "lt": "below", "lte": "at_most"}


@dataclass(frozen=True)
class Events:
    """What a domain criterion is of; `first`: only a patient's first ever."""

    concept: str
    value: Rule | None
    first: bool


def check_keys(value: Any, known: tuple[str, ...], place: str) -> dict[str, Any]:
    """The object, whose keys that hold something are all known. Raises Untranslated with the path of one that is not."""
    if not isinstance(value, dict):
        raise Untranslated("is no object", place=place)
    for key, each in value.items():
        says_nothing = each is None or each is False or (isinstance(each, list | dict | str) and not each)
        if key not in known and not says_nothing:  # a 0 says something: it is the number of a concept set
            raise Untranslated("has no translation", place=f"{place}.{key}" if place else key)
    return value


def listed(value: Any, place: str) -> list[Any]:
    """What a list holds; nothing where there is none. Raises Untranslated: it is another thing."""
    if value is not None and not isinstance(value, list):
        raise Untranslated("is no list", place=place)
    return value or []


def whole(value: Any, place: str) -> int:
    """A whole number; 0 where there is none. Raises Untranslated: it is another thing."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise Untranslated("is no whole number", place=place)
    return int(value)


def sexes(value: Any, place: str) -> Rule:
    """`Gender` as a criterion. Raises Untranslated: one of them is neither male nor female."""
    named = listed(value, place)
    found = [_SEX.get(whole(each.get("CONCEPT_ID"), place)) for each in named if isinstance(each, dict)]
    if not found or None in found or len(found) != len(named):
        raise Untranslated("is of a concept that is neither 8507 (male) nor 8532 (female)", place=place)
    return {"sex": found[0]} if len(found) == 1 else {"or": [{"sex": each} for each in found]}


class ConceptSets:
    """The concept sets of one expression; each becomes a concept when it is first used."""

    def __init__(self, sets: Any, draft: Draft) -> None:
        self._draft = draft
        self._sets: dict[int, dict[str, Any]] = {}
        self._names: dict[int, str] = {}
        for at, each in enumerate(listed(sets, "ConceptSets")):
            place = f"ConceptSets[{at}]"
            one = check_keys(each, ("id", "name", "expression"), place)
            number = whole(one.get("id"), f"{place}.id")
            if number in self._sets:
                raise Untranslated(f"is a second concept set {number}", place=place)
            self._sets[number] = one

    def events(self, criterion: Any, place: str) -> Events:
        """What `{"ConditionOccurrence": {...}}` asks for. Raises Untranslated."""
        if not isinstance(criterion, dict) or len(criterion) != 1:
            raise Untranslated("is not one criterion of a domain", place=place)
        [(domain, body)] = criterion.items()
        place = f"{place}.{domain}"
        if domain in ERAS:
            raise Untranslated("is of eras, which are derived; a study asks for what was charted", place=place)
        if domain not in DOMAINS:
            raise Untranslated("is of a domain that a timeline has not", place=place)
        known = ("CodesetId", "First", *(("ValueAsNumber", "Unit") if domain == "Measurement" else ()))
        body = check_keys(body, known, place)
        if domain == "Death":
            return Events("death", None, bool(body.get("First")))
        if body.get("CodesetId") is None:
            raise Untranslated("is of any event of its domain: give it a concept set", place=f"{place}.CodesetId")
        value = self._value(body, place) if body.get("ValueAsNumber") else None
        if value is None and body.get("Unit"):
            raise Untranslated("a unit without a number has no translation", place=f"{place}.Unit")
        return Events(self.name(body["CodesetId"], f"{place}.CodesetId"), value, bool(body.get("First")))

    def name(self, number: Any, place: str) -> str:
        """The concept of a set. Raises Untranslated: it is not there, or cannot be said."""
        number = whole(number, place) if number is not None else None
        if number not in self._sets:
            raise Untranslated(f"there is no concept set {number}", place=place)
        if number not in self._names:
            concept = self._concept(self._sets[number], f"ConceptSets[id {number}]")
            self._names[number] = word(str(self._sets[number].get("name") or "concept"), self._draft.concepts)
            comment = f"Circe: concept set {number}, {' '.join(str(self._sets[number].get('name')).split())}"
            self._draft.concepts[self._names[number]] = (concept, comment)
        return self._names[number]

    def _concept(self, concept_set: dict[str, Any], place: str) -> Rule:
        expression = check_keys(concept_set.get("expression") or {}, ("items",), f"{place}.expression")
        items = listed(expression.get("items"), f"{place}.expression.items")
        groups: dict[tuple[bool, str, bool], list[str]] = {}
        for at, item in enumerate(items):
            here = f"{place}.expression.items[{at}]"
            check_keys(item, ("concept", "isExcluded", "includeDescendants", "includeMapped"), here)
            if item.get("includeMapped"):
                raise Untranslated(
                    "also takes what maps to it, against the hierarchy; list those codes", place=f"{here}.includeMapped"
                )
            concept = item.get("concept") or {}
            if not isinstance(concept, dict):
                raise Untranslated("is no object", place=f"{here}.concept")
            system, code = concept.get("VOCABULARY_ID"), concept.get("CONCEPT_CODE")
            if not isinstance(system, str) or not isinstance(code, str) or not system or not code:
                raise Untranslated(
                    "has no VOCABULARY_ID and CONCEPT_CODE: a study names codes, not a CDM's numbers",
                    place=f"{here}.concept",
                )
            below = bool(item.get("includeDescendants"))
            if below and concept.get("STANDARD_CONCEPT") not in (None, "S", "C"):
                raise Untranslated(
                    "a code that is no standard concept has nothing below it in a CDM",
                    place=f"{here}.includeDescendants",
                )
            groups.setdefault((bool(item.get("isExcluded")), str(system), below), []).append(str(code))
        found: dict[bool, list[Rule]] = {False: [], True: []}
        for (excluded, system, below), codes in groups.items():
            found[excluded].append(
                {"system": system, "codes": sorted(set(codes))}
                | ({"descendants": "true"} if below else {"mapped": "true"})
            )
        if not found[False]:
            raise Untranslated("holds nothing", place=place)
        rule = found[False][0] if len(found[False]) == 1 else {"any_of": found[False]}
        return rule | ({"exclude": found[True]} if found[True] else {})

    def _value(self, body: dict[str, Any], place: str) -> Rule:
        number = check_keys(body["ValueAsNumber"], ("Value", "Op", "Extent"), f"{place}.ValueAsNumber")
        op, value = number.get("Op"), number.get("Value")
        named = listed(body.get("Unit"), f"{place}.Unit")
        units = [each.get("CONCEPT_CODE") if isinstance(each, dict) else None for each in named]
        if len(units) > 1 or None in units:
            raise Untranslated("numbers of several units are not compared with one number", place=f"{place}.Unit")
        for key in ("Value", "Extent"):
            if number.get(key) is not None and (
                isinstance(number[key], bool) or not isinstance(number[key], int | float)
            ):
                raise Untranslated("is no number", place=f"{place}.ValueAsNumber.{key}")
        unit = {"unit": units[0] if units else "any"}
        if op in _OPS:
            return {_OPS[op]: value, **unit}
        if op == "eq":
            return {"at_least": value, "at_most": value, **unit}
        if op == "bt":
            return {"at_least": value, "at_most": number.get("Extent"), **unit}
        raise Untranslated(f"the comparison {op!r} has no translation", place=f"{place}.ValueAsNumber.Op")
