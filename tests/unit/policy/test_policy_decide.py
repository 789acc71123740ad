"""The permit: each condition refuses by itself, and whatever breaks refuses too."""

from datetime import UTC, datetime

import pytest

from rapha.policy.decide import Allowed, NeedsPerson, Refused, Request, decide, decide_again
from rapha.policy.rules import SiteRules
from rapha.records.record import DispatchId, SiteId
from rapha.records.site import Approval
from rapha.records.study import Study


def request(study: Study, researcher: str = "Ada Lovelace", isolated: bool = True, **changes: object) -> Request:
    changed = Study.model_validate({**study.as_json(), **changes})
    return Request(study=changed, researcher=researcher, isolated=isolated)


def approval(study: Study, rules: SiteRules, **changes: str) -> Approval:
    return Approval(
        dispatch=DispatchId("d1"),
        study_digest=changes.get("study_digest", study.digest),
        site=SiteId("north"),
        policy_digest=changes.get("policy_digest", rules.digest),
        decided_by=changes.get("decided_by", "rule:small-models"),
        feasible={"about": 100},
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def test_a_named_rule_allows(study: Study, rules: SiteRules) -> None:
    assert decide(request(study), rules) == Allowed(rule="small-models", policy_digest=rules.digest)


PURPOSE = {"sentence": "Predict diabetes from lipids.", "data_use": ["DUO:0000042"]}


@pytest.mark.parametrize(
    ("researcher", "changes"),
    [
        ("Grace Hopper", {}),
        ("Ada Lovelace", {"model": {"architecture": "mlp"}}),
        ("Ada Lovelace", {"purpose": PURPOSE}),
        ("Ada Lovelace", {"purpose": {**PURPOSE, "data_use": ["DUO:0000006", "DUO:0000042"]}}),
    ],
)
def test_permitted_but_outside_the_named_rule_needs_a_person(
    study: Study, rules: SiteRules, researcher: str, changes: dict[str, object]
) -> None:
    assert decide(request(study, researcher, **changes), rules) == NeedsPerson(policy_digest=rules.digest)


def test_without_a_named_rule_a_person_signs(study: Study, rules: SiteRules) -> None:
    by_steward = rules.model_copy(update={"approve": ()})
    assert decide(request(study), by_steward) == NeedsPerson(policy_digest=by_steward.digest)


@pytest.mark.parametrize(
    ("changed", "line", "reason"),
    [
        ({"modalities": ()}, "modalities", "modality-not-offered"),
        ({"purposes": ("DUO:0000011",)}, "purposes", "purpose-not-allowed"),
        ({"purposes": ()}, "purposes", "purpose-not-allowed"),
        ({"researchers": ("ada lovelace",)}, "researchers", "researcher-not-allowed"),
        ({"researchers": ()}, "researchers", "researcher-not-allowed"),
        ({"architectures": ("mlp",)}, "architectures", "architecture-not-allowed"),
        ({"minimum_cohort": 26}, "minimum_cohort", "minimum-cohort-too-low"),
    ],
)
def test_each_condition_refuses_by_itself(
    study: Study, rules: SiteRules, changed: dict[str, object], line: str, reason: str
) -> None:
    assert decide(request(study), rules.model_copy(update=changed)) == Refused(reason=reason, rule=line)


def test_a_machine_without_walls_is_refused_unless_the_risk_is_accepted(study: Study, rules: SiteRules) -> None:
    bare = request(study, isolated=False)
    assert decide(bare, rules) == Refused(reason="sandbox-unavailable", rule="sandbox")
    accepted = SiteRules.model_validate(
        {**rules.as_json(), "sandbox": {"unisolated_allowed": "i-accept-that-code-can-reach-this-machine"}}
    )
    assert isinstance(decide(bare, accepted), Allowed)


def test_two_purposes_are_both_asked_for(study: Study, rules: SiteRules) -> None:
    both = request(study, purpose={**PURPOSE, "data_use": ["DUO:0000006", "DUO:0000004"]})
    assert decide(both, rules) == Refused(reason="purpose-not-allowed", rule="purposes")


@pytest.mark.parametrize("line", ["modalities", "purposes", "researchers", "architectures", "minimum_cohort"])
def test_rules_that_break_refuse(study: Study, rules: SiteRules, line: str) -> None:
    broken = rules.model_copy(update={line: None})
    assert isinstance(decide(request(study), broken), Refused)


def test_a_request_that_breaks_refuses(rules: SiteRules) -> None:
    hollow = Request.model_construct(study=None, researcher="Ada Lovelace", isolated=True)
    assert decide(hollow, rules) == Refused(reason="internal", rule="none")


def test_a_condition_that_is_merely_truthy_refuses(study: Study, rules: SiteRules) -> None:
    vague = Request.model_construct(study=study, researcher="Ada Lovelace", isolated="yes")
    assert decide(vague, rules) == Refused(reason="sandbox-unavailable", rule="sandbox")


def test_to_ask_for_nothing_is_not_permitted(study: Study, rules: SiteRules) -> None:
    nothing = study.model_copy(update={"data": study.data.model_copy(update={"modalities": ()})})
    asked = Request.model_construct(study=nothing, researcher="Ada Lovelace", isolated=True)
    assert decide(asked, rules) == Refused(reason="modality-not-offered", rule="modalities")


def test_an_approval_holds_when_nothing_changed(study: Study, rules: SiteRules) -> None:
    assert decide_again(request(study), rules, approval(study, rules)) is None
    assert decide_again(request(study), rules, approval(study, rules, decided_by="steward:jo")) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"study_digest": "sha256:" + "0" * 64}, "study-changed"),
        ({"policy_digest": "sha256:" + "0" * 64}, "policy-changed"),
        ({"decided_by": "rule:another"}, "not-approved"),
    ],
)
def test_an_approval_of_something_else_does_not_hold(
    study: Study, rules: SiteRules, changes: dict[str, str], reason: str
) -> None:
    assert decide_again(request(study), rules, approval(study, rules, **changes)) == Refused(
        reason=reason, rule="approval"
    )


def test_a_rule_cannot_stand_in_for_a_person(study: Study, rules: SiteRules) -> None:
    by_steward = rules.model_copy(update={"approve": ()})
    refused = decide_again(request(study), by_steward, approval(study, by_steward))
    assert refused == Refused(reason="not-approved", rule="approval")


def test_a_steward_cannot_override_the_rules(study: Study, rules: SiteRules) -> None:
    signed = approval(study, rules, decided_by="steward:jo")
    refused = decide_again(request(study, researcher="Mallory"), rules, signed)
    assert refused == Refused(reason="researcher-not-allowed", rule="researchers")


def test_an_approval_that_breaks_does_not_hold(study: Study, rules: SiteRules) -> None:
    assert decide_again(request(study), rules, None) == Refused(reason="internal", rule="none")  # type: ignore[arg-type]
