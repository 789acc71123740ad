"""From nothing to a sandbox that is walled, tested and ready, with torch loaded: what a study waits for, once.

The target is that of a sandbox started beforehand, which this version has not: docs/adr says why. The floor is the
same start as an ordinary process, without walls.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from figure import figure_line

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

from small_run import make_run

from rapha.node.configuration import UGLY, BackendName, SandboxLimits
from rapha.node.sandbox.choose import choose_backend, name_for_this_machine

RUNS, TARGET_SECONDS = 5, 0.04


def main() -> None:
    walled = [start(name_for_this_machine()) for _ in range(RUNS)]
    bare = [start(UGLY) for _ in range(RUNS)]
    print(f"walled {median(walled):.2f} s, without walls {median(bare):.2f} s", flush=True)
    print(figure_line("sandbox_dispatch", walled, TARGET_SECONDS, floor=median(bare)))


def start(name: BackendName) -> float:
    """Seconds until the workload says that it is ready."""
    with tempfile.TemporaryDirectory() as folder:
        run, _ = make_run(Path(folder))
        began = time.perf_counter()
        sandbox = choose_backend(name).start(run, SandboxLimits())
        taken = time.perf_counter() - began
        sandbox.close()
    return taken


if __name__ == "__main__":
    main()
