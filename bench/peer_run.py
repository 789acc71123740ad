"""One run of another program: its processes, in an environment of its own, ended when the run ends."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from statistics import median

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


class PeerRun:
    """`home`: a folder of its own. `ended`: a line for each round, in seconds, which the program's own part appends."""

    def __init__(self, program: str, home: Path, **told: str) -> None:
        """`told`: more of its environment. Raises `LeftOut` where the program is not installed."""
        self.home, self.ended = home, home / "ended"
        self.programs = ENVIRONMENTS / program / "bin"
        if not self.programs.exists():
            raise LeftOut(f"{program} is not installed; `python bench/peer_rounds.py install` does it")
        path = f"{self.programs}:{os.environ['PATH']}"
        self._told = {**os.environ, **QUIET, **told, "RAPHA_BENCH_ENDED": str(self.ended), "PATH": path}
        self._started: list[subprocess.Popen[bytes]] = []

    def do(self, *words: str) -> None:
        """Run a command to its end. Raises `LeftOut` with its last words where it fails."""
        done = subprocess.run(
            words, env=self._told, cwd=self.home, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode:
            raise LeftOut(f"{words[0]} failed: {_last(done.stdout + done.stderr)}")

    def start(self, *words: str) -> None:
        """Begin a command, which lives as long as the run."""
        log = self.home / f"{Path(words[0]).name}-{len(self._started)}.log"
        with log.open("wb") as file:
            self._started.append(
                subprocess.Popen(
                    words,
                    env=self._told,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    start_new_session=True,
                )
            )

    def until(self, done: Callable[[], bool]) -> None:
        """Raises `LeftOut` where it is not so within ten minutes, or nothing of the run lives any more."""
        end = time.monotonic() + PATIENCE_SECONDS
        while not done():
            gone = not any(process.poll() is None for process in self._started) and not self._living()
            if gone or time.monotonic() > end:
                logs = sorted(self.home.glob("*.log"), key=lambda file: file.stat().st_mtime)
                said = _last(logs[-1].read_text(errors="replace")) if logs else ""
                raise LeftOut(f"it {'ended' if gone else 'did not end in time'}: {said}")
            time.sleep(0.05)

    def rounds(self, how_many: int) -> float:
        """The median of the seconds between two rounds' ends, once there are so many."""
        self.until(lambda: len(self._lines()) >= how_many)
        moments = [float(line) for line in self._lines()]
        return median(after - before for before, after in pairwise(moments))

    def end(self) -> None:
        """End what was started, and what that started, in whatever session: it has `home` in its environment."""
        for process in self._started:
            process.terminate()
        end = time.monotonic() + 10.0
        while (left := self._living()) and time.monotonic() < end:
            time.sleep(0.1)
            for process in self._started:
                process.poll()
        for number in left:
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for process in self._started:
            process.wait()

    def _living(self) -> list[int]:
        found, mine = [], f"RAPHA_BENCH_ENDED={self.ended}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mine in (process / "environ").read_bytes():
                    found.append(int(process.name))
        return found

    def _lines(self) -> list[str]:
        return self.ended.read_text().splitlines() if self.ended.exists() else []


@contextmanager
def peer_run(program: str, **told: str) -> Iterator[PeerRun]:
    """See `PeerRun`; all of it is gone when this ends."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        run = PeerRun(program, Path(folder), **{key: text.replace("{home}", folder) for key, text in told.items()})
        try:
            yield run
        finally:
            run.end()


def listens(port: int) -> bool:
    """Whether somebody on this machine does."""
    with socket.socket() as asked:
        asked.settimeout(1.0)
        return asked.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """One that nobody listens on at this moment."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


def _last(said: str) -> str:
    return " | ".join(said.strip().splitlines()[-3:])
