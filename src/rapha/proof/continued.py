"""Does the log that is shown continue the one that was seen? What somebody decides who keeps the last checkpoint of a log, and reads its tiles.
Pure.

A witness is sent a proof (`witness.py`); who follows a log by its tiles makes the proof of them. Either holds it against both roots.
"""

from typing import Literal

from rapha.errors import Unproven
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.merkle import check_consistency, consistency_proof
from rapha.proof.tiles import Fetch, TileReader

Kind = Literal["went-back", "two-logs", "rewritten", "other-key", "other-log"]


class Contradicted(Unproven):
    """A log contradicts what was seen of it. `proof`: the hashes that do not lead to both roots, where there were any."""

    def __init__(self, message: str, kind: Kind, proof: tuple[bytes, ...] = ()) -> None:
        super().__init__(message)
        self.kind, self.proof = kind, proof


def check_newest(seen: Checkpoint, newest: Checkpoint, fetch: Fetch) -> None:
    """What the log shows as its newest checkpoint continues what was seen. Signatures are the caller's. `fetch`: its tiles; what it raises
    for one that cannot be had passes through.

    Raises:
        Contradicted: it is another log, or shorter, or does not begin with what was seen.
    """
    # 1. The same log.
    if newest.origin != seen.origin:
        raise Contradicted(f"the log {seen.origin} was seen here, and this is {newest.origin}", "other-log")
    # 2. No shorter: nobody takes an entry back.
    if newest.size < seen.size:
        raise Contradicted(
            f"the log {seen.origin} had {seen.size} entries when it was seen last, and has {newest.size} now: it went back",
            "went-back",
        )
    # 3. It begins with what was seen.
    _check_begins_with(seen, newest, fetch)


def check_one_log(seen: Checkpoint, tree: Checkpoint, fetch: Fetch) -> None:
    """A tree that the log promised at some time and what was seen of it are one log: the longer begins with the shorter. As `check_newest`, but
    that the tree may be older."""
    if tree.origin != seen.origin:
        raise Contradicted(f"the log {seen.origin} was seen here, and this is {tree.origin}", "other-log")
    older, newer = sorted((seen, tree), key=lambda one: one.size)
    _check_begins_with(older, newer, fetch)


def _check_begins_with(older: Checkpoint, newer: Checkpoint, fetch: Fetch) -> None:
    if older.size == newer.size and older.root != newer.root:
        raise Contradicted(
            f"the log {older.origin} has two roots at {older.size} entries: it shows one history here and another elsewhere",
            "two-logs",
        )
    proof: tuple[bytes, ...] = ()
    try:
        if 0 < older.size < newer.size:
            proof = consistency_proof(older.size, newer.size, TileReader(fetch, newer.size).node)
        check_consistency(older.size, older.root, newer.size, newer.root, proof)
    except Unproven as problem:
        raise Contradicted(
            f"the log {older.origin} does not show that it goes on: {problem}", "rewritten", proof
        ) from None
