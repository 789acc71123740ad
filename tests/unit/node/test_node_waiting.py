"""A run takes a sandbox that waits, where there is one, and begins it once its rows are there."""

import sys
from pathlib import Path

import pytest
from made_up_people import write_study
from test_node_journey import BY_RULE, Hospital, Isolating, dispatch_of

from rapha.errors import SandboxError, TrainingFailed
from rapha.node.configuration import Home, SandboxLimits, SlurmPlacement, write_configuration
from rapha.node.register import Entry
from rapha.node.runs import Run, Runs
from rapha.node.sandbox.port import RunFolder
from rapha.node.sandbox.waiting import WaitingSandboxes
from rapha.records.wire import Offer
from rapha.sdk.study_file import read_study

sys.path.insert(0, str(Path(__file__).parents[2] / "simulators"))
from patience import until


class FakeSandbox:
    """Remembers whether it began, and what lay in its input then."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.is_alive, self.began = folder, True, False

    def begin(self) -> None:
        self.began = True

    def alive(self) -> bool:
        return self.is_alive

    def close(self) -> None:
        self.is_alive = False


class FakeBackend(Isolating):
    def __init__(self) -> None:
        self.started: list[tuple[FakeSandbox, bool]] = []

    def start(self, run: RunFolder, limits: SandboxLimits, *, waits: bool = False) -> FakeSandbox:
        made = FakeSandbox(run.input)
        self.started.append((made, waits))
        return made


@pytest.mark.parametrize("dies", [False, True])
def test_a_run_begins_the_one_that_waits_and_starts_another_where_that_died(tmp_path: Path, dies: bool) -> None:
    hospital = Hospital(tmp_path)
    hospital.rules(BY_RULE)
    study = read_study(write_study(tmp_path / "study.yaml"))
    settings = hospital.home.configuration.model_copy(update={"waiting_sandboxes": 1})
    write_configuration(tmp_path / "node.yaml", settings)
    backend = FakeBackend()
    runs = Runs(Home(tmp_path), hospital.line, hospital.register, backend)  # type: ignore[arg-type]
    dispatch = dispatch_of(study)
    hospital.journey.consider(Offer(dispatch=dispatch, study=study))
    entry = hospital.register.entry(dispatch.id)
    assert entry is not None
    runs.waiting.open()
    until(lambda: runs.waiting.count() == 1)
    waits = backend.started[0][0]
    run = runs.open(entry)
    assert backend.started == [(waits, True)] and not waits.began and not waits.folder.exists()
    assert (run.folder.input / "rows.arrow").is_file()
    waits.is_alive = not dies
    used: object = run.sandbox
    assert (used is waits) is waits.began is not dies
    assert [started[1] for started in backend.started] == ([True, False] if dies else [True])
    runs.close_all()
    assert not any(started[0].is_alive for started in backend.started)


def test_an_agent_that_stops_ends_those_that_wait(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path)
    write_configuration(tmp_path / "node.yaml", hospital.home.configuration.model_copy(update={"waiting_sandboxes": 2}))
    backend = FakeBackend()
    runs = Runs(Home(tmp_path), hospital.line, hospital.register, backend)  # type: ignore[arg-type]
    runs.waiting.open()
    until(lambda: runs.waiting.count() == 2)
    runs.close_all()
    assert [made.is_alive for made, _ in backend.started] == [False, False]


def test_more_runs_than_may_be_warm_end_the_sandbox_that_rested_longest(tmp_path: Path) -> None:
    hospital = Hospital(tmp_path)
    hospital.rules(BY_RULE)
    study = read_study(write_study(tmp_path / "study.yaml"))
    write_configuration(tmp_path / "node.yaml", hospital.home.configuration.model_copy(update={"runs_at_once": 1}))
    backend = FakeBackend()
    runs = Runs(Home(tmp_path), hospital.line, hospital.register, backend)  # type: ignore[arg-type]
    opened = []
    for number in range(6):
        dispatch = dispatch_of(study).model_copy(update={"id": f"d-{number}", "study_id": f"s-{number}"})
        hospital.journey.consider(Offer(dispatch=dispatch, study=study))
        entry = hospital.register.entry(dispatch.id)
        assert entry is not None
        opened.append(runs.open(entry))
    for number, run in enumerate(opened):
        run.used = float(number)
        assert run.sandbox
        if number == 0:
            run._at_work.acquire()  # it works, so it is not ended though it began first
    assert [run.is_warm() for run in opened] == [True, False, False, True, True, True]
    assert sum(made.is_alive for made, _ in backend.started) == 4
    assert opened[1].sandbox and not opened[3].is_warm()  # it starts another when it is asked again


class Failing(FakeBackend):
    """Fails once in a way nobody foresaw."""

    def start(self, run: RunFolder, limits: SandboxLimits, *, waits: bool = False) -> FakeSandbox:
        if not self.started:
            self.started.append((FakeSandbox(run.input), waits))
            raise ValueError("nobody foresaw this")
        return super().start(run, limits, waits=waits)


def test_a_start_that_fails_in_any_way_keeps_nobody_waiting(tmp_path: Path) -> None:
    backend = Failing()
    pool = WaitingSandboxes(backend, SandboxLimits(), tmp_path / "waiting", tmp_path / "rules.yaml", 1)
    pool.open()
    try:
        until(lambda: bool(backend.started))
        assert pool.take(tmp_path / "run") is None
    finally:
        pool.close()


def test_rules_that_cannot_be_read_are_like_no_others(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("approve: []\n")
    pool = WaitingSandboxes(FakeBackend(), SandboxLimits(), tmp_path / "waiting", rules, 1)
    pool.open()
    try:
        until(lambda: pool.count() == 1)
        rules.unlink()
        rules.symlink_to(rules)  # reading it fails, as would a file that another user owns
        assert pool.take(tmp_path / "run") is None
    finally:
        pool.close()


class Slow(FakeBackend):
    """Its start takes so long that the run is over by then."""

    run: Run

    def start(self, run: RunFolder, limits: SandboxLimits, *, waits: bool = False) -> FakeSandbox:
        made = super().start(run, limits, waits=waits)
        self.run.end()
        return made


def considered(hospital: Hospital, folder: Path) -> Entry:
    hospital.rules(BY_RULE)
    study = read_study(write_study(folder / "study.yaml"))
    dispatch = dispatch_of(study)
    hospital.journey.consider(Offer(dispatch=dispatch, study=study))
    entry = hospital.register.entry(dispatch.id)
    assert entry is not None
    return entry


def test_a_run_that_ends_while_its_sandbox_starts_leaves_none_alive(tmp_path: Path) -> None:
    hospital, backend = Hospital(tmp_path), Slow()
    runs = Runs(hospital.home, hospital.line, hospital.register, backend)  # type: ignore[arg-type]
    backend.run = runs.open(considered(hospital, tmp_path))
    with pytest.raises(TrainingFailed, match="ended"):
        _ = backend.run.sandbox
    assert [made.is_alive for made, _ in backend.started] == [False]


def test_no_row_is_frozen_into_a_shared_folder_that_another_could_take_the_place_of(tmp_path: Path) -> None:
    hospital, shared = Hospital(tmp_path), tmp_path / "shared"
    entry = considered(hospital, tmp_path)
    shared.mkdir()
    shared.chmod(0o777)
    placed = SlurmPlacement(by="slurm", shared_folder=str(shared))
    settings = hospital.home.configuration.model_copy(update={"placement": placed})
    write_configuration(tmp_path / "node.yaml", settings)
    runs = Runs(Home(tmp_path), hospital.line, hospital.register, FakeBackend())  # type: ignore[arg-type]
    with pytest.raises(SandboxError, match="chmod go-w"):
        runs.open(entry)
    assert list(shared.rglob("*")) == []
