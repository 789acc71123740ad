"""The Slurm placement: each sandbox is a job of one task, started with `srun`, whose pipes are the workload's own.

Not `submitit`: it sends a pickled function and fetches a pickled answer, through files, and nothing is unpickled here. Not `sbatch`: its job has no
standard input. Tried with Slurm 22.05; only options that were there in 20.11 are used.

Source: srun(1), scancel(1), squeue(1). What was tried: when the agent dies, `srun` reads the end of its input and hands it on, and the task
sees it at once; when `srun` itself is killed, the task is told nothing, so a job is always ended by its name.
"""

import getpass
import os
import time
from collections.abc import Sequence
from pathlib import Path

import structlog

from rapha.errors import SandboxError
from rapha.node.configuration import SlurmPlacement
from rapha.node.sandbox.placement import Job, ask_program, tidy

ENDS_SECONDS = 60.0
LOOKS_SECONDS = 0.2
ALIVE = "PENDING,CONFIGURING,RUNNING,SUSPENDED,COMPLETING,STOPPED"
LOG = structlog.get_logger("rapha.node")


class Slurm:
    """See `placement.Placement`."""

    name = "slurm"

    def __init__(self, settings: SlurmPlacement) -> None:
        self._settings = settings
        self.starts_seconds = settings.queue_minutes * 60.0

    def check(self) -> None:
        """See `Placement.check`."""
        self._ask("scontrol", "ping")
        for program in ("srun", "squeue", "scancel"):
            self._ask(program, "--version")

    def words(self, job: Job, program: Sequence[str]) -> list[str]:
        """See `Placement.words`. One task, its bytes as they are, none of the agent's limits or variables; the job ends with its time, and
        is not started twice."""
        asked = self._settings
        options = {
            "job-name": job.name,
            "ntasks": 1,
            "nodes": 1,
            "cpus-per-task": asked.processors,
            "mem": f"{job.memory_mb}M",
            "time": asked.time_limit_minutes,
            "export": "NONE",
            "propagate": "NONE",
            "mpi": "none",
            "chdir": "/",
            "kill-on-bad-exit": 1,
        }
        chosen = {"partition": asked.partition, "account": asked.account}
        options |= {name: value for name, value in chosen.items() if value is not None}
        return [
            self._program("srun"),
            *(f"--{name}={value}" for name, value in options.items()),
            "--unbuffered",
            *program,
        ]

    def environment(self) -> dict[str, str]:
        """See `Placement.environment`."""
        folder = self._settings.programs_folder
        path = {"PATH": f"{folder}:{os.defpath}" if folder else os.defpath}
        told = {"SLURM_CONF": self._settings.slurm_conf}
        return path | {name: value for name, value in told.items() if value is not None}

    def end(self, job: str) -> None:
        """See `Placement.end`. A running task is killed at once; what waits is taken out of the queue."""
        deadline = time.monotonic() + ENDS_SECONDS
        while self._is_there(job) and time.monotonic() < deadline:
            for how in (["--signal=KILL"], []):
                self._try("scancel", *how, f"--user={getpass.getuser()}", f"--name={job}")
            time.sleep(LOOKS_SECONDS)
        if self._is_there(job):
            LOG.error("placement.not-ended", job=job, words="look for it with squeue, and end it with scancel")

    def left(self, beginning: str) -> list[str]:
        """See `Placement.left`. Also of partitions that are hidden, which are left out without being asked for."""
        names = self._ask(
            "squeue", "--all", "--noheader", f"--user={getpass.getuser()}", f"--states={ALIVE}", "--format=%j"
        )
        return sorted({name.strip() for name in names.splitlines() if name.strip().startswith(beginning)})

    def trouble(self, said: str) -> str:
        """See `Placement.trouble`."""
        own = [line for line in said.splitlines() if line.startswith(("srun:", "slurmstepd"))]
        return tidy(" ".join(own or said.splitlines()))

    def _is_there(self, job: str) -> bool:
        """Where Slurm does not say, it may be."""
        try:
            return job in self.left(job)
        except SandboxError:
            return True

    def _try(self, program: str, *words: str) -> None:
        try:
            self._ask(program, *words)
        except SandboxError as error:  # it may have ended by itself meanwhile: `end` looks
            LOG.info("placement.end", words=str(error))

    def _ask(self, program: str, *words: str) -> str:
        return ask_program([self._program(program), *words], self.environment())

    def _program(self, name: str) -> str:
        folder = self._settings.programs_folder
        return str(Path(folder) / name) if folder else name
