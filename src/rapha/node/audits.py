"""The audit of what leaves: does the model remember patients? One that does goes no further."""

from rapha.cohort.found import FrozenCohort
from rapha.egress import gate
from rapha.egress.memorisation import can_see
from rapha.errors import EgressRefused
from rapha.node.approvals import Approvals
from rapha.node.provenance import epsilon_of_a_round
from rapha.node.register import Entry, Register
from rapha.node.runs import Run
from rapha.records.association import Gwas
from rapha.records.audit import AuditLimits, AuditVerdict, GenerativeLimits
from rapha.records.language import learns_text
from rapha.records.learning import Script
from rapha.records.study import Study
from rapha.records.task import Task

_OF_CANARIES_ALONE = AuditLimits(recognised=1.0)
"""Of rules that want no audit: nothing but an adapter's canaries can be found."""


class Audits:
    """Asked of every round of a model and of its final weights, under the limits of the site's rules."""

    def __init__(self, approvals: Approvals, register: Register) -> None:
        self._approvals, self._register = approvals, register

    def wanted(self, study: Study, run: Run, task: Task) -> bool:
        """Whether the workload is to measure. The canaries of an adapter that learns to write are looked for whatever the rules say; the planted patients of a private round are enough to see by, however few patients
        there are."""
        limits, private = self._approvals.rules().audit_limits, study.privacy.differential_privacy is not None
        if (
            isinstance(study.model, Script) and not study.model.predicts
        ):  # nobody but the script can score a row by its weights
            return False
        seen = private or can_see(limits, *_compared(run.frozen.cohort)) if limits is not None else False
        return _is_of_a_model(study, task) and (seen or learns_text(study))

    def check(self, study: Study, run: Run, task: Task, audited: bool) -> AuditVerdict | None:
        """Before anything of a round or of the final weights leaves. What was found stays here, in the register: of a round
        that may leave it is given back, to be kept with it.

        Raises:
            EgressRefused: the model remembers patients, or too few are there to see it and the rules want it seen.
        """
        if not _is_of_a_model(study, task):
            return None
        rules, compared = self._approvals.rules(), _compared(run.frozen.cohort)
        generative = (rules.generative or GenerativeLimits()) if learns_text(study) else None
        limits = rules.audit_limits or (_OF_CANARIES_ALONE if generative else None)
        members, held_out, _ = compared
        verdict = AuditVerdict(verdict="not-run", members=members, held_out=held_out)
        if limits is not None and audited:
            owed = epsilon_of_a_round(study) if task.do == "train" else None
            evaluated = task.do == "evaluate" or isinstance(study.model, Script)
            verdict = gate.audited(run.folder.output, evaluated, limits, *compared, owed, generative)
        try:
            if limits is not None:
                gate.pass_audit(verdict, limits)
        except EgressRefused:
            self._register.keep_audit(task.dispatch, task.round, verdict)
            raise
        if task.do == "train":
            return verdict
        self._register.keep_audit(task.dispatch, task.round, verdict)
        return None

    def rules_passed(self, entry: Entry) -> tuple[str, ...]:
        """What the receipt may say that every output of a run has passed."""
        return gate.rules_passed(entry.study, self._register.audits(entry.dispatch.id).values())


def _is_of_a_model(study: Study, task: Task) -> bool:
    """Statistics, and the sums of a GWAS, have rules of their own; so has mode B, whose noise the node itself adds."""
    return task.do != "prepare" and not isinstance(study.model, Gwas) and study.mode != "B"


def _compared(cohort: FrozenCohort) -> tuple[int, int, float]:
    """What an audit compares: training rows, rows held out, and how many rows a patient has."""
    return cohort.train_rows, cohort.rows - cohort.train_rows, cohort.rows / max(cohort.patients, 1)
