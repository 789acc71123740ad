"""What the walls cost a training step: the same round of training behind each backend and without walls, by turns.

The figure is of the slower of the two backends; the peer is the same trainer as an ordinary process. The claim is a
slow-down of at most 3 in 100, so the target is made from the peer of the same run.
"""

import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from figure import Peer, figure_line

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

import numpy as np
from safetensors.numpy import save
from small_run import make_run

from rapha.canonical import digest
from rapha.node.configuration import UGLY, BackendName, SandboxLimits
from rapha.node.sandbox.choose import ISOLATING, choose_backend
from rapha.node.sandbox.port import RunFolder, Sandbox
from rapha.records.outputs import Command
from rapha.records.study import Study
from rapha.records.tensors import declared_start

TURNS, MOST_SLOWER, ROWS = 15, 1.03, 30_000


def main() -> None:
    names: list[BackendName] = [UGLY, *(backend().name for backend in ISOLATING)]
    taken: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_ones:
        started = {}
        for name in names:
            run, study = make_run(Path(folder) / name, ROWS)
            command = first_command(run, study)
            started[name] = choose_backend(name).start(run, SandboxLimits())
            open_ones.callback(started[name].close)
            step(started[name], command)  # the first one builds what later ones find
        for turn in range(TURNS):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                taken[name].append(step(started[name], command))
    native = median(taken.pop(UGLY))
    for name, seconds in taken.items():
        print(f"{name}: {median(seconds) * 1000:.1f} ms, native {native * 1000:.1f} ms", flush=True)
    slower = max(taken.values(), key=median)
    print(figure_line("sandbox_step", slower, native * MOST_SLOWER, Peer("native", native)))


def first_command(run: RunFolder, study: Study) -> Command:
    """Round 1 from standards that leave the made-up values as they are."""
    start = {
        name: (np.ones if name.endswith("scale") else np.zeros)(spec.shape, np.float32)
        for name, spec in declared_start(study).items()
    }
    weights = save(start)
    name = f"{digest(weights).removeprefix('sha256:')}.safetensors"
    (run.weights / name).write_bytes(weights)
    return Command(do="train", round=1, weights=name)


def step(sandbox: Sandbox, command: Command) -> float:
    """Seconds for one round of training."""
    began = time.perf_counter()
    reply = sandbox.run(command, 60)
    assert reply.ok, reply.reason
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
