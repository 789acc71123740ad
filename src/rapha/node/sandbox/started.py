"""Start a workload in a backend's process and judge its walls: the same three steps for every backend.

1. a socket of the host listens while the self-test tries to reach it from inside;
2. every attempt of the self-test is read and judged; in an isolating backend one that got through ends the run;
3. the workload says it is ready.
"""

import json
import socket

from pydantic import Field

from rapha import faults
from rapha.canonical import digest
from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import START_SECONDS, Workload
from rapha.records.outputs import Reply
from rapha.records.record import Record
from rapha.records.release import SandboxReport

WORKLOAD = "rapha.training.worker"


class Attempt(Record):
    attempt: str = Field(max_length=80)
    held: bool


class SelfTest(Record):
    """The line that `inside.py` writes."""

    attempts: tuple[Attempt, ...] = Field(min_length=1, max_length=200)


def start_workload(
    command: list[str],
    run: RunFolder,
    limits: SandboxLimits,
    *,
    backend: str,
    layers: tuple[str, ...],
    isolated: bool,
    arguments: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
) -> Workload:
    """A workload that passed its self-test and is ready.

    Raises:
        SandboxError: it did not start, a wall did not hold, or it is not ready within two minutes.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        plan = json.dumps({"limits": limits.as_json(), "listener": listener.getsockname()[1]})
        words = [*command, plan, WORKLOAD, *arguments, *faults.workload_arguments()]
        workload = Workload(words, run.log, environment or {})
        test = workload.read(SelfTest, START_SECONDS)
    fell = [attempt.attempt for attempt in test.attempts if not attempt.held]
    if isolated and fell:
        workload.close()
        raise SandboxError(f"the sandbox's walls did not hold, so nothing was run; it could: {'; '.join(fell)}")
    ready = workload.read(Reply, START_SECONDS)
    if not ready.ok or ready.numerics is None:
        workload.close()
        raise SandboxError("the workload could not read its input; its own words are in workload.log")
    workload.numerics = ready.numerics
    workload.report = SandboxReport(
        backend=backend,
        isolated=isolated,
        layers=layers,
        self_test=digest(test.as_bytes()),
        attempts=len(test.attempts),
        held=len(test.attempts) - len(fell),
    )
    return workload
