"""One suite for every placement: programs on another machine, and a backend's sandboxes there. The first one's other machine is this one."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.sandbox import elsewhere
from rapha.node.sandbox.choose import choose_backend, choose_walls, name_for_this_machine
from rapha.node.sandbox.elsewhere import Elsewhere
from rapha.node.sandbox.kubernetes import Kubernetes
from rapha.node.sandbox.launch import layers_of
from rapha.node.sandbox.order import Places
from rapha.node.sandbox.placement import Placement
from rapha.node.sandbox.port import RunFolder, Sandbox
from rapha.node.sandbox.ray import Ray
from rapha.node.sandbox.selftest import run_self_test
from rapha.node.sandbox.slurm import Slurm
from rapha.records.outputs import FIGURES, OUTPUTS, WEIGHTS, Command, Reply

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from beside import Beside
from patience import until
from placed_node import LIMITS, NEVER, agent_of, hostile_processes, hostile_study, new_home, program, settings
from small_kubernetes import small_kubernetes
from small_programs import DEAF, ECHO, LISTENS
from small_ray import RAY, python_with_ray, small_ray
from small_run import make_run
from small_slurm import missing, small_slurm

HOSTILE = ("hostile-agent", "hostile-command")
SECONDS, MEGABYTE = 60.0, 1024 * 1024


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs' folders lie."""
    return tmp_path_factory.mktemp("shared")


@pytest.fixture(
    scope="module",
    params=["beside", *(pytest.param(by, marks=pytest.mark.slow) for by in ("slurm", "ray", "kubernetes"))],
)
def placement(
    request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Placement]:
    folder = tmp_path_factory.mktemp("cluster")
    if request.param == "beside":
        yield Beside(folder / "jobs")
        return
    if request.param == "ray":
        if python_with_ray() is None:
            pytest.skip(f"{RAY} cannot be installed here")
        with small_ray(folder / "ray") as cluster:
            yield Ray(cluster.settings(shared), shared / ".jobs")
        return
    if request.param == "kubernetes":
        with small_kubernetes(folder / "kubernetes") as api:
            yield Kubernetes(api.settings(shared), shared / "north")
        return
    if lacking := missing():
        pytest.skip(lacking)
    with small_slurm(folder / "slurm") as environment:
        yield Slurm(settings(shared, environment))


OF_ALL = "nothing_|a_late|the_agent_a|a_machine|a_fold|a_disk|nodes_"
OF_BOTH = f"{OF_ALL}|a_run|an_agent_that_is_s|a_job_whose"
OF_OURS = {"[slurm": OF_ALL, "[ray": OF_BOTH, "[kube": f"{OF_BOTH}(?!_turn)|a_job_that_the_c|an_agent_that_is_k"}


@pytest.fixture(autouse=True)
def _not_all_again(request: pytest.FixtureRequest) -> None:
    """What the launcher and the agent do, whichever cluster stands between them: a job takes seconds to begin. Of Kubernetes's own, the suite of it and the journey have more."""
    if any(by in request.node.name and re.match(f"test_({of})", request.node.name) for by, of in OF_OURS.items()):
        pytest.skip("of the launcher: tried with the other placements")


def test_bytes_come_and_go_unchanged(placement: Placement) -> None:
    sent = bytes(range(256)) * (MEGABYTE // 256) + b"no end of line"
    with program(placement, "echo", ECHO) as process:
        came, _ = process.communicate(sent, SECONDS)
    assert came == sent and process.returncode == 0


def test_what_goes_wrong_there_is_told_apart_and_nothing_of_the_agents_environment_goes_along(
    placement: Placement,
) -> None:
    code = "import os, sys; print(sorted(os.environ)); print('a complaint', file=sys.stderr); sys.exit(7)"
    with program(placement, "exit", code) as process:
        out, complaint = process.communicate(b"", SECONDS)
    assert process.returncode == 7 and b"a complaint" in complaint and b"complaint" not in out
    assert b"PATH" not in out or b"SLURM" in out
    assert b"RAPHA_SECRET" not in out


def test_a_job_that_will_not_hear_is_ended_and_ending_twice_is_once(placement: Placement) -> None:
    with program(placement, "deaf", DEAF) as process:
        assert process.stdout and process.stdout.readline() == b"deaf\n"
        assert placement.left("dea") == ["deaf"] and placement.left("dear") == []
        placement.end("deaf")
        assert placement.left("deaf") == []
        placement.end("deaf")
        assert process.wait(SECONDS) != 0


def test_the_program_sees_that_the_agents_end_is_gone_however_it_went(placement: Placement, tmp_path: Path) -> None:
    told = tmp_path / "told"
    with program(placement, "listens", LISTENS, str(told)) as process:
        assert process.stdout and process.stdin and process.stdout.readline()
        process.stdin.close()  # as the kernel does for an agent that was killed
        until(told.exists)
    until(lambda: placement.left("listens") == [])


@pytest.fixture(scope="module")
def backend(placement: Placement, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    name = name_for_this_machine()
    try:
        choose_backend(name).check()
    except SandboxError as error:
        pytest.skip(str(error))
    made = agent_of(new_home(tmp_path_factory.mktemp("home")), placement, shared / "north")
    made.begin_afresh()
    made.check()
    return made


@pytest.fixture(scope="module")
def run(shared: Path) -> RunFolder:
    return make_run(shared / "run")[0]


@pytest.fixture(scope="module")
def sandbox(backend: Elsewhere, run: RunFolder) -> Iterator[Sandbox]:
    started = backend.start(run, LIMITS)
    yield started
    started.close()


def test_walls_there_are_those_of_here_and_all_of_them_held(backend: Elsewhere, sandbox: Sandbox) -> None:
    here = choose_backend(name_for_this_machine())
    assert (sandbox.report.backend, sandbox.report.isolated) == (here.name, True)
    assert sandbox.report.layers == backend.layers == layers_of(choose_walls(name_for_this_machine()))
    assert sandbox.report.held == sandbox.report.attempts > 70
    if here.layers == backend.layers:  # else the node was handed a control group, which the launcher has not
        assert run_self_test(here, LIMITS).digest == sandbox.report.self_test


def test_what_it_makes_is_bit_for_bit_what_is_made_here(sandbox: Sandbox, run: RunFolder, tmp_path: Path) -> None:
    own = make_run(tmp_path / "run")[0]
    with contextlib.closing(choose_backend(name_for_this_machine()).start(own, LIMITS)) as here:
        for one in (here, sandbox):
            assert one.run(Command(do="prepare", round=0), SECONDS) == Reply(ok=True)
        for name in (WEIGHTS, FIGURES):
            assert (own.output / name).read_bytes() == (run.output / name).read_bytes() != b""


def test_nothing_lies_in_the_run_that_would_not_lie_there_here(sandbox: Sandbox, run: RunFolder) -> None:
    assert {place.name for place in run.output.parent.iterdir()} <= {
        *("input", "weights", "output", "study.yaml", "self-test.json", "workload.log")
    }
    assert {place.name for place in run.output.iterdir()} == set(OUTPUTS)


def test_a_late_answer_ends_the_job(backend: Elsewhere, placement: Placement, run: RunFolder) -> None:
    started = backend.start(run, LIMITS)
    before = placement.left("rapha-")
    with pytest.raises(SandboxError, match="deadline"):
        started.run(Command(do="prepare", round=0), 0.0)
    started.close()
    assert len(placement.left("rapha-")) == len(before) - 1


def test_a_job_that_the_cluster_ended_is_noticed(backend: Elsewhere, placement: Placement, run: RunFolder) -> None:
    before = set(placement.left("rapha-"))
    started = backend.start(run, LIMITS)
    (job,) = set(placement.left("rapha-")) - before
    placement.end(job)
    until(lambda: not started.alive())
    with pytest.raises(SandboxError):
        started.run(Command(do="prepare", round=0), SECONDS)


def test_a_job_whose_command_is_killed_is_over_before_its_folder_is_used_again(
    backend: Elsewhere, placement: Placement, run: RunFolder
) -> None:
    before = set(placement.left("rapha-"))
    started = backend.start(run, LIMITS)
    (job,) = set(placement.left("rapha-")) - before
    untold = os.dup(started._stdin.fileno())  # so the launcher hears of no end, as none is told when `srun` is killed
    try:
        os.killpg(started._process.pid, signal.SIGKILL)
        started._process.wait()
        started.close()
        assert job not in placement.left("rapha-")
    finally:
        os.close(untold)


def test_an_agent_that_begins_ends_what_an_earlier_one_left(
    placement: Placement, run: RunFolder, tmp_path: Path
) -> None:
    one = agent_of(new_home(tmp_path), placement)
    one.begin_afresh()
    before = set(placement.left("rapha-"))
    started = one.start(run, LIMITS)
    assert len(set(placement.left("rapha-")) - before) == 1
    agent_of(tmp_path, placement).begin_afresh()
    assert set(placement.left("rapha-")) == before
    started.close()


def test_nodes_with_homes_of_one_path_do_not_end_each_others_jobs(
    placement: Placement, run: RunFolder, tmp_path: Path
) -> None:
    """As on two virtual machines, one user of one cluster."""
    before = set(placement.left("rapha-"))
    one = agent_of(new_home(tmp_path), placement)
    one.begin_afresh()
    with contextlib.closing(one.start(run, LIMITS)) as started:
        agent_of(new_home(tmp_path), placement).begin_afresh()
        assert started.alive() and len(set(placement.left("rapha-")) - before) == 1


def test_the_agent_alone_asks_and_once_and_keeps_what_it_was_told(
    placement: Placement, backend: Elsewhere, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = []
    words = placement.words
    monkeypatch.setattr(placement, "words", lambda *given: asked.append(1) or words(*given))
    home, other = new_home(tmp_path), LIMITS.model_copy(update={"file_mb": 7})
    for limits in (LIMITS, other):
        with pytest.raises(SandboxError, match="start the agent"):
            agent_of(home, placement, limits=limits).check()
    agent = agent_of(home, placement)
    agent.begin_afresh()
    kept = (home / "placement.json").read_bytes()
    agent_of(home, placement).check()  # a steward's command
    with pytest.raises(SandboxError, match="restart it"):
        agent_of(home, placement, limits=other).check()
    assert len(asked) == 1 and (home / "placement.json").read_bytes() == kept
    (home / "placement.json").unlink()
    assert agent.layers == backend.layers


def test_a_machine_with_other_code_is_refused(
    backend: Elsewhere, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "code_digest", lambda: "sha256:" + "0" * 64)
    with pytest.raises(SandboxError, match="install the same version"):
        backend.start(run, LIMITS)


def test_a_machine_that_gives_other_layers_than_were_decided_on_is_refused(
    backend: Elsewhere, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Elsewhere, "layers", (*backend.layers, "a moat"))
    with pytest.raises(SandboxError, match="other layers"):
        backend.start(run, LIMITS)


def test_a_folder_that_is_not_the_same_there_is_refused(
    backend: Elsewhere, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "Places", lambda **named: Places(**{**named, "token": "of another file system"}))
    with pytest.raises(SandboxError, match="shared_folder"):
        backend.start(run, LIMITS)


def test_an_agent_that_is_killed_takes_its_sandbox_along(
    placement: Placement, backend: Elsewhere, run: RunFolder
) -> None:
    before = set(placement.left("rapha-"))
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            backend.start(run, LIMITS)
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    until(lambda: set(placement.left("rapha-")) <= before)


@pytest.mark.parametrize("killed", [False, True], ids=["agent", "command"])
def test_a_study_that_holds_and_fills_its_own_input_ends_with_its_agent(
    placement: Placement, backend: Elsewhere, run: RunFolder, *, killed: bool
) -> None:
    with hostile_study(placement, backend, run, HOSTILE[killed]) as process:
        assert process.stdin and hostile_processes(HOSTILE[killed])
        if killed:
            process.kill()
        process.stdin.close()
        until(lambda: not hostile_processes(HOSTILE[killed]), seconds=SECONDS)


@pytest.fixture
def impatient(
    placement: Placement, backend: Elsewhere, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Elsewhere]:
    """The same, where no job's turn comes, and the site lets it wait for two seconds."""
    monkeypatch.setattr(placement, "starts_seconds", 2.0)
    if isinstance(placement, Beside):
        placement.shut(whether=True)
        yield backend
        placement.shut(whether=False)
    else:
        settings = placement._settings.model_copy(update=NEVER[placement.name])  # type: ignore[attr-defined]
        monkeypatch.setattr(placement, "_settings", settings)
        yield backend


def test_a_job_whose_turn_does_not_come_is_taken_out_of_the_queue(
    impatient: Elsewhere, placement: Placement, run: RunFolder
) -> None:
    before = placement.left("rapha-")
    with pytest.raises(SandboxError, match="its turn did not come"):
        impatient.start(run, LIMITS)
    assert placement.left("rapha-") == before


def test_a_run_that_ends_does_not_wait_for_its_turn(
    impatient: Elsewhere, placement: Placement, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "starts_seconds", 600.0)
    before = placement.left("rapha-")
    with ThreadPoolExecutor(1) as other:
        waits = other.submit(impatient.start, run, LIMITS)
        until(lambda: len(placement.left("rapha-")) > len(before))
        impatient.give_up(run.output.parent)
        with pytest.raises(SandboxError):
            waits.result(SECONDS)
    assert placement.left("rapha-") == before


def test_an_agent_that_is_stopped_while_a_job_waits_takes_it_out_of_the_queue(
    impatient: Elsewhere, placement: Placement, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = placement.left("rapha-")

    def stopped(*_: object) -> None:
        until(lambda: len(placement.left("rapha-")) > len(before))
        raise KeyboardInterrupt

    monkeypatch.setattr(elsewhere.PlacedWorkload, "read", stopped)
    with pytest.raises(KeyboardInterrupt):
        impatient.start(run, LIMITS)
    assert placement.left("rapha-") == before


def test_a_command_that_is_not_there_is_said(
    backend: Elsewhere, placement: Placement, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement, "words", lambda *_: [str(run.input / "srun")])
    with pytest.raises(SandboxError, match="cannot be started"):
        backend.start(run, LIMITS)


def test_a_folder_that_somebody_could_put_another_in_the_place_of_is_noticed_at_the_next_start(
    backend: Elsewhere, shared: Path, run: RunFolder
) -> None:
    shared.chmod(0o777)
    try:
        with pytest.raises(SandboxError, match="chmod go-w"):
            backend.start(run, LIMITS)
    finally:
        shared.chmod(0o700)


@pytest.fixture
def small_disk(shared: Path) -> Iterator[RunFolder]:
    """A run whose output lies on a disk of its own, of 64 KiB."""
    run = make_run(shared / "small-disk")[0]
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(run.output)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may mount nothing here")
    run.lay_outputs()
    yield run
    subprocess.run(["umount", "--lazy", str(run.output)], check=True)


def test_a_disk_that_is_full_there_is_told_by_a_code(backend: Elsewhere, small_disk: RunFolder) -> None:
    with contextlib.closing(backend.start(small_disk, LIMITS)) as started:
        filler = small_disk.output / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))
        reply = started.run(Command(do="prepare", round=0), SECONDS)
        assert not reply.ok and reply.reason is not None
        filler.unlink()
        assert started.run(Command(do="prepare", round=0), SECONDS).ok
