"""The API server of Kubernetes, as far as a sandbox needs it: Jobs and their Pods in one namespace, as JSON of one shape, by a service account's token.

Nothing of Kubernetes's is installed here: its official client has some thousand kinds of object, and reads its settings from files and an environment that nobody here looks at. These
are seven questions.

Source: batch/v1, v1 and networking.k8s.io/v1 of Kubernetes 1.37; none of the fields is younger than 1.30.
"""

import json
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field

from rapha.errors import SandboxError
from rapha.node.sandbox.cluster_http import Door, NotReached, read_answer
from rapha.node.sandbox.kubernetes_objects import (
    ASKED_BY,
    LABELS,
    MANAGED_BY,
    OURS,
    Place,
    checked_name,
    job_object,
    network_trouble,
)
from rapha.node.sandbox.placement import ANSWERS_SECONDS, Job, tidy

WHAT = "Kubernetes"
PAGE, MOST_PAGES = 500, 20
AGAIN = (429, 500, 502, 503, 504)
OUTAGE_SECONDS, LOOKS_AGAIN_SECONDS = 120.0, 1.0
Word = Field(default=None, max_length=300)
Words = Field(default=None, max_length=100_000)
T = TypeVar("T")


class Told(BaseModel):
    """What else Kubernetes tells is not read."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Owner(Told):
    uid: str = Field(max_length=100)
    controller: bool | None = None


class Metadata(Told):
    name: str = Field(max_length=300)
    uid: str = Field(max_length=100)
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    ownerReferences: list[Owner] = []


class Condition(Told):
    type: str = Field(max_length=300)
    status: str = Field(max_length=100)
    reason: str | None = Word
    message: str | None = Words


class Ended(Told):
    exitCode: int = Field(ge=-(2**31), lt=2**31)
    reason: str | None = Word


class Held(Told):
    reason: str | None = Word
    message: str | None = Words


class State(Told):
    waiting: Held | None = None
    running: dict[str, Any] | None = None
    terminated: Ended | None = None


class ContainerStatus(Told):
    state: State = State()


class PodStatus(Told):
    phase: str | None = Word
    reason: str | None = Word
    message: str | None = Words
    conditions: list[Condition] = []
    containerStatuses: list[ContainerStatus] = []


class Pod(Told):
    """`spec` as it is: it is compared with what was asked for."""

    metadata: Metadata
    spec: dict[str, Any]
    status: PodStatus = PodStatus()

    @property
    def state(self) -> State:
        """Of its one container."""
        return self.status.containerStatuses[0].state if self.status.containerStatuses else State()


class JobStatus(Told):
    conditions: list[Condition] = []


class JobSeen(Told):
    metadata: Metadata
    status: JobStatus = JobStatus()

    @property
    def ours(self) -> bool:
        """It bears our label."""
        return self.metadata.labels.get(MANAGED_BY) == OURS

    @property
    def over(self) -> Condition | None:
        """Kubernetes says this when no Pod of it is left that runs."""
        return next(
            (one for one in self.status.conditions if one.type in ("Complete", "Failed") and one.status == "True"), None
        )


class Page(Told):
    """Of any list."""

    metadata: dict[str, Any] = {}
    items: list[dict[str, Any]] = Field(default=[], max_length=PAGE)


class KubernetesApi:
    """The Jobs of one namespace. Each question raises SandboxError, and its kind `NotReached` where it may be answered the next time."""

    def __init__(self, place: Place, seconds: float = ANSWERS_SECONDS) -> None:
        settings = place.settings
        self._place = place
        self.door = Door(f"{WHAT} at {settings.address}", settings.address, settings.token_file, settings.ca, seconds)
        self._pods = f"/api/v1/namespaces/{settings.namespace}/pods"
        self._jobs = f"/apis/batch/v1/namespaces/{settings.namespace}/jobs"
        self._policies = f"/apis/networking.k8s.io/v1/namespaces/{settings.namespace}/networkpolicies"

    def check_network(self) -> None:
        """Return if nothing in the namespace allows a sandbox's Pod a connection, and something denies it every one."""
        if trouble := network_trouble(self._all(self._policies)):
            why = "kubectl apply the one in docs/placement.md, and keep this namespace for sandboxes alone"
            raise SandboxError(f"{self.door.name}, namespace {self._place.settings.namespace}: {trouble}: {why}")

    def submit(self, job: Job, program: list[str]) -> JobSeen:
        """Hand a job in, once, whatever becomes of the answers."""
        asked_by = os.urandom(16).hex()
        body = json.dumps(job_object(self._place, job, program, asked_by)).encode()
        return patiently(lambda: self._submitted(job.name, body, asked_by))

    def _submitted(self, name: str, body: bytes, asked_by: str) -> JobSeen:
        answer = self._ask("POST", self._jobs, body, good=(200, 201), none=409)
        seen = self.look(name) if answer is None else self._read(JobSeen, answer)
        if seen is None:
            raise NotReached(f"{self.door.name}: a job of this name was there, and is not")
        if seen.metadata.name != name or seen.metadata.annotations.get(ASKED_BY) != asked_by:
            raise SandboxError(f"{self.door.name}: there is a job {name} that this agent did not hand in")
        return seen

    def look(self, name: str) -> JobSeen | None:
        """None: Kubernetes knows of no such job."""
        answer = self._ask("GET", f"{self._jobs}/{checked_name(name)}", none=404)
        return None if answer is None else self._read(JobSeen, answer)

    def every(self) -> list[JobSeen]:
        """All jobs in the namespace that bear our label, whosever they are."""
        return [self._read(JobSeen, json.dumps(one).encode()) for one in self._all(self._jobs, LABELS)]

    def pods_of(self, job: JobSeen) -> list[Pod]:
        """Those that are this job's by its own mark, which no label is: anybody can write one."""
        labelled = self._all(self._pods, {"batch.kubernetes.io/job-name": job.metadata.name})
        pods = [self._read(Pod, json.dumps(one).encode()) for one in labelled]
        owner = Owner(uid=job.metadata.uid, controller=True)
        return [pod for pod in pods if owner in pod.metadata.ownerReferences]

    def delete(self, job: JobSeen) -> None:
        """Ask for its end, and its Pod's before it. This very one: a job of the same name is another."""
        asked = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Foreground",
            "preconditions": {"uid": job.metadata.uid},
        }
        self._ask(
            "DELETE",
            f"{self._jobs}/{checked_name(job.metadata.name)}",
            json.dumps(asked).encode(),
            good=(200, 202),
            none=404,
        )

    def attach_path(self, pod: Pod) -> str:
        """Where its container's pipes are."""
        asked = {"container": "sandbox", "stdin": "true", "stdout": "true", "stderr": "true", "tty": "false"}
        return f"{self._pods}/{quote(pod.metadata.name, safe='')}/attach?{urlencode(asked)}"

    def _all(self, path: str, labels: dict[str, str] | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        asked = {"limit": str(PAGE)}
        if labels:
            asked["labelSelector"] = ",".join(f"{key}={value}" for key, value in labels.items())
        for _ in range(MOST_PAGES):
            page = self._read(Page, self._ask("GET", f"{path}?{urlencode(asked)}"))
            found += page.items
            more = page.metadata.get("continue")
            if not more:
                return found
            asked["continue"] = str(more)[:10_000]
        raise SandboxError(f"{self.door.name} tells of more than {PAGE * MOST_PAGES} things in this namespace")

    def _ask(
        self, method: str, path: str, body: bytes | None = None, good: tuple[int, ...] = (200,), none: int | None = None
    ) -> bytes | None:
        status, answer = self.door.ask(method, path, body)
        if status == none:
            return None
        if status not in good:
            kind = NotReached if status in AGAIN else SandboxError
            raise kind(f"{self.door.name} answered {status}: {_words(answer)}")
        return answer

    @staticmethod
    def _read(kind: type[T], answer: bytes | None) -> T:
        return read_answer(kind, answer, WHAT)


def patiently(ask: Callable[[], T], seconds: float | None = None) -> T:
    """What an API server says that is away for a while, as one is that is replaced. Raises what the question raises, and `NotReached` at last."""
    until = time.monotonic() + (OUTAGE_SECONDS if seconds is None else seconds)
    while True:
        try:
            return ask()
        except NotReached:
            if time.monotonic() > until:
                raise
        time.sleep(LOOKS_AGAIN_SECONDS)


def _words(answer: bytes) -> str:
    """Of a refusal, which is a `Status`."""
    try:
        said = read_answer(dict[str, Any], answer, WHAT).get("message")
    except SandboxError:
        said = None
    return tidy(said if isinstance(said, str) else answer[-1000:].decode("utf-8", "replace"))
