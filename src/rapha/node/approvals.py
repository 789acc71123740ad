"""May it? The site's rules decide; where they say so, a person does. Asked at the offer, and again before every task.

The rules file is read at each question, so that a steward's edit counts from the next step on.
"""

import re
from collections.abc import Callable
from pathlib import Path

from rapha.clock import Clock, coarse
from rapha.errors import ConfigurationError, Conflict, NotPermitted, TrainingFailed
from rapha.node.register import Entry
from rapha.policy.decide import Decision, Refused, Request, decide, decide_again, is_open
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.policy.stewards import SignedYes, refused_steward, sign, valid_signers
from rapha.proof.keys import PrivateKey
from rapha.records.metrics import Count
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, SiteId
from rapha.records.release import ReasonCode
from rapha.records.script import Mode
from rapha.records.site import Approval, Denial, Dispatch, StewardSignature
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


class RulesUnread(ConfigurationError):
    """The rules file cannot be read as rules. To work that runs it is a change of them (`node/standing.py`)."""


class Approvals:
    """`isolated`: whether the node's sandbox isolates, and by which layers; rules may demand them. `runs_before`: how many runs
    of a study's project there were; without it, rules that limit them permit none."""

    def __init__(
        self,
        rules: Path,
        site: SiteId,
        isolated: bool,
        layers: tuple[str, ...],
        clock: Clock,
        runs_before: Callable[[Dispatch, Study], int] | None = None,
    ) -> None:
        self._rules, self._site, self._clock = rules, site, clock
        self._isolated, self._layers = isolated, layers
        self._runs_before = runs_before

    def rules(self) -> SiteRules:
        """The rules as they stand now. Raises RulesUnread."""
        try:
            return read_rules(self._rules)
        except ConfigurationError as error:
            raise RulesUnread(str(error)) from error

    def decide(self, dispatch: Dispatch, study: Study) -> Decision:
        """What the rules say of this study, now."""
        return decide(self.request(dispatch, study), self.rules())

    def approve(
        self,
        dispatch: Dispatch,
        decided_by: str,
        feasible: Count,
        decision: Digest | None = None,
        signatures: tuple[StewardSignature, ...] = (),
        mode: Mode = "A",
    ) -> Approval:
        """The site's yes, bound to the study's digest, the rules' digest and the record of the decision."""
        return Approval(
            dispatch=dispatch.id,
            study_digest=dispatch.study_digest,
            site=self._site,
            policy_digest=self.rules().digest,
            decided_by=decided_by,
            feasible=feasible,
            at=coarse(self._clock()),
            decision=decision,
            signatures=signatures,
            mode=mode,
        )

    def deny(self, dispatch: Dispatch, reason: ReasonCode, refusal: Receipt | None, decision: Digest) -> Denial:
        """The site's no, and the same signed for everybody."""
        return Denial(
            dispatch=dispatch.id,
            study_digest=dispatch.study_digest,
            site=self._site,
            policy_digest=self.rules().digest,
            reason=reason,
            at=coarse(self._clock()),
            refusal=refusal,
            decision=decision,
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

    def signed_by(self, entry: Entry, steward: str, key: PrivateKey | None) -> StewardSignature | None:
        """What a steward signs; None where the rules name no stewards, and a name has to do.

        Raises:
            ConfigurationError: the steward's name is none.
            NotPermitted: they may not sign this study, or not with this key.
        """
        check_steward_name(steward)
        rules = self.rules()
        if why := refused_steward(rules.stewards, steward, entry.dispatch.researcher):
            raise NotPermitted(why)
        if rules.stewards is None:
            return None
        named = rules.stewards.named(steward)
        if key is None or named is None or key.public_key() != named.public:
            which = "a key, `--key FILE`" if key is None else "the key that the rules have for this steward"
            raise NotPermitted(f"{steward} signs with {which}: nobody signs for somebody else here")
        return sign(SignedYes.of(entry.dispatch, rules.digest), steward, key, self._clock())

    def signers(
        self, entry: Entry, signatures: tuple[StewardSignature, ...]
    ) -> tuple[tuple[StewardSignature, ...], int]:
        """Those signatures that count under the rules of now, one of each steward; and how many more are needed."""
        rules = self.rules()
        if rules.stewards is None:
            return (), 1
        yes = SignedYes.of(entry.dispatch, rules.digest)
        valid = valid_signers(yes, signatures, rules.stewards, entry.dispatch.researcher)
        counting = tuple(one for one in signatures if one.steward in valid)[: rules.stewards.needed]
        return counting, rules.stewards.needed - len(counting)

    def may_work_now(self) -> bool:
        """Whether it is an hour at which work may touch data. Raises RulesUnread."""
        return is_open(self.rules(), self._clock())

    def check_task(self, entry: Entry | None, task: Task) -> Approval:
        """The approval under which a task may touch data. Numbered, so that an auditor can tick it off.

        Raises:
            TrainingFailed: with the reason code of the first check that fails.
            RulesUnread: there are no rules to hold it against.
        """
        # 1. the dispatch was offered to this node and approved by it
        if entry is None or entry.state not in ("approved", "released") or not isinstance(entry.answer, Approval):
            raise TrainingFailed("this node has not approved the dispatch of this task", "not-approved")
        # 2. the task is of the very study that was offered
        if entry.study.digest != task.study_digest:
            raise TrainingFailed("the task is of another study than the approved one", "study-changed")
        # 3. the approval is of that very dispatch
        if entry.answer.dispatch != task.dispatch or entry.dispatch.id != task.dispatch:
            raise TrainingFailed("the approval is of another dispatch than the task", "not-approved")
        # 4. the approval is of that release mode
        if entry.answer.mode != entry.study.mode:
            raise TrainingFailed("the approval is of another release mode than the study", "not-approved")
        # 5. the approval is of that study, under the rules of this moment, which still permit it
        rules = self.rules()
        request = self.request(entry.dispatch, entry.study)
        if refused := decide_again(request, rules, entry.answer):
            raise TrainingFailed("the approval no longer holds under the site's rules", refused.reason)
        return entry.answer

    def request(self, dispatch: Dispatch, study: Study) -> Request:
        """What the rules are asked about a study. Raises RulesUnread: whether they limit its runs is not known."""
        asked = self.uncounted(dispatch, study)
        if self._runs_before is None or self.rules().runs_per_project is None:
            return asked
        return asked.model_copy(update={"runs_before": self._runs_before(dispatch, study)})

    def uncounted(self, dispatch: Dispatch, study: Study) -> Request:
        """The same, but for how many runs of the project there were."""
        return Request(
            study=study,
            researcher=dispatch.researcher,
            isolated=self._isolated,
            layers=self._layers,
            at=self._clock(),
        )
