"""The one door of a witness: POST /add-checkpoint (C2SP tlog-witness). The standard library's server is enough for it."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import structlog

from rapha.errors import NotPermitted, Unproven
from rapha.proof.witness import MAX_REQUEST_BYTES, Behind, Impossible, read_request
from rapha.witness.home import UnknownLog, Witness

SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
PATIENCE_SECONDS = 10
_log = structlog.get_logger()


def server_of(witness: Witness) -> ThreadingHTTPServer:
    """A server that listens already; `serve_forever` answers, `shutdown` and `server_close` end it. Raises OSError."""

    class Door(_Door):
        judge = witness

    server = ThreadingHTTPServer((witness.settings.host, witness.settings.port), Door)
    server.daemon_threads = True
    return server


def answer(witness: Witness, body: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body for a request's body, as the specification has them."""
    try:
        request = read_request(body)
    except Unproven as problem:
        return 400, TEXT_TYPE, f"{problem}\n".encode()
    try:
        return 200, TEXT_TYPE, witness.add_checkpoint(request)
    except Behind as behind:
        return 409, SIZE_TYPE, f"{behind.size}\n".encode()
    except (UnknownLog, NotPermitted, Impossible, Unproven) as problem:
        status = next(code for kind, code in STATUS if isinstance(problem, kind))
        if status == 422:
            _log.error("a log does not continue what was seen", origin=request.checkpoint.origin)
        return status, TEXT_TYPE, f"{problem}\n".encode()


STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownLog, 404),
    (NotPermitted, 403),
    (Impossible, 400),
    (Unproven, 422),
)


class _Door(BaseHTTPRequestHandler):
    """One request; the connection is closed after it."""

    judge: Witness
    timeout = PATIENCE_SECONDS
    server_version, sys_version = "rapha-witness", ""

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != "/add-checkpoint":
            self._say(404, TEXT_TYPE, b"a witness has one door: /add-checkpoint\n")
        elif not (length.isascii() and length.isdigit()) or int(length[:12]) > MAX_REQUEST_BYTES:
            self._say(413, TEXT_TYPE, b"the request has no length, or is too long\n")
        else:
            self._say(*answer(self.judge, self.rfile.read(int(length))))

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing of a request goes to standard error but what is told above."""

    def _say(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
