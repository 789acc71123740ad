"""Who may ask for a count without a study: nobody, unless the rules name them; and then not for ever."""

from typing import Any

import pytest

from rapha.policy.decide import Request
from rapha.policy.feasibility import Asked, refusal
from rapha.policy.rules import SiteRules
from rapha.records.study import Study

OFFERED = {"researchers": ["Ada Lovelace"], "a_day": 5, "in_all": 20}
FIRST = Asked(today=0, in_all=0, before=False)


def said(study: Study, rules: SiteRules, asked: Asked = FIRST, researcher: str = "Ada Lovelace", **of: Any) -> Any:
    offering = SiteRules.model_validate({**rules.as_json(), "feasibility": OFFERED, **of.get("of_rules", {})})
    changed = Study.model_validate({**study.as_json(), **of.get("of_study", {})})
    return refusal(Request(study=changed, researcher=researcher, isolated=False), offering, asked)


def test_rules_without_the_key_answer_nobody(study: Study, rules: SiteRules) -> None:
    request = Request(study=study, researcher="Ada Lovelace", isolated=True)
    assert refusal(request, rules, FIRST) == "feasibility-not-offered"


def test_who_is_named_is_answered_whatever_the_model_and_the_walls(study: Study, rules: SiteRules) -> None:
    assert said(study, rules) is None
    assert said(study, rules, of_rules={"architectures": ["cox"]}) is None


ROWS: list[tuple[dict[str, Any], str]] = [
    ({"researcher": "Grace Hopper"}, "researcher-not-allowed"),
    ({"researcher": "ada lovelace"}, "researcher-not-allowed"),
    ({"of_study": {"data": {"modalities": ["ehr", "text"]}}}, "modality-not-offered"),
    ({"of_study": {"purpose": {"sentence": "Sell it.", "data_use": ["DUO:0000018"]}}}, "purpose-not-allowed"),
    ({"of_study": {"privacy": {"min_cohort": 24}}}, "minimum-cohort-too-low"),
    ({"asked": Asked(today=5, in_all=5, before=False)}, "asked-too-often"),
    ({"asked": Asked(today=5, in_all=5, before=True)}, "asked-too-often"),
    ({"asked": Asked(today=0, in_all=20, before=False)}, "answers-used-up"),
]


@pytest.mark.parametrize(("of", "reason"), ROWS)
def test_each_condition_refuses_by_itself(study: Study, rules: SiteRules, of: dict[str, Any], reason: str) -> None:
    assert said(study, rules, **of) == reason


def test_a_question_that_was_answered_before_needs_no_new_answer(study: Study, rules: SiteRules) -> None:
    assert said(study, rules, Asked(today=4, in_all=20, before=True)) is None


def test_what_breaks_refuses(study: Study, rules: SiteRules) -> None:
    broken = rules.model_copy(update={"feasibility": object()})
    request = Request(study=study, researcher="Ada Lovelace", isolated=True)
    assert refusal(request, broken, FIRST) == "internal"


def test_everybody_cannot_be_named(rules: SiteRules) -> None:
    with pytest.raises(ValueError, match="feasibility"):
        SiteRules.model_validate({**rules.as_json(), "feasibility": {**OFFERED, "researchers": "any"}})


def test_rules_without_the_key_keep_their_digest(rules: SiteRules) -> None:
    assert "feasibility" not in rules.as_json()
    offering = SiteRules.model_validate({**rules.as_json(), "feasibility": OFFERED})
    assert SiteRules.from_bytes(offering.as_bytes()) == offering and offering.digest != rules.digest
