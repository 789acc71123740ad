"""Ray's Jobs API, as far as a sandbox needs it: plain HTTP with the cluster's token, JSON with limits, no redirect, no proxy.

Nothing of Ray's is installed here, and nothing is pickled or unpickled: what is handed in is a command line, what comes back are names and states.

Source: the Jobs REST API of Ray 2.60 (`/api/jobs/`, `/api/version`, `/api/authentication_mode`).
"""

import json
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from rapha.errors import SandboxError
from rapha.node.configuration import RayPlacement
from rapha.node.sandbox.cluster_http import Door, read_answer
from rapha.node.sandbox.placement import ANSWERS_SECONDS, tidy

MOST_JOBS = 10_000
ALIVE = ("PENDING", "RUNNING")
T = TypeVar("T")


class Seen(BaseModel):
    """A job as Ray tells of it; what else it tells is not read. `submission_id` is None for what no job began."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    submission_id: str | None = Field(default=None, max_length=1000)
    status: Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]
    message: str | None = Field(default=None, max_length=100_000)
    driver_agent_http_address: str | None = Field(default=None, max_length=300)

    @property
    def host(self) -> str | None:
        """The address of the machine where it runs, as the cluster's machines call it; None while Ray tells of none that can be read."""
        try:
            return urlsplit(self.driver_agent_http_address or "").hostname
        except ValueError:
            return None


Every = Annotated[list[Seen], Field(max_length=MOST_JOBS)]


class RayJobs:
    """The jobs of one cluster. Each question raises SandboxError where the cluster is not reached, refuses the token, answers something else, or has not
    answered whole within `seconds`."""

    def __init__(self, settings: RayPlacement, seconds: float = ANSWERS_SECONDS) -> None:
        self._settings = settings
        self._door = Door(f"Ray at {settings.address}", settings.address, settings.token_file, settings.ca, seconds)

    def check(self) -> None:
        """Return if a cluster answers that asks for a token and takes ours."""
        mode = self._ask("GET", "/api/authentication_mode", or_none=True)
        if mode is None or _read(dict[str, str], mode).get("authentication_mode") != "token":
            why = "it asks for no token, so whoever reaches it can start programs as this user"
            raise SandboxError(f"{self._door.name}: {why}: start Ray with RAY_AUTH_MODE=token")
        self._ask("GET", "/api/version")

    def submit(self, name: str, entrypoint: str, memory_mb: int) -> None:
        """Hand in a job: a command line for a shell, quoted by the caller."""
        asked: dict[str, Any] = {
            "submission_id": name,
            "entrypoint": entrypoint,
            "entrypoint_num_cpus": self._settings.processors,
            "entrypoint_memory": memory_mb * 1024 * 1024,
        }
        if self._settings.resource is not None:
            asked["entrypoint_resources"] = {self._settings.resource: 0.001}
        self._ask("POST", "/api/jobs/", json.dumps(asked).encode())

    def look(self, name: str) -> Seen | None:
        """None: Ray knows of no such job."""
        answer = self._ask("GET", f"/api/jobs/{quote(name, safe='')}", or_none=True)
        return None if answer is None else _read(Seen, answer)

    def every(self) -> list[Seen]:
        """All jobs that Ray remembers, whosever they are."""
        return _read(Every, self._ask("GET", "/api/jobs/") or b"[]")

    def stop(self, name: str) -> None:
        """Ask Ray to end a job; it is over when `look` says so."""
        self._ask("POST", f"/api/jobs/{quote(name, safe='')}/stop", b"", or_none=True)

    def forget(self, name: str) -> None:
        """Have Ray drop what it remembers of a job that is over."""
        self._ask("DELETE", f"/api/jobs/{quote(name, safe='')}", or_none=True)

    def _ask(self, method: str, path: str, body: bytes | None = None, *, or_none: bool = False) -> bytes | None:
        status, answer = self._door.ask(method, path, body)
        if status == 404 and or_none:
            return None
        if status != 200:
            raise SandboxError(
                f"{self._door.name} answered {status}: {tidy(answer[-1000:].decode('utf-8', 'replace'))}"
            )
        return answer


def _read(kind: type[T], answer: bytes | None) -> T:
    return read_answer(kind, answer, "Ray")
