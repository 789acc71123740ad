"""Start a workload in a backend's process and judge its walls: the same three steps for every backend.

1. sockets of the host listen while the self-test tries to reach them from inside;
2. every attempt of the self-test is read and judged; in an isolating backend one that got through ends the run, and so does a control
   group, where that layer is stated, that is not as it was made or does not hold the sandbox;
3. the workload says it is ready; or, asked to wait, that torch is there and that it waits for `begin`.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rapha import faults
from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox.control_group import LAYER, ControlGroup, groups_of_this_machine
from rapha.node.sandbox.layers import plan_of
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.process import START_SECONDS, Workload
from rapha.node.sandbox.selftest import SelfTest
from rapha.node.sandbox.starting import Starts
from rapha.records.release import SandboxReport

WORKLOAD = "rapha.training.worker"
SCRIPT_WORKLOAD = "rapha.training.script_worker"
_STARTS = Starts()


def start_workload(
    command: list[str],
    run: RunFolder,
    limits: SandboxLimits,
    *,
    backend: str,
    layers: tuple[str, ...],
    isolated: bool,
    waits: bool,
    arguments: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
    module: str | None = None,
) -> Workload:
    """A workload that passed its self-test and is ready, or `waits`. `module`: what runs; the trainer, if not given.

    Raises:
        SandboxError: it did not start, a wall did not hold, or it is not ready within two minutes.
    """
    with _STARTS.one(run.output.parent) as starting, hosts_sockets() as met:
        asked = (*arguments, *faults.workload_arguments())
        words = inner_words(layers, limits, met, module, asked, waits=waits)
        workload = Workload([*command, *words], run.log, environment or {}, _group(limits, layers))
        starting.is_of(workload)
        test = workload.read(SelfTest, START_SECONDS)
        return judged(workload, test, run, backend=backend, layers=layers, isolated=isolated)


def give_up_start(run: Path) -> None:
    """See `port.Backend.give_up`, of what `start_workload` starts: on a machine at work a start may take a minute, and who ends the run, or
    the agent, does not wait for it."""
    _STARTS.give_up(run)


@contextmanager
def hosts_sockets() -> Iterator[dict[str, Any]]:
    """Sockets of this machine that must be out of reach from inside; where they are."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        name = f"rapha-{os.urandom(8).hex()}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        yield {"listener": listener.getsockname()[1], "abstract": name}


def inner_words(
    layers: tuple[str, ...],
    limits: SandboxLimits,
    met: dict[str, Any],
    module: str | None,
    arguments: tuple[str, ...],
    *,
    waits: bool,
) -> list[str]:
    """The arguments of `inside.py`."""
    plan = json.dumps({**plan_of(layers), "limits": limits.as_json(), **met})
    return [plan, module or WORKLOAD, *arguments, *(["--waits"] if waits else [])]


def judged(
    workload: Workload, test: SelfTest, run: RunFolder, *, backend: str, layers: tuple[str, ...], isolated: bool
) -> Workload:
    """The workload, ready and with its report, once its self-test is kept and every wall was found to hold.

    Raises:
        SandboxError: see `check_walls` and `Workload.await_ready`.
    """
    run.self_test.write_bytes(test.as_bytes())
    workload.check_group()
    check_walls(workload, test, layers if isolated else ())
    workload.await_ready()
    workload.report = SandboxReport(
        backend=backend,
        isolated=isolated,
        layers=layers,
        self_test=test.digest,
        attempts=len(test.attempts),
        held=len(test.attempts) - len(test.fell()),
    )
    return workload


def _group(limits: SandboxLimits, layers: tuple[str, ...]) -> ControlGroup | None:
    groups = groups_of_this_machine() if LAYER in layers else None
    return groups.open(limits) if groups is not None else None


def check_walls(workload: Workload, test: SelfTest, layers: tuple[str, ...]) -> None:
    """Every stated layer was tried, and held.

    Raises:
        SandboxError: says which attempts got through, or which layer nobody tried; the workload is then ended.
    """
    fell, untried = test.fell(), sorted(set(layers) - set(test.layers()))
    if layers and (fell or untried):
        workload.close()
        could = f"it could: {'; '.join(fell)}" if fell else f"not tried: {', '.join(untried)}"
        raise SandboxError(f"the sandbox's walls did not hold, so nothing was run; {could}")
