"""The poll loop: says what is in hand, survives a hub that is away, tells codes and never words."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from patience import until

from rapha.errors import (
    CohortRefused,
    ConfigurationError,
    Conflict,
    DiskFull,
    EgressRefused,
    NotPermitted,
    RaphaError,
    SandboxError,
    TaskOver,
    TrainingFailed,
    Unproven,
    Unreachable,
)
from rapha.node import hub_line
from rapha.node.agent import Agent, lock_home, reason_of
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.task import Task
from rapha.records.wire import Poll, Problem, Stop, Work

SECONDS = 10.0


class FakeLine:
    """Answers polls from a list; when it is empty, ends the loop as a stop signal would."""

    def __init__(self, *answers: object) -> None:
        self.answers, self.polls = list(answers), []

    def poll(self, poll: Poll) -> object:
        self.polls.append(poll)
        if not self.answers:
            raise KeyboardInterrupt
        answer = self.answers.pop(0)
        if isinstance(answer, Callable):
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


class FakeJourney:
    """Works as told, and remembers."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.failures, self.stopped, self.closed = error, [], [], False
        self.stop_errors: list[Exception] = []
        self.answered_again = 0
        self.log_error: Exception | None = None
        self.open_from: int | None = None
        self.hours_asked = 0
        self.started, self.go_on, self.failed = threading.Event(), threading.Event(), threading.Event()

    def may_work_now(self, _task: Task) -> bool:
        return self.open_from is None or self.asked_for_the_hour() >= self.open_from

    def asked_for_the_hour(self) -> int:
        self.hours_asked += 1
        return self.hours_asked

    def work(self, work: Work) -> None:
        self.started.set()
        assert self.go_on.wait(SECONDS)
        if self.error:
            raise self.error

    def fail(self, task: Task, reason: str) -> None:
        self.failures.append(reason)
        self.failed.set()

    def stop(self, dispatch: str, state: str) -> None:
        self.stopped.append((dispatch, state))
        if self.stop_errors:
            raise self.stop_errors.pop()

    def answer_again(self) -> None:
        self.answered_again += 1

    def look_at_log_now_and_then(self) -> None:
        if self.log_error:
            raise self.log_error

    def close(self) -> None:
        self.closed = True


def work() -> Work:
    task = Task(
        id=TaskId("t-1"),
        study_id=StudyId("s-1"),
        study_digest="sha256:" + "0" * 64,
        dispatch=DispatchId("d-1"),
        site=SiteId("a"),
        round=1,
        do="train",
        weights="sha256:" + "1" * 64,
    )
    return Work(task=task)


def run(line: FakeLine, journey: FakeJourney, folder: Path) -> None:
    agent = Agent(line, journey, folder / "errors.log", wait_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        agent.run()
    for thread in agent._threads.values():
        thread.shutdown(wait=True)


def test_what_is_in_hand_is_said_at_each_poll_until_it_is_done(tmp_path: Path) -> None:
    journey = FakeJourney()

    def release_the_worker() -> None:
        assert journey.started.wait(SECONDS)
        journey.go_on.set()

    line = FakeLine(work(), release_the_worker)
    run(line, journey, tmp_path)
    assert [poll.holding for poll in line.polls[:2]] == [(), ("t-1",)]
    assert journey.closed


def test_a_hub_that_is_away_is_asked_again(tmp_path: Path) -> None:
    line = FakeLine(Unreachable("away"), Unreachable("away"), None)
    with structlog.testing.capture_logs() as logged:
        run(line, FakeJourney(), tmp_path)
    assert len(line.polls) == 4
    assert [each["event"] for each in logged] == ["hub.away", "hub.away", "hub.back"]


@pytest.mark.parametrize("answer", [None, Unreachable("503"), Conflict("409"), NotPermitted("401")])
def test_it_ends_where_the_hubs_log_contradicts_what_was_seen(tmp_path: Path, answer: Exception | None) -> None:
    """Also where the hub refuses every poll: it is a thread that works, or the look, that sees it."""
    journey, line = FakeJourney(), FakeLine()

    def contradict() -> Exception | None:
        journey.log_error = Unproven("the log went back")
        return answer

    line.answers = [None, contradict]
    with pytest.raises((Unproven, KeyboardInterrupt)) as ended:
        Agent(line, journey, tmp_path / "errors.log", wait_seconds=0).run()
    assert ended.type is Unproven and journey.closed and len(line.polls) == 2


def test_a_stop_is_acknowledged_until_the_hub_has_heard_it(tmp_path: Path) -> None:
    stop = Stop(dispatch=DispatchId("d-1"), study_id=StudyId("s-1"), state="cancelled")
    journey = FakeJourney()
    line = FakeLine(stop, Unreachable("the answer was lost"), None, None)
    run(line, journey, tmp_path)
    assert journey.stopped == [("d-1", "cancelled")]
    assert [poll.stopped for poll in line.polls] == [(), ("d-1",), ("d-1",), (), ()]


def test_what_the_hub_did_not_hear_is_said_again_at_the_start_and_when_nothing_else_is_to_do(tmp_path: Path) -> None:
    journey = FakeJourney()
    run(FakeLine(None, None), journey, tmp_path)
    assert journey.answered_again == 3


@pytest.mark.parametrize("error", [DiskFull("the hub's disk is full"), Unreachable("away")])
def test_no_answer_of_the_hub_ends_the_agent(tmp_path: Path, error: Exception) -> None:
    line = FakeLine(error, None)
    run(line, FakeJourney(), tmp_path)
    assert len(line.polls) == 3


@pytest.mark.parametrize("error", [DiskFull("no space"), ValueError("x")])
def test_a_stop_that_could_not_be_carried_out_is_not_acknowledged(tmp_path: Path, error: Exception) -> None:
    stop = Stop(dispatch=DispatchId("d-1"), study_id=StudyId("s-1"), state="cancelled")
    journey = FakeJourney()
    journey.stop_errors = [error]
    line = FakeLine(stop, stop, None)
    run(line, journey, tmp_path)
    assert [poll.stopped for poll in line.polls] == [(), (), ("d-1",), ()]


def test_what_a_thread_still_wrote_after_the_stop_goes_too(tmp_path: Path) -> None:
    journey = FakeJourney()
    stop = Stop(dispatch=DispatchId("d-1"), study_id=StudyId("s-1"), state="cancelled")

    def release_the_worker() -> None:
        assert journey.started.wait(SECONDS)

    def stopped() -> Stop:
        release_the_worker()
        return stop

    line = FakeLine(work(), stopped)
    agent = Agent(line, journey, tmp_path / "errors.log", wait_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        agent.run()
    assert journey.stopped == [("d-1", "cancelled")]
    journey.go_on.set()
    until(lambda: journey.stopped == [("d-1", "cancelled")] * 2)


def test_who_ends_a_run_beside_another_waits_for_it(tmp_path: Path) -> None:
    """The loop that hears of the end, and the thread that worked until then: what one undoes the other does not find half undone."""
    journey, inside, most = FakeJourney(), [], []

    def stop(dispatch: str, state: str) -> None:
        inside.append(dispatch)
        most.append(len(inside))
        journey.go_on.set()
        with contextlib.suppress(AssertionError):  # the other thread would have come by then
            until(lambda: len(inside) > 1, seconds=0.3)
        inside.pop()

    journey.stop = stop  # type: ignore[method-assign]
    said = Stop(dispatch=DispatchId("d-1"), study_id=StudyId("s-1"), state="cancelled")
    run(FakeLine(work(), lambda: until(journey.started.is_set) or said), journey, tmp_path)
    until(lambda: len(most) == 2 and not inside)
    assert most == [1, 1]


@pytest.mark.parametrize("does", ["work", "fail"])
def test_a_task_that_is_over_is_neither_failed_nor_trouble(tmp_path: Path, does: str) -> None:
    over = TaskOver("task t-1 was withdrawn: nothing more is taken for it")
    journey = FakeJourney(over if does == "work" else RaphaError("something else"))

    def fail(_task: Task, reason: str) -> None:
        journey.failures.append(reason)
        raise over

    journey.fail = fail  # type: ignore[method-assign]
    journey.go_on.set()
    with structlog.testing.capture_logs() as said:
        run(
            FakeLine(work(), lambda: until(lambda: any(each["event"] == "task.over" for each in said))),
            journey,
            tmp_path,
        )
    assert journey.failures == ([] if does == "work" else ["internal"])
    assert [each["words"] for each in said if each["event"] == "run.trouble"] == (
        [] if does == "work" else ["something else"]
    )


@pytest.mark.parametrize(("code", "kind"), [("task-over", TaskOver), ("conflict", Conflict)])
def test_a_refusal_of_a_hub_says_whether_the_task_is_over(code: str, kind: type[Exception]) -> None:
    told = hub_line._problem(409, Problem(code=code, message="m", hint="h").as_bytes())
    assert type(told) is kind and str(told) == "m (h)"


def test_an_unexpected_error_leaves_as_a_code_and_its_words_stay_with_the_steward(tmp_path: Path) -> None:
    journey = FakeJourney(ValueError("patient 4711 has no creatinine"))
    journey.go_on.set()

    def wait_for_the_failure() -> None:
        assert journey.failed.wait(SECONDS)

    run(FakeLine(work(), wait_for_the_failure), journey, tmp_path)
    assert journey.failures == ["internal"]
    assert "4711" in (tmp_path / "errors.log").read_text()
    assert (tmp_path / "errors.log").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (EgressRefused("x", "not-finite"), "not-finite"),
        (CohortRefused("x", "cohort-empty"), "cohort-too-small"),
        (TrainingFailed("x", "cohort-empty"), "cohort-too-small"),
        (TrainingFailed("x"), "training-failed"),
        (SandboxError("x"), "sandbox-died"),
        (DiskFull("x"), "disk-full"),
        (Unreachable("x"), "hub-unreachable"),
        (RaphaError("x"), "internal"),
        (ZeroDivisionError(), "internal"),
    ],
)
def test_every_error_has_a_code_that_may_be_told(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


def test_a_second_agent_on_one_home_is_refused(tmp_path: Path) -> None:
    with lock_home(tmp_path), pytest.raises(ConfigurationError, match="another agent"):
        lock_home(tmp_path)
    lock_home(tmp_path).close()


def test_work_that_comes_at_another_hour_waits_for_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("rapha.node.agent.LOOKS_AT_THE_CLOCK_SECONDS", 0.001)
    journey = FakeJourney()
    journey.open_from = 3
    journey.go_on.set()
    run(FakeLine(work(), lambda: until(journey.started.is_set)), journey, tmp_path)
    assert journey.hours_asked == 4 and not journey.failures  # once more when its turn came


def test_work_that_waits_for_its_hour_is_let_go_when_the_study_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("rapha.node.agent.LOOKS_AT_THE_CLOCK_SECONDS", 0.001)
    journey = FakeJourney()
    journey.open_from = 10**9
    stop = Stop(dispatch=DispatchId("d-1"), study_id=StudyId("s-1"), state="cancelled")
    line = FakeLine(work(), lambda: until(lambda: journey.hours_asked > 2) or stop)
    run(line, journey, tmp_path)
    assert ("d-1", "cancelled") in journey.stopped
    assert not journey.started.is_set() and not journey.failures


def test_what_follows_an_update_is_done_and_is_not_begun_again_by_a_poll(tmp_path: Path) -> None:
    done: list[str] = []

    def named(task: str) -> Work:
        return Work(task=work().task.model_copy(update={"id": TaskId(task)}))

    class Following(FakeJourney):
        def work(self, work: Work) -> Work | None:
            assert self.go_on.wait(SECONDS)
            done.append(work.task.id)
            return {"t-1": named("t-2"), "t-2": named("t-3")}.get(work.task.id)

    journey = Following()

    def given_again() -> Work:
        journey.go_on.set()
        until(lambda: done == ["t-1", "t-2", "t-3"], lambda: done)
        return named("t-2")

    line = FakeLine(named("t-1"), given_again, None)
    run(line, journey, tmp_path)
    assert done == ["t-1", "t-2", "t-3"]
    assert line.polls[1].holding == ("t-1",)
    assert line.polls[2].holding in ((), ("t-3",)), "what was done a moment ago may still be named"


def test_what_a_poll_gave_is_not_begun_again_by_the_answer_to_an_update(tmp_path: Path) -> None:
    done: list[str] = []

    class Following(FakeJourney):
        def work(self, work: Work) -> Work | None:
            assert self.go_on.wait(SECONDS)
            done.append(work.task.id)
            return second if work.task.id == "t-1" else None

    second = Work(task=work().task.model_copy(update={"id": TaskId("t-2")}))
    journey = Following()

    def go_on() -> None:
        journey.go_on.set()
        until(lambda: len(done) == 2, lambda: done)

    run(FakeLine(work(), second, go_on), journey, tmp_path)
    assert done == ["t-1", "t-2"]


def test_what_follows_in_a_study_that_is_over_is_not_begun(tmp_path: Path) -> None:
    done: list[str] = []

    class Following(FakeJourney):
        def work(self, work: Work) -> Work | None:
            done.append(work.task.id)
            assert self.go_on.wait(SECONDS)
            return Work(task=work.task.model_copy(update={"id": TaskId("t-2")}))

    journey = Following()

    def go_on() -> None:
        journey.go_on.set()

    over = Stop(dispatch=DispatchId("d-1"), study_id=StudyId("s-1"), state="cancelled")
    run(FakeLine(work(), lambda: until(lambda: done, lambda: done), over, go_on), journey, tmp_path)
    until(lambda: len(journey.stopped) >= 2, lambda: journey.stopped)
    assert done == ["t-1"]
