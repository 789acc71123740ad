"""What hospitals froze is in the log before anything of a run is taken: once, whatever breaks, and named by the receipt that follows."""

from pathlib import Path
from typing import Any

import pytest
from fake_site import FakeSite
from hub_at_hand import HubAtHand, bearer
from patience import until
from test_hub_life import offered, recruit, run_round, task_of
from test_hub_refusals_logged import entries, once
from test_hub_site_keys import revoke, rotated

from rapha.canonical import digest
from rapha.hub.app import API
from rapha.hub.freezes import digest_of
from rapha.hub.log_keeper import LogKeeper
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.store.changes import Change
from rapha.proof import keys
from rapha.proof.entry import log_entry
from rapha.proof.freeze import NOT_FROZEN_BEFORE
from rapha.proof.given_back import check_given_back
from rapha.proof.verify import judge
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt, Verdict
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.records.wire import Runs, Work
from rapha.sdk.folder import read_folder


def delivered(hub: HubAtHand, study_id: str, token: str, folder: Path) -> dict[str, Verdict]:
    hub.wait_for(study_id, token, "completed")
    for file in hub.delivery(study_id, token).files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(hub.http.get(f"{API}/blobs/{file.blob}", headers=bearer(token)).content)
    return {verdict.subject: verdict for verdict in judge(read_folder(folder))}


def frozen(site: FakeSite, **changes: str) -> Receipt:
    freeze = site.froze(**changes)
    answer = site.freeze(freeze)
    assert answer.status_code == 200, answer.text
    check_given_back(freeze, LoggedReceipt.from_bytes(answer.content), "freeze")
    return freeze


def lapsed(hub: HubAtHand, task: Task, late: FakeSite, others: list[FakeSite]) -> Task:
    """The task after this one, which `late` was given and lets pass."""
    run_round(others)
    hub.pass_time(hours=2)
    found = [task]

    def another() -> bool:
        found[0] = task_of(late).task
        return found[0].id != task.id

    until(another)
    return found[0]


def test_it_is_logged_before_a_round_and_named_by_the_receipt(hub, token, sites, study_of, tmp_path) -> None:
    north, south, _ = sites
    study_id = recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    freezes = {site: frozen(site) for site in (north, south)}
    assert entries(hub)[0] == log_entry(freezes[north], north.key.public_key())
    run_round(sites)
    run_round(sites)
    for site in sites:
        named = {"freeze": digest_of(freezes[site])} if site in freezes else {}
        assert site.release(task_of(site).task, **named).status_code == 204
    verdicts = delivered(hub, study_id, token, tmp_path / "model")
    assert all(verdict.ok for verdict in verdicts.values()), verdicts
    steps = {name: len(verdict.steps) for name, verdict in verdicts.items()}
    assert steps == {f"receipts/{name}.json": n for name, n in (("north", 20), ("south", 20), ("west", 19), ("aggregation", 24))}  # fmt: skip
    assert "north, south" in verdicts["receipts/aggregation.json"].steps[-1].detail
    assert NOT_FROZEN_BEFORE in verdicts["receipts/west.json"].not_shown
    assert not (tmp_path / "model" / "freezes" / "west.json").exists()
    page = hub.http.get(f"/explore/study/{study_id}").text
    assert page.count("before the run") == 2


def test_the_same_again_is_the_same_as_once(hub, token, sites, study_of) -> None:
    recruit(hub, study_of(at_least=3), token, sites)
    freeze = sites[0].froze()
    first, second = sites[0].freeze(freeze), sites[0].freeze(freeze)
    assert first.status_code == 200 and first.content == second.content
    assert len(entries(hub)) == 2


@pytest.mark.parametrize("changes", [{"patients_root": digest(b"chosen afterwards")}, {}])
def test_another_one_is_refused_and_what_is_logged_stays(hub, token, sites, study_of, changes) -> None:
    recruit(hub, study_of(at_least=3), token, sites)
    frozen(sites[0])
    assert sites[0].freeze(sites[0].froze(**changes)).status_code == 409
    assert len(entries(hub)) == 2


def test_none_is_taken_once_a_round_was_handed_in(hub, token, sites, study_of) -> None:
    recruit(hub, study_of(at_least=3), token, sites)
    assert sites[0].answer(task_of(sites[0]).task).status_code == 204
    answer = sites[0].freeze(sites[0].froze())
    assert answer.status_code == 409 and "before the run" in answer.text
    assert entries(hub) == []


def test_none_is_taken_before_a_yes_or_of_anothers_run(hub, token, sites, study_of) -> None:
    north, south, _ = sites
    hub.submit(study_of(at_least=3), token)
    offer = offered(north)
    south.approve(offered(south))
    north.approval, north.study = south.approval, south.study
    assert north.freeze(north.froze()).status_code == 403
    assert north.freeze(north.froze(), offer.dispatch.id).status_code == 409
    assert entries(hub) == []


def test_none_is_taken_of_a_run_that_was_called_off(hub, token, sites, study_of) -> None:
    north = sites[0]
    hub.submit(study_of(at_least=3), token)
    offer = offered(north)
    north.approve(offer)
    freeze = north.froze()
    assert north.deny(offer, "steward-denied").status_code == 204
    before = entries(hub)
    assert north.freeze(freeze).status_code == 409
    assert not {log_entry(freeze, north.key.public_key())} & set(entries(hub)) and len(before) <= 2


def test_it_is_of_this_site_study_and_yes_and_signed_by_its_key(hub, token, sites, study_of) -> None:
    north = sites[0]
    recruit(hub, study_of(at_least=3), token, sites)
    for changes in ({"site": "south"}, {"study_digest": digest(b"another")}, {"approval": digest(b"another")}):
        assert north.freeze(north.froze(**changes)).status_code == 422, changes
    north.signing_key = sites[1].key
    assert north.freeze(north.froze()).status_code == 422
    assert entries(hub) == []


@pytest.mark.parametrize("missed", [1, 2])
def test_none_is_taken_of_a_hospital_that_let_the_first_round_lapse(hub, token, sites, study_of, missed) -> None:
    """It was given weights of the run, the last of all: it would choose whom it used by what came of it."""
    north, *others = sites
    recruit(hub, study_of(rounds=1, at_least=2), token, sites)
    task = task_of(north).task
    for _ in range(missed):
        task = lapsed(hub, task, north, others)
    assert task.weights
    answer = north.freeze(north.froze())
    assert answer.status_code == 409 and "goes on without" in answer.text
    assert entries(hub) == []


def test_a_hospital_that_was_late_goes_on_without_and_its_receipt_says_so(
    hub, token, sites, study_of, tmp_path
) -> None:
    """It froze in time, and the first round closed before it handed that in."""
    north, *others = sites
    study_id = recruit(hub, study_of(rounds=1, at_least=2), token, sites)
    freeze = frozen(north)
    north.do(Work(task=lapsed(hub, task_of(north).task, north, others)))
    run_round(others)
    evaluate = task_of(north).task
    assert north.release(evaluate).status_code == 204
    for site in others:
        site.do(task_of(site))
    verdicts = delivered(hub, study_id, token, tmp_path / "model")
    assert all(verdict.ok for verdict in verdicts.values()), verdicts
    assert NOT_FROZEN_BEFORE in verdicts["receipts/north.json"].not_shown
    assert freeze and not (tmp_path / "model" / "freezes").exists()


def test_a_freeze_is_not_named_without_the_first_round(hub, token, sites, study_of) -> None:
    north, *others = sites
    recruit(hub, study_of(rounds=1, at_least=2), token, sites)
    freeze = frozen(north)
    north.do(Work(task=lapsed(hub, task_of(north).task, north, others)))
    run_round(others)
    assert north.release(task_of(north).task, freeze=digest_of(freeze)).status_code == 422


def test_nothing_is_taken_while_a_freeze_is_on_its_way_into_the_log(
    hub, token, sites, study_of, monkeypatch: pytest.MonkeyPatch
) -> None:
    north = sites[0]
    recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    freeze = north.froze()
    with monkeypatch.context() as full:
        full.setattr(LogKeeper, "add", once(LogKeeper.add, False))
        assert north.freeze(freeze).status_code == 507
    task = task_of(north).task
    answer = north.answer(task)
    assert answer.status_code == 503 and "not in the log yet" in answer.text
    assert north.freeze(freeze).status_code == 200
    assert north.answer(task).status_code == 204


@pytest.mark.parametrize("named", [None, digest(b"another freeze")])
def test_a_release_names_the_one_that_was_logged(hub, token, sites, study_of, named) -> None:
    recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    frozen(sites[0])
    run_round(sites)
    run_round(sites)
    answer = sites[0].release(task_of(sites[0]).task, freeze=named)
    assert answer.status_code == 422 and "logged before its run" in answer.text


def test_a_release_names_none_where_none_was_logged(hub, token, sites, study_of) -> None:
    recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    run_round(sites)
    assert sites[0].release(task_of(sites[0]).task, freeze=digest_of(sites[0].froze())).status_code == 422


BREAKS = {
    "before it is stamped": (Change, "tell", "freeze.stamped", False),
    "when it is stamped and not kept": (Change, "tell", "freeze.stamped", True),
    "before it is logged": (LogKeeper, "add", None, False),
    "when it is logged": (LogKeeper, "add", None, True),
    "when its files are made": (ReceiptDesk, "logged_once", None, True),
    "before that is kept": (Change, "tell", "freeze.logged", False),
}


@pytest.mark.parametrize("name", BREAKS)
def test_once_whatever_breaks(hub, token, sites, study_of, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    recruit(hub, study_of(at_least=3), token, sites)
    owner, method, event, after = BREAKS[name]
    real = getattr(owner, method)
    breaking = once(real, after)

    def chosen(*arguments: Any, **named: Any) -> Any:
        return (breaking if event in (None, *arguments[1:2]) else real)(*arguments, **named)

    monkeypatch.setattr(owner, method, chosen)
    freeze = sites[0].froze()
    assert sites[0].freeze(freeze).status_code == 507
    answer = sites[0].freeze(freeze)
    assert answer.status_code == 200
    check_given_back(freeze, LoggedReceipt.from_bytes(answer.content), "freeze")
    assert len(entries(hub)) == 2


def long(study: Study) -> Study:
    return study.model_copy(update={"training": study.training.model_copy(update={"deadline_minutes": 43200})})


def test_a_freeze_by_a_key_that_was_followed_and_ended_later_holds(hub, token, sites, study_of, tmp_path) -> None:
    north = sites[0]
    study_id = recruit(hub, long(study_of(rounds=1, at_least=3)), token, sites)
    freeze = frozen(north)
    hub.pass_time(hours=2)
    rotated(hub, north)
    for _ in range(2):
        run_round(sites)
    assert north.release(task_of(north).task, freeze=digest_of(freeze)).status_code == 204
    hub.pass_time(hours=2)
    revoke(hub, "north", freeze.signatures[0].keyid, hours_ago=1)
    for site in sites[1:]:
        site.do(task_of(site))
    verdicts = delivered(hub, study_id, token, tmp_path / "model")
    assert verdicts["receipts/north.json"].ok and len(verdicts["receipts/north.json"].steps) == 20


def test_a_study_whose_freeze_nobody_would_believe_fails_and_says_so(hub, token, sites, study_of) -> None:
    """A thief may have signed it: the hospital enrols anew, and its release names a freeze by a key that ended before."""
    north = sites[0]
    study_id = recruit(hub, long(study_of(rounds=1, at_least=3)), token, sites)
    hub.pass_time(hours=2)
    freeze = frozen(north)
    revoke(hub, "north", hours_ago=1)
    north.key = keys.generate()
    north.join()
    for _ in range(2):
        run_round(sites)
    assert north.release(task_of(north).task, freeze=digest_of(freeze)).status_code == 204
    for site in sites[1:]:
        site.do(task_of(site))
    assert "signed its freeze with was revoked" in (hub.wait_for(study_id, token, "failed").reason or "")


def told_runs(hub: HubAtHand, site: FakeSite) -> tuple[str, ...]:
    path = f"{API}/node/runs"
    answer = hub.http.get(path, headers=site.headers("GET", path))
    assert answer.status_code == 200, answer.text
    return Runs.from_bytes(answer.content).dispatches


def test_a_site_is_told_the_runs_of_which_it_handed_something_in(
    hub: HubAtHand, token: str, sites: list[FakeSite], study_of: Any
) -> None:
    north, south, _ = sites
    recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    tasks = {site.name: task_of(site).task for site in sites}
    assert [told_runs(hub, site) for site in sites] == [(), (), ()], "a task that is only given out took nothing"
    frozen(north)
    south.do(Work(task=tasks["south"]))
    assert [told_runs(hub, site) for site in sites] == [(tasks["north"].dispatch,), (tasks["south"].dispatch,), ()]
