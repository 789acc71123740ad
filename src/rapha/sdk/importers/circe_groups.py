"""Circe's groups of criteria -> criteria of a study.

A window of Circe is of days, its first and last among them; a study's is open at its start. On dates alone, from 30 days
before to the index is after 31 days before, up to the index.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

from rapha.sdk.importers.circe_concepts import ConceptSets, check_keys, listed, sexes, whole
from rapha.sdk.importers.draft import Rule, Untranslated

MOST_COMBINATIONS = 60
_EXACTLY, _AT_MOST, _AT_LEAST = 0, 1, 2


@dataclass(frozen=True)
class Facts:
    """What the researcher says of the CDM, and of ages: see `CirceChoices`."""

    dates: bool
    one_period: bool
    completed_years: bool


class Groups:
    def __init__(self, sets: ConceptSets, facts: Facts) -> None:
        self._sets, self._facts = sets, facts

    def group(self, value: Any, place: str) -> Rule | None:
        """One criterion for a group; None where it is empty, and so holds for everybody. Raises Untranslated."""
        known = ("Type", "Count", "CriteriaList", "DemographicCriteriaList", "Groups")
        group = check_keys(value, known, place)
        parts = [
            *(
                self._counted(each, f"{place}.CriteriaList[{at}]")
                for at, each in enumerate(listed(group.get("CriteriaList"), f"{place}.CriteriaList"))
            ),
            *(
                self._person(each, f"{place}.DemographicCriteriaList[{at}]")
                for at, each in enumerate(
                    listed(group.get("DemographicCriteriaList"), f"{place}.DemographicCriteriaList")
                )
            ),
        ]
        below = [
            self.group(each, f"{place}.Groups[{at}]")
            for at, each in enumerate(listed(group.get("Groups"), f"{place}.Groups"))
        ]
        if None in below:
            raise Untranslated("holds an empty group", place=f"{place}.Groups")
        parts += [each for each in below if each is not None]
        if not parts:
            return None
        match group.get("Type"):
            case "ALL":
                return _all(parts)
            case "ANY":
                return _any(parts)
            case "AT_LEAST":
                return _at_least(parts, group.get("Count"), place)
            case "AT_MOST":
                most = group.get("Count")
                if not isinstance(most, int) or most >= len(parts):
                    raise Untranslated("holds for everybody", place=f"{place}.Count")
                return {"not": _at_least(parts, most + 1, place)}
            case other:
                raise Untranslated(f"the group type {other!r} is not known", place=f"{place}.Type")

    def age(self, value: Any, place: str) -> Rule:
        """`Age` as a criterion. Raises Untranslated: Circe takes the years of two dates apart."""
        if not self._facts.completed_years:
            raise Untranslated(
                "Circe's age is the year of the event less the year of birth; a study's is in completed years. "
                "`--completed-years` takes it for these", place=place,
            )  # fmt: skip
        number = check_keys(value, ("Value", "Op", "Extent"), place)
        op, years = number.get("Op"), number.get("Value")
        if not isinstance(years, int):
            raise Untranslated("is no whole number of years", place=f"{place}.Value")
        ranges: dict[Any, Rule] = {
            "gt": {"at_least": years + 1}, "gte": {"at_least": years}, "lt": {"at_most": years - 1},
            "lte": {"at_most": years}, "eq": {"at_least": years, "at_most": years},
            "bt": {"at_least": years, "at_most": number.get("Extent")},
        }  # fmt: skip
        if op not in ranges:
            raise Untranslated(f"the comparison {op!r} has no translation", place=f"{place}.Op")
        return {"age": ranges[op]}

    def _person(self, value: Any, place: str) -> Rule:
        person = check_keys(value, ("Age", "Gender"), place)
        parts = [self.age(person["Age"], f"{place}.Age")] if person.get("Age") else []
        parts += [sexes(person["Gender"], f"{place}.Gender")] if person.get("Gender") else []
        if not parts:
            raise Untranslated("asks for nothing", place=place)
        return _all(parts)

    def _counted(self, value: Any, place: str) -> Rule:
        known = ("Criteria", "StartWindow", "Occurrence", "IgnoreObservationPeriod")
        counted = check_keys(value, known, place)
        events = self._sets.events(counted.get("Criteria"), f"{place}.Criteria")
        if events.first:
            raise Untranslated(
                "a first ever event inside of a window has no translation", place=f"{place}.Criteria.First"
            )
        if not counted.get("IgnoreObservationPeriod") and not self._facts.one_period:
            raise Untranslated(
                "counts only what lies in the period of observation; a study's window holds what lies outside as well. "
                "They are the same where a patient has one period, and nothing is charted outside of it: `--one-period` says so",
                place=f"{place}.IgnoreObservationPeriod",
            )  # fmt: skip
        during = self._window(counted.get("StartWindow"), f"{place}.StartWindow")
        rule: Rule = {"during": during} | ({"value": events.value} if events.value else {})
        return _occurring(events.concept, rule, counted.get("Occurrence"), f"{place}.Occurrence")

    def _window(self, value: Any, place: str) -> Rule:
        window = check_keys(value or {}, ("Start", "End"), place)
        first, last = (_days(window.get(side), f"{place}.{side}") for side in ("Start", "End"))
        if not self._facts.dates:
            raise Untranslated(
                "counts whole days; a study counts from the index's own moment. They are the same where the CDM has dates "
                "without times of day: `--dates` says so", place=place,
            )  # fmt: skip
        if first is None and last is None:
            raise Untranslated("is the whole record, before and after the index: write two criteria", place=place)
        if last is None:
            assert first is not None
            return {"from": _moment(first - 1)}
        if first is None:
            return {"until": _moment(last)}
        if first > last:
            raise Untranslated("ends before it begins", place=place)
        return {"from": _moment(first - 1), "until": _moment(last)}


def _days(value: Any, place: str) -> int | None:
    """Days after the index, negative before it; None: all of them."""
    bound = check_keys(value or {}, ("Days", "Coeff"), place)
    if bound.get("Coeff") not in (-1, 1):
        raise Untranslated("has no direction", place=f"{place}.Coeff")
    if bound.get("Days") is None:
        if bound["Coeff"] != (-1 if place.endswith("Start") else 1):
            raise Untranslated("is all days, on the wrong side", place=place)
        return None
    return whole(bound["Days"], f"{place}.Days") * int(bound["Coeff"])


def _moment(days: int) -> str:
    return "index" if not days else f"{abs(days)} days {'after' if days > 0 else 'before'} index"


def _occurring(concept: str, rule: Rule, value: Any, place: str) -> Rule:
    occurrence = check_keys(value, ("Type", "Count"), place)
    kind, count = occurrence.get("Type"), occurrence.get("Count")
    if (
        isinstance(kind, bool)
        or kind not in (_EXACTLY, _AT_MOST, _AT_LEAST)
        or type(count) is not int
        or (kind == _AT_LEAST and count < 1)
    ):
        raise Untranslated("is not exactly, at most or at least so many", place=place)
    if kind != _AT_LEAST and count == 0:
        return {"none_of": [concept], **rule}
    counts: Rule = {_AT_LEAST: {"at_least": count}, _AT_MOST: {"at_most": count}, _EXACTLY: {"exactly": count}}[kind]
    return {"any_of": [concept], **rule} | ({} if counts == {"at_least": 1} else counts)


def _all(parts: list[Rule]) -> Rule:
    return parts[0] if len(parts) == 1 else {"and": parts}


def _any(parts: list[Rule]) -> Rule:
    return parts[0] if len(parts) == 1 else {"or": parts}


def _at_least(parts: list[Rule], count: Any, place: str) -> Rule:
    if not isinstance(count, int) or not 1 <= count <= len(parts):
        raise Untranslated("is not a number of its criteria", place=f"{place}.Count")
    if comb(len(parts), count) > MOST_COMBINATIONS:
        raise Untranslated(f"has more than {MOST_COMBINATIONS} combinations", place=f"{place}.Count")
    return _any([_all(list(chosen)) for chosen in combinations(parts, count)])
