"""Named points at which a test may kill this process, to see that nothing is lost. Outside such a test they do nothing.

There is one way to arm them: `arm`, called by the command line's own `run` with the process's environment, where a
variable of a name that nobody sets by accident says `RECORD:PATTERN`. Each passing of a point is then appended to the
file RECORD as `name#n`, its n-th passing over all lives of the process; where PATTERN matches that whole, the process
kills itself with SIGKILL. No program that is not armed reads a file, an environment or a clock here.
"""

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "RAPHA_KILL_THIS_PROCESS_AT_A_FAULT_POINT_AS_ONLY_A_TEST_MAY_ASK"
SANDBOX = "sandbox."
"""Points of this prefix are passed inside a sandbox, which sees no file of ours: see `for_the_sandbox`."""


class Faults:
    """What an armed process does at its points. `record` None: it is the workload's, which can write none."""

    def __init__(self, record: Path | None, pattern: str) -> None:
        self._record, self._pattern = record, re.compile(pattern)
        self._lock = threading.Lock()
        lived = record.read_text(encoding="utf-8").splitlines() if record and record.exists() else []
        self._passed = Counter(line.rpartition("#")[0] for line in lived)

    def passed(self, name: str) -> None:
        """The point `name` is passed: write it down, and die where that was asked for."""
        with self._lock:
            self._passed[name] += 1
            label = f"{name}#{self._passed[name]}"
            if self._record is not None:
                with self._record.open("a", encoding="utf-8") as file:
                    file.write(label + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            if self._pattern.fullmatch(label):
                self._die()

    def _die(self) -> None:
        """At once, with nothing tidied up. A sandbox forbids its workload to signal anybody: there, by leaving."""
        if self._record is None:
            os._exit(128 + signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def for_the_sandbox(self) -> str | None:
        """The pattern for the next sandbox, where it is meant for one; several, with a blank between them, are for one sandbox after another.
        Each is given once in all lives of this process."""
        patterns = self._pattern.pattern.split(" ")
        if not self._pattern.pattern.startswith(SANDBOX) or self._passed["sandbox-armed"] >= len(patterns):
            return None
        self.passed("sandbox-armed")
        return patterns[self._passed["sandbox-armed"] - 1]


_armed: Faults | None = None


def arm(environment: Mapping[str, str]) -> None:
    """Arm this process where the variable asks for it, which only a test does. Otherwise nothing."""
    if asked := environment.get(VARIABLE):
        record, _, pattern = asked.partition(":")
        _set(Faults(Path(record), pattern))


def arm_workload(pattern: str) -> None:
    """Arm the workload inside a sandbox whose node was armed."""
    _set(Faults(None, pattern))


def point(name: str) -> None:
    """A step of which something is recorded is about to be taken, or was just taken."""
    if _armed is not None:
        _armed.passed(name)


def workload_arguments() -> tuple[str, ...]:
    """What to add to a workload's command line: nothing, but in a test that kills one."""
    pattern = _armed.for_the_sandbox() if _armed is not None else None
    return ("--die-at-fault-point", pattern) if pattern else ()


def _set(faults: Faults) -> None:
    global _armed
    _armed = faults
