"""A hub on loopback that answers as a test wills: well, badly, without end, or not in HTTP at all."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Heard:
    """A request as it came. `target` is what stands in its first line."""

    method: str
    target: str
    headers: Mapping[str, str]
    content: bytes
    connection: int
    """Which connection it came on, counted from 0."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Said:
    """An answer. A body of bytes is announced with its length, any other comes in pieces as it is made. `raw`: what goes out instead of all
    of it, and then the line is cut."""

    status: int = 204
    body: bytes | Iterable[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: Iterable[bytes] | None = None


Answers = Callable[[Heard], Said]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: Answers, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Speaking)
        self.answers, self.connections = answers, 0
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)


def _carry(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class _Speaking(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.number, self.server.connections = self.server.connections, self.server.connections + 1

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):
            super().handle_one_request()
            return
        self.close_connection = True

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", "0")))
        headers = {key.lower(): value for key, value in self.headers.items()}
        said = self.server.answers(Heard(self.command, self.path, headers, content, self.number))
        if said.raw is not None:
            self.close_connection = True
            for piece in said.raw:
                self.wfile.write(piece)
            return
        self.send_response(said.status)
        for key, value in said.headers.items():
            self.send_header(key, value)
        if isinstance(said.body, bytes):
            if said.status != 204:
                self.send_header("content-length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)
            return
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in said.body:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def do_CONNECT(self) -> None:
        """As a proxy does, where the answer is 200: bytes both ways until one end is through."""
        said = self.server.answers(
            Heard("CONNECT", self.path, {k.lower(): v for k, v in self.headers.items()}, b"", self.number)
        )
        self.send_response(said.status)
        self.end_headers()
        self.close_connection = True
        if said.status == 200:
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as there:
                back = threading.Thread(target=_carry, args=(there, self.connection), daemon=True)
                back.start()
                _carry(self.connection, there)
                back.join()

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *_: object) -> None:
        """Nothing is said on the screen."""


@contextmanager
def hostile_hub(answers: Answers, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its address."""
    server = _Server(answers, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
