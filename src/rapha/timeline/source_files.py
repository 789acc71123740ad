"""The files that an ingest reads: one that is still being written, or is put in the place of another while it is read, is told of and not half taken.

A batch is known by the digests of its files, and they are read for their rows as well: both have to be of the same bytes. So a file is expected
before it is read or digested, whichever comes first, and held against that when all is read.
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
    """Files, each as it stood when it was first expected."""

    def __init__(self) -> None:
        self._states: dict[Path, State | None] = {}

    def expect(self, path: Path) -> Path:
        """From now on it has to stay as it is, also where it is not there; gives the path."""
        if path not in self._states:
            self._states[path] = _state(path)
        return path

    def state(self, path: Path) -> State | None:
        """As it stood; None of a file that was not there, or that nobody expected."""
        return self._states.get(path)

    def digest(self, path: Path) -> str:
        """Of a file that is there."""
        return digest_file(self.expect(path))

    def check_unchanged(self) -> None:
        """Asked when all of them are read, before anything is written of them.

        Raises:
            SourceError: one of them is another one now, or has gone or come.
        """
        for path, state in self._states.items():
            if _content(_state(path)) != _content(state):
                raise SourceError(
                    f"{path} was changed while it was read: the timeline is as it was; ingest again when whoever writes it is done"
                )


def _state(path: Path) -> State | None:
    return State.of(path.stat()) if path.is_file() else None


def _content(state: State | None) -> tuple[int, int] | None:
    """What tells of another content: a share of another machine may number one file anew while it is read."""
    return (state.size, state.mtime_ns) if state else None
