"""Wait for a condition, with a deadline."""

import threading
import time
from collections.abc import Callable


def until(
    holds: Callable[[], bool], instead: Callable[[], object] = lambda: "", seconds: float = 20.0, every: float = 0.005
) -> None:
    """Return once `holds`; fail after `seconds`, and say what there was `instead`."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not holds():
        assert time.monotonic() < deadline, instead()
        pause.wait(every)
