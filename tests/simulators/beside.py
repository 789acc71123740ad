"""A placement that is none: programs run on this machine, each found by a file of its name, and a queue that a test can shut."""

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from patience import until

from rapha.node.sandbox.placement import Job, tidy

WAITS_AND_RUNS = 'echo $$ > "$1/$2"; while [ -e "$1/shut" ]; do sleep 0.02; done; cd /; shift 2; exec "$@"'


class Beside:
    """See `placement.Placement`. The program has a session of its own, as a cluster's would have a machine of its own."""

    name = "beside"

    def __init__(self, folder: Path, shared_folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.shared_folder, self.starts_seconds = folder, shared_folder, 60.0

    def check(self) -> None:
        pass

    def words(self, job: Job, program: Sequence[str]) -> list[str]:
        clean = ["/usr/bin/env", "-i", "setsid", "--wait"]
        return [*clean, "/bin/sh", "-c", WAITS_AND_RUNS, "sh", str(self._folder), job.name, *program]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.defpath}

    def end(self, job: str) -> None:
        if (pid := self._pid(job)) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            until(lambda: self._pid(job) is None)

    def left(self, beginning: str) -> list[str]:
        names = [file.name for file in self._folder.iterdir()]
        return sorted(name for name in names if name.startswith(beginning) and self._pid(name) is not None)

    def trouble(self, said: str) -> str:
        return tidy(said)

    def shut(self, *, whether: bool) -> None:
        """Whether those that come wait in the queue."""
        gate = self._folder / "shut"
        gate.touch() if whether else gate.unlink(missing_ok=True)

    def _pid(self, job: str) -> int | None:
        """Of the living one; the dead may await their burial."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self._folder / job).read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return None if state == "Z" else pid
        return None
