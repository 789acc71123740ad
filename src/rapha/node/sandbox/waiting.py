"""Sandboxes that wait: walled, tested, torch loaded, before it is known whose rows they will see. Each serves one dispatch.

A mount is of a folder, not of its name. So a sandbox is started over empty folders of its own, and when a dispatch
comes these folders are renamed to be the dispatch's: what the node then writes there is seen inside, read-only, and nothing is mounted
or unlocked after the self-test. In this order, as an auditor may tick it off:

1. at the agent's start, what an earlier agent left of its waiting sandboxes is swept; their processes died with it
2. one is started over empty folders, and its walls are tested, as at every start
3. it is taken once: out of the list before anything of a dispatch is near it
4. one that died, or that was started under other rules or other code, is thrown away, and never begins
5. one whose `input/` or `weights/` is not empty is thrown away: somebody wrote there who should not have
6. its folders are renamed, in one step; what it wrote to its output is taken away
7. it ends with its dispatch, as any other

Which sandbox serves makes no difference to what it may: limits, filter and places are those of the node's configuration, the same for
every study. A sandbox for anything else is started for it.
"""

import contextlib
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import structlog

import rapha
from rapha.canonical import digest
from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.records.record import Digest

LOOKS_SECONDS = 1.0
RENEWS_SECONDS = 30.0
"""How often those that wait are held against the rules and the code; so they are, too, when one is taken."""
QUIET_SECONDS = 5.0
"""No sandbox is started for later while a run works, nor until none has for so long: the processor is theirs."""
AFTER_A_FAILURE_SECONDS = 300.0
GIVES_UP_SECONDS = 0.1
LOG = structlog.get_logger("rapha.node")


class Waiting(NamedTuple):
    """`circumstances`: the rules and the code that it was started under."""

    sandbox: Sandbox
    folder: Path
    circumstances: Digest


class WaitingSandboxes:
    """`wanted` of them, kept under `folder`, which lies on the file system of the runs' folders.

    One thread starts them, and lives until `close`: the kernel ends a sandbox with the thread that started it, which is how
    none outlives a node that is killed.
    """

    def __init__(
        self,
        backend: Backend,
        limits: SandboxLimits,
        folder: Path,
        rules: Path,
        wanted: int,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> None:
        self._backend, self._limits, self._folder, self._rules = backend, limits, folder, rules
        self._wanted = wanted if backend.isolated else 0  # without walls a run knows its folders by their names
        self._quiet = quiet_seconds
        self._changed = threading.Condition()
        self._waiting: list[Waiting] = []
        self._starting: Path | None = None
        """The folder of the one that is being started."""
        self._ended = False
        self._at_work, self._not_before = 0, 0.0
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Sweep what an earlier agent left, and start the first. To be called by the one agent of a home."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._wanted:
            self._thread = threading.Thread(target=self._keep_full, name="waiting-sandboxes", daemon=True)
            self._thread.start()

    def take(self, folder: Path) -> Sandbox | None:
        """One that waits, its folders now being `folder`; None where none is to be had, or `folder` is there already.

        One that is being started is waited for: it is nearer to ready than any other would be.
        """
        while not folder.exists() and (found := self._next()) is not None:
            if self._attach(found, folder):
                return found.sandbox
            _discard(found)
        return None

    @contextlib.contextmanager
    def run_at_work(self) -> Iterator[None]:
        """While a run works, and for a while after, no sandbox is started for later."""
        with self._changed:
            self._at_work += 1
        try:
            yield
        finally:
            with self._changed:
                self._at_work -= 1
                self._not_before = max(self._not_before, time.monotonic() + self._quiet)

    def close(self) -> None:
        """End every one that waits or is being started, and the thread; those that were taken end with it."""
        with self._changed:
            self._ended = True
            left, self._waiting = self._waiting, []
            self._changed.notify_all()
        for one in left:
            _discard(one)
        while self._thread is not None and self._thread.is_alive():
            if (folder := self._starting) is not None:  # again and again: it may only be about to begin
                self._backend.give_up(folder)
            self._thread.join(GIVES_UP_SECONDS)

    def count(self) -> int:
        """How many wait now."""
        with self._changed:
            return len(self._waiting)

    def _next(self) -> Waiting | None:
        with self._changed:
            while self._starting is not None and not self._waiting and not self._ended:
                self._changed.wait()
            return self._waiting.pop(0) if self._waiting else None

    def _attach(self, found: Waiting, folder: Path) -> bool:
        if not found.sandbox.alive() or found.circumstances != self._now():
            return False
        run = RunFolder.under(found.folder)
        if any(run.input.iterdir()) or any(run.weights.iterdir()):
            LOG.warning("sandbox.not-empty", words="a waiting sandbox's folders were written to; it is thrown away")
            return False
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            found.folder.rename(folder)
        except OSError as error:
            LOG.warning("sandbox.not-moved", words=error.strerror)
            return False
        return True

    def _keep_full(self) -> None:
        looked = time.monotonic()
        while not self._ended:
            self._throw_away_the_dead()
            if time.monotonic() >= looked + RENEWS_SECONDS:
                looked = time.monotonic()
                self._throw_away_the_old()
            with self._changed:
                if self._may_start():
                    self._starting = folder = self._folder / uuid.uuid4().hex
                else:
                    self._changed.wait(LOOKS_SECONDS)
                    continue
            self._start_one(folder)

    def _may_start(self) -> bool:
        idle = not self._at_work and time.monotonic() >= self._not_before
        return idle and not self._ended and len(self._waiting) < self._wanted

    def _start_one(self, folder: Path) -> None:
        made: Waiting | None = None
        try:
            now = circumstances(self._rules)
            made = Waiting(self._backend.start(RunFolder.under(folder), self._limits, waits=True), folder, now)
        except Exception as error:  # whatever it was, those who wait for this one are told, and another is tried later
            words = str(error) if isinstance(error, SandboxError) else type(error).__name__
            if not self._ended:
                LOG.warning("sandbox.not-waiting", words=words, again_after_seconds=AFTER_A_FAILURE_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)
        with self._changed:
            self._starting = None
            if made is None:
                self._not_before = time.monotonic() + AFTER_A_FAILURE_SECONDS
            elif not self._ended:
                self._waiting.append(made)
                made = None
            self._changed.notify_all()
        if made is not None:
            _discard(made)

    def _now(self) -> Digest | None:
        """The circumstances as they are; None, which is like no other, while they cannot be read."""
        try:
            return circumstances(self._rules)
        except OSError:
            return None

    def _throw_away_the_dead(self) -> None:
        self._keep_those(lambda one: one.sandbox.alive(), "it died")

    def _throw_away_the_old(self) -> None:
        now = self._now()
        self._keep_those(lambda one: one.circumstances == now, "other rules, or other code")

    def _keep_those(self, good: Callable[[Waiting], bool], why: str) -> None:
        """Those that are no good are thrown away, and others take their place."""
        with self._changed:
            bad = [one for one in self._waiting if not good(one)]
            self._waiting = [one for one in self._waiting if one not in bad]
        for one in bad:
            LOG.info("sandbox.thrown-away", why=why)
            _discard(one)


def circumstances(rules: Path) -> Digest:
    """Of the site's rules as they are written, and of this package as it lies on the disk: names, sizes, times of change."""
    package = Path(rapha.__file__).parent
    files = sorted((str(file), file.stat()) for file in package.rglob("*.py"))
    code = "".join(f"{name}:{state.st_size}:{state.st_mtime_ns}\n" for name, state in files)
    written = rules.read_bytes() if rules.is_file() else b""
    return digest(digest(written).encode() + code.encode())


def _discard(one: Waiting) -> None:
    one.sandbox.close()
    shutil.rmtree(one.folder, ignore_errors=True)
