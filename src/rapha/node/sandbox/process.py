"""One isolated process: commands in, bounded replies out.

Everything that comes from inside is untrusted: a reply longer than 64 KiB, a late one, or one that is no `Reply` ends
the process. Standard error is kept for the steward, the first 256 KiB of it, and read by no program.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, TypeVar

from pydantic import BaseModel, ValidationError

from rapha.errors import SandboxError
from rapha.node.sandbox.control_group import ControlGroup
from rapha.records.outputs import BEGIN, Command, Reply
from rapha.records.release import Numerics, SandboxReport

R = TypeVar("R", bound=BaseModel)

MAX_LINE_BYTES = 64 * 1024
MAX_LOG_BYTES = 256 * 1024
START_SECONDS = 120.0
LOOKS_UP_SECONDS = 1.0


class Workload:
    """A started process that speaks the line protocol. Implements `Sandbox` once `report` and `numerics` are set."""

    report: SandboxReport
    numerics: Numerics

    def __init__(
        self, command: list[str], log: Path, environment: dict[str, str], group: ControlGroup | None = None
    ) -> None:
        """`group`: where it runs, from its first instruction on, and with which it ends."""
        self._group = group
        try:
            self._process = subprocess.Popen(
                group.entering(command) if group else command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                close_fds=True,
                start_new_session=True,
            )
        except OSError:
            if group is not None:
                group.close()
            raise
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._buffer = b""
        self._log = threading.Thread(target=_keep_log, args=(self._process.stderr, log), daemon=True)
        self._log.start()

    def begin(self) -> None:
        """See `port.Sandbox.begin`."""
        self._tell(BEGIN)
        self.await_ready()

    def await_ready(self) -> None:
        """Read the line that says so, with the numerics.

        Raises:
            SandboxError: it says that it is not, or nothing within two minutes. The process is then ended.
        """
        ready = self.read(Reply, START_SECONDS)
        if not ready.ok or ready.numerics is None:
            self.close()
            raise SandboxError("the workload could not read its input; its own words are in workload.log")
        self.numerics = ready.numerics

    def check_group(self) -> None:
        """Return if it has no control group, or is in it.

        Raises:
            SandboxError: it is not, or its limits are others. The process is then ended.
        """
        try:
            if self._group is not None:
                self._group.check(self._process.pid)
        except SandboxError:
            self.close()
            raise

    def run(self, command: Command, deadline_seconds: float) -> Reply:
        """See `port.Sandbox.run`."""
        self._tell(command.as_bytes() + b"\n")
        return self.read(Reply, deadline_seconds)

    def _tell(self, line: bytes) -> None:
        try:
            self._stdin.write(line)
            self._stdin.flush()
        except (OSError, ValueError) as error:  # a broken pipe, or one that was closed
            self.close()
            raise SandboxError("the workload is gone; it is started again for the next try") from error

    def read(self, record: type[R], deadline_seconds: float) -> R:
        """The next line as a record; see `run` for what may go wrong."""
        try:
            return record.model_validate_json(self._line(time.monotonic() + deadline_seconds))
        except ValidationError as error:
            self.close()
            raise SandboxError("the workload answered something that is no reply") from error
        except SandboxError:
            self.close()
            raise

    def tell(self, line: bytes) -> None:
        """Write a line.

        Raises:
            SandboxError: nobody reads it. The process is then ended.
        """
        self._tell(line + b"\n")

    def close(self) -> None:
        """Kill the whole process group; with a pid namespace that is every process of the run."""
        self._kill()
        if self._group is not None:
            self._group.close()
        for pipe in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                pipe.close()
        self._log.join(timeout=5)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def _line(self, deadline: float) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE_BYTES:
                raise SandboxError("the workload's reply is longer than 64 KiB")
            try:
                block = self._block(deadline)
            except (OSError, ValueError) as error:  # another thread has closed it
                raise SandboxError("the sandbox was ended") from error
            if not block:
                raise SandboxError("the workload died; its own words are in workload.log, for the steward only")
            self._buffer += block
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line

    def _block(self, deadline: float) -> bytes:
        """What can be read. It looks up now and then: a pipe that another thread closes meanwhile wakes nobody."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                if selector.select(min(left, LOOKS_UP_SECONDS)):
                    return os.read(self._stdout.fileno(), MAX_LINE_BYTES)
                self._stdout.fileno()
        raise SandboxError("the workload did not answer before the deadline")


def _keep_log(pipe: IO[bytes], log: Path) -> None:
    """Drain standard error so that nobody blocks on it; keep its beginning."""
    kept = 0
    with pipe, log.open("ab") as file:
        while block := pipe.read1(MAX_LINE_BYTES):  # type: ignore[attr-defined]
            file.write(block[: max(0, MAX_LOG_BYTES - kept)])
            kept += len(block)
