"""May it? The site's rules decide; where they say so, a person does. Asked at the offer, and again before every task.

The rules file is read at each question, so that a steward's edit counts from the next step on.
"""

import re
from pathlib import Path

from rapha.clock import Clock
from rapha.errors import ConfigurationError, Conflict, NotPermitted, TrainingFailed
from rapha.node.register import Entry
from rapha.policy.decide import Decision, Refused, Request, decide, decide_again
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.metrics import Count
from rapha.records.receipt import Receipt
from rapha.records.record import SiteId
from rapha.records.release import ReasonCode
from rapha.records.site import Approval, Denial, Dispatch
from rapha.records.study import Study
from rapha.records.task import Task

_STEWARD = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def check_steward_name(name: str) -> str:
    """Who decides, as an approval names it: `steward:maria-lopez`.

    Raises:
        ConfigurationError: it is not a short name.
    """
    if not _STEWARD.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is no name for a steward: lower-case letters, digits and hyphens, at most 63"
        )
    return f"steward:{name}"


class Approvals:
    """`isolated`: whether the node's sandbox isolates, and by which layers; rules may demand them."""

    def __init__(self, rules: Path, site: SiteId, isolated: bool, layers: tuple[str, ...], clock: Clock) -> None:
        self._rules, self._site, self._clock = rules, site, clock
        self._isolated, self._layers = isolated, layers

    def rules(self) -> SiteRules:
        """The rules as they stand now."""
        return read_rules(self._rules)

    def decide(self, dispatch: Dispatch, study: Study) -> Decision:
        """What the rules say of this study, now."""
        return decide(self.request(dispatch, study), self.rules())

    def approve(self, dispatch: Dispatch, decided_by: str, feasible: Count) -> Approval:
        """The site's yes, bound to the study's digest and the rules' digest."""
        return Approval(
            dispatch=dispatch.id,
            study_digest=dispatch.study_digest,
            site=self._site,
            policy_digest=self.rules().digest,
            decided_by=decided_by,
            feasible=feasible,
            at=self._clock(),
        )

    def deny(self, dispatch: Dispatch, reason: ReasonCode, refusal: Receipt | None) -> Denial:
        """The site's no, and the same signed for everybody."""
        return Denial(
            dispatch=dispatch.id,
            study_digest=dispatch.study_digest,
            site=self._site,
            policy_digest=self.rules().digest,
            reason=reason,
            at=self._clock(),
            refusal=refusal,
        )

    def check_person_may_sign(self, entry: Entry | None, dispatch_id: str) -> Entry:
        """The entry a steward is about to sign.

        Raises:
            Conflict: unknown, or not waiting for a person.
            NotPermitted: the rules have come to refuse it.
        """
        if entry is None:
            raise Conflict(f"no dispatch {dispatch_id} here; `rapha node pending` lists those that wait")
        if entry.state != "pending":
            raise Conflict(f"dispatch {dispatch_id} is {entry.state}: it does not wait for a person")
        decision = self.decide(entry.dispatch, entry.study)
        if isinstance(decision, Refused):
            raise NotPermitted(f"the rules refuse this study now ({decision.reason}): a person cannot override them")
        return entry

    def check_steward(self, name: str) -> str:
        """As `check_steward_name`."""
        return check_steward_name(name)

    def check_task(self, entry: Entry | None, task: Task) -> Approval:
        """The approval under which a task may touch data. Numbered, so that an auditor can tick it off.

        Raises:
            TrainingFailed: with the reason code of the first check that fails.
        """
        # 1. the dispatch was offered to this node and approved by it
        if entry is None or entry.state not in ("approved", "released") or not isinstance(entry.answer, Approval):
            raise TrainingFailed("this node has not approved the dispatch of this task", "not-approved")
        # 2. the task is of the very study that was offered
        if entry.study.digest != task.study_digest:
            raise TrainingFailed("the task is of another study than the approved one", "study-changed")
        # 3. the approval is of that study, under the rules of this moment, which still permit it
        request = self.request(entry.dispatch, entry.study)
        if refused := decide_again(request, self.rules(), entry.answer):
            raise TrainingFailed("the approval no longer holds under the site's rules", refused.reason)
        return entry.answer

    def request(self, dispatch: Dispatch, study: Study) -> Request:
        """What the rules are asked about a study."""
        return Request(study=study, researcher=dispatch.researcher, isolated=self._isolated, layers=self._layers)
