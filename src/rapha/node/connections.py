"""Connections to a hub, kept and used again: HTTP/1.1 by the standard library, with the one notion of a timeout, progress.

Nothing here knows what is asked. No redirect is followed, nothing is unpacked, and nothing is sent a second time: whose request
was Cut does not know whether the hub heard.
"""

import errno
import io
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from typing import TYPE_CHECKING, NamedTuple

from rapha.errors import Conflict
from rapha.node.way import Way

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

CONNECT_SECONDS = 30.0
SILENCE_SECONDS = 90.0
"""A line on which not a byte moves for so long is dead. A hub holds a poll for 60 s at most."""
IDLE_SECONDS = 4.0
"""A connection that rested for longer is not used again: a hub closes one after 5."""
BUFFER_BYTES = 64 << 10
_FAILURES = (OSError, HTTPException)
"""What the library raises; an SSLError and a TimeoutError are OSErrors."""


class Cut(Exception):
    """The line could not be opened, or failed; `why` is the library's error."""

    def __init__(self, why: Exception) -> None:
        super().__init__(type(why).__name__)
        self.why = why


class TooSlow(TimeoutError):
    """An answer comes, but not in the time that is given to it: a byte a minute is never silence."""


class Asked(NamedTuple):
    """A request. `seconds`: what is given to the head of its answer; `whole`: to all of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes | Iterator[memoryview] | None
    seconds: float
    whole: bool


class Answer(HTTPResponse):
    """What a hub answers, as it comes. What comes after the moment `until`, of `time.monotonic`, is TooSlow."""

    def __init__(
        self, sock: socket.socket, debuglevel: int = 0, method: str | None = None, *, until: float | None = None
    ) -> None:
        super().__init__(sock, debuglevel, method)
        self._inflow = _Inflow(self.fp.detach(), until)
        self.fp = io.BufferedReader(self._inflow, BUFFER_BYTES)

    def take_your_time(self) -> None:
        """From here on it may come as slowly as the line is."""
        self._inflow.until = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def body(self, limit_bytes: int) -> bytes | None:
        """All that is still to come; None where that is more than the limit. Raises Cut."""
        if self.length is not None and self.length > limit_bytes:
            return None
        with _failing():
            data = self.read(limit_bytes + 1)
            if len(data) > limit_bytes:
                return None
            self._check_whole()
        return data

    def more(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next; how much did, 0 at the end. Raises Cut."""
        with _failing():
            count = self.readinto(buffer)
            if not count:
                self._check_whole()
        return count

    def _check_whole(self) -> None:
        """Less may come than was announced: the library alone would take that for the end."""
        if self.length:
            raise IncompleteRead(b"", self.length)


class _Inflow(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, until: float | None) -> None:
        self._raw, self.until = raw, until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int | None:
        if self.until is not None and time.monotonic() > self.until:
            raise TooSlow
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise Cut(error) from error


class Connection(HTTPConnection):
    """One, by the way that is given: straight, by TLS, or through a proxy."""

    def __init__(self, way: Way) -> None:
        first = way.proxy.address if way.proxy else way.hub
        super().__init__(first.host, first.port, timeout=CONNECT_SECONDS)
        self._way, self._first, self._held = way, first, None
        self._line: socket.socket | None = None  # kept while an answer is read of which the library let go
        self._hung_up = False
        if way.proxy and way.hub.secure:
            said = {"Proxy-Authorization": way.proxy.credential} if way.proxy.credential else {}
            self.set_tunnel(way.hub.host, way.hub.port, said)

    _held: bytearray | None
    """What is put off until the whole of a small request is there: it leaves as one piece."""

    def connect(self) -> None:
        """Raises Cut."""
        way, by_tls = self._way, self._way.hub if self._way.hub.secure else self._first
        with _failing():
            super().connect()
            if by_tls.secure:
                assert way.trust is not None  # a way has it where anything on it is by TLS
                self.sock = way.trust.wrap_socket(self.sock, server_hostname=by_tls.host, do_handshake_on_connect=False)
            self._line = self.sock
            self._check_wanted()
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.do_handshake()
            self.sock.settimeout(SILENCE_SECONDS)

    def ask(self, asked: Asked) -> Answer:
        """The head of the answer. A hub may answer before it has heard all, and hear no more: then that is the answer.

        Raises Cut.
        """
        if self.sock is None:
            self.connect()
        try:
            self._send(asked)
        except Cut as cut:
            if isinstance(cut.why, TimeoutError):
                raise
        self.response_class = partial(Answer, until=time.monotonic() + asked.seconds)  # type: ignore[assignment]
        with _failing():
            answer = self.getresponse()
        assert isinstance(answer, Answer)
        if not asked.whole and answer.is_success:
            answer.take_your_time()
        return answer

    def send(self, data: "ReadableBuffer") -> None:  # type: ignore[override]
        """Piece by piece, so that what goes slowly is not silence: by TLS a piece has one time for all of it. Raises Cut."""
        if self._held is not None:
            self._held += memoryview(data)
            return
        rest = memoryview(data)
        with _failing():
            self._check_wanted()
            while rest:
                rest = rest[self.sock.send(rest[:BUFFER_BYTES]) :]

    def rests_well(self) -> bool:
        """Whether it may be used again: it is open, and nothing has come that nobody asked for, such as its end."""
        with suppress(OSError, ValueError):
            poll = select.poll()
            poll.register(self.sock, select.POLLIN)
            return not poll.poll(0)
        return False

    def hang_up(self) -> None:
        """Wake whoever waits for something on it, with its end; one that is not open yet says nothing any more once it is.

        The socket alone is shut: to shut its TLS too would let a thread that sends go on in clear.
        """
        self._hung_up = True
        if (sock := self._line or self.sock) is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _check_wanted(self) -> None:
        """Looked at after the socket is there for `hang_up` to find: one of the two sees the other."""
        if self._hung_up:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the line was closed here")

    def _send(self, asked: Asked) -> None:
        small = asked.content is None or isinstance(asked.content, bytes)
        self._held = held = bytearray() if small else None
        try:
            self.request(asked.method, self._target(asked.path), asked.content, self._said(asked))
        finally:
            self._held = None
        if held:
            self.send(held)

    def _target(self, path: str) -> str:
        hub = self._way.hub
        if self._way.proxy is None or hub.secure:
            return hub.path + path
        host = f"[{hub.host}]" if ":" in hub.host else hub.host
        return f"http://{host}:{hub.port}{hub.path}{path}"

    def _said(self, asked: Asked) -> dict[str, str]:
        said = {**asked.headers, "accept-encoding": "identity"}
        if self._way.proxy and self._way.proxy.credential and not self._way.hub.secure:
            said["proxy-authorization"] = self._way.proxy.credential
        return said


class Connections:
    """As many as there are requests at a time; threads share them."""

    def __init__(self, way: Way) -> None:
        self._way, self._lock = way, threading.Lock()
        self._resting: list[tuple[float, Connection]] = []
        self._busy: set[Connection] = set()
        self._closed = False

    @contextmanager
    def asking(self, asked: Asked) -> Iterator[Answer]:
        """An answer whose body is still to be read. Raises Cut; Conflict: they were closed."""
        connection = self._taken()
        answer: Answer | None = None
        try:
            answer = connection.ask(asked)
            yield answer
        finally:
            again = answer is not None and answer.isclosed() and connection.sock is not None
            if answer is not None:
                answer.close()
            self._back(connection, again)

    def close(self) -> None:
        """Drop them all, also under who waits for an answer."""
        with self._lock:
            self._closed = True
            resting, self._resting = self._resting, []
            for connection in self._busy:
                connection.hang_up()
        for _, connection in resting:
            connection.close()

    def _taken(self) -> Connection:
        """The one that rested last, else a new one."""
        with self._lock:
            if self._closed:
                raise Conflict("the line to the hub is closed: the agent is stopping")
            since = time.monotonic() - IDLE_SECONDS
            stale = [each for at, each in self._resting if at < since]
            self._resting = [(at, each) for at, each in self._resting if at >= since]
            while self._resting:
                _, connection = self._resting.pop()
                if connection.rests_well():
                    break
                stale.append(connection)
            else:
                connection = Connection(self._way)
            self._busy.add(connection)
        for each in stale:
            each.close()
        return connection

    def _back(self, connection: Connection, again: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if again and not self._closed:
                self._resting.append((time.monotonic(), connection))
                return
        connection.close()
