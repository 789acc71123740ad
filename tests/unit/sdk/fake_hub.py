"""A hub of forty lines, behind httpx2's transport port: it answers as the wire records say, and fails when told to."""

from collections.abc import Callable

import httpx2
from pydantic import TypeAdapter

from rapha.records.record import StudyId
from rapha.records.study import Study
from rapha.records.wire import Delivery, Event, Problem, StudyStatus, Submitted
from rapha.sdk.client import API, Client

TOKEN = "rapha_for_tests"
URL = "https://hub.example"


class FakeHub(httpx2.BaseTransport):
    """`events` come out one a question, as a slow study's do; `faults` are raised, or answered, before anything else,
    one a question; a blob in `cut` is cut after so many bytes, once."""

    def __init__(self, delivery: Delivery | None = None, blobs: dict[str, bytes] | None = None) -> None:
        self.events: list[Event] = []
        self.faults: list[Exception | httpx2.Response] = []
        self.studies: list[Study] = []
        self.delivery, self.blobs = delivery, blobs or {}
        self.asked: list[str] = []
        self.cut: dict[str, int] = {}
        self.keys: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.removeprefix(API)
        self.asked.append(f"{request.method} {path}")
        self.keys += [request.headers["Idempotency-Key"]] if "Idempotency-Key" in request.headers else []
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return problem(401, "not-permitted", "This token is not known.", "ask the hub's operator for another")
        if path.startswith("/blobs/"):
            data = self.blobs[path.removeprefix("/blobs/")]
            return httpx2.Response(200, content=data[: self.cut.pop(path.removeprefix("/blobs/"), None)])
        if path == "/studies" and request.method == "POST":
            self.studies.append(Study.from_bytes(request.read()))
            return record(Submitted(study_id=StudyId("st-1"), study_digest=self.studies[-1].digest))
        if path == "/studies/st-1/events":
            after = int(request.url.params["after"])
            return listing(tuple[Event, ...], [event for event in self.events if event.number > after][:1])
        if path == "/studies/st-1/delivery" and self.delivery:
            return record(self.delivery)
        if path in ("/studies", "/sites"):
            return listing(tuple[StudyStatus, ...], [])
        return problem(404, "error", f"There is no {path} here.", None)


def client_of(hub: FakeHub, pause: Callable[[float], None] = lambda seconds: None, token: str = TOKEN) -> Client:
    headers = {"Authorization": f"Bearer {token}"}
    return Client(httpx2.Client(transport=hub, base_url=URL + API, headers=headers), pause=pause)


def problem(status: int, code: str, message: str, hint: str | None) -> httpx2.Response:
    return httpx2.Response(status, content=Problem(code=code, message=message, hint=hint).as_bytes())


def record(answer: Submitted | Delivery) -> httpx2.Response:
    return httpx2.Response(200, content=answer.as_bytes())


def listing(kind: object, items: list[Event]) -> httpx2.Response:
    return httpx2.Response(200, content=TypeAdapter(kind).dump_json(tuple(items)))
