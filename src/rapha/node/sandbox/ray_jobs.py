"""Ray's Jobs API, as far as a sandbox needs it: plain HTTP with the cluster's token, JSON with limits, no redirect, no proxy.

Nothing of Ray's is installed here, and nothing is pickled or unpickled: what is handed in is a command line, what comes back are names and states.

Source: the Jobs REST API of Ray 2.60 (`/api/jobs/`, `/api/version`, `/api/authentication_mode`).
"""

import contextlib
import http.client
import json
import os
import queue
import socket
import ssl
import stat
import threading
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rapha.errors import SandboxError
from rapha.node.configuration import RayPlacement
from rapha.node.sandbox.placement import ANSWERS_SECONDS, tidy

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MOST_JOBS, MOST_PARTS = 10_000, 100_000
MAX_TOKEN_BYTES = 4096
ALIVE = ("PENDING", "RUNNING")
T = TypeVar("T")


class Seen(BaseModel):
    """A job as Ray tells of it; what else it tells is not read. `submission_id` is None for what no job began."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    submission_id: str | None = Field(default=None, max_length=1000)
    status: Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
    message: str | None = Field(default=None, max_length=100_000)
    driver_agent_http_address: str | None = Field(default=None, max_length=300)

    @property
    def host(self) -> str | None:
        """The address of the machine where it runs, as the cluster's machines call it; None while Ray tells of none that can be read."""
        try:
            return urlsplit(self.driver_agent_http_address or "").hostname
        except ValueError:
            return None


Every = Annotated[list[Seen], Field(max_length=MOST_JOBS)]


class RayJobs:
    """The jobs of one cluster. Each question raises SandboxError where the cluster is not reached, refuses the token, answers something else, or has not
    answered whole within `seconds`."""

    def __init__(self, settings: RayPlacement, seconds: float = ANSWERS_SECONDS) -> None:
        self._settings, self._at, self._seconds = settings, urlsplit(settings.address), seconds

    def check(self) -> None:
        """Return if a cluster answers that asks for a token and takes ours."""
        mode = self._ask("GET", "/api/authentication_mode", or_none=True)
        if mode is None or _read(dict[str, str], mode).get("authentication_mode") != "token":
            why = "it asks for no token, so whoever reaches it can start programs as this user"
            raise SandboxError(f"{self._name}: {why}: start Ray with RAY_AUTH_MODE=token")
        self._ask("GET", "/api/version")

    def submit(self, name: str, entrypoint: str, memory_mb: int) -> None:
        """Hand in a job: a command line for a shell, quoted by the caller."""
        asked: dict[str, Any] = {
            "submission_id": name,
            "entrypoint": entrypoint,
            "entrypoint_num_cpus": self._settings.processors,
            "entrypoint_memory": memory_mb * 1024 * 1024,
        }
        if self._settings.resource is not None:
            asked["entrypoint_resources"] = {self._settings.resource: 0.001}
        self._ask("POST", "/api/jobs/", json.dumps(asked).encode())

    def look(self, name: str) -> Seen | None:
        """None: Ray knows of no such job."""
        answer = self._ask("GET", f"/api/jobs/{quote(name, safe='')}", or_none=True)
        return None if answer is None else _read(Seen, answer)

    def every(self) -> list[Seen]:
        """All jobs that Ray remembers, whosever they are."""
        return _read(Every, self._ask("GET", "/api/jobs/") or b"[]")

    def stop(self, name: str) -> None:
        """Ask Ray to end a job; it is over when `look` says so."""
        self._ask("POST", f"/api/jobs/{quote(name, safe='')}/stop", b"", or_none=True)

    def forget(self, name: str) -> None:
        """Have Ray drop what it remembers of a job that is over."""
        self._ask("DELETE", f"/api/jobs/{quote(name, safe='')}", or_none=True)

    @property
    def _name(self) -> str:
        return f"Ray at {self._settings.address}"

    def _ask(self, method: str, path: str, body: bytes | None = None, *, or_none: bool = False) -> bytes | None:
        headers = {"Authorization": f"Bearer {read_token(Path(self._settings.token_file))}"}
        if body:
            headers["Content-Type"] = "application/json"
        try:
            status, answer = self._in_time(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            why = tidy(str(error)) if isinstance(error, OSError) else "what answers speaks no HTTP"
            raise SandboxError(
                f"{self._name} is not reached ({why}): is the cluster up, and `placement: address` right?"
            ) from None
        if status in (401, 403):
            raise SandboxError(
                f"{self._name} does not take the token: `placement: token_file` has to hold the cluster's"
            )
        if status == 404 and or_none:
            return None
        if status != 200:
            raise SandboxError(f"{self._name} answered {status}: {tidy(answer[-1000:].decode('utf-8', 'replace'))}")
        return answer

    def _in_time(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """The limit of a socket is for each read: who sends a byte a second would never reach it. So another thread asks, which is left behind."""
        connection, came = self._connection(), queue.SimpleQueue[tuple[int, bytes] | Exception]()

        def ask() -> None:
            try:
                came.put(self._exchange(connection, method, path, body, headers))
            except Exception as error:  # the caller's to judge
                came.put(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = came.get(timeout=self._seconds)
        except queue.Empty:
            with contextlib.suppress(OSError, AttributeError):  # so that the other thread ends too
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
            raise TimeoutError(f"no whole answer in {self._seconds:.0f} s") from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> tuple[int, bytes]:
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                answer = response.read(MAX_ANSWER_BYTES + 1)
        finally:
            connection.close()
        if len(answer) > MAX_ANSWER_BYTES:
            raise SandboxError(
                f"{self._name} answered more than {MAX_ANSWER_BYTES // 1024 // 1024} MiB: forget old jobs there"
            )
        return response.status, answer

    def _connection(self) -> http.client.HTTPConnection:
        host = self._at.hostname or ""
        if self._at.scheme == "https":
            context = ssl.create_default_context(cafile=self._settings.ca)
            return http.client.HTTPSConnection(host, self._at.port, timeout=self._seconds, context=context)
        return http.client.HTTPConnection(host, self._at.port, timeout=self._seconds)


def read_token(file: Path) -> str:
    """The cluster's token.

    Raises:
        SandboxError: it is not there, no plain file, not this user's, readable by others, or holds what is no token.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
                raise SandboxError(f"{file}: others may read it: make it this user's own file, and `chmod 600` it")
            token = os.read(descriptor, MAX_TOKEN_BYTES + 1).strip()
        finally:
            os.close(descriptor)
    except OSError as error:
        why = f"cannot be read ({error.strerror})"
        raise SandboxError(f"{file}: {why}: `placement: token_file` is Ray's token") from None
    if not token or len(token) > MAX_TOKEN_BYTES or any(not 0x21 <= byte <= 0x7E for byte in token):
        raise SandboxError(f"{file}: it holds no token of Ray's: one word in ASCII")
    return token.decode("ascii")


def _read(kind: type[T], answer: bytes | None) -> T:
    """An answer as records. It is counted before it is parsed, as many small values take fifty times their own room.

    Raises:
        SandboxError: it is of another shape, or of too many parts.
    """
    answer = answer or b""
    if answer.count(b"{") + answer.count(b"[") > MOST_PARTS:
        raise SandboxError(f"Ray tells of more than {MOST_PARTS} things at once: forget old jobs there")
    try:
        return TypeAdapter(kind).validate_json(answer)
    except ValidationError:
        raise SandboxError("what answers at `placement: address` is no Ray, or one that we do not understand") from None
