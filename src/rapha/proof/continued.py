"""Does the log that is shown continue the one that was seen? What somebody decides who keeps the last checkpoint of a log, and reads its tiles.
Pure.

A log is convicted by two checkpoints that it signed and that cannot both be true, and by nothing else. Nobody signed a tile: what tiles say
counts where they lead to a root that was signed. All else is not shown: a copy that lags, a page of a proxy, another log at the address.
Signatures are the caller's, and before this is asked.

A witness is sent a proof (`witness.py`); who follows a log by its tiles makes the proof of them.
"""

from typing import Literal

from rapha.errors import Unproven, Unreachable
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.merkle import EMPTY_ROOT, check_consistency, consistency_proof, root
from rapha.proof.tiles import Fetch, TileReader

Kind = Literal["two-logs", "rewritten"]


class Contradicted(Unproven):
    """Two checkpoints of one log cannot both be true. `proof`: the hashes that lead to the newer one's root, and not to the older one's,
    where there are any."""

    def __init__(self, message: str, kind: Kind, proof: tuple[bytes, ...] = ()) -> None:
        super().__init__(message)
        self.kind, self.proof = kind, proof


class NotShown(Unreachable):
    """What was answered neither goes on from what was seen nor contradicts it."""


class UnknownKey(NotShown):
    """The checkpoint is signed with no key of the log that is kept, nor one that follows it by every change that is listed: who holds a checkpoint
    that will not be another waits for nothing."""


def check_newest(seen: Checkpoint, newest: Checkpoint, fetch: Fetch) -> None:
    """What the log shows as its newest checkpoint continues what was seen. `fetch`: its tiles; what it raises for one that cannot be had passes
    through, where the newest is no shorter.

    Raises:
        Contradicted: it does not begin with what was seen; or what was seen does not begin with it.
        NotShown: it is another log; or shorter, which a copy that lags is too; or the tiles are not the log's.
    """
    if newest.size >= seen.size or newest.origin != seen.origin:
        check_one_log(seen, newest, fetch)
        return
    try:
        check_one_log(seen, newest, fetch)
        shown = "and what was seen begins with it"
    except Unreachable as problem:
        shown = f"and that what was seen begins with it is not shown ({problem})"
    raise NotShown(
        f"the log {seen.origin} had {seen.size} entries when it was seen last, and has {newest.size} now, {shown}: either this is a copy that lags "
        "behind, or the hub was put back from an older copy: ask its steward which"
    )


def check_one_log(seen: Checkpoint, tree: Checkpoint, fetch: Fetch) -> None:
    """A tree that the log promised at some time and what was seen of it are one log: the longer begins with the shorter. As `check_newest`, but
    that the tree may be older."""
    # 1. The same log.
    if tree.origin != seen.origin:
        raise NotShown(f"the log {seen.origin} was seen here, and this is {tree.origin}: another log answers there")
    older, newer = sorted((seen, tree), key=lambda one: one.size)
    # 2. At one size one root; of nothing there is one.
    if older.size == newer.size and older.root != newer.root:
        raise Contradicted(
            f"the log {older.origin} has two roots at {older.size} entries: it shows one history here and another elsewhere",
            "two-logs",
        )
    if older.size == newer.size:
        return
    # 3. The root that the older tree has in the newer one is the one that was signed.
    found, proof = _root_within(older.size, newer, fetch)
    if found != older.root:
        raise Contradicted(
            f"the log {older.origin} of {newer.size} entries does not continue the one of {older.size}: an entry was changed or removed",
            "rewritten",
            proof,
        )


def _root_within(size: int, newer: Checkpoint, fetch: Fetch) -> tuple[bytes, tuple[bytes, ...]]:
    """The root of the first `size` entries as the newer tree has them, and the hashes that lead from it to the newer root. Tiles that do not are
    asked for once more. Raises NotShown."""
    if size == 0:
        return EMPTY_ROOT, ()
    for left in (1, 0):
        try:
            node = TileReader(fetch, newer.size).node
            found, proof = root(size, node), consistency_proof(size, newer.size, node)
            check_consistency(size, found, newer.size, newer.root, proof)
        except Unproven as problem:
            if not left:
                raise NotShown(
                    f"the tiles that are shown of the log {newer.origin} do not lead to its signed root of {newer.size} entries: {problem}"
                ) from None
        else:
            return found, proof
    raise AssertionError("unreachable")
