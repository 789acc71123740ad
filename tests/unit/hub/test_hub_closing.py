"""The last update of a round and the closing of that round: one transaction where all of it is small, and nothing lost where it is not kept."""

from contextlib import contextmanager

import pytest
from patience import until
from sqlalchemy import event, text, update
from test_hub_held import following, states
from test_hub_life import recruit, run_round, task_of

from rapha import faults
from rapha.errors import Conflict
from rapha.hub import closing
from rapha.hub.store.tables import RoundRow, SmallBlobRow

PATIENT = {"prefer": "wait=5"}


@pytest.fixture
def tasks(hub, token, sites, study_of):
    """A study in its first of two rounds of training, of which the last site alone is awaited: the tasks of all."""
    recruit(hub, study_of(rounds=2, at_least=2), token, sites)
    run_round(sites)
    given = [task_of(site).task for site in sites]
    for site, task in zip(sites[:-1], given, strict=False):
        assert site.answer(task).status_code == 204
    sites[-1].prefers = PATIENT
    return given


@contextmanager
def commits(hub):
    """Those of the hub's database in the block."""
    counted, engine = [], hub.hub.store.database.reads

    def count(connection):
        counted.append(connection)

    event.listen(engine, "commit", count)
    try:
        yield counted
    finally:
        event.remove(engine, "commit", count)


def closed(hub, study_id, number):
    with hub.hub.store.reading() as session:
        return session.get_one(RoundRow, (study_id, number)).closed_at is not None


def test_the_last_update_and_the_closing_of_its_round_are_one_transaction(hub, sites, tasks):
    with commits(hub) as counted:
        task = following(sites[-1].answer(tasks[-1]))
        until(lambda: not hub.hub.conductor._busy)
    assert task.round == 2 and len(counted) == 1


def test_a_round_that_is_not_light_is_closed_by_who_drives_it(hub, sites, tasks, monkeypatch):
    monkeypatch.setattr(closing, "LIGHT_BYTES", 0)
    with commits(hub) as counted:
        assert following(sites[-1].answer(tasks[-1])).round == 2
    assert len(counted) == 2


def test_where_it_is_not_kept_neither_the_update_is_taken_nor_the_round_closed(hub, sites, tasks, monkeypatch):
    study_id, told = tasks[0].study_id, []

    def dies(name):
        if name.startswith("hub.to-commit:") and "round.closed" in name:
            told.append(name)
            raise OSError("killed here")

    monkeypatch.setattr(faults, "point", dies)
    assert sites[-1].answer(tasks[-1]).status_code == 500
    assert told and all("task.done" in name and "round.opened" in name for name in told)
    assert states(hub, study_id, 1)[sites[-1].name] == "leased" and not closed(hub, study_id, 1)
    monkeypatch.undo()
    assert following(sites[-1].answer(tasks[-1])).round == 2


def test_an_average_that_fails_costs_no_site_its_update(hub, sites, tasks, monkeypatch):
    made, failures = closing.combined, [Conflict("not now")]

    def combined(*arguments):
        if failures:
            raise failures.pop()
        return made(*arguments)

    monkeypatch.setattr(closing, "combined", combined)
    assert following(sites[-1].answer(tasks[-1])).round == 2
    assert not failures


def test_bytes_that_the_database_has_lost_cost_no_site_its_update(hub, sites, tasks):
    """Weights that the round started from: they are the hub's, and who drives the study says what is wrong with them."""
    spoilt = update(SmallBlobRow).where(SmallBlobRow.digest == tasks[0].weights).values(content=b"spoilt")
    with hub.hub.store.changing() as change:
        assert change.session.execute(spoilt).rowcount == 1
    sites[-1].prefers = {}
    assert sites[-1].answer(tasks[-1]).status_code == 204
    assert states(hub, tasks[0].study_id, 1)[sites[-1].name] == "done"
    assert not closed(hub, tasks[0].study_id, 1)


def test_a_statement_that_the_database_refuses_ends_no_update(hub, sites, tasks, monkeypatch):
    asked = closing.settled_of

    def refused(session, *arguments):
        monkeypatch.setattr(closing, "settled_of", asked)
        session.execute(text("SELECT nothing FROM nowhere"))

    monkeypatch.setattr(closing, "settled_of", refused)
    assert following(sites[-1].answer(tasks[-1])).round == 2


def test_a_round_of_which_something_large_is_made_is_closed_by_who_drives_it(hub, sites, tasks, monkeypatch):
    monkeypatch.setattr(closing, "SMALL_BYTES", 8)
    with commits(hub) as counted:
        assert following(sites[-1].answer(tasks[-1])).round == 2
    assert len(counted) == 2
