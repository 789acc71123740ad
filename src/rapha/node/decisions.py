"""Every yes and no of this hospital, written down: what was asked, what each line of the rules answered, what came of it.

A record is kept before the answer leaves; its digest goes with the answer, and by an approval into the receipt. One that says
the same as the last of its dispatch, but for the moment, is not written again: a task is asked about before every round.
"""

import secrets

from rapha.clock import Clock
from rapha.node.register import Register
from rapha.policy.decide import Allowed, Decision, NeedsPerson, Refused, Request, readings
from rapha.policy.rules import SiteRules
from rapha.records.decision import DecisionRecord, Outcome, Reading, Stage
from rapha.records.record import Digest
from rapha.records.release import ReasonCode
from rapha.records.site import Approval, Dispatch


class Decisions:
    """Writes to the register."""

    def __init__(self, register: Register, clock: Clock) -> None:
        self._register, self._clock = register, clock

    def keep(
        self,
        dispatch: Dispatch,
        stage: Stage,
        request: Request,
        rules: SiteRules,
        outcome: Outcome,
        by: str,
        reason: ReasonCode | None = None,
        approval: Approval | None = None,
    ) -> Digest:
        """Write a decision down; the digest of its record."""
        answered = readings(request.facts, rules)
        return self._keep(dispatch, stage, request, rules.digest, answered, outcome, by, reason, approval)

    def keep_unread(self, dispatch: Dispatch, request: Request, reason: ReasonCode, approval: Approval) -> Digest:
        """Write down that a task is refused while the rules cannot be read: no line of them answered, and the digest is of those of the yes."""
        return self._keep(dispatch, "task", request, approval.policy_digest, (), "refused", "rules", reason, approval)

    def _keep(
        self,
        dispatch: Dispatch,
        stage: Stage,
        request: Request,
        policy_digest: Digest,
        answered: tuple[Reading, ...],
        outcome: Outcome,
        by: str,
        reason: ReasonCode | None,
        approval: Approval | None,
    ) -> Digest:
        record = DecisionRecord(
            dispatch=dispatch.id,
            study_digest=request.study.digest,
            policy_digest=policy_digest,
            stage=stage,
            facts=request.facts,
            readings=answered,
            outcome=outcome,
            by=by,
            reason=reason,
            approval=approval.digest if approval else None,
            at=self._clock(),
            nonce=secrets.token_hex(16),
        )
        return self._register.keep_decision(record)


def by_whom(decision: Decision) -> tuple[Outcome, str]:
    """The outcome of a decision, and which line or rule made it."""
    match decision:
        case Allowed():
            return "allowed", f"rule:{decision.rule}"
        case NeedsPerson():
            return "needs-person", "rules"
        case Refused():
            return "refused", f"rules:{decision.rule}"
