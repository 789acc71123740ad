"""The Kubernetes placement: each sandbox is a Job of one Pod in a namespace of the hospital's own cluster, whose pipes are the workload's.

The walls are built inside the Pod, as on any machine, and tried there at every start: what a Pod is denied beside that stands around them, and no layer is claimed for it. In a cluster
that does not let a Pod build them nothing is started.
"""

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

import rapha
from rapha.errors import SandboxError
from rapha.node.configuration import KubernetesPlacement
from rapha.node.sandbox.kubernetes_api import JobSeen, KubernetesApi, patiently
from rapha.node.sandbox.kubernetes_here import MODULE, SAYS, Asked
from rapha.node.sandbox.kubernetes_objects import Place, checked_name
from rapha.node.sandbox.placement import Job, tidy

ENDS_SECONDS, QUICK_SECONDS = 60.0, 5.0
LOOKS_SECONDS = 0.2
LOG = structlog.get_logger("rapha.node")


class Kubernetes:
    """See `placement.Placement`. `runs`: the folder of the site's runs, on the shared file system."""

    name = "kubernetes"

    def __init__(self, settings: KubernetesPlacement, runs: Path) -> None:
        self._settings, self._runs = settings, runs
        self.starts_seconds = settings.queue_minutes * 60.0

    def check(self) -> None:
        """See `Placement.check`. The service account may see Jobs, and nothing lets a sandbox's Pod reach anything."""
        api = KubernetesApi(self._place)
        api.check_network()
        api.every()

    def words(self, job: Job, program: Sequence[str]) -> list[str]:
        """See `Placement.words`. Raises SandboxError for a name that could be more than a name."""
        asked = Asked(
            settings=self._settings,
            runs=str(self._runs),
            user=self._place.user,
            name=checked_name(job.name),
            memory_mb=job.memory_mb,
            agent=os.getpid(),
        )
        return [sys.executable, "-s", "-P", "-m", MODULE, asked.as_bytes().decode(), *program]

    def environment(self) -> dict[str, str]:
        """See `Placement.environment`."""
        package = str(Path(rapha.__file__).parent.parent)
        return {"PATH": os.defpath, "PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1"}

    def end(self, job: str) -> None:
        """See `Placement.end`. Its Pod ends before the Job is gone. Another's job of this name is left alone."""
        deadline = time.monotonic() + ENDS_SECONDS
        while not (over := self._is_over(job)) and time.monotonic() < deadline:
            time.sleep(LOOKS_SECONDS)
        if not over:
            words = f"look for it with `kubectl --namespace {self._settings.namespace} get jobs,pods`: if its machine was lost, delete its Pod by force"
            LOG.error("placement.not-ended", job=job, words=words)

    def left(self, beginning: str) -> list[str]:
        """See `Placement.left`. A job counts as long as a Pod of it may run."""
        return sorted(
            job.metadata.name
            for job in patiently(self._quick.every, ENDS_SECONDS)
            if job.ours and job.metadata.name.startswith(beginning) and job.over is None
        )

    def trouble(self, said: str) -> str:
        """See `Placement.trouble`. Where its turn did not come, Kubernetes says why to who asks for the Pod's events."""
        own = [line.removeprefix(SAYS) for line in said.splitlines() if line.startswith(SAYS)]
        return tidy(" ".join(own or said.splitlines()))

    def _is_over(self, job: str) -> bool:
        """Nothing of it is there any more; else it is asked to end. Where Kubernetes says nothing, it may run."""
        with contextlib.suppress(SandboxError):
            seen: JobSeen | None = self._quick.look(job)
            if seen is None or not seen.ours:
                return True
            self._quick.delete(seen)
        return False

    @property
    def _quick(self) -> KubernetesApi:
        """Whose every question is soon over: several are asked within the minute."""
        return KubernetesApi(self._place, QUICK_SECONDS)

    @property
    def _place(self) -> Place:
        user = self._settings.user or os.getuid()
        if user == 0:
            raise SandboxError(
                f"{self.name}: the agent is root, and no Pod is: run it as a user of its own, or name `placement: user`, whose the files of runs then have to be"
            )
        return Place(self._settings, self._runs, user)
