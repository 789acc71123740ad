"""A hub in this process, with a clock that stands until it is set, behind Starlette's test client: real routes, store,
blobs and rounds; no socket. It can be closed and opened again on the same home, as after a crash."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from patience import until
from starlette.testclient import TestClient

from rapha.hub.app import API, create_app
from rapha.hub.configuration import HubConfiguration, HubSettings, initialise, load
from rapha.hub.enrolment import new_code
from rapha.hub.notify import Bell
from rapha.hub.store.database import open_store
from rapha.hub.tokens import new_token, revoke
from rapha.hub.wired import Hub
from rapha.records.study import Study
from rapha.records.wire import Delivery, Event, StudyStatus, Submitted


class Clock:
    """Stands still until `pass_` is called."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **span: float) -> None:
        self.now += timedelta(**span)


class HubAtHand:
    """`http` reaches it; the rest is what a steward or a researcher does."""

    def __init__(self, home: Path, clock: Clock, **said: object) -> None:
        """`said`: settings of a hub that is new."""
        found = home / "hub.json"
        settings = HubSettings.model_validate({"name": "test-hub", "body_limit_mib": 1, "blob_limit_mib": 1, **said})
        self.configuration: HubConfiguration = load(home) if found.exists() else initialise(home, settings)
        if isinstance(self.configuration.database, Path) and not self.configuration.database.exists():
            self.configuration.database.write_bytes(_empty_tables())
        self.clock = clock
        self.app = create_app(self.configuration, clock)
        self.http = TestClient(self.app, raise_server_exceptions=False)

    @property
    def hub(self) -> Hub:
        hub: Hub = self.app.state.hub
        return hub

    def code(self, site: str) -> str:
        with self.hub.store.changing() as change:
            return new_code(change, site)

    def token(
        self, researcher: str = "ada", scopes: tuple[str, ...] = ("study:write", "study:read", "sites:read")
    ) -> str:
        with self.hub.store.changing() as change:
            return new_token(change, researcher, scopes)

    def revoke(self, token: str) -> None:
        with self.hub.store.changing() as change:
            revoke(change, token.split("_")[1])

    def submit(self, study: Study, token: str) -> str:
        answer = self.http.post(f"{API}/studies", content=study.as_bytes(), headers=bearer(token))
        assert answer.status_code == 201, answer.text
        return Submitted.from_bytes(answer.content).study_id

    def ask(self, study: Study, token: str) -> str:
        """How many patients it would have; the id of the question."""
        answer = self.http.post(f"{API}/feasibility", content=study.as_bytes(), headers=bearer(token))
        assert answer.status_code == 201, answer.text
        return Submitted.from_bytes(answer.content).study_id

    def status(self, study_id: str, token: str) -> StudyStatus:
        return StudyStatus.from_bytes(self.http.get(f"{API}/studies/{study_id}", headers=bearer(token)).content)

    def events(self, study_id: str, token: str) -> list[Event]:
        answer = self.http.get(f"{API}/studies/{study_id}/events", headers=bearer(token))
        return [Event.model_validate(event) for event in answer.json()]

    def delivery(self, study_id: str, token: str) -> Delivery:
        return Delivery.from_bytes(self.http.get(f"{API}/studies/{study_id}/delivery", headers=bearer(token)).content)

    def wait_for(self, study_id: str, token: str, state: str) -> StudyStatus:
        """The status of the study once it is in that state."""
        until(lambda: self.status(study_id, token).state == state, lambda: self.status(study_id, token))
        return self.status(study_id, token)

    def pass_time(self, **span: float) -> None:
        """Set the clock forward; deadlines that passed are acted on."""
        self.clock.pass_(**span)
        self.hub.conductor.check_deadlines()


@cache
def _empty_tables() -> bytes:
    """The file that the migrations make of none, made once a process: they take most of a hub's start, and a test has many hubs."""
    with TemporaryDirectory() as folder:
        open_store(Path(folder) / "hub.db", Bell(), Clock()).close()
        return (Path(folder) / "hub.db").read_bytes()


@contextmanager
def running(home: Path, clock: Clock, **said: object) -> Iterator[HubAtHand]:
    """The hub, started, and stopped on the way out. `said`: settings of a hub that is new."""
    at_hand = HubAtHand(home, clock, **said)
    with at_hand.http:
        yield at_hand


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", "content-type": "application/json"}
