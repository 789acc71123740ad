"""What a hospital keeps of its own from one round to the next: SCAFFOLD's variates, and what the rounding of an update left over.
On the disk before the round's update leaves; never sent.

Which round's are the right ones is not for the node to guess: an update may have left and come too late, or the node may have
been restored from a backup. The task says which of this site's updates was the last to count, and the round starts from what
was kept then. A task that is done again after a crash starts from the same, and gives the same bits.
"""

import errno
from pathlib import Path

from rapha import faults
from rapha.canonical import digest
from rapha.durable import sync_folder, write_synced
from rapha.errors import DiskFull, TrainingFailed
from rapha.records.task import Task
from rapha.records.travel import FIRST_ROUND


class Kept:
    """Of one dispatch, in `folder`: a file for each round. `every_round`: of no use to a round but the next."""

    def __init__(self, folder: Path, every_round: bool = False) -> None:
        self._folder, self._every_round = folder, every_round

    def before(self, task: Task) -> bytes | None:
        """What was kept when an update of this site last counted; None where nothing was yet. What is of other rounds goes.

        Raises:
            TrainingFailed: it is gone (`kept-state-lost`).
        """
        first = max(FIRST_ROUND, task.round - 1) if self._every_round else FIRST_ROUND
        last = task.counted if task.counted is not None and first <= task.counted < task.round else None
        needed = {self._of_round(number) for number in (last, task.round) if number is not None}
        for old in self._folder.glob("round-*"):  # that of the round in hand may count before it is done again
            if old not in needed:
                old.unlink()
        if last is None:
            return None
        try:
            return self._of_round(last).read_bytes()
        except FileNotFoundError:
            raise TrainingFailed(f"what was kept after round {last} is not here any more", "kept-state-lost") from None

    def keep(self, number: int, content: bytes) -> None:
        """Of round `number`, whole or not at all. Raises DiskFull."""
        path = self._of_round(number)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            part = path.with_name("part")
            write_synced(part, content)
            faults.point(f"node.to-rename:kept/{self._folder.name}/{path.name}")
            part.replace(path)
            sync_folder(self._folder)
            faults.point(f"node.renamed:kept/{self._folder.name}/{path.name}")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFull(f"no space left in {self._folder}: free some; the round is done again") from error
            raise

    def _of_round(self, number: int) -> Path:
        return self._folder / f"round-{number:04d}.safetensors"


def lay_beside(weights: Path, content: bytes | None) -> str | None:
    """Put it where the sandbox reads, under its digest; that name. Of None nothing."""
    if content is None:
        return None
    name = f"{digest(content).removeprefix('sha256:')}.safetensors"
    part = (
        weights / f"{name}.part"
    )  # a sandbox may still have the file mapped: it gets another, and never a shorter one
    part.write_bytes(content)
    part.replace(weights / name)
    return name
