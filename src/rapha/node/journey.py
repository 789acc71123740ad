"""The whole way of a study through this hospital, on one page.

   question      consider()   only how many? a count with noise leaves, if the rules name who asks; `node/feasibility.py`
3  feasibility   consider()   how many patients would it have here? a suppressed count leaves, with a yes and not before
4  approve       consider()   the rules decide, or a steward signs; asked again before every task
5  freeze        work()       the cohort's rows are written once; a signed commitment leaves, and is in the public log before stage 6 begins
6  train         work()       in the sandbox, round after round; the gate lets declared tensors out
   audit         work()       does the model remember patients? one that does goes no further
7  release       finish()     figures of the closed set leave, rounded and suppressed
8  receipt       finish()     all of it is bound by a signature
"""

import secrets
from collections.abc import Iterable

from rapha.clock import Clock, coarse
from rapha.egress import gate
from rapha.egress.disclosure import suppress, told
from rapha.errors import CohortRefused, Conflict, NotPermitted, Unreachable
from rapha.node import reading
from rapha.node.approvals import Approvals
from rapha.node.audits import Audits
from rapha.node.axes import check_axes
from rapha.node.configuration import Home
from rapha.node.decisions import Decisions, by_whom
from rapha.node.feasibility import Questions
from rapha.node.freezes import Freezes
from rapha.node.heads import Heads
from rapha.node.hub_line import PATIENCE_SECONDS, HubLine, persist
from rapha.node.keys import load_key
from rapha.node.ledger import Ledger
from rapha.node.logged_receipts import LoggedReceipts
from rapha.node.outbox import Held, Outbox
from rapha.node.provenance import code_digest, packages, privacy_report
from rapha.node.public_log import PublicLog
from rapha.node.reader import Reader, ReaderHere
from rapha.node.register import Entry, Register
from rapha.node.repeats import left_before
from rapha.node.runs import Run, Runs, file_of
from rapha.node.sandbox.port import Backend
from rapha.node.standing import Standing
from rapha.node.transcripts import Transcripts
from rapha.policy import stewards
from rapha.policy.decide import Allowed, Refused
from rapha.proof.envelope import seal
from rapha.proof.keys import PrivateKey
from rapha.proof.refusal import signed_refusal
from rapha.proof.statement import site_statement
from rapha.records.audit import AuditVerdict
from rapha.records.cohort import Cohort
from rapha.records.decision import Outcome, Stage
from rapha.records.lifecycle import can_move
from rapha.records.metrics import Count, Score
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, DispatchId
from rapha.records.release import EgressVerdict, ReasonCode, Release
from rapha.records.site import Answered, Approval, Denial, Dispatch, SiteProfile, StewardSignature
from rapha.records.study import Study
from rapha.records.task import Task, TaskFailure, Update
from rapha.records.tensors import declared_statistics
from rapha.records.wire import Feasible, Offer, Pending, ReleaseParcel, Work

PERSON_WAITS_SECONDS = 10.0
"""A person at a terminal is not kept longer by a hub that is away: the agent goes on trying."""


class Journey:
    """Every stage, and nothing but stages: each line is one room's work. Stages of one dispatch run in one thread."""

    def __init__(
        self,
        home: Home,
        line: HubLine,
        register: Register,
        backend: Backend,
        clock: Clock,
        reader: Reader | None = None,
    ) -> None:
        self._home, self._register, self._clock, self._reader = home, register, clock, reader or ReaderHere()
        self._site = home.configuration.site_id
        self._key = load_key(home.key)
        self._log = PublicLog(home, line, register, clock)
        self._logged = LoggedReceipts(home.folder, register, line, self._log.check_holds)
        self._outbox = Outbox(home.outbox, line, register, self._log.check_not_refused)
        self._ledger = Ledger(home.ledger, clock)
        runs_before = self._ledger.runs_before
        self._approvals = Approvals(home.rules, self._site, backend.isolated, backend.layers, clock, runs_before)
        self._decisions = Decisions(register, clock)
        self._standing = Standing(self._approvals, self._decisions)
        self._audits = Audits(self._approvals, register)
        self._heads = Heads(home, register)
        self._freezes = Freezes(register, self._outbox.freeze, self._log.check_holds, self._key)
        self._runs = Runs(home, line, register, backend, self._reader)
        self._transcripts = Transcripts(home, register)
        self._questions = Questions(home, self._approvals, register, clock, self._reader)

    def introduce(self, patience_seconds: float = 60.0) -> SiteProfile:
        """Tell the hub what this site has, suppressed and rounded. Raises Unreachable: it stayed away for so long."""
        profile = self._reader.ask(reading.profile, self._home.folder, self._approvals.rules())
        self._outbox.profile(profile, patience_seconds)
        return profile

    def look_at_log(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """The hub's public log goes on from where it was seen last. Raises Unproven: it does not; Unreachable: the hub stayed away for so long."""
        persist(self._log.look, patience_seconds)

    def look_at_log_now_and_then(self) -> None:
        """The same every few minutes, and whether what was signed here came to be in it; a hub that is away is asked again."""
        self._log.look_now_and_then()
        self._logged.look_now_and_then()

    def consider(self, offer: Offer) -> None:
        """Stages 3 and 4. An offer that was answered before gets the same answer again."""
        dispatch, study = offer.dispatch, offer.study
        self._register.add(dispatch, study)
        entry = self._register.entry(dispatch.id)
        assert entry is not None
        if entry.state != "offered":
            self._outbox.answer(entry.answer or Pending(dispatch=dispatch.id))
            return
        if study.digest != dispatch.study_digest or entry.study != study:
            self._deny(dispatch, entry.study, "study-changed", "offer", "rules:approval")
            return
        if dispatch.asks == "feasibility":
            answer = self._questions.answer(dispatch, study)
            if isinstance(answer, Answered):
                self._keep(dispatch, study, "question", "allowed", "rules:feasibility")
                self._outbox.answer(answer)
            else:
                self._deny(dispatch, study, answer, "question", "rules:feasibility")
            return
        if over := self._ledger.refusal(study, self._approvals.rules()):
            self._deny(dispatch, study, over, "offer", "ledger")
            return
        decision = self._approvals.decide(dispatch, study)
        if isinstance(decision, Refused):
            self._deny(dispatch, study, decision.reason, "offer", by_whom(decision)[1])
            return
        if not isinstance(decision, Allowed):  # nothing is counted for somebody whom nobody here has said yes to
            self._keep(dispatch, study, "offer", *by_whom(decision))
            self._runs.keep_script(entry)
            self._register.move(dispatch.id, "pending")
            self._outbox.answer(Pending(dispatch=dispatch.id))
            return
        try:
            feasible = self._feasible(study)
        except CohortRefused as refusal:
            self._deny(dispatch, study, refusal.reason, "offer", "cohort")  # type: ignore[arg-type]
            return
        self._outbox.answer(Feasible(dispatch=dispatch.id, patients=feasible))
        self._approve(dispatch, study, f"rule:{decision.rule}", feasible)

    def sign(self, dispatch_id: str, steward: str, key: PrivateKey | None = None) -> Approval | None:
        """Stage 4, a steward's yes. Kept first, then said to the hub; None where another steward has to sign too.

        Raises:
            NotPermitted: this steward may not sign, or not with this key.
            CohortRefused: there are too few patients; the study is denied for that.
            Unreachable: the hub is away; the agent says it once the hub is back.
        """
        entry = self._approvals.check_person_may_sign(self._register.entry(dispatch_id), dispatch_id)
        signed = self._approvals.signed_by(entry, steward, key)
        if signed is not None:
            self._register.keep_signature(entry.dispatch.id, signed)
        signatures, missing = self._approvals.signers(entry, self._register.signatures(entry.dispatch.id))
        if signed is not None and missing:
            return None
        decided_by = stewards.decided_by(tuple(one.steward for one in signatures) or (steward,))
        try:
            feasible = self._feasible(entry.study)
        except CohortRefused as refusal:
            reason: ReasonCode = refusal.reason  # type: ignore[assignment]
            self._deny(entry.dispatch, entry.study, reason, "signature", "cohort", PERSON_WAITS_SECONDS)
            raise
        return self._approve(entry.dispatch, entry.study, decided_by, feasible, PERSON_WAITS_SECONDS, signatures)

    def refuse(self, dispatch_id: str) -> Denial:
        """Stage 4, a steward's no. Raises Unreachable, as `sign`."""
        entry = self._approvals.check_person_may_sign(self._register.entry(dispatch_id), dispatch_id)
        return self._deny(entry.dispatch, entry.study, "steward-denied", "signature", "steward", PERSON_WAITS_SECONDS)

    def answer_again(self) -> None:
        """Say what was decided here and is not known to have reached the hub: it was away, or the process that said it
        was ended. An answer that the hub does not take any more is noted, and not said again."""
        for entry in self._register.unsent():
            assert entry.answer is not None
            try:
                self._outbox.answer(entry.answer, patience_seconds=0.0)
            except Unreachable:
                return
            except (Conflict, NotPermitted):
                self._register.note("answer.not-taken", entry.dispatch.id, digest=entry.answer.digest)

    def work(self, work: Work) -> Work | None:
        """Stages 5 to 8, one task of them; the task that follows, where the hub has said it. Done again, it gives the same bits;
        under differential privacy, of a script and of a GWAS, those that left before, or none."""
        entry = self._register.entry(work.task.dispatch)
        with self._standing.held(entry, work.task) as approval:
            assert entry is not None
            return self._do(work, entry, approval)

    def _do(self, work: Work, entry: Entry, approval: Approval) -> Work | None:
        task, run = work.task, self._open(entry)
        self._freezes.log(approval, run.frozen, task)
        if task.do == "evaluate":  # what follows is the receipt, for that log
            self.look_at_log()
        if task.do == "train" and (held := left_before(self._outbox.left_before, entry, task)):
            least = self._smallest_count(entry.study)
            return self._send(task, held, suppress(run.frozen.cohort.train_rows, least).about or least, (), None)
        self._runs.fetch_weights(run, work, entry.study)
        if task.weights:
            check_axes(self._outbox.sent, entry.study, task, run.folder.weights / file_of(task.weights))
        audited = self._audits.wanted(entry.study, run, task)
        self._transcripts.keep_soon(run, task)
        run.do(task, entry.study, audit=audited, recording=self._transcripts.recording(entry.study, run, task))
        self._transcripts.keep(run, task)
        found = self._audits.check(entry.study, run, task, audited)
        if task.do == "evaluate":
            self._finish(entry, approval, run, task)
            return None
        return self._hand_in(entry.study, run, task, found)

    def fail(self, task: Task, reason: ReasonCode) -> None:
        """Say that a task could not be done."""
        refusal = self._signed_no(task.study_digest, reason)
        self._outbox.failure(task.dispatch, TaskFailure(task=task.id, reason=reason, refusal=refusal))

    def may_work_now(self, task: Task) -> bool:
        """Whether it is an hour at which work may touch data. Work that comes at another waits. Raises TrainingFailed: nobody can read the rules."""
        with self._standing.under_rules(self._register.entry(task.dispatch)):
            return self._approvals.may_work_now()

    def stop(self, dispatch: DispatchId, state: str) -> None:
        """The study is over: end its run. Its rows stay only where a receipt binds them. Twice is once."""
        entry = self._register.entry(dispatch)
        self._runs.close(dispatch, keep_rows=entry is not None and entry.state == "released")
        if entry is not None and entry.state == "released":  # again: a crash may have come between leaving and this
            self._ledger.settle(entry.dispatch)
        if entry is not None and can_move("dispatch", entry.state, "withdrawn"):
            self._register.move(dispatch, "withdrawn", study=state)

    def have_sandboxes_wait(self) -> None:
        """Start sandboxes before anybody asks for one, as the configuration says. For the home's one agent, which begins."""
        self._heads.clear()
        self._runs.waiting.open()

    def close(self) -> None:
        """End every sandbox."""
        self._runs.close_all()

    def _open(self, entry: Entry) -> Run:
        """The run, once the ledger has set aside what it may spend: before any row of it is read."""
        self._ledger.reserve(entry.dispatch, entry.study, self._approvals.rules())
        try:
            return self._runs.open(entry)
        except CohortRefused as refusal:  # there are no rows to train on, so nothing was, and nothing will be
            self._ledger.refund(entry.dispatch, refusal.reason)  # type: ignore[arg-type]
            raise

    def _hand_in(self, study: Study, run: Run, task: Task, audited: AuditVerdict | None) -> Work | None:
        """Stage 6's way out: what the gate wrote anew, never what the workload wrote."""
        smallest, private = self._smallest_count(study), study.privacy.differential_privacy is not None
        cohort = run.frozen.cohort
        content: Iterable[bytes | memoryview]
        if task.do == "prepare" and private:
            content = [gate.declared_statistics_alone(study)]
        elif task.do == "prepare":
            content = [gate.pass_statistics(run.folder.output, declared_statistics(study), smallest)]
        else:
            content = gate.pass_update(run.folder.output, study, cohort.train_rows, smallest)
        output, rules = run.folder.output, gate.figures_of(study, cohort.fewest)
        weight, scores = gate.pass_scores(output, cohort.train_rows, cohort.validation_rows, smallest, rules)
        held = self._outbox.hold(task.dispatch, task.round, run.leaving(task, study, content, weight))
        run.folder.lay_outputs()  # cut at once: what is held need not reach the disk a second time
        return self._send(task, held, weight, () if private else scores, audited)

    def _send(
        self, task: Task, held: Held, weight: int, scores: tuple[Score, ...], audited: AuditVerdict | None
    ) -> Work | None:
        update = Update(
            task=task.id, study_digest=task.study_digest, site=self._site, round=task.round,
            do="prepare" if task.do == "prepare" else "train",
            weights_in=task.weights, weights_out=held.digest, weight=weight, scores=scores,
        )  # fmt: skip
        return self._outbox.update(task.dispatch, update, held, audited)

    def _finish(self, entry: Entry, approval: Approval, run: Run, task: Task) -> None:
        """Stages 7 and 8."""
        cohort, smallest = run.frozen.cohort, self._smallest_count(entry.study)
        output, rules = run.folder.output, gate.figures_of(entry.study, cohort.fewest)
        if entry.state == "approved":  # asked again after a release, a head that was kept, or deleted, is as it was
            self._heads.keep(task.dispatch, entry.study, output, task.weights or "")
        metrics = gate.pass_evaluation(
            output, self._site, cohort.train_rows, cohort.set_apart, smallest, cohort.rows, rules
        )
        metrics = gate.without_figures(metrics) if entry.study.privacy.differential_privacy else metrics
        traces = self._register.traces(task.dispatch)
        assert run.ran_in is not None  # do() has done it
        numerics, report = run.ran_in
        release = Release(
            study_digest=task.study_digest,
            study=entry.study.study,
            site=self._site,
            approval=approval.digest,
            policy=approval.policy_digest,
            decided_by=approval.decided_by,
            cohort=Cohort(
                study_digest=task.study_digest,
                site=self._site,
                commitment=run.frozen.commitment,
                patients_root=run.frozen.patients_root,
                patients=suppress(cohort.patients, smallest),
                train_rows=metrics.train_rows,
            ),
            architecture=entry.study.model.architecture,
            mode=entry.study.mode,
            rounds=traces,
            weights=task.weights or "",
            metrics=metrics.digest,
            code=code_digest(),
            packages=packages(),
            numerics=numerics,
            sandbox=report,
            egress=EgressVerdict(rules=self._audits.rules_passed(entry), files=len(traces) + 1),
            privacy=privacy_report(entry.study, self._ledger.head),
            transcript=self._transcripts.stated(entry, run, smallest),
            freeze=self._freezes.named(task.dispatch, traces),
        )
        files = {"model.safetensors": release.weights, f"metrics/{self._site}.json": release.metrics}
        statement = site_statement(release, files, nonce=secrets.token_hex(16), at=coarse(self._clock()))
        parcel = ReleaseParcel(task=task.id, release=release, receipt=seal(statement, self._key))
        if entry.state == "approved":  # said before it leaves: the log must not be short of a release that left
            self._register.move(task.dispatch, "released", receipt=parcel.receipt.digest)
        self._outbox.release(task.dispatch, parcel, metrics)
        self._ledger.settle(entry.dispatch)

    def _feasible(self, study: Study) -> Count:
        return suppress(self._reader.ask(reading.count, self._home.folder, study), self._smallest_count(study))

    def _smallest_count(self, study: Study) -> int:
        """The stricter of what the study and the site demand."""
        return max(study.privacy.min_cohort, self._approvals.rules().minimum_cohort)

    def _keep(
        self,
        dispatch: Dispatch,
        study: Study,
        stage: Stage,
        outcome: Outcome,
        by: str,
        reason: ReasonCode | None = None,
    ) -> Digest:
        request, rules = self._approvals.request(dispatch, study), self._approvals.rules()
        return self._decisions.keep(dispatch, stage, request, rules, outcome, by, reason)

    def _approve(
        self,
        dispatch: Dispatch,
        study: Study,
        decided_by: str,
        feasible: Count,
        patience_seconds: float = PATIENCE_SECONDS,
        signatures: tuple[StewardSignature, ...] = (),
    ) -> Approval:
        stage: Stage = "offer" if decided_by.startswith("rule:") else "signature"
        kept = self._keep(dispatch, study, stage, "allowed", decided_by)
        approval = self._approvals.approve(dispatch, decided_by, feasible, kept, signatures, study.mode)
        self._register.move(dispatch.id, "approved", approval, by=decided_by)
        self._outbox.answer(approval, patience_seconds)
        return approval

    def _signed_no(self, study_digest: Digest, reason: ReasonCode) -> Receipt | None:
        """What the site signs of it for everybody; None where something merely broke."""
        return signed_refusal(self._site, study_digest, reason, coarse(self._clock()), self._key)

    def _deny(
        self,
        dispatch: Dispatch,
        study: Study,
        reason: ReasonCode,
        stage: Stage,
        by: str,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> Denial:
        asked = dispatch.asks == "feasibility"  # a question is no study: a no to it is nobody else's business
        signed = None if asked else self._signed_no(dispatch.study_digest, reason)
        kept = self._keep(dispatch, study, stage, "refused", by, reason)
        denial = self._approvals.deny(dispatch, told(reason), signed, kept)
        self._register.move(dispatch.id, "denied", denial, reason=reason)
        self._outbox.answer(denial, patience_seconds)
        return denial
