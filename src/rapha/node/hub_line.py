"""The node's line to its hub: it dials out, asks, uploads; nobody dials in.

Every request carries a fresh token signed with the node's key, good for one minute, this hub, this method, this path.
"""

import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pydantic import TypeAdapter, ValidationError

from rapha.clock import Clock
from rapha.errors import Conflict, DiskFull, NotPermitted, RaphaError, TaskOver, Unreachable
from rapha.node import transfer
from rapha.node.configuration import Home
from rapha.node.connections import Answer, Asked, Connections, Cut, TooSlow
from rapha.node.keys import load_key
from rapha.node.way import way_to
from rapha.proof import token
from rapha.records.chunks import CHUNK_BYTES, Chunks, Upload
from rapha.records.key_change import Rotation
from rapha.records.logged import LoggedReceipt, ReceiptPlace
from rapha.records.receipt import Receipt
from rapha.records.record import Record
from rapha.records.wire import Assignment, Poll, Problem, Runs, UpdateParcel, Work

API = "/api/v1"
_BYTES, _JSON = {"content-type": "application/octet-stream"}, {"content-type": "application/json"}
R = TypeVar("R", bound=Record)
T = TypeVar("T")
PATIENCE_SECONDS = 600.0
LOG = structlog.get_logger("rapha.node")
ANSWER_LIMIT_BYTES = 16 << 20
"""No answer but a blob is longer: the chunks of the largest blob there may be, by their digests, are 14 MB."""
ANSWER_SECONDS = 120.0
HELD_SECONDS = 1
"""How long a hub may wait with its answer to an update for the next round's task; the dispatch has nothing else to do."""
_CLOSING = threading.Condition()
"""Whoever rests until a hub may be back looks again when a line is closed: it may be theirs, and the agent ends."""
_ASSIGNMENT: TypeAdapter[Assignment] = TypeAdapter(Assignment)


class HubLine:
    """Thread-safe: the poll loop and the runs share it."""

    def __init__(
        self,
        url: str,
        hub: str,
        site: str,
        key: EllipticCurvePrivateKey,
        clock: Clock,
        ca: str | None = None,
        *,
        certificate: str | None = None,
        proxy: str | None = None,
        limit_mbit_per_second: float | None = None,
    ) -> None:
        """`ca`: a PEM file of the hub's own authority, `certificate` one of this node's certificate and key. `proxy`: the way out, http://host:port. The limit is on blobs, both
        ways together."""
        self._hub, self._site, self._key, self._clock = hub, site, key, clock
        self._connections = Connections(way_to(url, ca, certificate, proxy))
        self._closed = threading.Event()
        rate = limit_mbit_per_second * 1e6 / 8 if limit_mbit_per_second else None
        self._pace = transfer.Pace(rate, pause=self._closed.wait)
        self.url = url

    def poll(self, poll: Poll) -> Assignment | None:
        """What the hub wants of this node, or None when `wait_seconds` passed."""
        status, content = self._request("POST", "/node/work", poll.as_bytes(), _JSON)
        if status == HTTPStatus.NO_CONTENT:
            return None
        try:
            return _ASSIGNMENT.validate_json(content)
        except ValidationError as error:
            raise Unreachable(f"{self.url} answered something that is no assignment: is it a Rapha hub?") from error

    def post(self, path: str, record: Record) -> None:
        """Hand in a record."""
        self._send("POST", path, record)

    def hand_in(self, parcel: UpdateParcel) -> Work | None:
        """Hand in a round; the task of the next one, where the hub has it within HELD_SECONDS. A hub of before has not: it is told to
        the poll."""
        headers = {**_JSON, "prefer": f"wait={HELD_SECONDS}"}
        path = f"/node/tasks/{parcel.update.task}/update"
        status, content = self._request("POST", path, parcel.as_bytes(), headers)
        return None if status == HTTPStatus.NO_CONTENT else self._read(Work, content)

    def freeze(self, dispatch: str, receipt: Receipt) -> LoggedReceipt:
        """Hand in what was frozen; where the hub has logged it."""
        return self._read(LoggedReceipt, self._send("POST", f"/node/dispatches/{dispatch}/freeze", receipt))

    def receipt_place(self, dispatch: str) -> ReceiptPlace:
        """Where in the log is what was signed at the end of a run."""
        return self._read(ReceiptPlace, self._request("GET", f"/node/dispatches/{dispatch}/receipt", None, {})[1])

    def put(self, path: str, record: Record) -> None:
        """Replace a record."""
        self._send("PUT", path, record)

    def upload(
        self,
        blob: str,
        file: Path,
        check_may_leave: Callable[[], None],
        give_up_after_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Bring a file to the hub under its digest; see `persist` and `transfer.Uploading`."""
        persist(transfer.Uploading(self, blob, file, check_may_leave), give_up_after_seconds)

    def download(self, blob: str, target: Path, limit_bytes: int) -> None:
        """Bring a blob of at most so many bytes to `target`; it appears there only whole and verified. A file that is
        there is kept."""
        transfer.download(self, blob, target, limit_bytes)

    def beginning(self, blob: str) -> tuple[bytes, int]:
        """See `transfer.Carrier`."""
        with self._getting(f"/blobs/{blob}", {"range": f"bytes=0-{CHUNK_BYTES - 1}"}) as answer:
            most = min(CHUNK_BYTES if answer.length is None else answer.length, CHUNK_BYTES) + 1
            data = transfer.all_of(_Paced(self.url, answer, self._pace), most)
            if len(data) > CHUNK_BYTES:
                raise Unreachable(f"{self.url} answered more than {CHUNK_BYTES} bytes: is it a Rapha hub?")
            size = answer.getheader("content-range", f"/{len(data)}").rpartition("/")[2]
            if re.fullmatch(r"[0-9]{1,18}", size) is None:
                raise Unreachable(f"{self.url} says no size of a blob: is it a Rapha hub of this version?")
            return data, int(size)

    def chunks_of(self, blob: str) -> Chunks:
        """See `transfer.Carrier`."""
        return self._read(Chunks, self._request("GET", f"/blobs/{blob}/chunks", None, {})[1])

    @contextmanager
    def fetch(self, blob: str, begin: int, end: int) -> Iterator[transfer.Source]:
        """See `transfer.Carrier`."""
        with self._getting(f"/blobs/{blob}", {"range": f"bytes={begin}-{end - 1}"}) as answer:
            yield _Paced(self.url, answer, self._pace)

    def begin_upload(self, chunks: Chunks) -> Upload:
        """See `transfer.Carrier`."""
        return self._read(Upload, self._send("POST", f"/blobs/{chunks.blob}/upload", chunks))

    def send_chunks(self, blob: str, number: int, blocks: Iterator[memoryview], size_bytes: int) -> Upload:
        """See `transfer.Carrier`."""
        path, headers = f"/blobs/{blob}/chunks/{number}", {**_BYTES, "content-length": str(size_bytes)}
        return self._read(Upload, self._request("PUT", path, self._metered(blocks), headers)[1])

    def send_whole(self, blob: str, data: bytes) -> None:
        """See `transfer.Carrier`."""
        if len(data) <= transfer.BLOCK_BYTES:
            self._pace.take(len(data))
            self._request("PUT", f"/blobs/{blob}", data, _BYTES)
        else:
            headers = {**_BYTES, "content-length": str(len(data))}
            self._request("PUT", f"/blobs/{blob}", self._metered(transfer.blocks_of(data)), headers)

    def go_over(self, rotation: Rotation) -> None:
        """Tell the hub that another key follows this node's. The same again is the same as once."""
        self._send("POST", "/node/key", rotation)

    def revoke(self, revocation: Receipt) -> None:
        """Tell the hub that this node's key is not believed any more."""
        self._send("POST", "/node/key/revocation", revocation)

    def runs(self) -> Runs:
        """The runs of which the hub has something of this node's. Raises Conflict: the hub is of before this question."""
        try:
            return self._read(Runs, self._request("GET", "/node/runs", None, {})[1])
        except Conflict:
            raise Conflict(
                f"the hub at {self.url} is older than this node: update the hub first, then its nodes"
            ) from None

    def public(self, path: str, limit_bytes: int) -> bytes:
        """What the hub shows to anybody: its keys, its log; `path` is whole. Raises Unreachable also where it is longer than `limit_bytes`."""
        with self._answered("GET", path, None, {}, whole=True, below="") as answer:
            return whole_answer(self.url, answer, limit_bytes)

    def close(self) -> None:
        """Drop the connections, also under who waits for an answer, for the pace or, in `persist`, for the hub."""
        self._connections.close()
        self._closed.set()
        with _CLOSING:
            _CLOSING.notify_all()

    def _send(self, method: str, path: str, record: Record) -> bytes:
        return self._request(method, path, record.as_bytes(), _JSON)[1]

    def _request(
        self, method: str, path: str, content: bytes | Iterator[memoryview] | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """(status, body) of a success."""
        with self._answered(method, path, content, headers, whole=True) as answer:
            return answer.status, whole_answer(self.url, answer)

    def _getting(self, path: str, headers: dict[str, str]) -> AbstractContextManager[Answer]:
        return self._answered("GET", path, None, headers, whole=False)

    @contextmanager
    def _answered(
        self,
        method: str,
        path: str,
        content: bytes | Iterator[memoryview] | None,
        headers: dict[str, str],
        *,
        whole: bool,
        below: str = API,
    ) -> Iterator[Answer]:
        """A success whose body is still to be read; the body of a refusal is read here. Redirects are not followed."""
        path = below + path
        asked = Asked(method, path, {**headers, **self._headers(method, path)}, content, ANSWER_SECONDS, whole)
        try:
            with self._connections.asking(asked) as answer:
                if not answer.is_success:
                    raise _problem(answer.status, whole_answer(self.url, answer))
                yield answer
        except Cut as error:
            raise silent(self.url, error) from error

    def _metered(self, blocks: Iterator[memoryview]) -> Iterator[memoryview]:
        for block in blocks:
            self._pace.take(len(block))
            yield block

    def _read(self, record: type[R], data: bytes) -> R:
        try:
            return record.from_bytes(data)
        except ValidationError as error:
            raise Unreachable(
                f"{self.url} answered something of another form: is it a Rapha hub of this version?"
            ) from error

    def _headers(self, method: str, path: str) -> dict[str, str]:
        signed = token.issue(
            self._key, site=self._site, audience=self._hub, now=self._clock(), method=method, path=path
        )
        return {"authorization": f"Bearer {signed}"}


def line_of(home: Home, clock: Clock) -> HubLine:
    """A home's line to its hub, with the key that it has now."""
    settings = home.configuration
    return HubLine(
        settings.hub_url,
        settings.hub,
        settings.site,
        load_key(home.key),
        clock,
        settings.ca,
        certificate=settings.certificate,
        proxy=settings.proxy,
        limit_mbit_per_second=settings.limit_mbit_per_second,
    )


class _Paced:
    """See `transfer.Source`."""

    def __init__(self, url: str, answer: Answer, pace: transfer.Pace) -> None:
        self._url, self._answer, self._pace = url, answer, pace

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            count = self._answer.more(buffer[: transfer.BLOCK_BYTES])
        except Cut as error:
            raise silent(self._url, error) from error
        self._pace.take(count)
        return count


def whole_answer(url: str, answer: Answer, limit_bytes: int = ANSWER_LIMIT_BYTES) -> bytes:
    """The body of an answer, not unpacked: a hub is believed neither in how long it is nor in how long it takes.

    Raises:
        Unreachable: it is longer than `limit_bytes`.
        Cut: it did not come to its end, or not in the time that was given to it.
    """
    data = answer.body(limit_bytes)
    if data is None:
        raise Unreachable(f"{url} answered more than {limit_bytes} bytes: is it a Rapha hub?")
    return data


def silent(url: str, cut: Cut) -> Unreachable:
    """The error of a hub whose line failed."""
    return Unreachable(f"the hub at {url} does not answer, or not to the end: {why_silent(cut, url)}")


def why_silent(cut: Cut, url: str) -> str:
    """The kind of failure, and what it may mean: a machine that misses a certificate cuts the line and says no more."""
    error, kind = cut.why, type(cut.why).__name__
    if isinstance(error, TooSlow):
        return "it answers too slowly"
    if type(error) is OSError and error.errno is None:  # only a proxy that does not let through has words alone
        return f"the proxy: {str(error)[:100]!r}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed ({error.verify_message}); `ca` names the PEM file of its authority"
    lost = isinstance(error, ConnectionResetError | BrokenPipeError | ssl.SSLError)
    if url.startswith("https:") and lost:
        return f"{kind}; where it asks for a certificate, name the PEM file of this node's and its key as `certificate`"
    return kind


def _problem(status: int, content: bytes) -> RaphaError:
    try:
        problem = Problem.model_validate_json(content)
        code, message = problem.code, problem.message + (f" ({problem.hint})" if problem.hint else "")
    except ValidationError:
        code, message = "", f"the hub answered {status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NotPermitted(message)
    if status == HTTPStatus.INSUFFICIENT_STORAGE:
        return DiskFull(message)
    if status == HTTPStatus.CONFLICT and code == TaskOver.code:
        return TaskOver(message)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreachable(message)
    return Conflict(message)


def back_off(attempt: int, longest_seconds: float = 5.0) -> float:
    """Seconds to wait before the next attempt: doubled each time, with jitter, so that nodes do not march in step."""
    return random.uniform(0.05, min(longest_seconds, 0.25 * 2 ** min(attempt, 10)))  # noqa: S311


def persist(action: Callable[[], T], give_up_after_seconds: float = PATIENCE_SECONDS) -> T:
    """What comes of it. Do it again while the hub is out of reach, with back-off, and say so; any other error is raised at once.

    Raises:
        Unreachable: the hub stayed away for `give_up_after_seconds`, and nothing came through in that time.
    """
    start, attempt = time.monotonic(), 0
    while True:
        try:
            done = action()
        except Unreachable as error:
            if isinstance(error, transfer.CutShort):
                start, attempt = time.monotonic(), 0
            if time.monotonic() - start > give_up_after_seconds:
                raise
            LOG.warning("hub.away", reason=str(error), attempt=attempt + 1)
            with _CLOSING:
                _CLOSING.wait(back_off(attempt))
            attempt += 1
        else:
            if attempt:
                LOG.info("hub.back", attempts=attempt + 1)
            return done
