"""Studies from other languages, construct by construct: exactly, or refused by name. That the answers are those of ACES and of
circepy too is shown by the slow tests under `interop/`, on real rows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from rapha.errors import StudyError
from rapha.records.study import Study
from rapha.sdk.importers import AcesChoices, CirceChoices, import_aces, import_circe
from rapha.sdk.study_file import parse_study

TASK = """\
predicates:
  admission: {code: HOSPITAL_ADMISSION}
  discharge: {code: HOSPITAL_DISCHARGE}
  high: {code: LAB//creatinine, value_min: 2.0, value_min_inclusive: True}
  urgent: {code: URGENT}
  both: {expr: "or(admission, urgent)"}
trigger: discharge
windows:
  input:
    {start: NULL, end: trigger, start_inclusive: True, end_inclusive: True, index_timestamp: end, has: {high: "(1, 3)"}}
  target: {start: input.end, end: start + 30 days, start_inclusive: False, end_inclusive: True, label: admission}
"""
TOLD = AcesChoices(unobserved="exclude", competing="death")


def aces(folder: Path, right: str = "", wrong: str = "", choices: AcesChoices = TOLD) -> Study:
    assert right in TASK
    (folder / "task.yaml").write_text(TASK.replace(right, wrong) if right else TASK)
    return parse_study(import_aces(folder / "task.yaml", choices))


def test_an_aces_task_is_its_index_its_criteria_and_its_outcome(tmp_path: Path) -> None:
    study = aces(tmp_path).as_json()
    assert study["cohort"]["index"]["pick"] == "every" and study["cohort"]["index"]["of"] == ["discharge"]
    [criterion] = study["cohort"]["include"]
    assert (criterion["match"], criterion["of"], criterion["at_least"], criterion["at_most"]) == ("any", ["high"], 1, 3)
    assert criterion["value"]["at_least"] == "2.0" and criterion["value"]["unit"] == "any"
    outcome = study["outcome"]
    assert (outcome["event"], outcome["competing"], outcome["unobserved"]) == ("admission", ["death"], "exclude")
    assert outcome["during"]["relation"] == "from" and outcome["during"]["length"] == "30 days"
    assert study["concepts"]["high"] == {"system": "MEDS", "codes": ["LAB//creatinine"]}


def test_an_or_of_predicates_is_the_codes_of_all(tmp_path: Path) -> None:
    study = aces(tmp_path, "label: admission", "label: both")
    label = study.concepts[str(study.outcome.event)]
    assert {code for _, code in label.written_codes()} == {"HOSPITAL_ADMISSION", "URGENT"}


def test_patterns_are_the_codes_of_the_data_that_match(tmp_path: Path) -> None:
    codes = AcesChoices(unobserved="exclude", competing="none", codes=("ADM//A", "ADM//B", "OTHER"))
    study = aces(tmp_path, "code: HOSPITAL_ADMISSION", 'code: {regex: "ADM//.*"}', codes)
    assert [code for _, code in study.concepts["admission"].written_codes()] == ["ADM//A", "ADM//B"]


@pytest.mark.parametrize(
    ("right", "wrong", "choices", "said"),
    [
        ("", "", AcesChoices(competing="death"), "unobserved"),
        ("", "", AcesChoices(unobserved="exclude"), "competing"),
        ("code: HOSPITAL_ADMISSION", 'code: {regex: "ADM//.*"}', TOLD, "codes"),
        ("or(admission, urgent)\"}\ntrigger: discharge", "and(admission, high)\"}\ntrigger: both", TOLD, "and"),
        ("label: admission", "label: admision", TOLD, "admision"),
        ("predicates:", "future: {x: 1}\npredicates:", TOLD, "future"),
        ("end: start + 30 days", "end: start + 30 dais", TOLD, "30 dais"),
        ("start: input.end, end: start + 30 days, start_inclusive: False",
         "start: input.end, end: start + 30 days, start_inclusive: True", TOLD, "start_inclusive"),
    ],
)  # fmt: skip
def test_what_an_aces_task_leaves_open_or_we_cannot_say_is_refused_by_name(
    tmp_path: Path, right: str, wrong: str, choices: AcesChoices, said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        aces(tmp_path, right, wrong, choices)


def concept_set(number: int, code: str, **more: bool) -> dict[str, Any]:
    concept = {"CONCEPT_ID": number, "VOCABULARY_ID": "SNOMED", "CONCEPT_CODE": code, "STANDARD_CONCEPT": "S"}
    return {"id": number, "name": f"set {number}", "expression": {"items": [{"concept": concept, **more}]}}


FORMER = {
    "Criteria": {"ConditionOccurrence": {"CodesetId": 2}},
    "StartWindow": {"Start": {"Days": 365, "Coeff": -1}, "End": {"Days": 1, "Coeff": -1}, "UseEventEnd": False},
    "Occurrence": {"Type": 2, "Count": 2}, "IgnoreObservationPeriod": True,
}  # fmt: skip


def cohort(kind: str = "ALL", **more: Any) -> dict[str, Any]:
    group = {"Type": kind, "CriteriaList": [FORMER], "DemographicCriteriaList": [], "Groups": []}
    return {
        "ConceptSets": [concept_set(1, "111", includeDescendants=True), concept_set(2, "222")],
        "PrimaryCriteria": {
            "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 1, "First": True}}],
            "ObservationWindow": {"PriorDays": 180, "PostDays": 0}, "PrimaryCriteriaLimit": {"Type": "All"},
        },
        "QualifiedLimit": {"Type": "All"}, "ExpressionLimit": {"Type": "All"},
        "InclusionRules": [{"name": "rule", "expression": group}], "CensoringCriteria": [],
        "CollapseSettings": {"CollapseType": "ERA", "EraPad": 0}, "CensorWindow": {}, **more,
    }  # fmt: skip


CHOSEN = {"outcome": "death", "during": "1 year", "unobserved": "exclude", "dates": True, "one_period": True}


def circe(folder: Path, written: Any, **choices: Any) -> Study:
    (folder / "cohort.json").write_text(written if isinstance(written, str) else json.dumps(written))
    return parse_study(import_circe(folder / "cohort.json", CirceChoices(**(CHOSEN | choices))))


def test_a_circe_cohort_is_its_index_its_rules_and_its_concept_sets(tmp_path: Path) -> None:
    study = circe(tmp_path, cohort())
    written = study.as_json()
    assert (study.cohort.index.pick, len(study.cohort.index.of)) == ("first", 1)
    index = written["concepts"][study.cohort.index.of[0]]
    assert (index["codes"], index["descendants"]) == (["111"], True)
    text = json.dumps(written["cohort"]["include"])
    assert '"180 days"' in text and '"at_least": 2' in text
    assert (study.outcome.event, str(study.outcome.during.length)) == ("death", "1 years")


def test_an_outcome_is_a_concept_set_by_its_number(tmp_path: Path) -> None:
    study = circe(tmp_path, cohort(), outcome="2", competing="death")
    assert [code for _, code in study.concepts[str(study.outcome.event)].written_codes()] == ["222"]


@pytest.mark.parametrize(
    ("more", "choices", "said"),
    [
        ({"CensoringCriteria": [{"Death": {}}]}, {}, "CensoringCriteria"),
        ({"NewThing": 1}, {}, "NewThing"),
        ({"kind": "SOMETIMES"}, {}, "SOMETIMES"),
        ({}, {"outcome": "9"}, "9"),
        ({}, {"dates": False}, "dates"),
        ({}, {"one_period": False}, "one-period"),
        ({}, {"during": None}, "during"),
        ({}, {"unobserved": None}, "unobserved"),
    ],
)
def test_what_a_circe_cohort_leaves_open_or_we_cannot_say_is_refused_by_name(
    tmp_path: Path, more: dict[str, Any], choices: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        circe(tmp_path, cohort(**more), **choices)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a JSON value."""
    if place:
        yield place
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*place, key))


def with_at(place: tuple[Any, ...], odd: Any) -> dict[str, Any]:
    """The cohort with something else in that place."""
    written: Any = json.loads(json.dumps(cohort()))
    at = written
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = odd
    return cast(dict[str, Any], written)


ODD = ("x", 7, -3, 1.5, True, [1], {"Zz": 1}, [], {}, None)


@pytest.mark.parametrize("place", list(places(cohort())), ids=lambda place: ".".join(map(str, place)))
def test_whatever_stands_in_a_place_is_translated_or_refused_and_never_an_accident(
    tmp_path: Path, place: tuple[Any, ...]
) -> None:
    for odd in ODD:
        try:
            circe(tmp_path, with_at(place, odd))
        except StudyError as refused:
            assert len(str(refused)) > 20


@pytest.mark.parametrize(
    ("place", "odd", "said"),
    [
        (("ConceptSets", 0, "Odd"), 1, r"ConceptSets\[0\]\.Odd: has no translation"),
        (("ConceptSets", 1, "id"), 1, "a second concept set 1"),
        (("ConceptSets", 0, "expression", "Odd"), 1, r"expression\.Odd: has no translation"),
        (("PrimaryCriteria", "CriteriaList", 0, "ConditionOccurrence", "ConditionSourceConcept"), 0, "ConditionSourceConcept"),
        (("PrimaryCriteria", "ObservationWindow", "PriorDays"), 1.5, "PriorDays: is no whole number"),
        (("InclusionRules", 0, "expression", "CriteriaList", 0, "StartWindow", "Start", "Days"), 1.5, "Days: is no whole number"),
        (("InclusionRules", 0, "expression", "CriteriaList", 0, "StartWindow", "UseIndexEnd"), True, "UseIndexEnd"),
        (("InclusionRules", 0, "expression", "CriteriaList", 0, "EndWindow"), {"Start": {"Days": 0, "Coeff": -1}}, "EndWindow"),
        (("InclusionRules", 0, "expression", "CriteriaList", 0, "RestrictVisit"), True, "RestrictVisit"),
        (("InclusionRules", 0, "expression", "CriteriaList", 0, "Occurrence", "IsDistinct"), True, "IsDistinct"),
        (("InclusionRules", 0, "expression", "DemographicCriteriaList"), [{"Race": [{"CONCEPT_ID": 8527}]}], r"\[0\]\.Race"),
        (("InclusionRules", 0, "expression", "DemographicCriteriaList"), [{"Age": {"Value": 18, "Op": "gte"}}], "completed-years"),
        (("EndStrategy",), {"CustomEra": {"DrugCodesetId": 1, "GapDays": 30, "Offset": 0}}, "EndStrategy"),
        (("CensorWindow",), {"StartDate": "2010-01-01"}, r"CensorWindow\.StartDate"),
    ],
)  # fmt: skip
def test_a_construct_that_has_no_translation_is_refused_with_its_place(
    tmp_path: Path, place: tuple[Any, ...], odd: Any, said: str
) -> None:
    with pytest.raises(StudyError, match=said):
        circe(tmp_path, with_at(place, odd))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"ConceptSets": 1}', "\x00"])
def test_what_is_no_circe_cohort(tmp_path: Path, text: str) -> None:
    with pytest.raises(StudyError):
        circe(tmp_path, text)
