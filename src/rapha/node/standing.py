"""Does the yes of a task still stand? Held against the rules before the task, and written down; so is it where they break while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from rapha.errors import TrainingFailed
from rapha.node.approvals import Approvals, RulesUnread
from rapha.node.decisions import Decisions
from rapha.node.register import Entry
from rapha.records.release import ReasonCode
from rapha.records.site import Approval
from rapha.records.task import Task


class Standing:
    """What broke the rules stays here; what may be told of it is that they are not those of the approval."""

    def __init__(self, approvals: Approvals, decisions: Decisions) -> None:
        self._approvals, self._decisions = approvals, decisions

    @contextmanager
    def held(self, entry: Entry | None, task: Task) -> Iterator[Approval]:
        """The approval under which the task may touch data, while it does; the decision is kept.

        Raises:
            TrainingFailed: with the reason code of the first check that fails, or `policy-changed`, as `under_rules`.
        """
        with self.under_rules(entry):
            yield self._checked(entry, task)

    @contextmanager
    def under_rules(self, entry: Entry | None) -> Iterator[None]:
        """Work that asks the rules, at whatever moment. Raises TrainingFailed: they cannot be read any more; that is kept as a decision."""
        try:
            yield
        except RulesUnread as broke:
            self._keep_unread(entry, "policy-changed")
            raise TrainingFailed(str(broke), "policy-changed") from broke

    def _checked(self, entry: Entry | None, task: Task) -> Approval:
        try:
            approval = self._approvals.check_task(entry, task)
        except TrainingFailed as refused:
            if entry is not None:
                self._keep_refused(entry, refused.reason)  # type: ignore[arg-type]
            raise
        assert entry is not None
        request, rules = self._approvals.request(entry.dispatch, entry.study), self._approvals.rules()
        self._decisions.keep(entry.dispatch, "task", request, rules, "allowed", approval.decided_by, None, approval)
        return approval

    def _keep_refused(self, entry: Entry, reason: ReasonCode) -> None:
        try:
            request, rules = self._approvals.request(entry.dispatch, entry.study), self._approvals.rules()
        except RulesUnread:
            self._keep_unread(entry, reason)
        else:
            self._decisions.keep(entry.dispatch, "task", request, rules, "refused", "rules", reason, _yes_of(entry))

    def _keep_unread(self, entry: Entry | None, reason: ReasonCode) -> None:
        """Under the rules of the yes. Where there was none, no rules were asked that could be named: nothing is kept."""
        if entry is not None and (approval := _yes_of(entry)) is not None:
            request = self._approvals.uncounted(entry.dispatch, entry.study)
            self._decisions.keep_unread(entry.dispatch, request, reason, approval)


def _yes_of(entry: Entry) -> Approval | None:
    return entry.answer if isinstance(entry.answer, Approval) else None
