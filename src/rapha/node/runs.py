"""The runs of this node: frozen rows, a warm sandbox, weights in, outputs out. One `Run` per dispatch.

A run that is opened takes a sandbox that waits, where there is one, before a row is frozen; its rows are frozen into that one's
folder, and at the first task it is told to begin. Where there is none, or it is gone by then, one is started.
"""

import contextlib
import secrets
import shutil
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from rapha import faults
from rapha.canonical import base64_bytes, digest_file
from rapha.cohort.patients import read_patients
from rapha.egress.compression import arrived, compressed
from rapha.egress.variates import renewed_variates
from rapha.egress.weights import limit_bytes
from rapha.errors import SandboxError, TrainingFailed
from rapha.node import reading
from rapha.node.configuration import Home
from rapha.node.frozen import FrozenRun, by_now
from rapha.node.hub_line import HubLine, persist
from rapha.node.kept import Kept, lay_beside
from rapha.node.reader import Reader, ReaderHere
from rapha.node.register import Entry, Register
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.node.sandbox.shared_folder import check_shared
from rapha.node.sandbox.waiting import WaitingSandboxes
from rapha.node.scripts import ScriptRun, Whose
from rapha.node.transfer import Stamp, lay, stamp_of
from rapha.node.turns import processors
from rapha.records.language import CausalLora
from rapha.records.learning import Exported, Script, file_beside
from rapha.records.outputs import GRAPH, SCRIPT, Command, Reply
from rapha.records.record import Digest, DispatchId
from rapha.records.release import Numerics, SandboxReport
from rapha.records.site import Approval
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.records.tensors import Declared, declared_weights
from rapha.records.transcript import Recording
from rapha.records.travel import FIRST_ROUND, keeps_at_sites
from rapha.records.variates import declared_variates
from rapha.records.wire import Work

TRIES = 2
"""A workload that died is started again once; the same inputs give the same bits."""

WARM_PER_TURN = 4
"""How many sandboxes live for each task that may work at a time: that one, and others that rest between their rounds."""


class Run:
    """One dispatch's frozen rows and its sandbox."""

    def __init__(
        self,
        folder: RunFolder,
        frozen: FrozenRun,
        runs: "Runs",
        deadline_seconds: float,
        script: ScriptRun | None = None,
        waiting: Sandbox | None = None,
    ) -> None:
        self.folder, self.frozen, self._script = folder, frozen, script
        kept = folder.output.parent / "kept"
        self.variates, self._left_over = Kept(kept / "variates"), Kept(kept / "left-over", every_round=True)
        self.given: Stamp | None = None
        """Of the weights that the task in hand starts from, as they were verified."""
        self._runs, self._deadline = runs, deadline_seconds
        self._waiting = waiting
        self._sandbox: Sandbox | None = None
        self._ended, self._at_work = threading.Event(), threading.Lock()
        self.used = time.monotonic()
        """When it was opened or last worked, by the monotonic clock."""
        self.ran_in: tuple[Numerics, SandboxReport] | None = None
        """Of the sandbox that did the last task: it may have been let cool since."""

    @property
    def sandbox(self) -> Sandbox:
        """The warm sandbox; begun or started at the first use, and started again after it died; never after the run has
        ended."""
        if self._ended.is_set():
            raise TrainingFailed("the run has ended", "cancelled")
        if (sandbox := self._sandbox) is None:
            self._sandbox = sandbox = self._begun() or self._runs.start(self.folder, self._ended)
            if self._ended.is_set():  # while it started: `end` saw none to close
                self._close()
                raise TrainingFailed("the run has ended", "cancelled")
        return sandbox

    def do(self, task: Task, study: Study, *, audit: bool = False, recording: Recording | None = None) -> None:
        """Let the workload do a task, audit what comes of it and record its steps where it should; its outputs are then in
        `folder.output`.

        Raises:
            SandboxError: it died twice.
            TrainingFailed: it answered with a reason code; or `kept-state-lost`.
        """
        with self._at_work:
            self.used = time.monotonic()
            try:
                self._do(task, study, audit=audit, recording=recording)
            finally:
                self.used = time.monotonic()

    def _do(self, task: Task, study: Study, *, audit: bool, recording: Recording | None) -> None:
        weights = file_of(task.weights) if task.weights else None
        own = None
        if task.do == "train" and declared_variates(study):
            own = lay_beside(self.folder.weights, self.variates.before(task))
        command = Command(
            do=task.do,
            round=task.round,
            weights=weights,
            variates=own,
            audit=audit,
            recording=recording,
            canaries=self.frozen.canaries_for(study),
        )
        if self._script is not None and self._by_script(self._script, command):
            return
        for attempt in range(1, TRIES + 1):
            self.folder.lay_outputs()
            try:
                with self._runs.waiting.run_at_work():
                    sandbox = self.sandbox
                    reply = sandbox.run(command, self._deadline)
                self.ran_in = sandbox.numerics, sandbox.report
                break
            except SandboxError:
                self._close()
                if attempt == TRIES:
                    raise
        self._checked(reply)

    def _by_script(self, script: ScriptRun, command: Command) -> bool:
        """Whether the researcher's script did it all: a round of training. Before an evaluation it predicts."""
        self.folder.lay_outputs()
        match command.do:
            case "train":
                trainer = (
                    self.sandbox if command.audit else None
                )  # a start empties the outputs: so before there are any
                script.train(command, self.frozen.cohort)
                if (
                    trainer is not None
                ):  # by the trainer, of what the script's own `predict` says of the weights that it gave
                    measured = Command(do="evaluate", round=command.round, weights=script.lay_weights(), audit=True)
                    script.predict(measured)
                    self._checked(trainer.run(measured, self._deadline))
            case "evaluate":
                script.predict(command)
        return command.do == "train"

    def _checked(self, reply: Reply) -> None:
        if not reply.ok:
            raise TrainingFailed("the workload could not do the task", reply.reason or "training-failed")

    def leaving(
        self, task: Task, study: Study, passed: Iterable[bytes | memoryview], rows: int
    ) -> Iterable[bytes | memoryview]:
        """What leaves of a round's weights, which `passed` the gate, and of its rows as they leave; what stays of it for the
        next round is on the disk first. Block by block, but where something stays: that is worked out of the whole."""
        if task.do != "train" or task.round < FIRST_ROUND or not keeps_at_sites(study):
            return passed
        weights = b"".join(bytes(block) for block in passed)
        given, sent = (self.folder.weights / file_of(task.weights or "")).read_bytes(), weights
        if study.training.updates != "float32":
            sent, left_over = compressed(given, weights, self._left_over.before(task), study)
            self._left_over.keep(task.round, left_over)
            weights = arrived(given, sent, study)
        if declared_variates(study):
            own = self.variates.before(task)
            self.variates.keep(task.round, renewed_variates(own, given, weights, study, rows))
        return [sent]

    def end(self) -> None:
        """End the sandbox for good, also under a command that another thread is waiting for; the frozen rows stay."""
        self._ended.set()
        self._runs.give_up(self.folder)
        if self._script is not None:
            self._script.close()
        self._close()

    def is_warm(self) -> bool:
        """Whether it has a sandbox that lives."""
        return self._sandbox is not None or self._waiting is not None

    def let_cool(self) -> bool:
        """End its sandbox, unless it works: its next task starts another. Whether it was ended."""
        if not self._at_work.acquire(blocking=False):
            return False
        try:
            self._close()
        finally:
            self._at_work.release()
        return True

    def _begun(self) -> Sandbox | None:
        """The one that waited for this run, once; None where none did, or it is dead by now."""
        waiting = self._waiting
        if waiting is None or not waiting.alive():
            return None
        waiting.begin()
        self._waiting = None
        return waiting

    def _close(self) -> None:
        for sandbox in (self._waiting, self._sandbox):
            if sandbox is not None:
                sandbox.close()
        self._waiting = self._sandbox = None


class Runs:
    """Every open run of the node."""

    def __init__(
        self, home: Home, line: HubLine, register: Register, backend: Backend, reader: Reader = ReaderHere()
    ) -> None:
        self._home, self._line, self._register, self._backend, self._reader = home, line, register, backend, reader
        settings = home.configuration
        self.waiting = WaitingSandboxes(backend, settings.limits, home.waiting, home.rules, settings.waiting_sandboxes)
        self._open: dict[DispatchId, Run] = {}
        self._closing = threading.Event()
        self._starts = threading.BoundedSemaphore(processors() if settings.placement is None else settings.at_once)

    def open(self, entry: Entry) -> Run:
        """The run of an approved dispatch: rows frozen once, and found again after a restart.

        Raises:
            CohortRefused: empty, too small, too few events, or a concept nobody has.
            SandboxError: with a placement, the folder that they would lie in is not this user's alone.
            TrainingFailed: the frozen rows on disk are not those that were committed to; or the agent is stopping.
        """
        dispatch = entry.dispatch.id
        if dispatch not in self._open:
            with self.waiting.run_at_work():
                self._open[dispatch] = run = self._new(entry)
            if self._closing.is_set():  # while it was opened: `close_all` may have seen none to end
                run.end()
                raise TrainingFailed("the agent is stopping", "cancelled")
        return self._open[dispatch]

    def _new(self, entry: Entry) -> Run:
        place = self._home.run(entry.dispatch.id)
        if self._home.configuration.placement is not None:
            check_shared(self._home.runs)  # before a row is frozen there
        waiting = self.waiting.take(place)
        try:
            if waiting is not None:  # it is warm from here on, as one that is started
                self._let_few_be_warm()
            folder = RunFolder.under(place)
            frozen = self._frozen(entry, folder)
            self._fetch_graph(entry.study, folder)
            script = self._script_of(entry, folder)
        except BaseException:
            if waiting is not None:
                waiting.close()
            raise
        return Run(folder, frozen, self, entry.study.training.deadline_minutes * 60.0, script, waiting)

    def fetch_weights(self, run: Run, work: Work, study: Study) -> None:
        """Put the task's starting weights where the sandbox reads them; earlier ones go. Bytes that came with the task and
        are not those it names are as if none had come: the blob is fetched, where it is no larger than the study declares."""
        if (blob := work.task.weights) is None:
            return
        target = run.folder.weights / file_of(blob)
        if not lay(blob, sent_along(work), target):
            largest = limit_bytes(_largest_given(study))
            persist(lambda: self._line.download(blob, target, largest))
        run.given = stamp_of(target)
        for old in run.folder.weights.iterdir():
            if old.stem != target.stem:
                old.unlink()

    def _fetch_graph(self, study: Study, folder: RunFolder) -> None:
        """Put the graph of a model of the researcher's own, or an adapter's base, beside the rows, as bytes: only the sandbox reads it."""
        if isinstance(study.model, Exported | CausalLora) and (named := file_beside(study.model)):
            blob, size_bytes = named
            persist(lambda: self._line.download(blob, folder.input / GRAPH, size_bytes))

    def keep_script(self, entry: Entry) -> Path:
        """Fetch the researcher's script, where the study has one: a steward reads it before they sign. The folder that it is in."""
        kept = self._home.run(entry.dispatch.id)
        if isinstance(model := entry.study.model, Script):
            kept.mkdir(parents=True, exist_ok=True)
            persist(lambda: self._line.download(model.script, kept / SCRIPT, model.size_bytes))
        return kept

    def _script_of(self, entry: Entry, folder: RunFolder) -> ScriptRun | None:
        """The researcher's script, fetched once, beside what the trainer's sandbox sees and not in it."""
        if not isinstance(entry.study.model, Script):
            return None
        kept = self.keep_script(entry)
        whose = Whose(read_patients(kept), self._home.secret)
        limits = self._home.configuration.limits
        return ScriptRun(entry.study, (kept / SCRIPT).read_bytes(), folder, self._backend, limits, whose)

    def start(self, folder: RunFolder, ended: threading.Event) -> Sandbox:
        """A sandbox over a run folder; those that rested longest are ended for it, where too many are warm. On this machine as many start
        at one time as it has cores: each is given two minutes, which many together would let pass. Raises TrainingFailed: the run ended
        meanwhile."""
        with self._starts:
            _check_goes_on(ended)
            self._let_few_be_warm()
            folder.lay_outputs()
            _check_goes_on(ended)  # whoever ends the run gives up only what the backend starts
            return self._backend.start(folder, self._home.configuration.limits)

    def _let_few_be_warm(self) -> None:
        warm = [run for run in list(self._open.values()) if run.is_warm()]
        too_many = len(warm) + 1 - WARM_PER_TURN * self._home.configuration.at_once
        for run in sorted(warm, key=lambda run: run.used):
            too_many -= too_many > 0 and run.let_cool()

    def give_up(self, folder: RunFolder) -> None:
        """End a sandbox that another thread is starting over a run folder, where it may wait long for its turn."""
        self._backend.give_up(folder.output.parent)

    def close(self, dispatch: DispatchId, *, keep_rows: bool) -> None:
        """End a run: sandbox, weights and outputs go, and so do the frozen rows, unless a receipt binds them. A script stays for the
        steward, and what it printed goes with the rows that may be in it."""
        if run := self._open.pop(dispatch, None):
            run.end()
        folder = self._home.run(dispatch)
        for place in (folder / "weights", folder / "output", folder / "kept") if keep_rows else [*folder.glob("*")]:
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
            elif place.name != SCRIPT:
                place.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or not there
            folder.rmdir()

    def close_all(self) -> None:
        """End every sandbox, also those that wait; the agent is stopping."""
        self._closing.set()
        for run in list(self._open.values()):
            run.end()
        self.waiting.close()

    def _frozen(self, entry: Entry, folder: RunFolder) -> FrozenRun:
        rows = folder.input / "rows.arrow"
        if entry.cohort is not None:
            known = FrozenRun.from_bytes(entry.cohort.encode())
            if rows.is_file() and digest_file(rows) == known.cohort.dataset_digest:
                return by_now(known, entry.study)
            raise TrainingFailed("the frozen rows are not those this node committed to", "study-changed")
        faults.point("node.to-freeze")
        assert isinstance(entry.answer, Approval)  # work() has checked the task against it
        place, kept = self._home.folder, self._home.run(entry.dispatch.id)
        found = self._reader.ask(reading.freeze, place, entry.study, entry.answer.digest, folder.input, kept)
        faults.point("node.frozen")
        (folder.input / "study.json").write_bytes(entry.study.as_bytes())
        frozen = FrozenRun(salt=secrets.token_hex(32), patients_root=found.patients_root, cohort=found.cohort)
        self._register.keep_cohort(entry.dispatch.id, frozen.as_bytes().decode())
        return frozen


def _check_goes_on(ended: threading.Event) -> None:
    if ended.is_set():
        raise TrainingFailed("the run has ended", "cancelled")


def file_of(weights: Digest) -> str:
    """The name under which the sandbox is shown these weights."""
    return f"{weights.removeprefix('sha256:')}.safetensors"


def _largest_given(study: Study) -> Declared:
    """What a task may start from at most."""
    return {**declared_weights(study), **declared_variates(study)}


def sent_along(work: Work) -> bytes:
    """The starting weights that came with a task; empty where none did, or what came is no base64."""
    try:
        return base64_bytes(work.weights or "")
    except ValueError:
        return b""
