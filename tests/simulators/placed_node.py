"""A node whose sandboxes run where a placement says, and a small program there."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from rapha.node.configuration import SandboxLimits, SlurmPlacement
from rapha.node.sandbox.choose import name_for_this_machine
from rapha.node.sandbox.elsewhere import Elsewhere
from rapha.node.sandbox.placement import Job, Placement

LIMITS = SandboxLimits()


def settings(shared: Path, environment: dict[str, str], **more: str) -> SlurmPlacement:
    return SlurmPlacement(
        by="slurm",
        shared_folder=str(shared),
        slurm_conf=environment["SLURM_CONF"],
        programs_folder=str(Path(shutil.which("srun") or "/usr/bin/srun").parent),
        **more,  # type: ignore[arg-type]
    )


@contextlib.contextmanager
def program(placement: Placement, job: str, code: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A small program at a placement, and its three pipes."""
    pipe = subprocess.PIPE
    command = placement.words(Job(job, 100), [sys.executable, "-I", "-c", code, *words])
    environment = {**placement.environment(), "RAPHA_SECRET": "of the agent"}
    with subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            placement.end(job)


def new_home(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "secret").write_bytes(os.urandom(32))
    return folder


def agent_of(home: Path, placement: Placement, runs: Path | None = None, limits: SandboxLimits = LIMITS) -> Elsewhere:
    return Elsewhere(name_for_this_machine(), placement, home, runs or home / "runs", limits)
