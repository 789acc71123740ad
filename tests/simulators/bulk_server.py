"""An honest simulator of a FHIR server's bulk export (Bulk Data Access 2.0): NDJSON of resources in memory, over HTTP.

It throttles, prepares, expires, refuses and lies on demand; it is no FHIR server and no server's code. What was asked of
it stands in `asked`, method, path, headers and body, in order.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Resource = dict[str, Any]


class BulkServer:
    """`answers`: statuses (with Retry-After) that come before the good answer of a kind of request: `kick-off`, `status`,
    `file`, `token`. `manifest` overrides its keys; `files` hold bytes by path."""

    def __init__(self) -> None:
        self.resources: list[Resource] = []
        self.deleted: list[str] = []
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.manifest: dict[str, Any] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.post, self.token, self.location, self.time = True, "", "", "2026-01-01T00:00:00.5+01:00"
        self.redirect, self.cut = "", 0
        self.job, self.url = "", ""
        self.jobs = 0

    @property
    def steps(self) -> list[str]:
        return [f"{method} {path.partition('?')[0]}" for method, path, _, _ in self.asked]

    def said(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        kind = "token" if path == "/token" else "file" if path.startswith("/files/") else "status"
        kind = "kick-off" if "$export" in path else kind
        if waiting := self.answers.get(kind):
            status, after = waiting.pop(0)
            return status, {"Retry-After": after} if after else {}, b"a patient named Nobody"
        if kind == "token":
            return 200, {}, json.dumps({"access_token": self.token, "expires_in": 300, "token_type": "bearer"}).encode()
        _, _, headers, _ = self.asked[-1]
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            return 401, {}, b""
        if kind == "kick-off":
            return self._begin(method)
        if kind == "file":
            return self._file(path)
        if method == "DELETE":
            self.job = ""
            return 202, {}, b""
        return (200, {}, self._manifest()) if path == self.job else (404, {}, b"")

    def _begin(self, method: str) -> tuple[int, dict[str, str], bytes]:
        if method == "POST" and not self.post:
            return 405, {}, b""
        self.jobs += 1
        self.job = f"/jobs/{self.jobs}"
        return 202, {"Content-Location": self.location or self.url + self.job}, b""

    def _manifest(self) -> bytes:
        kinds = sorted({resource["resourceType"] for resource in self.resources})
        output = [
            {
                "type": kind,
                "url": f"{self.url}/files/{kind}",
                "count": len(self._file(f"/files/{kind}")[2].splitlines()),
            }
            for kind in kinds
        ]
        deleted = [{"type": "Bundle", "url": f"{self.url}/files/deleted"}] if self.deleted else []
        said = {"transactionTime": self.time, "request": self.url, "requiresAccessToken": bool(self.token)}
        return json.dumps({**said, "output": output, "deleted": deleted, "error": [], **self.manifest}).encode()

    def _file(self, path: str) -> tuple[int, dict[str, str], bytes]:
        if self.redirect:
            return 302, {"Location": self.redirect}, b""
        kind = path.removeprefix("/files/")
        lines = [json.dumps(one) for one in self.resources if one["resourceType"] == kind]
        if kind == "deleted":
            entries = [{"request": {"method": "DELETE", "url": url}} for url in self.deleted]
            meta = {"lastUpdated": "2026-02-01T00:00:00Z"}
            lines = [json.dumps({"resourceType": "Bundle", "type": "transaction", "meta": meta, "entry": entries})]
        return 200, {}, "".join(line + "\n" for line in lines).encode()


@contextmanager
def bulk_server() -> Iterator[BulkServer]:
    """It listens on this machine until the block ends."""
    server = BulkServer()

    class Desk(BaseHTTPRequestHandler):
        def serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            server.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, headers, content = server.said(self.command, self.path)
            cut = server.cut if self.path.startswith("/files/") else 0
            server.cut = 0 if cut else server.cut
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content[:cut] if cut else content)
            self.close_connection = True

        do_GET = do_POST = do_DELETE = serve

        def log_message(self, format: str, *args: object) -> None:
            pass

    desk = ThreadingHTTPServer(("127.0.0.1", 0), Desk)
    server.url = f"http://127.0.0.1:{desk.server_port}"
    thread = threading.Thread(target=desk.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        desk.shutdown()
        thread.join()
        desk.server_close()
