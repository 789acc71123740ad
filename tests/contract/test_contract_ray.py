"""What only Ray's placement has: several machines in one cluster, one of which may be lost, and a head that may be."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.sandbox import ray as placement_of_ray
from rapha.node.sandbox.ray import Ray
from rapha.node.sandbox.ray_jobs import RayJobs

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from patience import until
from placed_node import LIMITS, agent_of, new_home, program
from small_ray import RAY, Cluster, python_with_ray, second_machine, small_ray
from small_run import make_run

pytestmark = pytest.mark.slow
SECONDS = 90.0
SAYS_WHO = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One for both tests: the last of them loses it."""
    if python_with_ray() is None:
        pytest.skip(f"{RAY} cannot be installed here")
    with small_ray(tmp_path_factory.mktemp("cluster") / "ray") as started:
        yield started


def is_alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def descendants(process: int) -> list[int]:
    """Also those in sessions of their own."""
    found = [process]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found.extend(int(child) for child in task.read_text().split())
    return found


def test_a_job_runs_where_the_resource_is_and_when_that_machine_is_lost_nothing_of_it_lives(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_of_ray, "ENDS_SECONDS", 20.0)
    jobs = tmp_path / ".jobs"
    ray = Ray(cluster.settings(tmp_path, resource="clinical"), jobs)
    with second_machine(cluster, tmp_path, "clinical") as raylet:
        with program(ray, "rapha-there", SAYS_WHO) as process:
            assert process.stdout
            there = int(process.stdout.readline())
            assert there in descendants(raylet)
            os.kill(raylet, signal.SIGKILL)
            assert process.wait(SECONDS) == 71 and process.stderr and b"connection to the job" in process.stderr.read()
        until(lambda: not is_alive(there), seconds=SECONDS)
        assert ray.left("rapha-there") == []


def test_a_sandbox_whose_cluster_is_lost_ends_and_the_next_is_told_why(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_of_ray, "ENDS_SECONDS", 5.0)
    ray = Ray(cluster.settings(tmp_path), tmp_path / "north" / ".jobs")
    tmp_path.chmod(0o700)
    agent = agent_of(new_home(tmp_path / "home"), ray, tmp_path / "north")
    agent.begin_afresh()
    run = make_run(tmp_path / "north" / "run")[0]
    with contextlib.closing(agent.start(run, LIMITS)) as started:
        (job,) = ray.left("rapha-")
        seen = RayJobs(cluster.settings(tmp_path)).look(job)
        assert seen is not None and seen.status == "RUNNING"
        lost(cluster)
        until(lambda: not started.alive(), seconds=SECONDS)
    until(lambda: not workloads(run.output.parent), seconds=SECONDS)
    with pytest.raises(SandboxError, match="is not reached"):
        agent.start(run, LIMITS)
    with pytest.raises(SandboxError, match="is not reached"):
        agent.check()


def lost(cluster: Cluster) -> None:
    """Every program of Ray's is killed at once. The shell that it leaves beside each job, to end it when Ray is gone, is not: it does."""
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            named = (place / "cmdline").read_bytes().replace(b"\0", b" ")
            of_ours = f"RAY_AUTH_TOKEN_PATH={cluster.token_file}".encode() in (place / "environ").read_bytes().split(
                b"\0"
            )
            if of_ours and not named.startswith(b"/bin/sh -c while kill"):
                os.kill(int(place.name), signal.SIGKILL)


def workloads(folder: Path) -> list[int]:
    """The processes that name a run's folder."""
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if str(folder).encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
    return found
