"""A run done again, behind the same walls, from the frozen rows: is it the one that a receipt is of? To the bit, and to the step.

What it takes is the run's folder, as `transcripts.py` lays it: here, or copied to another machine of the hospital. Each round starts
from the weights that the receipt names, so nothing but those and the rows goes in, and no state is kept between rounds.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from rapha.canonical import digest, digest_file
from rapha.egress import gate
from rapha.egress.collect import collect
from rapha.errors import TrainingFailed, Unproven
from rapha.node.configuration import SandboxLimits
from rapha.node.runs import file_of
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.node.transcripts import (
    FACTS,
    FOLDER,
    MAX_FACTS_BYTES,
    MAX_STUDY_BYTES,
    RunFacts,
    read_bounded,
    read_leaves,
    recording_of,
    transcript_of,
    write_round,
    write_whole,
)
from rapha.proof.claim import SiteClaim
from rapha.proof.transcript import LEAF_BYTES, MAX_LEAVES_A_ROUND, Waypoint, key_commitment, read_round, root_of
from rapha.records.language import CausalLora
from rapha.records.learning import Exported, file_beside
from rapha.records.outputs import GRAPH, TRANSCRIPT, Command
from rapha.records.record import Record
from rapha.records.release import Numerics, Release, RoundTrace
from rapha.records.study import Study
from rapha.records.tensors import declared_statistics
from rapha.records.transcript import Recording, Transcript


class Difference(Record):
    """The first thing that was not as the receipt has it. `after` and `step`: between which steps of the round, where it is known."""

    what: str
    round: int
    after: int | None = None
    step: int | None = None
    parts: tuple[str, ...] = ()


class Outcome(Record):
    """`same` only where every update, every waypoint, the root and the figures are those of the receipt. `machine`: how this one
    computes otherwise than the first did, by the names of the numerics profile."""

    site: str
    study: str
    same: bool
    rounds: int
    waypoints: int
    root: str
    difference: Difference | None
    machine: tuple[str, ...]


class KeptRun:
    """A run's folder, held against the receipt that is said to be of it."""

    def __init__(self, folder: Path) -> None:
        """Raises Unproven: it is no such folder."""
        self.folder = folder
        try:
            self.facts = RunFacts.from_bytes(read_bounded(folder / FOLDER / FACTS, MAX_FACTS_BYTES))
            self.study = Study.from_bytes(read_bounded(folder / "input" / "study.json", MAX_STUDY_BYTES))
            rows = digest_file(folder / "input" / "rows.arrow")
            model = self.study.model
            named = file_beside(model) if isinstance(model, Exported | CausalLora) else None
            graph = digest_file(folder / "input" / GRAPH) if named else None
        except (OSError, ValueError):
            raise Unproven(
                f"{folder} is not the folder of a run with a transcript: give runs/DISPATCH of a node's home, or a copy of it"
            ) from None
        if rows != self.facts.frozen.cohort.dataset_digest:
            raise Unproven("the rows in this folder are not those that were frozen: nothing can be said with them")
        if named and graph != named[0]:
            raise Unproven(f"{GRAPH} in this folder is not the graph that the study names: nothing can be said with it")

    def check_of(self, release: Release) -> Transcript:
        """The receipt's transcript, once it is known to be of this run.

        Raises:
            Unproven: it has none, or is of another study, other rows or another key.
        """
        if (stated := release.transcript) is None:
            raise Unproven("the receipt has no transcript, so there is nothing to hold a repeated run against")
        if release.study_digest != self.study.digest:
            raise Unproven("the receipt is of another study than this run")
        if release.cohort.commitment != self.facts.frozen.commitment:
            raise Unproven("the receipt commits to other rows than those of this run")
        if stated.key != key_commitment(bytes.fromhex(recording_of(self.facts.frozen).key)):
            raise Unproven("the receipt's transcript was made with another key than that of this run")
        return stated

    @contextmanager
    def sandbox(self, backend: Backend, limits: SandboxLimits) -> Iterator["Repeating"]:
        """The workload behind its walls, on the frozen rows; what it writes is thrown away at the end."""
        with tempfile.TemporaryDirectory(prefix="rapha-repeat-") as name:
            place = Path(name)
            run = RunFolder(
                self.folder / "input",
                self.folder / FOLDER / "weights",
                place / "output",
                place / "workload.log",
                place / "self-test.json",
            )
            run.lay_outputs()
            with closing(backend.start(run, limits)) as sandbox:
                yield Repeating(self, run, sandbox)


class Repeating:
    """A warm sandbox in which rounds of a kept run are done again."""

    def __init__(self, kept: KeptRun, run: RunFolder, sandbox: Sandbox) -> None:
        self._kept, self._run, self._sandbox = kept, run, sandbox
        self.numerics: Numerics = sandbox.numerics

    def statistics(self) -> str:
        """The digest of what round 0 lets out."""
        self._do(Command(do="prepare", round=0))
        kept = self._kept
        content = gate.pass_statistics(self._run.output, declared_statistics(kept.study), kept.facts.smallest_count)
        return digest(content)

    def leaves(self, trace: RoundTrace, recording: Recording) -> bytes:
        """The waypoints of a round, or of its beginning where `recording.until` says so."""
        canaries = self._kept.facts.frozen.canaries_for(self._kept.study)
        weights = self._weights(trace.weights_in)
        self._do(Command(do="train", round=trace.round, weights=weights, recording=recording, canaries=canaries))
        return collect(self._run.output, TRANSCRIPT, MAX_LEAVES_A_ROUND * LEAF_BYTES)

    def update(self) -> str:
        """The digest of what the round that was just done lets out."""
        rows = self._kept.facts.frozen.cohort.train_rows
        sha256 = hashlib.sha256()
        for block in gate.pass_update(self._run.output, self._kept.study, rows, self._kept.facts.smallest_count):
            sha256.update(block)
        return f"sha256:{sha256.hexdigest()}"

    def metrics(self, weights: str) -> str:
        """The digest of the figures of these weights."""
        self._do(Command(do="evaluate", round=self._kept.study.training.rounds + 1, weights=self._weights(weights)))
        facts, counted = self._kept.facts, self._kept.facts.frozen.cohort
        rules = gate.figures_of(self._kept.study, counted.fewest)
        rows = (counted.train_rows, counted.set_apart, facts.smallest_count, counted.rows)
        return gate.pass_evaluation(self._run.output, facts.site, *rows, rules).digest

    def _weights(self, weights: str | None) -> str:
        path = self._run.weights / file_of(weights or "")
        if not path.is_file() or digest_file(path) != weights:
            raise Unproven(f"{path} is not there, or is not what a round started from: the round cannot be repeated")
        return path.name

    def _do(self, command: Command) -> None:
        self._run.lay_outputs()
        reply = self._sandbox.run(command, self._kept.study.training.deadline_minutes * 60.0)
        if not reply.ok:
            raise TrainingFailed("the workload could not do a round again", reply.reason or "training-failed")


def repeat(
    kept: KeptRun, claim: SiteClaim, backend: Backend, limits: SandboxLimits, keep: Path | None = None
) -> Outcome:
    """Do the whole run again, and stop at the first difference. `keep`: a folder for the transcript of this second run, as far as it
    came.

    Raises:
        Unproven: folder and receipt are not of one run, or something that is needed is missing.
        SandboxError, TrainingFailed: it could not be done again here.
    """
    release = claim.release
    stated = kept.check_of(release)
    recording = recording_of(kept.facts.frozen, stated.every_steps)
    first = _kept_leaves(kept, stated)
    found: list[Waypoint] = []
    with kept.sandbox(backend, limits) as repeating:
        difference = _first_difference(repeating, release, first, recording, found, keep)
        machine = _computes_otherwise(repeating.numerics, release.numerics)
    if difference is None and not found:
        raise Unproven("the receipt states no round of training, so nothing was done again")
    transcript = transcript_of(tuple(found), recording) if found else stated
    if keep and found:
        facts = kept.facts.model_copy(update={"transcript": transcript, "rounds": release.rounds})
        write_whole(keep / FACTS, facts.as_bytes())
    if difference is None and (transcript.root, transcript.waypoints) != (stated.root, stated.waypoints):
        difference = Difference(what="the transcript's root", round=found[-1].round)
    return Outcome(
        site=release.site,
        study=release.study,
        same=difference is None,
        rounds=len({leaf.round for leaf in found}),
        waypoints=len(found),
        root=transcript.root,
        difference=difference,
        machine=machine,
    )


def _kept_leaves(kept: KeptRun, stated: Transcript) -> tuple[Waypoint, ...]:
    """The first run's waypoints, which are those of the receipt and as many. Raises Unproven."""
    leaves = read_leaves(kept.folder / FOLDER, stated.every_steps)
    if "sha256:" + root_of(leaves).hex() != stated.root:
        raise Unproven("the waypoints kept here are not those that the receipt's root is of: they were changed since")
    if len(leaves) != stated.waypoints:
        raise Unproven(f"the receipt says {stated.waypoints} waypoints, and its root is of {len(leaves)}")
    return leaves


def _first_difference(
    repeating: Repeating,
    release: Release,
    first: tuple[Waypoint, ...],
    recording: Recording,
    found: list[Waypoint],
    keep: Path | None,
) -> Difference | None:
    for trace in release.rounds:
        if trace.round == 0:
            if repeating.statistics() != trace.weights_out:
                return Difference(what="the feature statistics", round=0)
            continue
        data = repeating.leaves(trace, recording)
        if keep:
            write_round(keep, trace.round, data)
        again = read_round(data, trace.round, recording.every_steps)
        found += again
        if difference := _in_round(tuple(leaf for leaf in first if leaf.round == trace.round), again):
            return difference
        if repeating.update() != trace.weights_out:
            return Difference(what="the update", round=trace.round, after=again[-1].step)
    if repeating.metrics(release.weights) != release.metrics:
        return Difference(what="the figures of the final weights", round=release.rounds[-1].round)
    return None


def _in_round(first: tuple[Waypoint, ...], again: tuple[Waypoint, ...]) -> Difference | None:
    after = 0
    for before, now in zip(first, again, strict=False):
        if before != now:
            parts = before.differs_in(now)
            return Difference(what="a waypoint", round=now.round, after=after, step=now.step, parts=parts)
        after = now.step
    if len(first) != len(again):
        return Difference(what="the number of steps", round=again[-1].round, after=after)
    return None


def _computes_otherwise(here: Numerics, there: Numerics) -> tuple[str, ...]:
    mine, theirs = here.as_json(), there.as_json()
    return tuple(f"{name}: {theirs[name]} then, {mine[name]} now" for name in mine if mine[name] != theirs[name])
