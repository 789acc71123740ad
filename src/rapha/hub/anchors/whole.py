"""The log that is to be anchored, read from its folder. Nothing goes to a chain that the log's own tiles do not lead to."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rapha.errors import Conflict, Unproven
from rapha.hub.log_keeper import read_log_file
from rapha.proof.checkpoint import read_checkpoint
from rapha.proof.merkle import inclusion_proof, root
from rapha.proof.tiles import CHECKPOINT, TileReader, edge_of


@dataclass(frozen=True)
class WholeLog:
    """A log at its newest checkpoint."""

    folder: Path
    origin: str
    size: int
    root: bytes

    def root_at(self, size: int) -> bytes:
        """The root it had at an earlier size. Raises Unproven where it never was as large, or a tile is missing."""
        if not 1 <= size <= self.size:
            raise Unproven(f"{self.folder} has {self.size} entries, not {size}")
        return root(size, self._reader.node)

    def index_of(self, leaf: bytes) -> int:
        """The place of an entry, the first where it is there twice. `leaf`: its hash. Raises Unproven where it is not there."""
        reader = self._reader
        for index in range(self.size):
            if reader.node(0, index) == leaf:
                return index
        raise Unproven(f"{self.folder} does not hold this receipt")

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The path from an entry up to the root of an earlier size. Raises ValueError where the entry came later."""
        return inclusion_proof(index, size, self._reader.node)

    @property
    def _reader(self) -> TileReader:
        return TileReader(lambda path: read_log_file(self.folder, path), self.size)


def check_same_log(log: WholeLog, anchors: Iterable[tuple[int, bytes]]) -> None:
    """Nothing, where each anchored size (0: none) had that root in this log, or the log has not come as far.

    Raises:
        Unproven: it was rewritten after it was anchored.
    """
    for size, anchored in anchors:
        if 0 < size <= log.size and log.root_at(size) != anchored:
            raise Unproven(f"{log.folder} had another root at {size} entries than the chain: it was rewritten since")


def read_whole_log(folder: Path) -> WholeLog:
    """Read a log's folder.

    Raises:
        Unproven: it is no log, or its tiles do not lead to its checkpoint.
        Conflict: it has no entry yet.
    """
    checkpoint = read_checkpoint(read_log_file(folder, CHECKPOINT))
    if checkpoint.size == 0:
        raise Conflict(f"{folder} has no entry yet: there is nothing to anchor")
    if edge_of(lambda path: read_log_file(folder, path), checkpoint.size).root != checkpoint.root:
        raise Unproven(f"{folder}: the tiles do not lead to the checkpoint's root. Never anchor an edited log")
    return WholeLog(folder, checkpoint.origin, checkpoint.size, checkpoint.root)
