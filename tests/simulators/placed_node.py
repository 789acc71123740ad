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
from rapha.node.sandbox.elsewhere import Elsewhere, launcher
from rapha.node.sandbox.order import Launched, Places
from rapha.node.sandbox.placement import Job, Placement
from rapha.node.sandbox.port import RunFolder

LIMITS = SandboxLimits()
NEVER = {
    "ray": {"processors": 1000},
    "slurm": {"partition": "closed"},
    "kubernetes": {"node_labels": {"no": "machine"}},
}
HOLDS = """
import contextlib, os, sys, time
own = os.open("/proc/self/fd/0", os.O_WRONLY | os.O_NONBLOCK)
with contextlib.suppress(BlockingIOError):
    while True:
        os.write(own, bytes(4096))
sys.stderr.write("held\\n"); sys.stderr.flush()
time.sleep(600)
"""


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


@contextlib.contextmanager
def hostile_study(
    placement: Placement, backend: Elsewhere, run: RunFolder, job: str
) -> Iterator[subprocess.Popen[bytes]]:
    """In its walls at a placement, holding its own input open, and having filled it; a command was sent that it does not read."""
    mark = run.output.with_name("of-a-test")
    mark.write_text("token")
    places = Places(
        input=str(run.input), weights=str(run.weights), output=str(run.output), mark=str(mark), token="token"
    )
    given = {
        "places": places,
        "layers": backend.layers,
        "module": "timeit",
        "arguments": ("-n1", "-r1", f"{HOLDS}# of {job}"),
    }
    order, pipe = backend._question().model_copy(update=given), subprocess.PIPE
    command, environment = placement.words(Job(job, 2048), launcher()), placement.environment()
    with subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        try:
            assert process.stdin and process.stdout and process.stderr
            process.stdin.write(order.as_bytes() + b"\n")
            process.stdin.flush()
            assert Launched.from_bytes(process.stdout.readline()).trouble is None
            assert process.stderr.readline() == b"held\n", process.stdout.read()
            process.stdin.write(b"a command\n")
            process.stdin.flush()
            yield process
        finally:
            process.kill()
            placement.end(job)
            mark.unlink()


def hostile_processes(job: str) -> list[str]:
    """Those of the study of that job, by their command lines."""
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if f"# of {job}".encode() in (place / "cmdline").read_bytes():
                found.append(place.name)
    return found
