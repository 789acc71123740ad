"""The command that the agent starts for each sandbox in Kubernetes, as `srun` is for Slurm: its three pipes are those of the program in the Pod.

Usage: `python -m rapha.node.sandbox.kubernetes_here ASKED PROGRAM...`, with `Asked` as JSON. In this order:

1. the namespace is looked at: it denies a sandbox's Pod every connection, or nothing is handed in
2. the job is handed in, and waited for as long as the agent lives; who ends this command takes it back
3. its Pod is as it was asked for, or nothing is said to it
4. its pipes are attached to, it is greeted, bytes are carried, and its exit code is this one's, with why it ended if it did not by itself

What comes is bytes for the agent's pipes, and Kubernetes's own words of how the Pod is.
"""

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

from rapha.errors import SandboxError
from rapha.node.configuration import KubernetesPlacement
from rapha.node.sandbox.cluster_http import NotReached
from rapha.node.sandbox.kubernetes_api import OUTAGE_SECONDS, JobSeen, KubernetesApi, Pod, patiently
from rapha.node.sandbox.kubernetes_attach import BLOCK_BYTES, ERRORS, OUTPUT, STATUS, Attached
from rapha.node.sandbox.kubernetes_objects import GREETING, Place, pod_spec, unlike
from rapha.node.sandbox.placement import Job, tidy
from rapha.records.record import Record

MODULE = "rapha.node.sandbox.kubernetes_here"
SAYS = "rapha-kubernetes: "
FAILED = 71
LOOKS_SECONDS, RARELY_SECONDS = 0.1, 1.0
TOLD_SECONDS, QUICK_SECONDS = 30.0, 5.0
NEVER_BEGINS = (
    *("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"),
    *("CreateContainerConfigError", "CreateContainerError", "RunContainerError"),
)
BY_ITSELF = ("Completed", "Error", None)


class Asked(Record):
    """`agent`: the process that has to live while the job waits for its turn."""

    settings: KubernetesPlacement
    runs: str
    user: int
    name: str
    memory_mb: int
    agent: int

    @property
    def place(self) -> Place:
        return Place(self.settings, Path(self.runs), self.user)

    @property
    def job(self) -> Job:
        return Job(self.name, self.memory_mb)


def main(arguments: list[str]) -> int:
    """The exit code of the program there; 71, and why, where there was none."""
    try:
        return _placed(Asked.from_bytes(arguments[0].encode()), arguments[1:])
    except SandboxError as error:
        _say(str(error))
    return FAILED


def _placed(asked: Asked, program: list[str]) -> int:
    api = KubernetesApi(asked.place)
    patiently(api.check_network)
    try:
        job = api.submit(asked.job, program)
        return asyncio.run(_waited_and_carried(asked, api, job, pod_spec(asked.place, asked.job, program)))
    except BaseException:
        withdraw(KubernetesApi(asked.place, QUICK_SECONDS), asked.name)
        raise


def withdraw(api: KubernetesApi, name: str) -> None:
    """Ask once for the end of a job of ours. Nothing is said of whether it came: see `Kubernetes.end`."""
    with contextlib.suppress(SandboxError):
        if (seen := api.look(name)) is not None and seen.ours:
            api.delete(seen)


async def _waited_and_carried(asked: Asked, api: KubernetesApi, job: JobSeen, spec: dict[str, object]) -> int:
    line = await _attached(asked, api, job, spec)
    try:
        await line.send(GREETING)
        await _carried(line)
        lost = None
    except (EOFError, OSError) as error:
        lost = f"the connection to the Pod was lost ({tidy(str(error))})"
    finally:
        line.close()
    return await asyncio.to_thread(_how_it_ended, api, job, lost)


async def _attached(asked: Asked, api: KubernetesApi, job: JobSeen, spec: dict[str, object]) -> Attached:
    """To the Pod whose turn has come. An API server that is away for a while is asked again: until it is attached to, the program has not begun."""
    until = time.monotonic() + OUTAGE_SECONDS
    while True:
        pod = await _its_turn(asked, api, job)
        if other := unlike(spec, pod.spec):
            raise SandboxError(
                f"its Pod is another than was asked for ({other}): something in the cluster changes Pods"
            )
        try:
            return await Attached.to(api.door, api.attach_path(pod))
        except NotReached:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(RARELY_SECONDS)


async def _its_turn(asked: Asked, api: KubernetesApi, job: JobSeen) -> Pod:
    pause = LOOKS_SECONDS
    while True:
        if os.getppid() != asked.agent:
            raise SandboxError("the agent is gone, and its job is taken back")
        pod = await asyncio.to_thread(patiently, lambda: running_pod(api, job))
        if pod is not None:
            return pod
        await asyncio.sleep(pause)
        pause = min(RARELY_SECONDS, pause * 1.5)


def running_pod(api: KubernetesApi, job: JobSeen) -> Pod | None:
    """None: it waits.

    Raises:
        SandboxError: it will never run; in Kubernetes's own words, why.
    """
    pods = api.pods_of(job)
    if len(pods) > 1:
        raise SandboxError("its job has more than one Pod: something in the cluster starts Pods anew")
    if not pods:
        now = api.look(job.metadata.name)
        if now is None or now.metadata.uid != job.metadata.uid:
            raise SandboxError("somebody took its job away before it began")
        if now.over:
            raise SandboxError(f"its job ended before it began: {_words(now.over.reason, now.over.message)}")
        return None
    (pod,) = pods
    held = pod.state.waiting
    if held is not None and held.reason in NEVER_BEGINS:
        raise SandboxError(f"its Pod cannot begin: {_words(held.reason, held.message)}")
    if pod.status.phase in ("Succeeded", "Failed"):
        raise SandboxError(f"its Pod ended before it began: {why_ended(pod) or 'without a word'}")
    return pod if pod.status.phase == "Running" and pod.state.running is not None else None


def why_ended(pod: Pod) -> str | None:
    """In Kubernetes's own words, where a Pod did not end by itself."""
    if pod.status.reason:
        return _words(pod.status.reason, pod.status.message)
    ended = pod.state.terminated
    if ended is None or ended.reason in BY_ITSELF:
        return None
    room = ": it took more memory than `limits: memory_mb` gives it" if ended.reason == "OOMKilled" else ""
    return f"{tidy(ended.reason or '')}{room}"


def _how_it_ended(api: KubernetesApi, job: JobSeen, lost: str | None) -> int:
    """The exit code, when Kubernetes tells of it."""
    until = time.monotonic() + TOLD_SECONDS
    while time.monotonic() < until:
        pods = patiently(lambda: api.pods_of(job), TOLD_SECONDS)
        if not pods:
            break
        if why := why_ended(pods[0]):
            raise SandboxError(f"its Pod was ended: {why}")
        if (ended := pods[0].state.terminated) is not None:
            if lost is not None:
                _say(lost)
            return ended.exitCode & 0xFF
        time.sleep(LOOKS_SECONDS)
    raise SandboxError(lost or "its Pod is gone, or does not end: was its machine lost, or did somebody delete it?")


async def _carried(line: Attached) -> None:
    """Return when the Pod's outputs have ended."""
    tasks = {asyncio.create_task(_give(line)), asyncio.create_task(line.ping())}
    try:
        while (came := await line.receive()) is not None:
            channel, content = came
            if channel in (OUTPUT, ERRORS):
                await asyncio.to_thread(_write, channel, content)
            elif channel != STATUS:
                raise EOFError("no channel of a Pod's")
    finally:
        for task in tasks:
            task.cancel()


async def _give(line: Attached) -> None:
    """Carry what the agent writes; its end too, by which the program there knows that the agent is gone."""
    loop, given = asyncio.get_running_loop(), asyncio.StreamReader()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(given), os.fdopen(0, "rb"))
    try:
        with contextlib.suppress(OSError):
            while block := await given.read(BLOCK_BYTES):
                await line.send(block)
            await line.end_input()
    finally:
        pipe.close()


def _words(reason: str | None, message: str | None) -> str:
    return tidy(": ".join(filter(None, (reason, message))))


def _say(why: str) -> None:
    os.write(2, f"{SAYS}{why}\n".encode())


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
