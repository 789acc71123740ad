"""What was frozen for a run, signed and in the public log before the run's first round: so that nobody here can choose afterwards whom to say
was used.

Signed first and kept, so that it is the same statement however often it is said; then said to the hub, which logs it and gives back where;
then that is kept. Only then may the run's first task begin. A hub that is away is waited for; one that takes no freeze gets no first round.

A hospital that was away for the first round is given weights of the run before it can say what it froze: nothing that it froze would be before
the run, so it goes on without a freeze, and its receipt names none. That is seen by the task itself, not by a hub's word: a hub
that lies can bring about a receipt without a freeze, as it could by giving no first round, and never one that names a freeze which is not logged.
"""

from collections.abc import Callable

from rapha.errors import Conflict, RaphaError, Unproven
from rapha.node.frozen import FrozenRun
from rapha.node.hub_line import persist
from rapha.node.register import Register
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.continued import UnknownKey
from rapha.proof.envelope import unverified_payload
from rapha.proof.freeze import parse_freeze, signed_freeze
from rapha.proof.given_back import check_given_back
from rapha.proof.keys import PrivateKey
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, DispatchId
from rapha.records.release import RoundTrace
from rapha.records.site import Approval
from rapha.records.task import Task

NOT_LOGGED = "what was frozen is not in the public log, so nothing is trained on it"


class Freezes:
    """See the page's first lines."""

    def __init__(
        self,
        register: Register,
        leave: Callable[[DispatchId, Receipt], LoggedReceipt],
        check_holds: Callable[[Checkpoint], None],
        key: PrivateKey,
    ) -> None:
        """`leave`: the door through which a freeze goes to the hub; it gives back where the log has it. `check_holds` raises where the tree in which
        that is proven is not of the public log."""
        self._register, self._leave, self._check_holds, self._key = register, leave, check_holds, key
        self._logged: set[DispatchId] = set()
        """Of which it is known, or known that they have none, so that not every round asks the register."""

    def log(self, approval: Approval, frozen: FrozenRun, task: Task) -> None:
        """Return once this run's freeze is in the log. None has a run that a version before began, and that handed in a round without one; and one
        whose first `task` here carries weights, or whose freeze the hub did not take before such a task.

        Raises:
            Unreachable: the hub stayed away.
            Conflict: the hub took none before the first round, or gave back something that is not in its log.
            Unproven: that log contradicts what this node keeps of it.
        """
        dispatch = approval.dispatch
        if dispatch in self._logged:
            return
        receipt, logged = self._register.freeze(dispatch)
        late = task.weights is not None
        if receipt is None and (late or self._register.traces(dispatch)):
            self._logged.add(dispatch)
            return
        if receipt is None:
            receipt = signed_freeze(
                approval.site,
                approval.study_digest,
                approval.digest,
                frozen.commitment,
                frozen.patients_root,
                self._key,
            )
            self._register.keep_freeze(dispatch, receipt)
        if logged is None:
            logged = self._given_back(dispatch, receipt, late=late)
            if logged is not None:
                self._register.keep_logged_freeze(dispatch, logged)
        self._logged.add(dispatch)

    def named(self, dispatch: DispatchId, rounds: tuple[RoundTrace, ...]) -> Digest | None:
        """What the receipt of a run names its freeze by; None where it has none, or has not the run's first round among its `rounds`."""
        receipt, logged = self._register.freeze(dispatch)
        before = receipt and logged and any(trace.round == 0 for trace in rounds)
        return parse_freeze(unverified_payload(receipt)).digest if receipt and before else None

    def _given_back(self, dispatch: DispatchId, receipt: Receipt, *, late: bool) -> LoggedReceipt | None:
        """Where the log has it; None where the hub does not take it any more, and the run has begun. Raises as `log`."""
        try:
            logged = self._leave(dispatch, receipt)
        except Conflict as problem:
            if late:
                return None
            raise _not_logged(problem) from problem
        try:
            tree = check_given_back(receipt, logged, "freeze")
        except Unproven as problem:
            raise _not_logged(problem) from problem
        persist(lambda: self._check_tree(tree))
        return logged

    def _check_tree(self, tree: Checkpoint) -> None:
        """The tree is of the public log. One under a key that is not the log's stays so, and is not waited for. Raises as `log`."""
        try:
            self._check_holds(tree)
        except UnknownKey as problem:
            raise Conflict(f"{NOT_LOGGED}: {problem}") from None


def _not_logged(problem: RaphaError) -> Conflict:
    return Conflict(
        f"{NOT_LOGGED}: {problem}; a hub of an older version than this node has to be brought up to date first"
    )
