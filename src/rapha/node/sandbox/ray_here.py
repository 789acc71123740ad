"""The command that the agent starts for each sandbox in a Ray job, as `srun` is for Slurm: its three pipes are those of the program there.

Usage: `python -m rapha.node.sandbox.ray_here ASKED PROGRAM...`, with `Asked` as JSON. In this order:

1. a folder for the job, with a key that is its alone
2. the job is handed in, and waited for as long as the agent lives; who ends this command takes it out of the queue
3. a connection to the program there, each end showing the key's certificate; then bytes are carried, and its exit code is this one's

What comes over the connection is bytes for the agent's pipes and one exit code. Nothing of it is read here.
"""

import asyncio
import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import rapha
from rapha.errors import SandboxError
from rapha.node.configuration import RayPlacement
from rapha.node.sandbox.placement import tidy
from rapha.node.sandbox.ray_jobs import RayJobs
from rapha.node.sandbox.ray_line import (
    ERRORS,
    EXIT,
    INPUT,
    MAX_FRAME_BYTES,
    MODULE_THERE,
    OUTPUT,
    JobFolder,
    frame,
    notice_a_lost_end,
    one_certificate,
    read_frame,
)
from rapha.records.record import Record

MODULE = "rapha.node.sandbox.ray_here"
SAYS = "rapha-ray: "
FAILED = 71
CONNECTS_SECONDS = 20.0
LOOKS_SECONDS, RARELY_SECONDS = 0.1, 1.0


class Asked(Record):
    """`jobs`: where jobs have their folders. `agent`: the process that has to live while the job waits for its turn."""

    settings: RayPlacement
    jobs: str
    name: str
    memory_mb: int
    agent: int


class Address(NamedTuple):
    """Where the program there listens."""

    host: str
    port: int


def main(arguments: list[str]) -> int:
    """The exit code of the program there; 71, and why, where there was none."""
    try:
        asked = Asked.from_bytes(arguments[0].encode())
        return _placed(asked, JobFolder.of(Path(asked.jobs), asked.name), arguments[1:])
    except SandboxError as error:
        why = str(error)
    except OSError as error:
        why = f"{error.strerror or error}: does this machine reach the cluster's, and see `placement: shared_folder`?"
    except EOFError:
        why = "the connection to the job was lost"
    os.write(2, f"{SAYS}{why}\n".encode())
    return FAILED


def entrypoint(folder: JobFolder, program: list[str]) -> str:
    """The command line of the job, for the shell of the machine there: each word quoted, nothing of that machine's environment kept."""
    package = str(Path(rapha.__file__).parent.parent)
    named = [f"PATH={os.defpath}", f"PYTHONPATH={package}", "PYTHONDONTWRITEBYTECODE=1"]
    there = [sys.executable, "-s", "-P", "-m", MODULE_THERE, str(folder.place), *program]
    return "exec " + shlex.join(["/usr/bin/env", "-i", *named, *there])


def _placed(asked: Asked, folder: JobFolder, program: list[str]) -> int:
    jobs = RayJobs(asked.settings)
    folder.make()
    try:
        jobs.submit(asked.name, entrypoint(folder, program), asked.memory_mb)
        return asyncio.run(_waited_and_carried(asked, jobs, folder))
    except BaseException:
        folder.withdraw()
        with contextlib.suppress(SandboxError):
            jobs.stop(asked.name)
        raise


async def _waited_and_carried(asked: Asked, jobs: RayJobs, folder: JobFolder) -> int:
    address = await _its_turn(asked, jobs, folder)
    context = one_certificate(folder.key, listens=False)
    opened = asyncio.open_connection(*address, ssl=context)
    reader, writer = await asyncio.wait_for(opened, CONNECTS_SECONDS)
    notice_a_lost_end(writer)
    folder.withdraw()  # both ends have used it, and nobody is listened to any more
    try:
        code = await _carried(reader, writer)
    finally:
        writer.close()
    folder.clear()  # the code is told when all has ended there: nobody needs it any more
    return code


async def _its_turn(asked: Asked, jobs: RayJobs, folder: JobFolder) -> Address:
    pause = LOOKS_SECONDS
    while True:
        if os.getppid() != asked.agent:
            raise SandboxError("the agent is gone, and its job is taken out of the queue")
        seen = jobs.look(asked.name)
        if seen is None or seen.status not in ("PENDING", "RUNNING"):
            why = tidy(seen.message or seen.status) if seen else "Ray has forgotten it"
            raise SandboxError(f"its job ended before it began: {why}")
        if seen.status == "RUNNING":
            pause = LOOKS_SECONDS
            if seen.host and (said := folder.heard()) and said[0].isdecimal():
                return Address(seen.host, int(said[0]))
        await asyncio.sleep(pause)
        pause = min(RARELY_SECONDS, pause * 1.5)


async def _carried(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    given = asyncio.create_task(_give(writer))
    try:
        while True:
            kind, content = await read_frame(reader)
            if kind == EXIT and len(content) == 1:
                return content[0]
            if kind not in (OUTPUT, ERRORS):
                raise EOFError
            await asyncio.to_thread(_write, 1 if kind == OUTPUT else 2, content)
    finally:
        given.cancel()


async def _give(writer: asyncio.StreamWriter) -> None:
    """Carry what the agent writes; its end too, by which the program there knows that the agent is gone."""
    loop, given = asyncio.get_running_loop(), asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(given), os.fdopen(0, "rb"))
    try:
        with contextlib.suppress(OSError):
            while block := await given.read(MAX_FRAME_BYTES):
                writer.write(frame(INPUT, block))
                await writer.drain()
            writer.write(frame(INPUT, b""))
            await writer.drain()
    finally:
        pipe.close()


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
