"""MAY IT? One positive permit that names every condition; whatever is not plainly permitted is refused.

There is no rule that forbids: a forbidding rule that cannot be evaluated is skipped by most engines, and the study
runs. Here a condition that is false, missing, or breaks, refuses.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import Field

from rapha.policy import stewards
from rapha.policy.data_use import serves, unmet
from rapha.policy.own_permit import permits
from rapha.policy.rules import AutomaticRule, SiteRules
from rapha.records.decision import Facts, Reading
from rapha.records.record import Digest, Record, Slug
from rapha.records.release import Layer, ReasonCode
from rapha.records.site import Approval
from rapha.records.study import Study


class Request(Record):
    """What is asked: this study, by this researcher, on a node that can (`isolated`) or cannot build walls, of
    these layers. `runs_before`: of the same project, None where nobody counted. `at`: the moment, None where there is none."""

    study: Study
    researcher: Annotated[str, Field(min_length=1, max_length=120)]
    isolated: bool
    layers: tuple[str, ...] = ()
    runs_before: int | None = None
    at: datetime | None = None

    @property
    def facts(self) -> Facts:
        """All that the rules look at."""
        return Facts.of(self.study, self.researcher, self.isolated, self.layers, self.runs_before, self.at)


class Allowed(Record):
    """No person is needed: `rule` says why, under the rules of that digest. Approvals carry `rule:<rule>`."""

    rule: Slug
    policy_digest: Digest


class NeedsPerson(Record):
    """Permitted, but a steward has to sign."""

    policy_digest: Digest


LineName = Literal[
    "modalities", "purposes", "conditions", "researchers", "architectures", "generative", "modes", "minimum_cohort", "sandbox", "runs_per_project",
    "cedar",
]  # fmt: skip


class Refused(Record):
    """`rule` is the line of the site's rules that did not hold, or `hours`, `approval` or `none`."""

    reason: ReasonCode
    rule: LineName | Literal["hours", "approval", "none"]


Decision = Allowed | NeedsPerson | Refused


class _Condition(NamedTuple):
    line: LineName
    reason: ReasonCode
    holds: Callable[[Facts, SiteRules], bool]


FOR_SCRIPTS = frozenset(get_args(Layer)) - {"process limit", "control group"}
"""The layers without which no script runs, whatever the rules demand: all that any Linux machine gives. A limit on processes the kernel does
not hold root to; the system-call filter, which is among them, lets a script start no process at all. A control group has to be handed to the
node; rules may demand it."""

PERMIT: tuple[_Condition, ...] = (
    _Condition("modalities", "modality-not-offered", lambda f, r: _all_in(f.modalities, r.modalities)),
    _Condition("purposes", "purpose-not-allowed", lambda f, r: serves(f, r.purposes, r.diseases)),
    _Condition("conditions", "data-use-not-met", lambda f, r: unmet(f, r.conditions) is None),
    _Condition("researchers", "researcher-not-allowed", lambda f, r: _named(f.researcher, r.researchers)),
    _Condition("architectures", "architecture-not-allowed", lambda f, r: f.architecture in r.architectures),
    _Condition("generative", "architecture-not-allowed", lambda f, r: not f.generative or r.generative is not None),
    _Condition("modes", "mode-not-offered", lambda f, r: f.mode in r.modes),
    _Condition("minimum_cohort", "minimum-cohort-too-low", lambda f, r: f.min_cohort >= r.minimum_cohort),
    _Condition("sandbox", "sandbox-unavailable", lambda f, r: f.isolated or not r.isolation_required),
    _Condition("sandbox", "sandbox-layer-missing", lambda f, r: r.demanded_layers <= set(f.layers)),
    _Condition("sandbox", "sandbox-layer-missing", lambda f, r: f.mode == "A" or set(f.layers) >= FOR_SCRIPTS),
    _Condition("runs_per_project", "too-many-runs", lambda f, r: _runs_left(f.runs_before, r.runs_per_project)),
    _Condition("cedar", "policy-not-met", lambda f, r: r.cedar is None or permits(f, r.cedar)),
)
"""The permit. All must hold; the first that does not is the reason given."""


def readings(facts: Facts, rules: SiteRules) -> tuple[Reading, ...]:
    """What every line of the permit answers, in order. Never raises: a line that breaks does not hold (`internal`)."""
    return tuple(_reading(condition, facts, rules) for condition in PERMIT)


def _reading(condition: _Condition, facts: Facts, rules: SiteRules) -> Reading:
    try:
        if condition.holds(facts, rules) is True:
            return Reading(line=condition.line, holds=True)
        return Reading(line=condition.line, holds=False, reason=condition.reason)
    except Exception:
        return Reading(line=condition.line, holds=False, reason="internal")


def decide(request: Request, rules: SiteRules) -> Decision:
    """May this study run here, and does a person have to say so? Never raises: what breaks, refuses (`internal`)."""
    try:
        return decide_facts(request.facts, rules)
    except Exception:
        return Refused(reason="internal", rule="none")


def decide_facts(facts: Facts, rules: SiteRules) -> Decision:
    """As `decide`, of the facts alone."""
    try:
        for condition in PERMIT:
            if condition.holds(facts, rules) is not True:
                return Refused(reason=condition.reason, rule=condition.line)
        for rule in rules.approve:
            if _automatic(facts, rule, rules) is True:
                return Allowed(rule=rule.rule, policy_digest=rules.digest)
        return NeedsPerson(policy_digest=rules.digest)
    except Exception:
        return Refused(reason="internal", rule="none")


def decide_again(request: Request, rules: SiteRules, approval: Approval) -> Refused | None:
    """Whether an approval still holds, asked before data is touched: None when it does. Never raises.

    1. it is of exactly this study; 2. under exactly these rules; 3. the rules still permit the study;
    4. where no person signed, the rule that was named is the one that allows it; 5. where people signed, they were entitled
    to, and it is they who signed this; 6. it is an hour at which data may be touched.
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
        if by_rule is not True and stewards.holds(approval, rules.stewards, request.researcher) is not True:
            return Refused(reason="not-approved", rule="approval")
        if is_open(rules, request.at) is not True:
            return Refused(reason="outside-hours", rule="hours")
        return None
    except Exception:
        return Refused(reason="internal", rule="none")


def is_open(rules: SiteRules, at: datetime | None) -> bool:
    """Whether it is an hour at which work may touch data; not where nobody knows the hour."""
    return rules.hours is None or (at is not None and rules.hours.open_at(at))


def _automatic(facts: Facts, rule: AutomaticRule, rules: SiteRules) -> bool:
    return (
        _named(facts.researcher, rule.researchers)
        and serves(facts, rule.purposes, rules.diseases)
        and facts.mode == "A"  # a script is read, and signed, by a person
        and facts.architecture in rule.architectures
        and _all_in(facts.modalities, rule.modalities)
    )


def _runs_left(before: int | None, most: int | None) -> bool:
    return most is None or (before is not None and before < most)


def _named(researcher: str, researchers: str | tuple[str, ...]) -> bool:
    return researchers == "any" or (isinstance(researchers, tuple) and researcher in researchers)


def _all_in(asked: Iterable[str], permitted: tuple[str, ...]) -> bool:
    """Every word asked for is permitted; to ask for nothing is not permitted."""
    words = set(asked)
    return bool(words) and words <= set(permitted)
