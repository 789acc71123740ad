"""The only door for content. What is not one of these methods has no way out of the hospital.

Each takes a record of a closed form, or bytes that the egress gate wrote anew. A copy of every byte that leaves stays
in `outbox/`, so that a steward can look at what left, and an auditor can compare. The log says `leaving` before the first
byte leaves and `sent` once the hub has said that it has it: what a crash leaves without its `sent` may have left.
"""

import errno
import os
from pathlib import Path

from rapha import faults
from rapha.canonical import base64_text
from rapha.errors import DiskFull
from rapha.node.hub_line import PATIENCE_SECONDS, HubLine, persist
from rapha.node.register import Register
from rapha.records.metrics import SiteMetrics
from rapha.records.record import DispatchId
from rapha.records.site import Answered, Approval, Denial, SiteProfile
from rapha.records.task import TaskFailure, Update
from rapha.records.wire import INLINE_BYTES, Feasible, Pending, ReleaseParcel, UpdateParcel


class Outbox:
    """See the page's first lines. Every method is idempotent, and waits out a hub that is away."""

    def __init__(self, folder: Path, line: HubLine, register: Register) -> None:
        self._folder, self._line, self._register = folder, line, register
        folder.mkdir(parents=True, exist_ok=True)

    def profile(self, profile: SiteProfile, patience_seconds: float) -> None:
        """What the site says it has; suppressed. A hub that is away longer than `patience_seconds` is an error."""
        self._register.note("profile.leaving", None, digest=profile.digest)
        persist(lambda: self._line.put("/node/profile", profile), patience_seconds)
        self._register.note("profile.sent", None, digest=profile.digest)

    def answer(
        self, answer: Feasible | Pending | Answered | Approval | Denial, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """The site's answer to an offer. A hub that is away longer than `patience_seconds` is an error."""
        words = {Feasible: "feasible", Pending: "pending", Answered: "answered", Approval: "approval", Denial: "denial"}
        word = words[type(answer)]
        self._register.note(f"{word}.leaving", answer.dispatch, digest=answer.digest)
        persist(lambda: self._line.post(f"/node/dispatches/{answer.dispatch}/{word}", answer), patience_seconds)
        self._register.note(f"{word}.sent", answer.dispatch, digest=answer.digest)

    def update(self, dispatch: DispatchId, update: Update, weights: bytes) -> None:
        """One round's declared tensors, as the gate wrote them, and the round's figures."""
        blob = self._keep(dispatch, f"round-{update.round:04d}.safetensors", weights)
        self._register.note("update.leaving", dispatch, digest=update.digest, weights=update.weights_out)
        if len(weights) > INLINE_BYTES:
            persist(lambda: self._line.upload(update.weights_out, blob))
            parcel = UpdateParcel(update=update)
        else:
            parcel = UpdateParcel(update=update, weights=base64_text(blob.read_bytes()))
        persist(lambda: self._line.post(f"/node/tasks/{update.task}/update", parcel))
        self._register.note("update.sent", dispatch, digest=update.digest, weights=update.weights_out)

    def kept_update(self, dispatch: DispatchId, number: int) -> bytes | None:
        """The copy of a round's tensors that may have left, whole; None where none can have."""
        path = self._folder / dispatch / f"round-{number:04d}.safetensors"
        return path.read_bytes() if path.exists() else None

    def release(self, dispatch: DispatchId, parcel: ReleaseParcel, metrics: SiteMetrics) -> None:
        """The end of a study: metrics, the release and its signed receipt."""
        blob = self._keep(dispatch, "metrics.json", metrics.as_bytes())
        self._keep(dispatch, "receipt.json", parcel.receipt.as_bytes())
        self._register.note("release.leaving", dispatch, digest=parcel.receipt.digest, metrics=parcel.release.metrics)
        persist(lambda: self._line.upload(parcel.release.metrics, blob))
        persist(lambda: self._line.post(f"/node/tasks/{parcel.task}/release", parcel))
        self._register.note("release.sent", dispatch, digest=parcel.receipt.digest, metrics=parcel.release.metrics)

    def failure(self, dispatch: DispatchId, failure: TaskFailure) -> None:
        """A task that could not be done: a code, never a text."""
        self._register.note("failure.leaving", dispatch, reason=failure.reason)
        persist(lambda: self._line.post(f"/node/tasks/{failure.task}/failure", failure))
        self._register.note("failure.sent", dispatch, reason=failure.reason)

    def _keep(self, dispatch: DispatchId, name: str, content: bytes) -> Path:
        """Write the copy first, whole or not at all: what is sent is read back from it."""
        folder = self._folder / dispatch
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part = folder / (name + ".part")
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            faults.point(f"node.to-rename:outbox/{name}")
            part.replace(folder / name)
            faults.point(f"node.renamed:outbox/{name}")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFull(f"no space left in {folder}: free some; the round is done again") from error
            raise
        return folder / name
