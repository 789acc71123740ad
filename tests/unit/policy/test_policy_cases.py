"""A hospital's own table of cases, and the rules in words."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapha.errors import ConfigurationError
from rapha.policy.cases import Tried, try_cases
from rapha.policy.data_use import Condition
from rapha.policy.decide import PERMIT, Request, decide
from rapha.policy.explanation import concluded, explained, in_words, wide
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.study import Study

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
FACTS = "{researcher: Ada Lovelace, modalities: [ehr], data_use: [DUO:0000006], architecture: logistic, min_cohort: 50}"


def tried(tmp_path: Path, rules: SiteRules, study: Study, text: str) -> tuple[Tried, ...]:
    (tmp_path / "policy-tests.yaml").write_text(text)
    return try_cases(tmp_path / "policy-tests.yaml", rules, lambda _: study, NOON)


def test_cases_pass_by_outcome_and_reason(tmp_path: Path, rules: SiteRules, study: Study) -> None:
    table = f"""
- {{case: by rule, facts: {FACTS}, expect: allowed}}
- {{case: by a person, facts: {FACTS.replace("logistic", "mlp")}, expect: needs-person}}
- {{case: too small, facts: {FACTS.replace("50", "5")}, expect: refused, reason: minimum-cohort-too-low}}
- {{case: from a file, study: s.yaml, facts: {{researcher: Mallory}}, expect: refused, reason: researcher-not-allowed}}
- {{case: no walls, study: s.yaml, facts: {{researcher: Ada Lovelace, isolated: false}}, expect: refused, reason: sandbox-unavailable}}
- {{case: wrong outcome, facts: {FACTS}, expect: needs-person}}
- {{case: wrong reason, facts: {FACTS.replace("50", "5")}, expect: refused, reason: purpose-not-allowed}}
"""
    assert [one.passed for one in tried(tmp_path, rules, study, table)] == [True] * 5 + [False] * 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "a list of 1 to"), ("[]", "a list of 1 to"), ("a: 1", "a list of 1 to"), ("- 1", "case 1"), ("- [", "policy-tests.yaml"),
        ("- {case: a, expect: maybe}", "case 1: expect"), ("- {case: a, expect: allowed}", "case 1: researcher: Field required"),
        (f"- {{case: a, facts: {FACTS}, expect: refused}}", "a refusal has a reason"),
        (f"- {{case: a, facts: {FACTS}, expect: allowed, reason: internal}}", "a refusal has a reason"),
        (f"- {{case: a, facts: {FACTS[:-1]}, colour: red}}, expect: allowed}}", "colour: Extra inputs"),
        (f"- {{case: a, facts: {FACTS}, expects: allowed}}", "case 1: expect"),
    ],
)  # fmt: skip
def test_a_table_with_a_mistake_is_refused_by_the_number_of_the_case(
    tmp_path: Path, rules: SiteRules, study: Study, text: str, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        tried(tmp_path, rules, study, text)


def test_every_line_is_explained_and_those_that_fail_say_what_was_asked(study: Study, rules: SiteRules) -> None:
    strict = rules.model_copy(
        update={"minimum_cohort": 100, "conditions": (Condition(code="DUO:0000018"),), "runs_per_project": 3}
    )
    request = Request(study=study, researcher="Mallory", isolated=False)
    said = {one.line: one for one in explained(request.facts, strict)}
    assert list(said) == list(dict.fromkeys(condition.line for condition in PERMIT))
    assert {name for name, one in said.items() if not one.holds} == {
        "conditions", "researchers", "minimum_cohort", "sandbox", "runs_per_project",
    }  # fmt: skip
    assert "NPUNCU" in said["conditions"].sentence and "Mallory" in said["researchers"].sentence
    assert "25" in said["minimum_cohort"].sentence and "100" in said["minimum_cohort"].sentence
    assert concluded(decide(request, strict), strict).startswith("Refused by conditions (data-use-not-met)")
    assert all(one.sentence and "no words for" not in one.sentence for one in said.values())


def test_a_line_that_breaks_is_a_no_and_says_so(study: Study, rules: SiteRules) -> None:
    broken = rules.model_copy(update={"minimum_cohort": "many"})
    said = {
        one.line: one for one in explained(Request(study=study, researcher="Ada Lovelace", isolated=True).facts, broken)
    }
    assert not said["minimum_cohort"].holds and "could not be read" in said["minimum_cohort"].sentence


def test_the_default_rules_are_read_in_two_minutes(default_rules: Path) -> None:
    rules = read_rules(default_rules)
    words = " ".join(in_words(rules)).split()
    assert len(words) < 240, "a person reads some 120 words of this kind a minute"
    assert len(default_rules.read_text().split()) < 400
    assert any("no stewards are named" in line for line in wide(rules))
    assert any("researchers: any" in line for line in wide(rules))
