"""HTTP with a cluster's own door: its token, JSON with limits, no redirect, no proxy, an answer within its time or none.

What is common to Ray's Jobs API and the API server of Kubernetes. Nothing of either's is installed here.
"""

import contextlib
import http.client
import os
import queue
import socket
import ssl
import stat
import threading
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from rapha.errors import SandboxError
from rapha.node.sandbox.placement import tidy

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MOST_PARTS = 100_000
MAX_TOKEN_BYTES = 4096
T = TypeVar("T")


class NotReached(SandboxError):
    """Nobody answered, or not whole and in time: it may answer the next time."""


class Door(NamedTuple):
    """`name`: as a steward calls what answers there. `seconds`: within which an answer has to be whole."""

    name: str
    address: str
    token_file: str
    ca: str | None
    seconds: float

    def ask(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> tuple[int, bytes]:
        """Status and answer.

        Raises:
            NotReached: the door is not reached, speaks no HTTP, or has not answered whole in time.
            SandboxError: it does not take the token, which is none, or which others may read; or it answers without end.
        """
        headers = {"Authorization": f"Bearer {read_token(Path(self.token_file), self.name)}"}
        if body:
            headers["Content-Type"] = kind
        try:
            status, answer = self._in_time(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            why = tidy(str(error)) if isinstance(error, OSError) else "what answers speaks no HTTP"
            raise NotReached(
                f"{self.name} is not reached ({why}): is the cluster up, and `placement: address` right?"
            ) from None
        if status in (401, 403):
            raise SandboxError(
                f"{self.name} does not take the token{_said(status)}: `placement: token_file` has to hold the cluster's"
            )
        return status, answer

    def context(self) -> ssl.SSLContext:
        """Of its TLS. Raises OSError where `ca` cannot be read."""
        return ssl.create_default_context(cafile=self.ca)

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
            answer = came.get(timeout=self.seconds)
        except queue.Empty:
            with contextlib.suppress(OSError, AttributeError):  # so that the other thread ends too
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)
            raise TimeoutError(f"no whole answer in {self.seconds:.0f} s") from None
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
                f"{self.name} answered more than {MAX_ANSWER_BYTES // 1024 // 1024} MiB: forget old jobs there"
            )
        return response.status, answer

    def _connection(self) -> http.client.HTTPConnection:
        at = urlsplit(self.address)
        host = at.hostname or ""
        if at.scheme == "https":
            return http.client.HTTPSConnection(host, at.port, timeout=self.seconds, context=self.context())
        return http.client.HTTPConnection(host, at.port, timeout=self.seconds)


def read_token(file: Path, whose: str) -> str:
    """A cluster's token.

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
        raise SandboxError(f"{file}: {why}: `placement: token_file` is the token for {whose}") from None
    if not token or len(token) > MAX_TOKEN_BYTES or any(not 0x21 <= byte <= 0x7E for byte in token):
        raise SandboxError(f"{file}: it holds no token for {whose}: one word in ASCII")
    return token.decode("ascii")


def read_answer(kind: type[T], answer: bytes | None, whose: str) -> T:
    """An answer as records. It is counted before it is parsed, as many small values take fifty times their own room.

    Raises:
        SandboxError: it is of another shape, or of too many parts.
    """
    answer = answer or b""
    if answer.count(b"{") + answer.count(b"[") > MOST_PARTS:
        raise SandboxError(f"{whose} tells of more than {MOST_PARTS} things at once: forget old jobs there")
    try:
        return TypeAdapter(kind).validate_json(answer)
    except ValidationError:
        raise SandboxError(
            f"what answers at `placement: address` is no {whose}, or one that we do not understand"
        ) from None


def _said(status: int) -> str:
    return "" if status == 401 else ", or does not let its holder do what a placement needs"
