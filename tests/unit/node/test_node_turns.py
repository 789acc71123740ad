"""Whose turn it is at a node: one task at a time where one may work, whoever waited longest first, and nothing for a round that is over."""

import threading
from pathlib import Path

import pytest
from patience import until
from test_node_agent import SECONDS, FakeJourney, FakeLine, run, work

from rapha.errors import TrainingFailed
from rapha.node.agent import Agent
from rapha.records.record import DispatchId, StudyId, TaskId
from rapha.records.wire import Stop, Work


def of_study(number: int) -> Work:
    changed = {"id": TaskId(f"t-{number}"), "dispatch": DispatchId(f"d-{number}")}
    return Work(task=work().task.model_copy(update=changed))


class Counting(FakeJourney):
    """Remembers what began, in order, and lets each go on by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[str] = []
        self.may_end = {f"t-{number}": threading.Event() for number in (1, 2, 3)}

    def work(self, work: Work) -> None:
        self.began.append(work.task.id)
        assert self.may_end[work.task.id].wait(SECONDS)


def test_one_task_works_at_a_time_and_the_next_is_who_came_first(tmp_path: Path) -> None:
    journey, seen = Counting(), []

    def the_first_has_begun() -> Work:
        until(lambda: journey.began == ["t-1"], lambda: journey.began)
        return of_study(2)

    def let_each_go() -> None:
        for number in (1, 2, 3):
            until(lambda number=number: len(journey.began) == number, lambda: journey.began)
            seen.append(tuple(journey.began))
            journey.may_end[f"t-{number}"].set()

    run(FakeLine(of_study(1), the_first_has_begun, of_study(3), let_each_go), journey, tmp_path)
    assert seen == [("t-1",), ("t-1", "t-2"), ("t-1", "t-2", "t-3")]


def test_what_waits_for_its_turn_is_in_hand_and_goes_when_its_study_ends(tmp_path: Path) -> None:
    journey = Counting()

    def the_first_has_begun() -> Work:
        until(lambda: journey.began == ["t-1"], lambda: journey.began)
        return of_study(2)

    def over() -> Stop:
        return Stop(dispatch=DispatchId("d-2"), study_id=StudyId("s-1"), state="cancelled")

    def it_went() -> None:
        until(lambda: journey.stopped.count(("d-2", "cancelled")) == 2, lambda: journey.stopped)
        journey.may_end["t-1"].set()

    line = FakeLine(of_study(1), the_first_has_begun, over, it_went)
    run(line, journey, tmp_path)
    assert line.polls[2].holding == ("t-1", "t-2") and journey.began == ["t-1"] and not journey.failures


def of_round(study: int, number: int) -> Work:
    given = of_study(study)
    changed = {"id": TaskId(f"t-{study}-{number}"), "round": number}
    return Work(task=given.task.model_copy(update=changed))


def test_a_round_that_is_over_is_not_worked_on_and_the_next_has_its_place(tmp_path: Path) -> None:
    began: list[str] = []

    class Slow(FakeJourney):
        def work(self, work: Work) -> None:
            began.append(work.task.id)
            assert self.go_on.wait(SECONDS)

    journey = Slow()

    def after_the_first() -> Work:
        until(lambda: began == ["t-1-1"], lambda: began)
        return of_round(2, 1)

    def let_go() -> None:
        until(lambda: "t-2-1" not in agent._holding, lambda: agent._holding)
        until(lambda: len(agent._tasks._waiting) == 2, lambda: agent._tasks._waiting)
        journey.go_on.set()
        until(lambda: len(began) == 3, lambda: began)

    def and_the_third_waits() -> Work:
        until(lambda: len(agent._tasks._waiting) == 2, lambda: agent._tasks._waiting)
        return of_round(2, 2)

    def once_the_second_waits() -> Work:
        until(lambda: len(agent._tasks._waiting) == 1, lambda: agent._tasks._waiting)
        return of_round(3, 1)

    line = FakeLine(of_round(1, 1), after_the_first, once_the_second_waits, and_the_third_waits, let_go)
    agent = Agent(line, journey, tmp_path / "errors.log", wait_seconds=0)
    with pytest.raises(KeyboardInterrupt):
        agent.run()
    assert began == ["t-1-1", "t-2-2", "t-3-1"] and not journey.failures


def test_more_offers_than_a_poll_may_name_do_not_end_the_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("rapha.node.agent.FULL_SECONDS", 0.001)
    agent = Agent(FakeLine(), FakeJourney(), tmp_path / "errors.log", wait_seconds=0)
    agent._considering |= {DispatchId(f"d-{number}") for number in range(1001)}
    assert len(agent._poll().considering) == 1000 and not agent._takes_offer(DispatchId("d-1"))


def test_a_task_that_fails_gives_its_turn_away(tmp_path: Path) -> None:
    journey = FakeJourney(TrainingFailed("x"))
    journey.go_on.set()
    run(
        FakeLine(of_study(1), of_study(2), lambda: until(lambda: len(journey.failures) == 2)),
        journey,
        tmp_path,
    )
    assert journey.failures == ["training-failed"] * 2
