"""Rounds of other programs beside ours, in the same run: each in an environment of its own, real processes on loopback.

`python bench/peer_rounds.py install` makes the environments, in `bench/.peers/`, from the files in `bench/peers/`. What is not
installed is left out, and said.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

from figure import Peer

HERE = Path(__file__).resolve().parent
MADE_FROM, ENVIRONMENTS = HERE / "peers", HERE / ".peers"
QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "PYTHONUNBUFFERED": "1",
    "OMP_NUM_THREADS": "1",
}
PATIENCE_SECONDS = 600.0


class LeftOut(Exception):
    """Why there is no figure of this program here."""


def flower(hospitals: int, rounds: int = 5) -> Peer:
    """Flower's SuperLink and a SuperNode for each hospital, with its own defaults but for TLS, which is off: the median of the times
    between the ends of two rounds.

    Raises:
        LeftOut: it is not installed, or did not end.
    """
    programs = _programs("flower", "flower-superlink")
    with tempfile.TemporaryDirectory() as folder, _processes(Path(folder)) as processes:
        home, port = Path(folder), _free_port()
        ended, shown = home / "ended", f"127.0.0.1:{port}"
        app = shutil.copytree(MADE_FROM / "flower_app", home / "app")
        (home / "config.toml").write_text(
            f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "{shown}"\ninsecure = true\n'
        )
        path = f"{programs}:{os.environ['PATH']}"
        told = {**os.environ, **QUIET, "FLWR_HOME": str(home), "RAPHA_BENCH_ENDED": str(ended), "PATH": path}

        def start(*words: str) -> None:
            command = [str(programs / words[0]), *words[1:]]
            with (home / f"{words[0]}-{len(processes)}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(command, env=told, cwd=home, stdout=log, stderr=log, start_new_session=True)
                )

        start("flower-superlink", "--insecure", "--port", str(port), "--disable-runtime-dependency-installation")
        _until(lambda: _listens(port), processes, home)
        for number in range(hospitals):
            node = ("--node-config", f"partition-id={number} num-partitions={hospitals}")
            start("flower-supernode", "--insecure", "--superlink", shown, "--port", str(_free_port()), *node)
        start("flwr", "run", str(app), "here", "--run-config", f"rounds={rounds} hospitals={hospitals}")
        _until(lambda: len(_lines(ended)) >= rounds, processes[:-1], home)
        moments = [float(line) for line in _lines(ended)]
    return Peer("flower-1.42", median(after - before for before, after in pairwise(moments)))


def beside(hospitals: int) -> Peer | None:
    """Flower's figure; None, and a line that says why, where there is none."""
    try:
        return flower(hospitals)
    except LeftOut as reason:
        print(f"no other program beside it: {reason}", flush=True)
        return None


def install() -> None:
    """Make the environment of each file in `bench/peers/` anew."""
    for file in sorted(MADE_FROM.glob("*.txt")):
        place = ENVIRONMENTS / file.stem
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(place)], check=True)
        subprocess.run([str(place / "bin" / "pip"), "install", "--quiet", "-r", str(file)], check=True)
        print(f"{file.stem}: installed in {place}")


def _programs(name: str, program: str) -> Path:
    folder = ENVIRONMENTS / name / "bin"
    if not (folder / program).exists():
        raise LeftOut(f"{name} is not installed; `python bench/peer_rounds.py install` does it")
    return folder


@contextmanager
def _processes(home: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """What is put into the list is ended when this ends, and so is what that started, in whatever session: it has `home` in its
    environment."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        end = time.monotonic() + 10.0
        while (left := _of(home)) and time.monotonic() < end:
            time.sleep(0.1)
            for process in started:
                process.poll()
        for number in left:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for process in started:
            process.wait()


def _of(home: Path) -> list[int]:
    """The processes that were started for the run in `home`."""
    found, mine = [], f"RAPHA_BENCH_ENDED={home}/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mine in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def _until(done: Callable[[], bool], processes: list["subprocess.Popen[bytes]"], home: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not done():
        gone = [process for process in processes if process.poll() is not None]
        if gone or time.monotonic() > end:
            logs = sorted(home.glob("*.log"), key=lambda file: file.stat().st_mtime)
            last = logs[-1].read_text(errors="replace").strip().splitlines()[-3:] if logs else []
            raise LeftOut(f"it {'ended' if gone else 'did not end in time'}: {' | '.join(last)}")
        time.sleep(0.05)


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _listens(port: int) -> bool:
    with socket.socket() as asked:
        asked.settimeout(1.0)
        return asked.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1:] == ["install"]:
        install()
    else:
        for count in (3, 8):
            print(count, "hospitals:", beside(count), flush=True)
