"""A client of a hub: submit a study, watch it, fetch what it gives back.

`Client` asks and translates; it keeps no state, so a hub that restarts between two questions is only a slow answer.
"""

import ipaddress
import math
import os
import random
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
from pydantic import TypeAdapter, ValidationError

from rapha.canonical import digest
from rapha.errors import ConfigurationError, Unreachable
from rapha.records.lifecycle import FINAL, STUDY
from rapha.records.site import SiteProfile
from rapha.records.study import Study
from rapha.records.wire import Delivery, Event, StudyStatus, Submitted, TrustedKeys
from rapha.sdk.answers import refusal, silence
from rapha.sdk.delivery import Progress, deliver, ignore
from rapha.sdk.graph_file import graph_of
from rapha.sdk.study_file import read_study, read_study_and_graph

API = "/api/v1"
_OCTETS = {"Content-Type": "application/octet-stream"}
WAIT_SECONDS = 25
PATIENCE = 12
"""Questions without an answer, one after another, before `watch` gives up: some three minutes."""

FINAL_EVENTS = frozenset(move.event for move in STUDY if move.target in FINAL["study"])

T = TypeVar("T")


def connect(url: str, token: str, *, ca: Path | None = None, certificate: Path | None = None) -> "Client":
    """A client of the hub at `url`; `token` is what `rapha hub token` gave, `ca` the certificate authority of a hub
    whose certificate is not publicly signed. `certificate`: a PEM file of your own certificate and its key, for a hub that asks
    for one; else the file that the environment names in RAPHA_CERTIFICATE.

    Raises:
        ConfigurationError: the address cannot be used, would send the token in the clear, or `ca` cannot be read.
    """
    address = _address(url)
    local = _is_loopback(address.host)
    if address.scheme == "http" and not local:
        raise ConfigurationError(f"{url}: plain http would show the token to everybody on the way; use https://")
    if not token.isascii() or not token.isprintable() or not token:
        raise ConfigurationError("the token is empty or has letters no token has; copy it again as the hub printed it")
    http = httpx2.Client(
        base_url=address.copy_with(path=address.path.rstrip("/") + API),
        headers={"Authorization": f"Bearer {token}"},
        timeout=httpx2.Timeout(30, connect=10, read=WAIT_SECONDS + 20),
        verify=_trust(ca, certificate or os.environ.get("RAPHA_CERTIFICATE")),
        trust_env=not local,
    )
    return Client(http)


SUBMIT_TRIES = 3


class Client:
    """What a researcher can ask of a hub. Use as a context manager, or call `close`.

    Every method raises Unreachable where the hub does not answer, NotPermitted where the token does not allow it, and
    another error of the tree where the hub refuses with one.
    """

    def __init__(self, http: httpx2.Client, *, pause: Callable[[float], None] = time.sleep) -> None:
        """`http` has the hub's API as base and carries the token; `pause` waits for seconds."""
        self._http = http
        self._pause = pause

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(self, study: Study | Path | str, graph: bytes | None = None) -> Submitted:
        """Hand in a study, or the study of a file. Raises StudyError for a file that is wrong. `graph`: of a study with a model
        of one's own, what its `graph` names; read with the file, where a file is given.

        Asked again a little later where no answer came: under the same key, so that it is handed in once.
        """
        if not isinstance(study, Study):
            study, graph = read_study_and_graph(study)
        if (content := graph_of(study, graph)) is not None:
            self._ask("PUT", f"/blobs/{digest(content)}/graph", content=content, headers=_OCTETS)
        return self._hand_in("/studies", study)

    def ask(self, study: Study | Path | str) -> Submitted:
        """Ask the hospitals how many patients a study would have, and train nothing; as `submit`. `watch` tells when they
        answer, `status` what."""
        return self._hand_in("/feasibility", study)

    def _hand_in(self, path: str, study: Study | Path | str) -> Submitted:
        whole = study if isinstance(study, Study) else read_study(study)
        headers = {"Content-Type": "application/json", "Idempotency-Key": secrets.token_hex(16)}
        for attempt in range(SUBMIT_TRIES):
            try:
                answer = self._ask("POST", path, content=whole.as_bytes(), headers=headers)
                break
            except Unreachable:
                if attempt + 1 == SUBMIT_TRIES:
                    raise
                self._pause(back_off(attempt))
        return self._read(Submitted, answer)

    def status(self, study_id: str) -> StudyStatus:
        """Where a study stands."""
        return self._read(StudyStatus, self._ask("GET", f"/studies/{_part(study_id)}"))

    def studies(self) -> tuple[StudyStatus, ...]:
        """Your studies."""
        return self._read(tuple[StudyStatus, ...], self._ask("GET", "/studies"))

    def sites(self) -> tuple[SiteProfile, ...]:
        """The hospitals, as each describes itself."""
        return self._read(tuple[SiteProfile, ...], self._ask("GET", "/sites"))

    def keys(self) -> TrustedKeys:
        """The public keys of hub and hospitals. Pin them before a study, to need no trust in the hub after it."""
        return self._read(TrustedKeys, self._ask("GET", "/keys"))

    def cancel(self, study_id: str) -> None:
        """End a study. Raises Conflict where it has ended already."""
        self._ask("POST", f"/studies/{_part(study_id)}/cancel")

    def pause(self, study_id: str) -> None:
        """Give hospitals no more work of it until `resume`. Raises Conflict where it is not at work."""
        self._ask("POST", f"/studies/{_part(study_id)}/pause")

    def resume(self, study_id: str) -> None:
        """Go on with a paused study. Raises Conflict where it was not paused."""
        self._ask("POST", f"/studies/{_part(study_id)}/resume")

    def events(self, study_id: str, *, after: int = 0, wait_seconds: int = 0) -> tuple[Event, ...]:
        """Events of a study with a number above `after`, oldest first; waits up to `wait_seconds` for one."""
        params = {"after": after, "wait_seconds": wait_seconds}
        answer = self._ask("GET", f"/studies/{_part(study_id)}/events", params=params)
        return self._read(tuple[Event, ...], answer)

    def watch(self, study_id: str, *, after: int = 0, for_seconds: float = math.inf) -> Iterator[Event]:
        """The events of a study as they happen, from its first to its last; or those of the next `for_seconds`.

        A hub that is away for less than some three minutes is waited for, and no event is lost or given twice.
        """
        unanswered, until = 0, time.monotonic() + for_seconds
        while (left := until - time.monotonic()) > 0:
            try:
                events = self.events(study_id, after=after, wait_seconds=math.ceil(min(WAIT_SECONDS, left)))
            except Unreachable:
                unanswered += 1
                if unanswered > PATIENCE:
                    raise
                self._pause(back_off(unanswered))
                continue
            unanswered = 0
            if not events:
                self._pause(back_off(0))
            for event in events:
                after = event.number
                yield event
                if event.event in FINAL_EVENTS:
                    return

    def fetch(
        self, study_id: str, folder: Path | str, *, pinned: TrustedKeys | None = None, progress: Progress = ignore
    ) -> Path:
        """The model folder of a completed study, every file checked against its digest; see `deliver`.

        Fetching again after a cut line goes on where it stopped.
        """
        delivery = self._read(Delivery, self._ask("GET", f"/studies/{_part(study_id)}/delivery"))
        return deliver(delivery, self._blob, Path(folder), pinned=pinned, progress=progress, pause=self._pause)

    def _blob(self, digest: str) -> Iterator[bytes]:
        try:
            with self._http.stream("GET", f"/blobs/{digest}") as answer:
                if not answer.is_success:
                    answer.read()
                    raise refusal(answer, self._where)
                yield from answer.iter_bytes()
        except httpx2.TransportError as error:
            raise silence(error, self._where) from None

    def _ask(self, method: str, path: str, **what: Any) -> httpx2.Response:
        try:
            answer = self._http.request(method, path, **what)
        except httpx2.TransportError as error:
            raise silence(error, self._where) from None
        if not answer.is_success:
            raise refusal(answer, self._where)
        return answer

    def _read(self, kind: type[T], answer: httpx2.Response) -> T:
        try:
            return TypeAdapter(kind).validate_json(answer.content)
        except ValidationError:
            raise Unreachable(
                f"{self._where} answered in a way this version does not know; is it a Rapha hub of the same version?"
            ) from None

    @property
    def _where(self) -> str:
        return str(self._http.base_url).rstrip("/").removesuffix(API)


def back_off(attempt: int) -> float:
    """Seconds to wait after so many questions without an answer: doubling, at most 30, at random by a half (to spread
    the clients, no secret), so that they do not all come back at once."""
    return float(min(30.0, 0.25 * 2**attempt) * random.uniform(0.5, 1.0))  # noqa: S311


def _part(study_id: str) -> str:
    """An id as one part of a path."""
    if not study_id or not all(letter.isascii() and (letter.isalnum() or letter in "-_.") for letter in study_id):
        raise ConfigurationError(f"{study_id[:60]!r} is not the id of a study; `rapha study list` shows them")
    return study_id


def _address(url: str) -> httpx2.URL:
    try:
        address = httpx2.URL(url)
    except httpx2.InvalidURL:
        address = httpx2.URL()
    if address.scheme not in ("http", "https") or not address.host:
        raise ConfigurationError(f"{url[:100]!r} is not the address of a hub; it reads like https://hub.example.org")
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _trust(ca: Path | None, certificate: Path | str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca) if ca else httpx2.create_ssl_context()
    except OSError:  # an SSLError is one
        raise ConfigurationError(f"{ca} cannot be read as a PEM file of certificates") from None
    try:
        if certificate:
            context.load_cert_chain(certificate, password="")  # else a terminal is asked for one
    except OSError:
        raise ConfigurationError(f"{certificate} cannot be read as a PEM file of a certificate and its key") from None
    return context
