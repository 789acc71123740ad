"""As many sandboxes start at one time as the machine has cores: more would keep each other from being ready in time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from patience import until

from rapha.errors import TrainingFailed
from rapha.node.runs import Run, Runs
from rapha.node.sandbox.port import RunFolder

SECONDS = 10.0


class Starting:
    """A backend whose starts last until they are let go, and that remembers how many there were at one time."""

    isolated = True

    def __init__(self) -> None:
        self.lock, self.go_on = threading.Lock(), threading.Event()
        self.now = self.most = self.done = 0

    def give_up(self, folder: Path) -> None: ...

    def start(self, folder: RunFolder, limits: object) -> object:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.go_on.wait(SECONDS)
        with self.lock:
            self.now -= 1
            self.done += 1
        return object()


def runs_on(backend: Starting, folder: Path, placement: object = None) -> Runs:
    settings = SimpleNamespace(limits=None, waiting_sandboxes=0, placement=placement, at_once=3)
    home = SimpleNamespace(
        configuration=settings,
        waiting=folder / ".waiting",
        rules=folder / "rules.yaml",
        run=lambda dispatch: folder / dispatch,
    )
    return Runs(cast(Any, home), cast(Any, None), cast(Any, None), cast(Any, backend))


@pytest.mark.parametrize(("cores", "placement", "most"), [(1, None, 1), (2, None, 2), (1, "slurm", 3)])
def test_on_this_machine_as_many_start_as_it_has_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, placement: str | None, most: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    backend = Starting()
    runs = runs_on(backend, tmp_path, placement)
    with ThreadPoolExecutor(3) as threads:
        for number in range(3):
            threads.submit(runs.start, RunFolder.under(tmp_path / str(number)), threading.Event())
        until(lambda: backend.now == most)
        backend.go_on.set()
    assert (backend.most, backend.done) == (most, 3)


def test_a_run_that_ended_while_it_waited_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    backend = Starting()
    runs, ended = runs_on(backend, tmp_path), threading.Event()
    with ThreadPoolExecutor(2) as threads:
        threads.submit(runs.start, RunFolder.under(tmp_path / "first"), threading.Event())
        until(lambda: backend.now == 1)
        second = threads.submit(runs.start, RunFolder.under(tmp_path / "second"), ended)
        ended.set()
        backend.go_on.set()
        with pytest.raises(TrainingFailed) as said:
            second.result(SECONDS)
    assert (said.value.reason, backend.done) == ("cancelled", 1)


def test_a_run_that_ends_just_before_its_start_starts_nothing(tmp_path: Path) -> None:
    backend, ended = Starting(), threading.Event()
    backend.go_on.set()
    runs = runs_on(backend, tmp_path)
    runs._let_few_be_warm = ended.set  # type: ignore[method-assign]
    with pytest.raises(TrainingFailed):
        runs.start(RunFolder.under(tmp_path / "first"), ended)
    assert backend.done == 0


class Warm:
    """A sandbox that does what it is told at once."""

    numerics, report = "numerics", "report"

    def __init__(self, alive: list["Warm"]) -> None:
        self.them = alive
        alive.append(self)

    def alive(self) -> bool:
        return self in self.them

    def begin(self) -> None: ...

    def close(self) -> None:
        if self in self.them:
            self.them.remove(self)

    def run(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(ok=True, reason=None)


def test_few_are_warm_also_of_those_that_waited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, alive = Starting(), list[Warm]()
    runs = runs_on(backend, tmp_path)
    monkeypatch.setattr(runs.waiting, "take", lambda place: Warm(alive))
    monkeypatch.setattr(runs, "_frozen", lambda *_: None)
    monkeypatch.setattr(runs, "_script_of", lambda *_: None)
    study = SimpleNamespace(model=None, training=SimpleNamespace(deadline_minutes=1))
    for number in range(3 * 4 + 5):
        runs.open(cast(Any, SimpleNamespace(dispatch=SimpleNamespace(id=f"d-{number}"), study=study)))
    assert len(alive) == 3 * 4


def test_what_a_task_ran_in_is_known_when_its_sandbox_is_gone(tmp_path: Path) -> None:
    alive: list[Warm] = []
    frozen = SimpleNamespace(canaries_for=lambda study: None)
    run = Run(
        RunFolder.under(tmp_path / "d-1"),
        cast(Any, frozen),
        runs_on(Starting(), tmp_path),
        60.0,
        None,
        cast(Any, Warm(alive)),
    )
    run.do(cast(Any, SimpleNamespace(weights=None, do="prepare", round=0)), cast(Any, None))
    assert run.let_cool() and not alive
    assert run.ran_in == ("numerics", "report")


def test_no_run_is_opened_once_the_agent_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[Warm] = []
    runs = runs_on(Starting(), tmp_path)

    def stopped_meanwhile(_entry: object) -> Run:
        runs.close_all()
        return Run(RunFolder.under(tmp_path / "d-1"), cast(Any, None), runs, 60.0, None, cast(Any, Warm(alive)))

    monkeypatch.setattr(runs, "_new", stopped_meanwhile)
    with pytest.raises(TrainingFailed, match="stopping"):
        runs.open(cast(Any, SimpleNamespace(dispatch=SimpleNamespace(id="d-1"))))
    assert not alive
