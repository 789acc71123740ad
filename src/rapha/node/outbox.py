"""The only door for content. What is not one of these methods has no way out of the hospital.

Each takes a record of a closed form, or bytes that the egress gate wrote anew. A copy of every byte that leaves stays
in `outbox/`, so that a steward can look at what left, and an auditor can compare. The log says `leaving` before the first
byte leaves and `sent` once the hub has said that it has it: what a crash leaves without its `sent` may have left.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from rapha import faults
from rapha.canonical import base64_text, digest_file
from rapha.durable import Early, sync_folder, write_synced
from rapha.errors import DiskFull, TrainingFailed, Unreachable
from rapha.node.hub_line import PATIENCE_SECONDS, HubLine, persist
from rapha.node.register import Register
from rapha.node.transfer import write_all
from rapha.records.audit import AuditVerdict
from rapha.records.logged import LoggedReceipt
from rapha.records.metrics import SiteMetrics
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, DispatchId
from rapha.records.release import RoundTrace
from rapha.records.site import Answered, Approval, Denial, SiteProfile
from rapha.records.task import Task, TaskFailure, Update
from rapha.records.wire import INLINE_BYTES, Feasible, Pending, ReleaseParcel, UpdateParcel, Work

T = TypeVar("T")


class Held(NamedTuple):
    """A copy of a round's tensors, whole and on the disk: in `part` where nothing of it has left, else in `path`."""

    path: Path
    part: Path | None
    digest: Digest
    size_bytes: int


class Outbox:
    """See the page's first lines. Every method is idempotent, and waits out a hub that is away."""

    def __init__(self, folder: Path, line: HubLine, register: Register, check_may_leave: Callable[[], None]) -> None:
        """`check_may_leave` is asked before anything leaves, at every try and on the way, and raises where nothing may."""
        self._folder, self._line, self._register, self._check_may_leave = folder, line, register, check_may_leave
        folder.mkdir(parents=True, exist_ok=True)

    def profile(self, profile: SiteProfile, patience_seconds: float) -> None:
        """What the site says it has; suppressed. A hub that is away longer than `patience_seconds` is an error."""
        self._check_may_leave()
        self._register.note("profile.leaving", None, digest=profile.digest)
        self._let_out(lambda: self._line.put("/node/profile", profile), patience_seconds)
        self._register.note("profile.sent", None, digest=profile.digest)

    def answer(
        self, answer: Feasible | Pending | Answered | Approval | Denial, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """The site's answer to an offer. A hub that is away longer than `patience_seconds` is an error."""
        self._check_may_leave()
        words = {Feasible: "feasible", Pending: "pending", Answered: "answered", Approval: "approval", Denial: "denial"}
        word = words[type(answer)]
        self._register.note(f"{word}.leaving", answer.dispatch, digest=answer.digest)
        self._let_out(lambda: self._line.post(f"/node/dispatches/{answer.dispatch}/{word}", answer), patience_seconds)
        self._register.note(f"{word}.sent", answer.dispatch, digest=answer.digest)

    def freeze(self, dispatch: DispatchId, receipt: Receipt) -> LoggedReceipt:
        """What was frozen, signed, before the run's first round; where the hub's log has it."""
        self._check_may_leave()
        self._keep(dispatch, "freeze.json", receipt.as_bytes())
        self._register.note("freeze.leaving", dispatch, digest=receipt.digest)
        logged = self._let_out(lambda: self._logged(dispatch, receipt))
        self._register.note("freeze.sent", dispatch, digest=receipt.digest)
        return logged

    def _logged(self, dispatch: DispatchId, receipt: Receipt) -> LoggedReceipt:
        """Raises Unreachable, also where the hub's disk is full: it logs the same again once there is room, and no disk here is full."""
        try:
            return self._line.freeze(dispatch, receipt)
        except DiskFull as full:
            raise Unreachable(f"the hub cannot log what was frozen now: {full}") from full

    def hold(self, dispatch: DispatchId, number: int, blocks: Iterable[bytes | memoryview]) -> Held:
        """Write the copy of a round's tensors as they come through the gate. It counts for nothing before `update`."""
        path = self._folder / dispatch / _of_round(number)
        part, sha256 = _part(path), hashlib.sha256()
        with _disk(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb", buffering=0) as file, _gone_if_refused(part):
                early = Early(file.fileno())
                for block in blocks:
                    sha256.update(block)
                    write_all(file, block)
                    early.wrote(len(block))
                os.fsync(file.fileno())
                return Held(path, part, f"sha256:{sha256.hexdigest()}", file.tell())

    def held(self, dispatch: DispatchId, number: int, left: Digest | None = None) -> Held | None:
        """The copy of a round's tensors that may have left, whole; None where none can have. `left`: what the log says was to
        leave; its copy may still be, or be again after a power cut, under the name it was written under."""
        path = self._folder / dispatch / _of_round(number)
        part = _part(path)
        if path.exists():
            return Held(path, None, digest_file(path), path.stat().st_size)
        if left is not None and part.exists() and digest_file(part) == left:
            return Held(path, part, left, part.stat().st_size)
        return None

    def left_before(self, task: Task) -> Held | None:
        """The copy of what left, or may have, for the round of this task; None also where it is lost. Raises TrainingFailed: it left from
        other weights, whether or not its copy is there."""
        traces = {trace.round: trace for trace in self._register.traces(task.dispatch)}
        left = traces.get(task.round)
        held = self.held(task.dispatch, task.round, left.weights_out if left else None)
        begun = left is not None and left.weights_in == task.weights
        whole = held is None or (left is not None and left.weights_out == held.digest)
        if (held is not None or left is not None) and not (begun and whole):
            raise TrainingFailed("the round left before, from other weights", "round-already-left")
        return held

    def sent(self, dispatch: DispatchId, number: int) -> Path | None:
        """The whole copy of what left in that round, or may have; None where there is none."""
        left = next((trace.weights_out for trace in self._register.traces(dispatch) if trace.round == number), None)
        held = self.held(dispatch, number, left)
        return (held.part or held.path) if held is not None and held.digest == left else None

    def update(
        self, dispatch: DispatchId, update: Update, held: Held, audited: AuditVerdict | None = None
    ) -> Work | None:
        """One round's declared tensors, as the gate wrote them, and the round's figures. `audited`: what their audit found. The
        task that follows, where the hub's answer says it."""
        self._check_may_leave()
        trace = RoundTrace(round=update.round, weights_in=update.weights_in, weights_out=held.digest)
        self._register.leave_round(dispatch, trace, update.digest, audited)
        if held.part is not None:
            with _disk(held.path.parent):
                _show(held.part, held.path)
        if held.size_bytes > INLINE_BYTES:
            self._line.upload(update.weights_out, held.path, self._check_may_leave)
            parcel = UpdateParcel(update=update)
        else:
            parcel = UpdateParcel(update=update, weights=base64_text(held.path.read_bytes()))
        following = self._let_out(lambda: self._line.hand_in(parcel))
        self._register.note_sent("update.sent", dispatch, digest=update.digest, weights=update.weights_out)
        if following is not None and following.task.dispatch != dispatch:
            raise Unreachable("the hub answered an update with a task of another study: is it a Rapha hub?")
        return following

    def release(self, dispatch: DispatchId, parcel: ReleaseParcel, metrics: SiteMetrics) -> None:
        """The end of a study: metrics, the release and its signed receipt."""
        self._check_may_leave()
        blob = self._keep(dispatch, "metrics.json", metrics.as_bytes())
        self._keep(dispatch, "receipt.json", parcel.receipt.as_bytes())
        self._register.note("release.leaving", dispatch, digest=parcel.receipt.digest, metrics=parcel.release.metrics)
        self._line.upload(parcel.release.metrics, blob, self._check_may_leave)
        self._let_out(lambda: self._line.post(f"/node/tasks/{parcel.task}/release", parcel))
        self._register.note("release.sent", dispatch, digest=parcel.receipt.digest, metrics=parcel.release.metrics)

    def failure(self, dispatch: DispatchId, failure: TaskFailure) -> None:
        """A task that could not be done: a code, never a text."""
        self._check_may_leave()
        self._register.note("failure.leaving", dispatch, reason=failure.reason)
        self._let_out(lambda: self._line.post(f"/node/tasks/{failure.task}/failure", failure))
        self._register.note("failure.sent", dispatch, reason=failure.reason)

    def _let_out(self, action: Callable[[], T], patience_seconds: float = PATIENCE_SECONDS) -> T:
        """Whatever leaves: each time that the hub is tried again it is asked anew whether anything may."""

        def asked() -> T:
            self._check_may_leave()
            return action()

        return persist(asked, patience_seconds)

    def _keep(self, dispatch: DispatchId, name: str, content: bytes) -> Path:
        """Write the copy first, whole or not at all: what is sent is read back from it."""
        path = self._folder / dispatch / name
        with _disk(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_synced(_part(path), content)
            _show(_part(path), path)
        return path


def _of_round(number: int) -> str:
    return f"round-{number:04d}.safetensors"


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _show(part: Path, path: Path) -> None:
    faults.point(f"node.to-rename:outbox/{path.name}")
    part.replace(path)
    sync_folder(path.parent)  # a copy of what leaves outlives a power cut
    faults.point(f"node.renamed:outbox/{path.name}")


@contextmanager
def _gone_if_refused(part: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        part.unlink()
        raise


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(f"no space left in {folder}: free some; the round is done again") from error
        raise
