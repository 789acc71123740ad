"""Dispatch of an empty job to a sandbox that waits: taken, its folders renamed, a study and no rows laid there, told to begin,
ready. Each is used once; between two the next one is waited for.

The floor is a round trip over the same pipes to a sandbox that is ready. Beside the figure: what a start from nothing takes, with walls and
without, which is what a run pays when none waits; and what one that waits holds of memory.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from figure import figure_line

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulators"))

from patience import until
from small_run import make_run

from rapha.node.configuration import UGLY, BackendName, SandboxLimits
from rapha.node.sandbox.choose import choose_backend, name_for_this_machine
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.waiting import WaitingSandboxes
from rapha.records.outputs import Command

RUNS, STARTS, TARGET_SECONDS = 15, 5, 0.04


def main() -> None:
    dispatched, round_trips, held = dispatches()
    walled = [start(name_for_this_machine()) for _ in range(STARTS)]
    bare = [start(UGLY) for _ in range(STARTS)]
    print(f"one that waits holds {max(held)} MB of its own", flush=True)
    print(f"from nothing: walled {median(walled):.2f} s, without walls {median(bare):.2f} s", flush=True)
    print(figure_line("sandbox_dispatch", dispatched, TARGET_SECONDS, floor=median(round_trips)))


def dispatches() -> tuple[list[float], list[float], list[int]]:
    """Seconds to a sandbox that is ready, seconds of a command that it refuses at once, megabytes of one that waits."""
    taken, trips, held = [], [], []
    with tempfile.TemporaryDirectory() as name:
        runs = Path(name) / "runs"
        _, study = make_run(Path(name) / "model")
        rows = (Path(name) / "model" / "input" / "rows.arrow").read_bytes()
        backend = choose_backend(name_for_this_machine())
        rules = Path(name) / "rules.yaml"
        pool = WaitingSandboxes(backend, SandboxLimits(), runs / ".waiting", rules, 1, quiet_seconds=0.0)
        pool.open()
        for number in range(RUNS):
            until(lambda: pool.count() == 1, seconds=120.0)
            held.append(own_megabytes(str(runs)))
            with pool.run_at_work():
                began = time.perf_counter()
                sandbox = pool.take(runs / f"run-{number}")
                assert sandbox is not None
                run = RunFolder.under(runs / f"run-{number}")
                (run.input / "study.json").write_bytes(study.as_bytes())
                (run.input / "rows.arrow").write_bytes(rows)
                sandbox.begin()
                taken.append(time.perf_counter() - began)
                began = time.perf_counter()
                sandbox.run(Command(do="train", round=1, weights="0" * 64 + ".safetensors"), 60.0)
                trips.append(time.perf_counter() - began)
                sandbox.close()
        pool.close()
    return taken, trips, held


def own_megabytes(words: str) -> int:
    """What the processes of the sandbox whose start names `words` hold and share with nobody, in millions of bytes."""
    outer = [int(place.name) for place in Path("/proc").glob("[0-9]*") if words in _text(place / "cmdline")]
    everyone = {pid for started in outer for pid in _with_all_below(started)}
    lines = [line for pid in everyone for line in _text(Path(f"/proc/{pid}/smaps_rollup")).splitlines()]
    return sum(int(line.split()[1]) for line in lines if "Private_" in line) * 1024 // 10**6


def _with_all_below(pid: int) -> list[int]:
    children = [child for place in Path(f"/proc/{pid}/task").glob("*/children") for child in _text(place).split()]
    return [pid, *(one for child in children for one in _with_all_below(int(child)))]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def start(name: BackendName) -> float:
    """Seconds until the workload says that it is ready, from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        run, _ = make_run(Path(folder))
        began = time.perf_counter()
        sandbox = choose_backend(name).start(run, SandboxLimits())
        taken = time.perf_counter() - began
        sandbox.close()
    return taken


if __name__ == "__main__":
    main()
