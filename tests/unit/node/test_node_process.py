"""One process and its pipes, held by two threads of an agent."""

import contextlib
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from patience import until

from rapha.errors import SandboxError
from rapha.node.sandbox.process import Workload
from rapha.records.outputs import Reply

HOLDS_THE_PIPE = 'setsid sleep 600 2>/dev/null & echo $! > "$0"; exec sleep 600'


@pytest.fixture
def workload(tmp_path: Path) -> Iterator[Workload]:
    """A process that says nothing, whose pipe stays open when it is gone."""
    pid = tmp_path / "pid"
    started = Workload(["/bin/sh", "-c", HOLDS_THE_PIPE, str(pid)], tmp_path / "log", {"PATH": os.defpath})
    until(lambda: pid.exists() and pid.read_text().endswith("\n"))
    yield started
    started.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_who_reads_of_a_process_that_another_thread_ends_is_told_at_once(workload: Workload) -> None:
    with ThreadPoolExecutor(1) as other:
        reads = other.submit(workload.read, Reply, 120.0)
        until(lambda: _waits() or reads.done())
        workload.close()
        with pytest.raises(SandboxError, match="was ended"):
            reads.result(20.0)


def test_nothing_is_read_of_a_process_that_was_ended(workload: Workload) -> None:
    workload.close()
    with pytest.raises(SandboxError, match="was ended"):
        workload.read(Reply, 1.0)


def _waits() -> bool:
    """Whether somebody in this process has something in hand to wait with; the kernel says no more of a thread than that."""
    with contextlib.suppress(OSError):  # one that is closed meanwhile
        return any(str(one.readlink()) == "anon_inode:[eventpoll]" for one in Path("/proc/self/fd").iterdir())
    return False
