"""MAY IT? One positive permit that names every condition; whatever is not plainly permitted is refused.

There is no rule that forbids: a forbidding rule that cannot be evaluated is skipped by most engines, and the study
runs. Here a condition that is false, missing, or breaks, refuses.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from rapha.policy.rules import AutomaticRule, SiteRules
from rapha.records.record import Digest, Record, Slug
from rapha.records.release import ReasonCode
from rapha.records.site import Approval
from rapha.records.study import Study


class Request(Record):
    """What is asked: this study, by this researcher, on a node that can (`isolated`) or cannot build walls, of
    these layers."""

    study: Study
    researcher: Annotated[str, Field(min_length=1, max_length=120)]
    isolated: bool
    layers: tuple[str, ...] = ()


class Allowed(Record):
    """No person is needed: `rule` says why, under the rules of that digest. Approvals carry `rule:<rule>`."""

    rule: Slug
    policy_digest: Digest


class NeedsPerson(Record):
    """Permitted, but a steward has to sign."""

    policy_digest: Digest


class Refused(Record):
    """`rule` is the line of the site's rules that did not hold, or `approval` or `none`."""

    reason: ReasonCode
    rule: Literal[
        "modalities", "purposes", "researchers", "architectures", "minimum_cohort", "sandbox", "approval", "none"
    ]


Decision = Allowed | NeedsPerson | Refused


class _Condition(NamedTuple):
    line: Literal["modalities", "purposes", "researchers", "architectures", "minimum_cohort", "sandbox"]
    reason: ReasonCode
    holds: Callable[[Request, SiteRules], bool]


PERMIT: tuple[_Condition, ...] = (
    _Condition("modalities", "modality-not-offered", lambda q, r: _all_in(q.study.data.modalities, r.modalities)),
    _Condition("purposes", "purpose-not-allowed", lambda q, r: _all_in(q.study.purpose.data_use, r.purposes)),
    _Condition("researchers", "researcher-not-allowed", lambda q, r: _named(q.researcher, r.researchers)),
    _Condition("architectures", "architecture-not-allowed", lambda q, r: q.study.model.architecture in r.architectures),
    _Condition("minimum_cohort", "minimum-cohort-too-low", lambda q, r: q.study.privacy.min_cohort >= r.minimum_cohort),
    _Condition("sandbox", "sandbox-unavailable", lambda q, r: q.isolated or not r.isolation_required),
    _Condition("sandbox", "sandbox-layer-missing", lambda q, r: r.demanded_layers <= set(q.layers)),
)
"""The permit. All must hold; the first that does not is the reason given."""


def decide(request: Request, rules: SiteRules) -> Decision:
    """May this study run here, and does a person have to say so? Never raises: what breaks, refuses (`internal`)."""
    try:
        for condition in PERMIT:
            if condition.holds(request, rules) is not True:
                return Refused(reason=condition.reason, rule=condition.line)
        for rule in rules.approve:
            if _automatic(request, rule) is True:
                return Allowed(rule=rule.rule, policy_digest=rules.digest)
        return NeedsPerson(policy_digest=rules.digest)
    except Exception:
        return Refused(reason="internal", rule="none")


def decide_again(request: Request, rules: SiteRules, approval: Approval) -> Refused | None:
    """Whether an approval still holds, asked before data is touched: None when it does. Never raises.

    1. it is of exactly this study; 2. under exactly these rules; 3. the rules still permit the study;
    4. where no person signed, the rule that was named is the one that allows it.
    """
    try:
        if approval.study_digest != request.study.digest:
            return Refused(reason="study-changed", rule="approval")
        if approval.policy_digest != rules.digest:
            return Refused(reason="policy-changed", rule="approval")
        decision = decide(request, rules)
        if isinstance(decision, Refused):
            return decision
        by_rule = isinstance(decision, Allowed) and approval.decided_by == f"rule:{decision.rule}"
        if by_rule or approval.decided_by.startswith("steward:"):
            return None
        return Refused(reason="not-approved", rule="approval")
    except Exception:
        return Refused(reason="internal", rule="none")


def _automatic(request: Request, rule: AutomaticRule) -> bool:
    study = request.study
    return (
        _named(request.researcher, rule.researchers)
        and _all_in(study.purpose.data_use, rule.purposes)
        and study.model.architecture in rule.architectures
        and _all_in(study.data.modalities, rule.modalities)
    )


def _named(researcher: str, researchers: str | tuple[str, ...]) -> bool:
    return researchers == "any" or (isinstance(researchers, tuple) and researcher in researchers)


def _all_in(asked: Iterable[str], permitted: tuple[str, ...]) -> bool:
    """Every word asked for is permitted; to ask for nothing is not permitted."""
    words = set(asked)
    return bool(words) and words <= set(permitted)
