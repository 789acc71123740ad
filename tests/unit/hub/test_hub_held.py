"""The next round's task in the answer to an update: to whom it is told, that it is told once, and that no lost answer loses it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_site import FakeSite
from hub_at_hand import HubAtHand, running
from patience import until
from test_hub_life import recruit, run_round, task_of

from rapha.canonical import base64_bytes, digest
from rapha.hub.held import LONGEST_SECONDS, HeldUpdates, seconds_asked_for
from rapha.hub.notify import Bell
from rapha.hub.store.tables import AuditRow, TaskRow
from rapha.records.record import SiteId, TaskId
from rapha.records.task import Task
from rapha.records.wire import Work

PATIENT = {"prefer": "wait=5"}


@pytest.fixture
def study_id(hub: HubAtHand, token: str, sites: list[FakeSite], study_of) -> str:
    """A study in its first of three rounds of training."""
    made = recruit(hub, study_of(rounds=3, at_least=2), token, sites)
    run_round(sites)
    return made


def answers(sites, tasks=None):
    """What each is answered that hands in its task, all at once."""
    given = tasks or [task_of(site).task for site in sites]
    with ThreadPoolExecutor(len(sites)) as pool:
        return list(pool.map(lambda site, task: site.answer(task), sites, given))


def following(answer) -> Task:
    assert answer.status_code == 200, answer.text
    return Work.from_bytes(answer.content).task


def states(hub, study_id, number):
    with hub.hub.store.reading() as session:
        rows = session.query(TaskRow).filter_by(study_id=study_id, number=number).order_by(TaskRow.site)
        return {row.site: row.state for row in rows}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("wait=1", 1.0), ("wait=9999", LONGEST_SECONDS), (None, 0.0), ("wait=-1", 0.0), ("respond-async", 0.0), ("wait=1, x", 0.0)],
)  # fmt: skip
def test_what_an_answer_may_wait(said, seconds):
    assert seconds_asked_for(said) == seconds


def test_whoever_asks_for_it_has_the_next_task_with_the_answer(hub, token, sites, study_id):
    for site in sites:
        site.prefers = PATIENT
    tasks, given = [task_of(site).task for site in sites], []
    for number in (2, 3, 4):
        found = answers(sites, tasks)
        tasks = [following(answer) for answer in found]
        given += [Work.from_bytes(answer.content) for answer in found]
        assert [(task.site, task.round) for task in tasks] == [(site.name, number) for site in sites]
        assert states(hub, study_id, number) == {site.name: "leased" for site in sites}
    assert all(digest(base64_bytes(work.weights or "")) == work.task.weights for work in given)
    assert tasks[0].do == "evaluate"
    for site, task in zip(sites, tasks, strict=True):
        assert site.release(task).status_code == 204
    hub.wait_for(study_id, token, "completed")
    with hub.hub.store.reading() as session:
        told = [row.event for row in session.query(AuditRow).filter(AuditRow.round > 1)]
    assert told.count("task.leased") == told.count("task.done") == 9 and "task.returned" not in told


def test_who_does_not_ask_is_answered_at_once_and_told_by_a_poll(hub, sites, study_id):
    for site in sites[1:]:
        site.prefers = PATIENT
    north, *others = answers(sites)
    assert north.status_code == 204
    assert [following(answer).site for answer in others] == ["south", "west"]
    assert states(hub, study_id, 2)["north"] == "queued"
    assert task_of(sites[0]).task.round == 2


def test_an_answer_waits_no_longer_than_it_may(hub, sites, study_id):
    sites[0].prefers = {"prefer": "wait=1"}
    assert sites[0].answer(task_of(sites[0]).task).status_code == 204
    for site in sites[1:]:
        site.do(task_of(site))
    assert task_of(sites[0]).task.round == 2


def test_an_update_that_is_sent_again_is_answered_with_the_same_task(hub, token, sites, study_id):
    for site in sites:
        site.prefers = PATIENT
    first = [task_of(site).task for site in sites]
    second = [following(answer) for answer in answers(sites, first)]
    assert [following(answer) for answer in answers(sites, first)] == second, "the answer was lost"
    hub.wait_for(study_id, token, "training")
    sites[0].do(Work(task=second[0]))
    assert sites[0].answer(first[0]).status_code == 204, "what followed it is done"


def test_a_hub_that_died_before_it_answered_gives_it_with_the_next(tmp_path, clock, study_of):
    with running(tmp_path / "hub", clock) as hub:
        sites = [FakeSite(hub, name).join() for name in ("north", "south")]
        recruit(hub, study_of(rounds=2, at_least=2), hub.token(), sites)
        run_round(sites)
        for site in sites:
            site.prefers = PATIENT
        first = [task_of(site).task for site in sites]
        second = [following(answer) for answer in answers(sites, first)]
    with running(tmp_path / "hub", clock) as hub:
        for site in sites:
            site.hub = hub
        assert following(sites[0].answer(first[0])) == second[0], "sent again"
        assert task_of(sites[1]).task == second[1], "a node that began anew asks"


def test_a_poll_that_stands_is_not_given_what_was_given_past_it(hub, token, sites, study_id, study_of):
    for site in sites:
        site.prefers = PATIENT
    first = [task_of(site) for site in sites]
    with ThreadPoolExecutor(1) as pool:
        standing = pool.submit(sites[0].poll, holding=[first[0].task.id], wait_seconds=20)
        until(lambda: hub.hub.held._past, lambda: hub.hub.held._past)
        second = [following(answer) for answer in answers(sites, [work.task for work in first])]
        other = hub.submit(study_of(at_least=3), token)
        found = standing.result(timeout=20)
    assert found is not None and found.kind == "offer" and found.dispatch.study_id == other
    assert task_of(sites[0]).task == second[0], "one that is sent anew says what is in hand"


def test_a_refused_update_waits_for_nothing(hub, sites, study_id):
    sites[0].prefers = PATIENT

    def poison(tensors):
        tensors["linear.bias"][0] = float("nan")

    assert sites[0].answer(task_of(sites[0]).task, poison).status_code == 422
    assert not hub.hub.held._held


def test_what_nobody_waits_for_any_more_is_said_to_be_so():
    async def heard() -> tuple[bool, bool, set[TaskId]]:
        bell = Bell()
        held = HeldUpdates(bell)
        north, first = SiteId("north"), TaskId("t-1")
        task = Task(
            id=TaskId("t-2"), study_id="s-1", study_digest=digest(b"study"), dispatch="d-1", site=north, round=2, do="train",
            weights=digest(b"average"),
        )  # fmt: skip
        with bell.listening("site:north") as poll, held.standing(north) as past:
            with held.holding(north, first) as update:
                assert held.among({north: first, SiteId("south"): first}) == {north}, (
                    "another site's name does not hold it"
                )
                assert held.among({north: TaskId("t-9")}) == set()
                assert held.answer(first, Work(task=task))
                told = await poll.wait(0.01)
            assert update.work == Work(task=task) and held.among({north: first}) == set()
            given = set(past)
            return told, held.answer(first, Work(task=task)), given

    assert asyncio.run(heard()) == (False, False, {"t-2"})


def test_whoever_waits_no_more_when_the_round_opens_is_woken_at_every_hub(hub, sites, study_id, monkeypatch):
    """The update is given up between the transaction that hands out its task and the answer."""
    for site in sites:
        site.prefers = PATIENT
    first, rung = [task_of(site).task for site in sites], []
    monkeypatch.setattr(HeldUpdates, "answer", lambda held, task, work: False)
    real = type(hub.hub.store.database).tell_others
    monkeypatch.setattr(
        type(hub.hub.store.database), "tell_others",
        lambda database, session, topics: rung.append(set(topics)) or real(database, session, topics),
    )  # fmt: skip
    assert [answer.status_code for answer in answers(sites, first)] == [204] * len(sites)
    assert {f"site:{site.name}" for site in sites} in rung
    assert [task_of(site).task.round for site in sites] == [2] * len(sites)


def test_a_hub_that_stops_lets_go_of_them(tmp_path, clock, study_of):
    with ThreadPoolExecutor(1) as pool, running(tmp_path / "hub", clock) as hub:
        sites = [FakeSite(hub, name).join() for name in ("north", "south")]
        recruit(hub, study_of(rounds=1, at_least=2), hub.token(), sites)
        run_round(sites)
        sites[0].prefers = PATIENT
        answer = pool.submit(sites[0].answer, task_of(sites[0]).task)
        until(lambda: hub.hub.held._held, lambda: hub.hub.held._held)
        hub.hub.bell.close()
        assert answer.result(timeout=4).status_code == 204
