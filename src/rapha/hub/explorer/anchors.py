"""Anchors of the log for people: the proofs that lie in the home's `anchors/`, each compared with the log as it is now.

A page cannot show that a block is of a chain: it names the block's hash, to be looked for elsewhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rapha.errors import Unproven
from rapha.proof.anchor.files import MAX_PROOF_BYTES, read_proof
from rapha.proof.anchor.keccak import keccak256
from rapha.proof.anchor.verify import Anchored, check_anchor
from rapha.proof.merkle import root
from rapha.proof.tiles import TileReader

MAX_SHOWN = 200
"""Of the newest names."""


@dataclass(frozen=True)
class AnchorView:
    """`fits`: what is anchored is this log at that size. Where not, one of the two was rewritten, or the file is of another log."""

    name: str
    origin: str
    size: int
    root: str
    block: int
    block_hash: str
    contract: str
    fits: bool


def anchor_views(folder: Path, origin: str, size: int, read: Callable[[str], bytes]) -> tuple[list[AnchorView], int]:
    """The anchors in a folder, the largest first; and how many of its files are no proof of one."""
    names = sorted((path.name for path in folder.glob("*.json")), reverse=True)[:MAX_SHOWN]
    reader = TileReader(read, size)
    found = [_view(name, anchor_file(folder, name), origin, size, reader) for name in names]
    views = [view for view in found if view is not None]
    return sorted(views, key=lambda view: (-view.size, view.name)), len(found) - len(views)


def first_over(views: Sequence[AnchorView], index: int) -> AnchorView | None:
    """The smallest anchor that fits and has this entry under it; None where there is none."""
    return min((view for view in views if view.fits and view.size > index), key=lambda view: view.size, default=None)


def anchor_file(folder: Path, name: str) -> bytes | None:
    """A proof's bytes, at most one more than any has; None where there is no such file. `name` may be a stranger's."""
    if not name.endswith(".json") or Path(name).name != name:
        return None
    try:
        with (folder / name).open("rb") as file:
            return file.read(MAX_PROOF_BYTES + 1)
    except (OSError, ValueError):
        return None


def _view(name: str, data: bytes | None, origin: str, size: int, reader: TileReader) -> AnchorView | None:
    try:
        shown, block_hash, contract = _checked(data or b"")
    except Unproven:
        return None
    fits = shown.origin == origin and shown.size <= size and root(shown.size, reader.node) == shown.root
    anchored = "0x" + block_hash.hex()
    return AnchorView(name, shown.origin, shown.size, shown.root.hex(), shown.block, anchored, contract, fits)


@lru_cache(MAX_SHOWN)
def _checked(data: bytes) -> tuple[Anchored, bytes, str]:
    """What a proof shows under the block that it brings itself. Raises Unproven."""
    proof = read_proof(data)
    block_hash = keccak256(bytes.fromhex(proof.header[2:]))
    return check_anchor(proof, block_hash, proof.contract), block_hash, proof.contract
