"""One chain's node, by JSON-RPC over HTTP, as a provider for web3. What it answers is foreign: bounded, and its form checked.

web3's own provider reads an answer without end, follows redirections and takes proxies from the environment.
"""

import json
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2

from rapha.errors import Conflict, Unreachable
from rapha.hub.anchors.bounded_web3 import BaseProvider, RPCEndpoint, RPCResponse

TIMEOUT_SECONDS = 20.0
WHOLE_ANSWER_SECONDS = 60.0
MAX_ANSWER_BYTES = 32 << 20
"""A block of thousands of receipts has some megabytes."""
MAX_SAID = 160


class Endpoint(BaseProvider):
    """Answers `result` only. Raises what `make_request` says; the address is named by its host alone, for it may hold a key."""

    def __init__(self, url: str, transport: httpx2.BaseTransport | None = None) -> None:
        super().__init__()
        self._url, self.host = url, urlsplit(url).hostname or "the chain's node"
        self._client = httpx2.Client(
            timeout=TIMEOUT_SECONDS, transport=transport, trust_env=False, follow_redirects=False
        )
        self._last = 0

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Ask once.

        Raises:
            Unreachable: no answer, or one that is too long, too slow or no JSON-RPC.
            Conflict: the node refuses, in its own words.
        """
        return {"jsonrpc": "2.0", "id": self._last, "result": self.ask(method, *params)}

    def ask(self, method: str, *params: Any) -> Any:
        """The `result`, whatever it is. Raises as `make_request`."""
        self._last += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params}).encode()
        answer = self._parsed(self._sent(body))
        if answer.get("id") != self._last or ("result" in answer) == ("error" in answer):
            raise Unreachable(f"{self.host} answered {method} with something that is no JSON-RPC")
        if "error" in answer:
            raise Conflict(f"{self.host} refuses {method}: {_said(answer['error'])}")
        return answer["result"]

    def close(self) -> None:
        self._client.close()

    def _sent(self, body: bytes) -> bytes:
        try:
            with self._client.stream("POST", self._url, content=body, headers=_HEADERS) as answer:
                if answer.status_code not in (200, 400) or "content-encoding" in answer.headers:
                    raise Unreachable(f"{self.host} answered with status {answer.status_code} and no plain JSON")
                until, data = time.monotonic() + WHOLE_ANSWER_SECONDS, bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > MAX_ANSWER_BYTES or time.monotonic() > until:
                        raise Unreachable(f"{self.host} answered with more than is read, or too slowly")
                return bytes(data)
        except httpx2.HTTPError as problem:
            raise Unreachable(f"{self.host} did not answer ({type(problem).__name__}): is `url` right?") from None

    def _parsed(self, data: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise Unreachable(f"{self.host} answered with something that is no JSON-RPC")
        return answer


_HEADERS = {"content-type": "application/json", "accept-encoding": "identity"}


def _said(error: Any) -> str:
    """The node's words on one line, cut short, and nothing that a terminal would obey."""
    words = error.get("message") if isinstance(error, dict) else None
    text = words if isinstance(words, str) else "no reason given"
    return "".join(char if char.isprintable() else " " for char in text[:MAX_SAID])
