"""One suite for every backend of the sandbox port."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rapha.errors import SandboxError
from rapha.node.configuration import SandboxLimits
from rapha.node.sandbox import started
from rapha.node.sandbox.bubblewrap import Bubblewrap
from rapha.node.sandbox.namespaces import Namespaces
from rapha.node.sandbox.port import Backend, RunFolder, Sandbox
from rapha.node.sandbox.selftest import SelfTest, run_self_test
from rapha.node.sandbox.unisolated import Unisolated
from rapha.records.outputs import FIGURES, WEIGHTS, Command, Figures

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from patience import until
from small_run import make_run

LIMITS = SandboxLimits()
SECONDS = 60.0


@pytest.fixture(
    scope="module", params=[Bubblewrap, Namespaces, Unisolated], ids=["bubblewrap", "namespaces", "unisolated"]
)
def backend(request: pytest.FixtureRequest) -> Backend:
    made: Backend = request.param()
    try:
        made.check()
    except SandboxError as error:
        pytest.skip(str(error))
    return made


@pytest.fixture(scope="module")
def run(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return make_run(tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def sandbox(backend: Backend, run: RunFolder) -> Iterator[Sandbox]:
    """One warm sandbox for the whole suite, as a study has one for all its rounds."""
    started = backend.start(run, LIMITS)
    yield started
    started.close()


def test_a_started_sandbox_reports_what_it_is(backend: Backend, sandbox: Sandbox) -> None:
    assert (sandbox.report.backend, sandbox.report.isolated) == (backend.name, backend.isolated)
    assert sandbox.report.attempts > 70
    assert sandbox.report.layers == backend.layers
    assert sandbox.numerics.threads == 1


def test_every_wall_of_an_isolating_backend_held_and_the_other_one_tells_that_its_own_did_not(sandbox: Sandbox) -> None:
    report = sandbox.report
    assert (report.held == report.attempts) == report.isolated


def test_the_record_of_the_self_test_lies_in_the_run_and_opens_the_digest(sandbox: Sandbox, run: RunFolder) -> None:
    test = SelfTest.from_bytes(run.self_test.read_bytes())
    assert test.digest == sandbox.report.self_test
    assert set(sandbox.report.layers) <= set(test.layers())


def test_a_self_test_alone_needs_no_run_and_comes_to_the_same(backend: Backend, sandbox: Sandbox) -> None:
    test = run_self_test(backend, LIMITS)
    if backend.isolated:
        assert test.digest == sandbox.report.self_test and test.fell() == []
    else:
        assert "connect to a socket of the host" in test.fell()


def test_a_command_leaves_its_outputs_and_a_second_one_finds_the_workload_warm(
    sandbox: Sandbox, run: RunFolder
) -> None:
    pid = sandbox._process.pid
    for _ in range(2):
        assert sandbox.run(Command(do="prepare", round=0), SECONDS).ok
        assert (run.output / WEIGHTS).is_file()
        assert Figures.from_bytes((run.output / FIGURES).read_bytes()).rows == 100
    assert sandbox._process.pid == pid


def test_a_command_it_cannot_do_is_answered_with_a_code(sandbox: Sandbox) -> None:
    reply = sandbox.run(Command(do="train", round=1, weights="0" * 64 + ".safetensors"), SECONDS)
    assert not reply.ok and reply.reason is not None


def test_a_late_answer_ends_the_sandbox_and_closing_twice_is_once(backend: Backend, run: RunFolder) -> None:
    started = backend.start(run, LIMITS)
    with pytest.raises(SandboxError, match="deadline"):
        started.run(Command(do="prepare", round=0), 0.0)
    started.close()
    started.close()
    with pytest.raises(SandboxError):
        started.run(Command(do="prepare", round=0), SECONDS)


def test_a_start_that_is_given_up_raises_at_once_and_others_go_on(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, held = threading.Event(), threading.Event()
    as_it_is = started.judged

    def judged(*given: object, **named: object) -> object:
        begun.set()
        assert held.wait(SECONDS)
        return as_it_is(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(started, "judged", judged)
    run, _ = make_run(tmp_path / "run")
    with ThreadPoolExecutor(1) as other:
        starts = other.submit(backend.start, run, LIMITS)
        assert begun.wait(SECONDS)
        backend.give_up(tmp_path / "another")
        backend.give_up(run.output.parent)
        held.set()
        with pytest.raises(SandboxError):
            starts.result(SECONDS).close()
    assert not len(started._STARTS)
    backend.give_up(run.output.parent)


@pytest.mark.parametrize("before", ["Workload", "inner_words"])
def test_a_start_is_given_up_before_there_is_a_process(
    backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    as_it_is, made = getattr(started, before), list[object]()
    run, _ = make_run(tmp_path / "run")

    def slow(*given: object, **named: object) -> object:
        backend.give_up(run.output.parent)
        made.append(as_it_is(*given, **named))
        return made[-1]

    monkeypatch.setattr(started, before, slow)
    monkeypatch.setattr(started, "judged", lambda *_, **__: pytest.fail("it was given up"))
    with pytest.raises(SandboxError):
        backend.start(run, LIMITS)
    assert len(made) == 1 and not len(started._STARTS)


def test_a_killed_workload_is_noticed_and_nothing_of_it_stays(backend: Backend, run: RunFolder) -> None:
    started = backend.start(run, LIMITS)
    os.kill(started._process.pid, signal.SIGKILL)
    until(lambda: _is_refused(started))
    started.close()
    alive = [
        "pgrep",
        "--pgroup",
        str(started._process.pid),
        "--runstates",
        "R,S,D,T",
    ]  # the dead may await their burial
    until(lambda: subprocess.run(alive, capture_output=True, check=False).stdout == b"")


def _is_refused(sandbox: Sandbox) -> bool:
    try:
        sandbox.run(Command(do="prepare", round=0), SECONDS)
    except SandboxError:
        return True
    return False


def test_an_input_it_cannot_read_is_said_without_its_words(backend: Backend, tmp_path: Path) -> None:
    run, _ = make_run(tmp_path)
    (run.input / "rows.arrow").write_bytes(b"patient 4711")
    with pytest.raises(SandboxError) as refusal:
        backend.start(run, LIMITS)
    assert "4711" not in str(refusal.value)
