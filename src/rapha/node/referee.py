"""Two transcripts of one run: which of them is right? Only the first step on which they part is looked at.

1. both are of the same study, rows, key and distance, and each side's waypoints are those of its own root
2. bisection over the roots of their beginnings finds the first waypoint that they do not share
3. the round is done again as far as the last one that they share: to have its state, nothing was kept
4. the steps from there to the next waypoint are done, and whoever has that waypoint is right

No state is kept at waypoints: a round starts from weights that the receipt names and from nothing else, so a state in it costs
at most one round to come by, and a store of states would cost the size of the model at every waypoint.
"""

from pathlib import Path
from typing import Literal

from rapha.errors import Unproven
from rapha.node.configuration import SandboxLimits
from rapha.node.reexecution import KeptRun
from rapha.node.sandbox.port import Backend
from rapha.node.transcripts import FACTS, MAX_FACTS_BYTES, RunFacts, read_bounded, read_leaves, recording_of
from rapha.proof.transcript import (
    LEAF_BYTES,
    LET_GO,
    Waypoint,
    parting_of,
    prefix_roots,
    unpacked,
)
from rapha.records.record import Record
from rapha.records.release import RoundTrace

Right = Literal["both", "a", "b", "neither"]


class Ruling(Record):
    """`after` and `step`: the steps of the round on which they part; all None where they do not. `parts`: in what. `asked`: how many
    roots each side was asked for; `steps_done`: steps that were done again."""

    right: Right
    why: str
    round: int | None = None
    after: int | None = None
    step: int | None = None
    parts: tuple[str, ...] = ()
    asked: int = 0
    steps_done: int = 0


class Side:
    """One transcript, as its folder has it."""

    def __init__(self, folder: Path) -> None:
        """Raises Unproven: it is no transcript, or its waypoints are not those of its own root."""
        try:
            self.facts = RunFacts.from_bytes(read_bounded(folder / FACTS, MAX_FACTS_BYTES))
        except (OSError, ValueError):
            raise Unproven(f"{folder} is not the folder of a transcript: it has no {FACTS} that can be read") from None
        self.leaves = read_leaves(folder, self.facts.transcript.every_steps)
        self.root_at = prefix_roots(self.leaves)
        if "sha256:" + self.root_at(len(self.leaves)).hex() != self.facts.transcript.root:
            raise Unproven(f"{folder}: the waypoints are not those of its root; whoever changed them has no case")

    def leaf(self, at: int) -> Waypoint | None:
        """The waypoint at a place, if it has so many."""
        return self.leaves[at] if at < len(self.leaves) else None


def rule(folder_a: Path, folder_b: Path, kept: KeptRun, backend: Backend, limits: SandboxLimits) -> Ruling:
    """Who is right.

    Raises:
        Unproven: the two cannot be compared, or are not of this run.
        SandboxError, TrainingFailed: the steps could not be done again here.
    """
    a, b = Side(folder_a), Side(folder_b)
    _check_comparable(a, b, kept)
    parting = parting_of(len(a.leaves), a.root_at, len(b.leaves), b.root_at)
    if parting is None:
        return Ruling(right="both", why="they are the same, to the last waypoint", asked=1)
    agreed = a.leaves[parting.at - 1] if parting.at else None
    trace, after = _next_of(agreed, kept)
    until = after + a.facts.transcript.every_steps
    with kept.sandbox(backend, limits) as repeating:
        data = repeating.leaves(trace, recording_of(kept.facts.frozen, a.facts.transcript.every_steps, until))
    done = [unpacked(data[at : at + LEAF_BYTES]) for at in range(0, len(data), LEAF_BYTES)]
    shared = [leaf for leaf in a.leaves[: parting.at] if leaf.round == trace.round]
    honest = done[len(shared)] if len(done) > len(shared) else None
    found = {
        "round": trace.round,
        "after": after,
        "step": honest.step if honest else None,
        "asked": parting.asked,
        "steps_done": done[-1].step,
    }
    if done[: len(shared)] != shared or honest is None:
        return Ruling(right="neither", why="this machine comes to another state already before they part", **found)
    return _judged(a.leaf(parting.at), b.leaf(parting.at), honest, found)


def _judged(of_a: Waypoint | None, of_b: Waypoint | None, honest: Waypoint, found: dict[str, int | None]) -> Ruling:
    wrong = of_b if of_a == honest else of_a
    parts = wrong.differs_in(honest) if wrong is not None and wrong.step == honest.step else ()
    right: Right = "a" if of_a == honest else "b" if of_b == honest else "neither"
    why = {
        "a": "A has the state that comes of the steps done again, B has not",
        "b": "B has the state that comes of the steps done again, A has not",
        "neither": "the steps done again come to a state that neither has",
        "both": "",
    }[right]
    return Ruling.model_validate({"right": right, "why": why, "parts": parts, **found})


def _check_comparable(a: Side, b: Side, kept: KeptRun) -> None:
    for side, name in ((a, "A"), (b, "B")):
        if side.facts.frozen != kept.facts.frozen:
            raise Unproven(f"{name} is not of this run: its rows or its key are others")
    if a.facts.transcript.every_steps != b.facts.transcript.every_steps:
        raise Unproven("the two have their waypoints at different distances: repeat one with the other's")


def _next_of(agreed: Waypoint | None, kept: KeptRun) -> tuple[RoundTrace, int]:
    """The round, and the step in it, from which the two go different ways."""
    rounds = sorted((trace for trace in kept.facts.rounds if trace.round > 0), key=lambda trace: trace.round)
    if agreed is not None and (agreed.optimizer, agreed.chance) != (LET_GO, LET_GO):
        return next(trace for trace in rounds if trace.round == agreed.round), agreed.step
    later = [trace for trace in rounds if agreed is None or trace.round > agreed.round]
    if not later:
        raise Unproven("one has more rounds than the run had: whoever made it has no case")
    return later[0], 0
