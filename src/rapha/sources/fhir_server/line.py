"""Every request to a FHIR server: bounded answers, no redirects, a token for the server's own origin alone, patience.

A 429 or 5xx is waited for, as `Retry-After` says or twice as long each time; what the server answers is never repeated in
a message, for it may speak of patients.
"""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import urljoin

import httpx2
from pydantic import ValidationError

from rapha.clock import Clock
from rapha.errors import ConfigurationError, NotPermitted, RaphaError, SourceError, Unreachable
from rapha.sources.fhir_server.access import Access
from rapha.sources.fhir_server.answers import Item, Token
from rapha.sources.fhir_server.server_file import ServerFile, origin_of

LONGEST_ANSWER, BLOCK_BYTES = 16 << 20, 1 << 20
ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE = 8, 1.0, 300.0
LONGEST_ASKED_FOR = 3600.0
JSON = "application/fhir+json"
Pause = Callable[[float], None]


class Line:
    """`pause` waits that many seconds. The line is a context manager: it closes its sockets."""

    def __init__(self, server: ServerFile, clock: Clock, pause: Pause = time.sleep) -> None:
        self._server, self._clock, self.pause = server, clock, pause
        self._own = origin_of(server.server)
        self._files = {self._own, *map(origin_of, server.files_from)}
        timeout = httpx2.Timeout(30.0, read=120.0)  # of silence, not of the whole
        self._client = httpx2.Client(verify=_authorities(server.ca), timeout=timeout, follow_redirects=False)
        self._access = Access(server.auth, self._exchange, clock)

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None = None
    ) -> tuple[httpx2.Response, bytes]:
        """One answer of at most 16 MiB by the server itself, whatever its status below 500 (429 is waited for)."""
        if origin_of(url) != self._own:
            raise SourceError("the server points to another host for its own answers: refused, and no token was sent")
        for pause in _pauses():
            try:
                with self._asked(method, url, body, headers, with_token=True) as answer:
                    if not _busy(answer.status_code):
                        return answer, _bounded(answer, LONGEST_ANSWER)
                    wait = self.retry_after(answer.headers, pause)
            except httpx2.TransportError as error:
                wait = _again(error, pause)
            self.pause(wait)
        raise Unreachable(
            f"{self._server.server}: too busy, or out of reach, {ATTEMPTS} times in a row; run this again"
        )

    def place(self, beside: str, location: str) -> str:
        """An address that the server names, seen from `beside`. Raises SourceError: it is of another host."""
        url = urljoin(beside, location)
        if origin_of(url) is None or origin_of(url) != self._own:
            raise SourceError("the server keeps its export's state at another host: refused, and no token was sent")
        return url

    def download(self, item: Item, needs_token: bool, file: BinaryIO) -> None:
        """One file of the export, whole, from the beginning of `file`.

        Raises:
            SourceError: it is at a host that nobody named, larger than allowed, gone, or has not as many lines as said.
            Unreachable: it did not come, again and again.
        """
        origin = origin_of(item.url)
        if origin is None or origin not in self._files:
            raise SourceError("the manifest names a file at another host: name it under `files_from:` if you trust it")
        if needs_token and origin != self._own:
            raise SourceError("the manifest wants the token shown to another host: refused, and no token was sent")
        for pause in _pauses():
            file.seek(0)
            file.truncate()
            try:
                with self._asked("GET", item.url, None, {"accept": "application/fhir+ndjson"}, needs_token) as answer:
                    if not _busy(answer.status_code):
                        return self._save(answer, item, file)
                    wait = self.retry_after(answer.headers, pause)
            except httpx2.TransportError as error:
                wait = _again(error, pause)
            self.pause(wait)
        raise Unreachable(f"{self._server.server}: a file did not come, {ATTEMPTS} times; run this again to go on")

    def retry_after(self, headers: Mapping[str, str], otherwise: float) -> float:
        """Seconds, from 0.1 to 3600: as the server asks, in seconds or by a date (RFC 9110, 10.2.3)."""
        return retry_after(headers.get("retry-after", ""), otherwise, self._clock())

    def _save(self, answer: httpx2.Response, item: Item, file: BinaryIO) -> None:
        if answer.status_code != 200:
            raise refusal(answer.status_code, "a file of the export")
        limit, lines, last = self._server.largest_bytes, 0, b"\n"
        for block in answer.iter_raw(BLOCK_BYTES):
            file.write(block)
            lines, last = lines + block.count(b"\n"), block[-1:] or last
            if file.tell() > limit:
                raise SourceError(f"a file of the export is larger than {self._server.largest_gb} GB (`largest_gb`)")
        lines += last != b"\n"
        if item.count is not None and lines != item.count:
            raise SourceError(
                "a file of the export has not as many resources as its manifest says: nothing was taken over"
            )

    @contextmanager
    def _asked(
        self, method: str, url: str, body: bytes | None, headers: dict[str, str], with_token: bool
    ) -> Iterator[httpx2.Response]:
        shown = {"accept-encoding": "identity", **headers}
        if with_token and (token := self._access.token()):
            shown["authorization"] = f"Bearer {token}"
        with self._client.stream(method, url, content=body, headers=shown) as answer:
            if answer.is_redirect:
                raise SourceError("the server answers with a redirect, which is not followed: name its real address")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise SourceError("the server packs its answers although it was asked not to")
            yield answer

    def _exchange(self, url: str, form: dict[str, str]) -> Token:
        try:
            with self._client.stream("POST", url, data=form, headers={"accept-encoding": "identity"}) as answer:
                body = _bounded(answer, 1 << 20)
        except httpx2.TransportError as error:
            raise Unreachable(f"{url} gave no token ({type(error).__name__})") from None
        try:
            if answer.status_code != 200:
                raise NotPermitted(f"{url} gives no token: is the public key registered there for this client?")
            return Token.model_validate_json(body)
        except ValidationError:
            raise NotPermitted(f"{url} answered something that is no token") from None


def refusal(status: int, what: str) -> RaphaError:
    """What an answer that is no success means."""
    if status in (401, 403):
        return NotPermitted(f"the server does not allow {what} (status {status}): check `auth:` and its scope")
    return SourceError(f"the server does not give {what} (status {status})")


def retry_after(said: str, otherwise: float, now: datetime) -> float:
    """See `Line.retry_after`; pure."""
    wait = otherwise
    if said.isascii() and said.isdigit():
        wait = float(said[:9])
    elif said:
        try:
            wait = (parsedate_to_datetime(said) - now).total_seconds()
        except (ValueError, TypeError):
            wait = otherwise
    return min(max(wait, 0.1), LONGEST_ASKED_FOR)


def _pauses() -> Iterator[float]:
    return (min(FIRST_PAUSE * 2**number, LONGEST_PAUSE) for number in range(ATTEMPTS))


def _busy(status: int) -> bool:
    return status in (429, 500, 502, 503, 504)


def _again(error: httpx2.TransportError, pause: float) -> float:
    """The pause before another attempt; a certificate that is not believed will not be so later either."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        raise Unreachable("the server's certificate is signed by nobody known here: name its authority under `ca:`")
    return pause


def _bounded(answer: httpx2.Response, limit: int) -> bytes:
    body = b""
    for block in answer.iter_raw(1 << 16):
        body += block
        if len(body) > limit:
            raise SourceError(f"the server's answer is longer than {limit >> 20} MiB")
    return body


def _authorities(ca: str | None) -> ssl.SSLContext | bool:
    try:
        return ssl.create_default_context(cafile=ca) if ca else True
    except OSError:  # an SSLError is one
        raise ConfigurationError(f"{ca}: not a certificate authority in PEM") from None
