"""Starts that another thread may give up at any moment, also before there is a process to end."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from rapha.node.sandbox.process import Workload


class Starting:
    """One start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workload: Workload | None = None
        self._given_up = False

    def is_of(self, workload: Workload) -> None:
        """It is this one's, which is ended if it was given up meanwhile."""
        with self._lock:
            self._workload, given_up = workload, self._given_up
        if given_up:
            workload.close()

    def give_up(self) -> None:
        """End it, or have it ended."""
        with self._lock:
            self._given_up, workload = True, self._workload
        if workload is not None:
            workload.close()


class Starts:
    """Those of a backend, by the folder of the run. A run starts one at a time."""

    def __init__(self) -> None:
        self._starting: dict[Path, Starting] = {}

    @contextlib.contextmanager
    def one(self, of: Path) -> Iterator[Starting]:
        """From here to the end it may be given up."""
        starting = self._starting[of] = Starting()
        try:
            yield starting
        finally:
            self._starting.pop(of, None)

    def give_up(self, of: Path) -> None:
        """See `port.Backend.give_up`."""
        if (starting := self._starting.get(of)) is not None:
            starting.give_up()

    def __len__(self) -> int:
        return len(self._starting)
