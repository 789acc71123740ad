"""The Ray placement: each sandbox is a job of the hospital's own Ray cluster, handed in over its Jobs API.

Nothing of Ray's is imported, so no function and no answer is pickled. A job of Ray's has no pipes; `ray_here.py` and `ray_there.py` give it three.

Tried with Ray 2.60: a job that waits cannot be taken out of Ray's queue. So its key is taken away, without which its program ends at once when its turn
comes; Ray goes on listing it as PENDING until then, or until Ray itself gives it up.
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
from rapha.node.configuration import RayPlacement
from rapha.node.sandbox.placement import Job, tidy
from rapha.node.sandbox.ray_here import MODULE, SAYS, Asked
from rapha.node.sandbox.ray_jobs import ALIVE, RayJobs
from rapha.node.sandbox.ray_line import JobFolder

ENDS_SECONDS, QUICK_SECONDS = 60.0, 5.0
LOOKS_SECONDS = 0.2
LOG = structlog.get_logger("rapha.node")


class Ray:
    """See `placement.Placement`. `jobs`: where jobs have their folders; on the shared file system, in a folder that is this user's alone."""

    name = "ray"

    def __init__(self, settings: RayPlacement, jobs: Path) -> None:
        self._settings, self._folders = settings, jobs
        self.starts_seconds = settings.queue_minutes * 60.0

    def check(self) -> None:
        """See `Placement.check`."""
        self._jobs.check()

    def words(self, job: Job, program: Sequence[str]) -> list[str]:
        """See `Placement.words`. Raises SandboxError for a name that could be more than a name."""
        JobFolder.of(self._folders, job.name)
        asked = Asked(
            settings=self._settings,
            jobs=str(self._folders),
            name=job.name,
            memory_mb=job.memory_mb,
            agent=os.getpid(),
        )
        return [sys.executable, "-s", "-P", "-m", MODULE, asked.as_bytes().decode(), *program]

    def environment(self) -> dict[str, str]:
        """See `Placement.environment`."""
        package = str(Path(rapha.__file__).parent.parent)
        return {"PATH": os.defpath, "PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1"}

    def end(self, job: str) -> None:
        """See `Placement.end`. First the key, so that what has not begun never does."""
        folder = JobFolder.of(self._folders, job)
        folder.withdraw()
        deadline = time.monotonic() + ENDS_SECONDS
        while not (over := self._is_over(job, folder)) and time.monotonic() < deadline:
            with contextlib.suppress(SandboxError):  # it is looked for until it is gone, or the minute is over
                self._quick.stop(job)
            time.sleep(LOOKS_SECONDS)
        if not over:
            self._tell(job)
            if not self._is_gone_for_ray(job):
                return
        folder.clear()  # of a lost one too: without its key nothing begins, and nobody is left who would say more
        with contextlib.suppress(SandboxError):  # what still waits without its key cannot be forgotten yet
            self._quick.forget(job)

    def left(self, beginning: str) -> list[str]:
        """See `Placement.left`. What waits without its key was taken out of the queue; a folder without a job is what a killed command left. What is over,
        and could not be forgotten when it was ended, is forgotten now."""
        seen = {job.submission_id: job.status for job in self._jobs.every() if job.submission_id}
        ours = {name: status for name, status in seen.items() if name.startswith(beginning)}
        with contextlib.suppress(SandboxError):
            for name in (name for name, status in ours.items() if status not in ALIVE):
                self._quick.forget(name)
        names = {name for name, status in ours.items() if status == "RUNNING"}
        with contextlib.suppress(FileNotFoundError):
            names |= {place.name for place in self._folders.iterdir() if place.name.startswith(beginning)}
        return sorted(names)

    def trouble(self, said: str) -> str:
        """See `Placement.trouble`."""
        own = [line.removeprefix(SAYS) for line in said.splitlines() if line.startswith(SAYS)]
        return tidy(" ".join(own or said.splitlines()))

    @property
    def _jobs(self) -> RayJobs:
        return RayJobs(self._settings)

    @property
    def _quick(self) -> RayJobs:
        """Whose every question is soon over: several are asked within the minute."""
        return RayJobs(self._settings, QUICK_SECONDS)

    def _is_over(self, job: str, folder: JobFolder) -> bool:
        """Its program says so when nothing of it is alive. Ray's word alone counts where the program never began, and where Ray says nothing, it
        may run. Without its key a job that waits is none."""
        said = folder.heard()
        try:
            seen = self._quick.look(job)
        except SandboxError:
            return "ended" in said
        if seen is not None and seen.status == "RUNNING":
            return False
        return not said or "ended" in said

    def _is_gone_for_ray(self, job: str) -> bool:
        """Ray says that it is over, or knows of none; not where it says nothing."""
        try:
            seen = self._quick.look(job)
        except SandboxError:
            return False
        return seen is None or seen.status not in ALIVE

    def _tell(self, job: str) -> None:
        LOG.error(
            "placement.not-ended",
            job=job,
            words="it did not say that it ended: if its machine was lost, all is well; else look for it with `ray job list`, and end it with `ray job stop`",
        )
