"""The node's line to its hub: it dials out, asks, uploads; nobody dials in.

Every request carries a fresh token signed with the node's key, good for one minute, this hub, this method, this path.
"""

import random
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pydantic import TypeAdapter, ValidationError

from rapha import faults
from rapha.canonical import digest_file
from rapha.clock import Clock
from rapha.errors import Conflict, DiskFull, NotPermitted, RaphaError, Unreachable
from rapha.proof import token
from rapha.records.record import Record
from rapha.records.wire import Assignment, Poll, Problem

API = "/api/v1"
BLOCK_BYTES = 1 << 20
LOG = structlog.get_logger("rapha.node")
_ASSIGNMENT: TypeAdapter[Assignment] = TypeAdapter(Assignment)


class HubLine:
    """Thread-safe: the poll loop and the runs share it."""

    def __init__(
        self, url: str, hub: str, site: str, key: EllipticCurvePrivateKey, clock: Clock, ca: str | None = None
    ) -> None:
        self._hub, self._site, self._key, self._clock = hub, site, key, clock
        verify: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca) if ca else True
        timeout = httpx2.Timeout(30.0, read=90.0)
        self._client = httpx2.Client(base_url=url.rstrip("/"), verify=verify, timeout=timeout)
        self.url = url

    def poll(self, poll: Poll) -> Assignment | None:
        """What the hub wants of this node, or None when `wait_seconds` passed."""
        response = self._send("POST", "/node/work", poll)
        if response.status_code == httpx2.codes.NO_CONTENT:
            return None
        try:
            return _ASSIGNMENT.validate_json(response.content)
        except ValidationError as error:
            raise Unreachable(f"{self.url} answered something that is no assignment: is it a Rapha hub?") from error

    def post(self, path: str, record: Record) -> None:
        """Hand in a record."""
        self._send("POST", path, record)

    def put(self, path: str, record: Record) -> None:
        """Replace a record."""
        self._send("PUT", path, record)

    def upload(self, blob: str, file: Path) -> None:
        """Stream a file to the hub under its digest."""

        def blocks() -> Iterator[bytes]:
            with file.open("rb") as source:
                while block := source.read(BLOCK_BYTES):
                    yield block

        headers = {"content-length": str(file.stat().st_size), "content-type": "application/octet-stream"}
        self._request("PUT", f"/blobs/{blob}", content=blocks(), headers=headers)

    def download(self, blob: str, target: Path) -> None:
        """Stream a blob into `target`; it appears there only whole and verified. A file that is there is kept."""
        if target.is_file() and digest_file(target) == blob:
            return
        part = target.with_suffix(".part")
        path = f"{API}/blobs/{blob}"
        try:
            with self._client.stream("GET", path, headers=self._headers("GET", path)) as response:
                if response.status_code != httpx2.codes.OK:
                    response.read()
                    raise _problem(response)
                with part.open("wb") as file:
                    for block in response.iter_bytes(BLOCK_BYTES):
                        file.write(block)
        except httpx2.TransportError as error:
            raise Unreachable(f"the hub at {self.url} cut a download: {type(error).__name__}") from error
        if digest_file(part) != blob:
            part.unlink()
            raise Unreachable(f"the hub at {self.url} sent other bytes than the blob it named")
        faults.point("node.to-rename:weights")
        part.replace(target)
        faults.point("node.renamed:weights")

    def close(self) -> None:
        """Drop the connections."""
        self._client.close()

    def _send(self, method: str, path: str, record: Record) -> httpx2.Response:
        return self._request(method, path, content=record.as_bytes(), headers={"content-type": "application/json"})

    def _request(
        self, method: str, path: str, *, content: bytes | Iterator[bytes], headers: dict[str, str]
    ) -> httpx2.Response:
        path = API + path
        try:
            response = self._client.request(
                method, path, content=content, headers={**headers, **self._headers(method, path)}
            )
        except httpx2.TransportError as error:
            raise Unreachable(f"the hub at {self.url} does not answer: {type(error).__name__}") from error
        if response.is_success:
            return response
        raise _problem(response)

    def _headers(self, method: str, path: str) -> dict[str, str]:
        signed = token.issue(
            self._key, site=self._site, audience=self._hub, now=self._clock(), method=method, path=path
        )
        return {"authorization": f"Bearer {signed}"}


def _problem(response: httpx2.Response) -> RaphaError:
    try:
        problem = Problem.model_validate_json(response.content)
        message = problem.message + (f" ({problem.hint})" if problem.hint else "")
    except ValidationError:
        message = f"the hub answered {response.status_code}"
    if response.status_code in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return NotPermitted(message)
    if response.status_code == httpx2.codes.INSUFFICIENT_STORAGE:
        return DiskFull(message)
    if response.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return Unreachable(message)
    return Conflict(message)


def back_off(attempt: int, longest_seconds: float = 5.0) -> float:
    """Seconds to wait before the next attempt: doubled each time, with jitter, so that nodes do not march in step."""
    return random.uniform(0.05, min(longest_seconds, 0.25 * 2 ** min(attempt, 10)))  # noqa: S311


def persist(action: Callable[[], None], give_up_after_seconds: float = 600.0) -> None:
    """Do it again while the hub is out of reach, with back-off, and say so; any other error is raised at once.

    Raises:
        Unreachable: the hub stayed away for `give_up_after_seconds`.
    """
    start, attempt = time.monotonic(), 0
    while True:
        try:
            return action()
        except Unreachable as error:
            if time.monotonic() - start > give_up_after_seconds:
                raise
            LOG.warning("hub.away", reason=str(error), attempt=attempt + 1)
            time.sleep(back_off(attempt))
            attempt += 1
