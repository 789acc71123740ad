"""The transcripts of this node's runs: what is recorded, where it is kept, and what the receipt says of it.

    runs/DISPATCH/input/                 the frozen rows, the study, the graph of an exported model
    runs/DISPATCH/transcript/
        round-0001.bin ...               the waypoints of each round: proof/transcript.py
        weights/HEX.safetensors          what each round started from, and what was evaluated
        run.json                         RunFacts, written at the release

That folder is all that is needed to repeat the run: copy it to another machine of the hospital, and nowhere else.
"""

import errno
import hashlib
import hmac
import os
import platform
import shutil
import stat
from pathlib import Path

from rapha import faults
from rapha.durable import sync_folder, take_to_disk_early, write_synced
from rapha.egress.collect import collect
from rapha.errors import Unproven
from rapha.node.configuration import Home
from rapha.node.frozen import FrozenRun
from rapha.node.register import Entry, Register
from rapha.node.runs import Run, file_of
from rapha.node.transfer import Stamp, stamp_of
from rapha.proof.transcript import (
    LEAF_BYTES,
    MAX_LEAVES_A_ROUND,
    Waypoint,
    key_commitment,
    read_round,
    root_of,
)
from rapha.records.outputs import TRANSCRIPT
from rapha.records.record import DispatchId, Record, SiteId
from rapha.records.release import RoundTrace
from rapha.records.repeatable import can_be_recorded
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.records.tensors import declared_weights
from rapha.records.transcript import EVERY_STEPS, Recording, Transcript
from rapha.training.profile import ENVIRONMENT

FOLDER, FACTS = "transcript", "run.json"
MAX_FACTS_BYTES = 1 << 20
"""Of a thousand rounds, some 250 bytes each."""
MAX_STUDY_BYTES = 8 << 20


class RunFacts(Record):
    """What it takes besides rows, weights and receipt to repeat a run, and to judge it as it was judged. Never leaves.
    `smallest_count`: the minimum cohort that counted."""

    site: SiteId
    frozen: FrozenRun
    smallest_count: int
    rounds: tuple[RoundTrace, ...]
    transcript: Transcript


def recording_of(frozen: FrozenRun, every_steps: int = EVERY_STEPS, until: int | None = None) -> Recording:
    """What the workload is told. The key follows from the run's salt, which the receipt's commitment to the cohort binds."""
    key = hmac.new(bytes.fromhex(frozen.salt), b"rapha transcript", hashlib.sha256).hexdigest()
    return Recording(key=key, every_steps=every_steps, until=until)


def transcript_of(leaves: tuple[Waypoint, ...], recording: Recording) -> Transcript:
    """What a receipt says of these waypoints, of which there is at least one."""
    return Transcript(
        root="sha256:" + root_of(leaves).hex(),
        waypoints=len(leaves),
        every_steps=recording.every_steps,
        key=key_commitment(bytes.fromhex(recording.key)),
        flags={**ENVIRONMENT, "machine": platform.machine()},
    )


def read_leaves(folder: Path, every_steps: int) -> tuple[Waypoint, ...]:
    """All waypoints of a transcript's folder, in the order of their rounds.

    Raises:
        Unproven: there is none, or a round's file is no transcript of that round.
    """
    leaves: list[Waypoint] = []
    for file in sorted(folder.glob("round-[0-9][0-9][0-9][0-9].bin")):
        data = read_bounded(file, MAX_LEAVES_A_ROUND * LEAF_BYTES)
        leaves += read_round(data, int(file.stem.removeprefix("round-")), every_steps)
    if not leaves:
        raise Unproven(f"{folder} holds no transcript")
    return tuple(leaves)


def read_bounded(path: Path, limit_bytes: int) -> bytes:
    """A file that somebody else may have made.

    Raises:
        Unproven: no regular file, or larger than such a one can be; then it is not read.
        OSError: it is not there, or cannot be read.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit_bytes:
        raise Unproven(f"{path} is no file of at most {limit_bytes} bytes, as one of a transcript is")
    with path.open("rb") as file:
        data = file.read(limit_bytes + 1)
    if len(data) > limit_bytes:
        raise Unproven(f"{path} grew beyond {limit_bytes} bytes while it was read")
    return data


class Transcripts:
    """Of every run of the node."""

    def __init__(self, home: Home, register: Register) -> None:
        self._home, self._register = home, register
        self._recordings: dict[DispatchId, Recording | None] = {}
        """What was worked out at the first round of a run: study and salt stay as they are."""

    def recording(self, study: Study, run: Run, task: Task) -> Recording | None:
        """What to tell the workload of a task; None where there is nothing to record, or no room for what it starts from."""
        if task.do != "train":
            return None
        if task.dispatch not in self._recordings:
            needed = (study.training.rounds + 1) * sum(spec.size_bytes for spec in declared_weights(study).values())
            room = can_be_recorded(study) and needed <= self._home.configuration.repeatable_mb << 20
            self._recordings[task.dispatch] = recording_of(run.frozen) if room else None
        return self._recordings[task.dispatch]

    def keep_soon(self, run: Run, task: Task) -> None:
        """What a task starts from, and `keep` will keep, goes to the disk while the workload is at it."""
        if task.weights and self._folder(task.dispatch).is_dir():
            with (run.folder.weights / file_of(task.weights)).open("rb") as file:
                take_to_disk_early(file.fileno())

    def keep(self, run: Run, task: Task) -> None:
        """Keep a round's waypoints, and the weights that a task started from, once the workload is done with it.

        Raises:
            EgressRefused: the workload left a transcript that is none, by its form.
        Unproven: the weights are no longer those that the task started from.
        """
        data = collect(run.folder.output, TRANSCRIPT, MAX_LEAVES_A_ROUND * LEAF_BYTES)
        folder = self._folder(task.dispatch)
        if task.do == "train" and data:
            write_round(folder, task.round, data)
        if task.weights and (data or folder.is_dir()):
            kept = folder / "weights" / file_of(task.weights)
            if not kept.exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                keep_whole(run.folder.weights / kept.name, kept, run.given)

    def stated(self, entry: Entry, run: Run, smallest_count: int) -> Transcript | None:
        """What the receipt says, where every round of the study was recorded; noted where one is not as it has to be."""
        dispatch, folder = entry.dispatch.id, self._folder(entry.dispatch.id)
        if not can_be_recorded(entry.study) or not folder.is_dir():
            return None
        recording, traces = recording_of(run.frozen), self._register.traces(dispatch)
        try:
            leaves = read_leaves(folder, recording.every_steps)
            transcript = transcript_of(leaves, recording)
        except (Unproven, OSError):
            transcript = None
        if transcript is None or {leaf.round for leaf in leaves} != {trace.round for trace in traces} - {0}:
            self._register.note("transcript.incomplete", dispatch)
            return None
        facts = RunFacts(
            site=self._home.configuration.site_id,
            frozen=run.frozen,
            smallest_count=smallest_count,
            rounds=traces,
            transcript=transcript,
        )
        write_whole(folder / FACTS, facts.as_bytes())
        return transcript

    def _folder(self, dispatch: str) -> Path:
        return self._home.run(dispatch) / FOLDER


def write_round(folder: Path, number: int, data: bytes) -> None:
    """Keep the waypoints of one round."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"round-{number:04d}.bin", data)


def keep_whole(source: Path, target: Path, verified: Stamp | None) -> None:
    """Give a file of this node, named by its SHA-256, a second name, under which it stays, or copy it where the disk knows no such;
    it is on the disk first. Its digest is reckoned again only where it is not as it was `verified`, as after a snapshot that gives
    every file another name.

    Raises:
        Unproven: it is not what its name says.
    """
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    with source.open("rb") as file:
        os.fsync(file.fileno())
        if stamp_of(source) != verified and hashlib.file_digest(file, "sha256").hexdigest() != source.stem:
            raise Unproven(f"{source} is not what its name says: the run cannot be repeated from it")
        try:
            os.link(source, part)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV):
                raise
            file.seek(0)
            with part.open("wb") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
                copy.flush()
                os.fsync(copy.fileno())
    faults.point("node.to-rename:transcript-weights")
    part.replace(target)
    part.unlink(missing_ok=True)  # it stays where the target was the same file already
    sync_folder(target.parent)  # a receipt will say that this run can be repeated from it
    faults.point("node.renamed:transcript-weights")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and on disk."""
    part = path.with_name(path.name + ".part")
    write_synced(part, data)
    part.replace(path)
    sync_folder(path.parent)
