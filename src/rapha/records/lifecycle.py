"""The states of study, dispatch and task. One table each: from, to, who may, and the audit event it writes.

No state changes but through `check_move`; the hub writes the event in the same transaction. `docs/states.md` is drawn
from these tables.
"""

from typing import Literal, NamedTuple

from rapha.errors import Conflict

Owner = Literal["researcher", "hub", "node", "steward"]


class Move(NamedTuple):
    source: str
    target: str
    owner: Owner
    event: str


STUDY: tuple[Move, ...] = (
    Move("submitted", "recruiting", "hub", "study.routed"),
    Move("submitted", "refused", "hub", "study.refused"),
    Move("submitted", "asking", "hub", "study.asked"),
    Move("asking", "answered", "hub", "study.answered"),
    Move("recruiting", "preparing", "hub", "study.recruited"),
    Move("recruiting", "refused", "hub", "study.refused"),
    Move("preparing", "training", "hub", "study.prepared"),
    Move("training", "releasing", "hub", "study.trained"),
    Move("releasing", "completed", "hub", "study.completed"),
    Move("preparing", "failed", "hub", "study.failed"),
    Move("training", "failed", "hub", "study.failed"),
    Move("releasing", "failed", "hub", "study.failed"),
    Move("submitted", "cancelled", "researcher", "study.cancelled"),
    Move("asking", "cancelled", "researcher", "study.cancelled"),
    Move("recruiting", "cancelled", "researcher", "study.cancelled"),
    Move("preparing", "cancelled", "researcher", "study.cancelled"),
    Move("training", "cancelled", "researcher", "study.cancelled"),
    Move("releasing", "cancelled", "researcher", "study.cancelled"),
    Move("preparing", "paused", "researcher", "study.paused"),
    Move("training", "paused", "researcher", "study.paused"),
    Move("releasing", "paused", "researcher", "study.paused"),
    Move("paused", "preparing", "researcher", "study.resumed"),
    Move("paused", "training", "researcher", "study.resumed"),
    Move("paused", "releasing", "researcher", "study.resumed"),
    Move("paused", "cancelled", "researcher", "study.cancelled"),
)
DISPATCH: tuple[Move, ...] = (
    Move("offered", "answered", "node", "dispatch.answered"),
    Move("offered", "pending", "node", "dispatch.pending"),
    Move("offered", "approved", "node", "dispatch.approved"),
    Move("offered", "denied", "node", "dispatch.denied"),
    Move("pending", "approved", "steward", "dispatch.approved"),
    Move("pending", "denied", "steward", "dispatch.denied"),
    Move("approved", "denied", "node", "dispatch.denied"),
    Move("approved", "released", "node", "dispatch.released"),
    Move("approved", "failed", "node", "dispatch.failed"),
    Move("offered", "withdrawn", "hub", "dispatch.withdrawn"),
    Move("pending", "withdrawn", "hub", "dispatch.withdrawn"),
    Move("approved", "withdrawn", "hub", "dispatch.withdrawn"),
)
TASK: tuple[Move, ...] = (
    Move("queued", "leased", "node", "task.leased"),
    Move("leased", "queued", "hub", "task.returned"),
    Move("leased", "done", "node", "task.done"),
    Move("leased", "failed", "node", "task.failed"),
    Move("queued", "missed", "hub", "task.missed"),
    Move("leased", "missed", "hub", "task.missed"),
    Move("queued", "withdrawn", "hub", "task.withdrawn"),
    Move("leased", "withdrawn", "hub", "task.withdrawn"),
)
TABLES: dict[str, tuple[Move, ...]] = {"study": STUDY, "dispatch": DISPATCH, "task": TASK}
FINAL: dict[str, frozenset[str]] = {
    noun: frozenset(m.target for m in table) - frozenset(m.source for m in table) for noun, table in TABLES.items()
}


def check_move(noun: Literal["study", "dispatch", "task"], source: str, target: str) -> Move:
    """The move from `source` to `target`.

    Raises:
        Conflict: the table has no such move.
    """
    for move in TABLES[noun]:
        if (move.source, move.target) == (source, target):
            return move
    raise Conflict(f"a {noun} that is {source} cannot become {target}")


def can_move(noun: Literal["study", "dispatch", "task"], source: str, target: str) -> bool:
    """Whether the table has the move."""
    return any((m.source, m.target) == (source, target) for m in TABLES[noun])
