"""A hospital's own permit narrows the rules, and nothing it says, or breaks on, widens them."""

import sys
from collections.abc import Iterator
from typing import Any

import cedarpy
import pytest
from pydantic import ValidationError

from rapha.policy import own_permit
from rapha.policy.decide import NeedsPerson, Refused, Request, decide
from rapha.policy.own_permit import SCHEMA, check_own_permit, context_of, permits
from rapha.policy.rules import SiteRules
from rapha.records.study import Study

FEW_ROUNDS = "permit (principal, action, resource) when { context.rounds <= 50 };"
EVERYTHING = "permit (principal, action, resource);"


def said(study: Study, rules: SiteRules, cedar: str, **rules_too: Any) -> Any:
    own = SiteRules.model_validate({**rules.as_json(), "approve": {"by": "steward"}, "cedar": cedar, **rules_too})
    return decide(Request(study=study, researcher="Ada Lovelace", isolated=True), own)


def test_a_study_that_it_permits_is_decided_as_without_it(study: Study, rules: SiteRules) -> None:
    assert isinstance(said(study, rules, FEW_ROUNDS), NeedsPerson)


@pytest.mark.parametrize(
    "cedar",
    [
        "permit (principal, action, resource) when { context.rounds <= 1 };",
        'permit (principal == Researcher::"Grace Hopper", action, resource);',
        'permit (principal, action == Action::"run", resource == Study::"another");',
        'permit (principal, action, resource) when { context.institution == "Example University" };',
        "permit (principal, action, resource) when { context.differentially_private };",
        "permit (principal, action, resource) when { context.rounds + 9223372036854775807 > 0 };",
    ],
)
def test_what_it_does_not_permit_is_refused_by_its_code(study: Study, rules: SiteRules, cedar: str) -> None:
    assert said(study, rules, cedar) == Refused(reason="policy-not-met", rule="cedar")


def test_a_permit_of_everything_widens_nothing(study: Study, rules: SiteRules) -> None:
    narrow = {"purposes": ["DUO:0000011"]}
    assert said(study, rules, EVERYTHING, **narrow) == Refused(reason="purpose-not-allowed", rule="purposes")
    assert said(study, rules, EVERYTHING, minimum_cohort=100) == Refused(
        reason="minimum-cohort-too-low", rule="minimum_cohort"
    )


@pytest.mark.parametrize(
    ("cedar", "told"),
    [
        ("permit (", "not readable as Cedar"),
        ("   \n// nothing", "exactly one `permit`"),
        (EVERYTHING + EVERYTHING, "exactly one `permit`"),
        ("forbid (principal, action, resource);", "exactly one `permit`"),
        (EVERYTHING + "forbid (principal, action, resource) when { context.rounds > 5 };", "exactly one `permit`"),
        ("permit (principal == ?principal, action, resource);", "exactly one `permit`"),
        ("permit (principal, action, resource) when { context.nonsense == 1 };", "does not fit the schema"),
        ('permit (principal, action, resource) when { context.rounds == "1" };', "does not fit the schema"),
        ('permit (principal == User::"Ada", action, resource);', "does not fit the schema"),
        ('permit (principal, action == Action::"read", resource);', "does not fit the schema"),
        ("permit (principal, action, resource) when { principal.admin };", "does not fit the schema"),
    ],
)
def test_what_is_no_single_fitting_permit_is_refused_when_it_is_read(rules: SiteRules, cedar: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        SiteRules.model_validate({**rules.as_json(), "cedar": cedar})


@pytest.mark.parametrize(
    "cedar",
    [
        "permit (",
        "forbid (principal, action, resource);",
        EVERYTHING * 2,
        "permit (principal, action, resource) when { context.x };",
        EVERYTHING + "forbid (principal, action, resource) when { context.rounds > 5000 };",
    ],
)
def test_text_that_got_past_the_reader_permits_nothing(study: Study, rules: SiteRules, cedar: str) -> None:
    unread = rules.model_copy(update={"cedar": cedar, "approve": ()})
    request = Request(study=study, researcher="Ada Lovelace", isolated=True)
    assert decide(request, unread) == Refused(reason="policy-not-met", rule="cedar")


def test_facts_that_do_not_fit_the_schema_are_not_permitted(study: Study, rules: SiteRules) -> None:
    facts = Request(study=study, researcher="Ada Lovelace", isolated=True).facts
    assert permits(facts, EVERYTHING)
    for broken in ({"rounds": "many"}, {"rounds": 2**70}, {"country": 7}, {"layers": None}, {"researcher": None}):
        assert not permits(facts.model_copy(update=broken), EVERYTHING), broken


class Answer:
    """What Cedar would say, had it gone wrong."""

    def __init__(self, errors: list[str], reasons: list[str], decision: Any = cedarpy.Decision.Allow) -> None:
        self.decision = decision
        self.diagnostics = self
        self.errors, self.reasons = errors, reasons


@pytest.mark.parametrize(
    "answer",
    [
        Answer(["broke"], ["policy0"]),
        Answer([], []),
        Answer([], ["policy0", "policy1"]),
        Answer([], ["policy0"], True),
        None,
    ],
)
def test_an_allow_with_an_error_or_without_a_reason_is_a_no(
    study: Study, monkeypatch: pytest.MonkeyPatch, answer: Answer | None
) -> None:
    monkeypatch.setattr(cedarpy, "is_authorized", lambda *_: answer)
    assert not permits(Request(study=study, researcher="Ada Lovelace", isolated=True).facts, EVERYTHING)


def test_a_panic_of_the_engine_is_a_no(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def panics(*_: Any) -> None:
        raise BaseException("a panic is no Exception")

    monkeypatch.setattr(cedarpy, "is_authorized", panics)
    assert not permits(Request(study=study, researcher="Ada Lovelace", isolated=True).facts, EVERYTHING)


def test_the_schema_and_the_facts_name_the_same(study: Study) -> None:
    named = context_of(Request(study=study, researcher="Ada Lovelace", isolated=True).facts)
    assert all(f"    {name}: " in SCHEMA for name in named) and SCHEMA.count("    ") == len(named)


@pytest.fixture
def without_cedar(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "cedarpy", None)
    own_permit._cedar.cache_clear()
    yield
    own_permit._cedar.cache_clear()


def test_without_the_engine_a_permit_is_refused_with_what_to_install(
    study: Study, rules: SiteRules, without_cedar: None
) -> None:
    with pytest.raises(ValidationError, match=r"pip install 'rapha\[cedar\]'"):
        SiteRules.model_validate({**rules.as_json(), "cedar": EVERYTHING})
    assert not permits(Request(study=study, researcher="Ada Lovelace", isolated=True).facts, EVERYTHING)
    assert SiteRules.model_validate(rules.as_json()) == rules


def test_the_permit_is_in_the_digest_of_the_rules(rules: SiteRules) -> None:
    own = SiteRules.model_validate({**rules.as_json(), "cedar": FEW_ROUNDS})
    assert own.digest != rules.digest and SiteRules.from_bytes(own.as_bytes()) == own
    assert check_own_permit(FEW_ROUNDS) == FEW_ROUNDS
