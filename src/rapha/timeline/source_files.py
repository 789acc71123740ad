"""The files that an ingest reads: one that is still being written, or is put in the place of another while it is read, is told of and not half taken.

A batch is known by the digests of its files. They are read after they were digested, so that both have to be of the same bytes.
"""

import os
from pathlib import Path
from typing import NamedTuple

from rapha.canonical import digest_file
from rapha.errors import SourceError


class State(NamedTuple):
    """Of a file on disk: another one in its place, or one that was written to, has another."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "State":
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


class SourceFiles:
    """Files, each as it stood when its digest was asked for."""

    def __init__(self) -> None:
        self._states: dict[Path, State] = {}

    def state(self, path: Path) -> State | None:
        """As it stood; None of a file whose digest nobody asked for."""
        return self._states.get(path)

    def digest(self, path: Path) -> str:
        """Of a file that is there."""
        self._states.setdefault(path, State.of(path.stat()))
        return digest_file(path)

    def check_unchanged(self) -> None:
        """Asked when all of them are read, before anything is written of them.

        Raises:
            SourceError: one of them is another one now, or gone.
        """
        for path, state in self._states.items():
            if not path.is_file() or State.of(path.stat()) != state:
                raise SourceError(
                    f"{path} was changed while it was read: nothing of this ingest was written; ingest again when whoever writes it is done"
                )
