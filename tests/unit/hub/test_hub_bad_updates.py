"""What a hospital, or somebody in its name, may send that must not get into a model."""

import numpy as np
import pytest
from fake_site import FakeSite
from hub_at_hand import HubAtHand, bearer
from patience import until
from safetensors.numpy import save
from sqlalchemy import select
from structlog.testing import capture_logs
from test_hub_life import recruit, run_round, task_of

from rapha.canonical import base64_bytes, base64_text, digest
from rapha.errors import Conflict, NotPermitted, TrainingFailed, Unproven, Unreachable
from rapha.hub import assignments, retention, tasks
from rapha.hub.app import API
from rapha.hub.blobs import read
from rapha.hub.store.database import Store
from rapha.hub.store.tables import TaskRow, UploadRow
from rapha.hub.tasks import Taken, let_go_of_refused, receive_updates
from rapha.records.averaging import Median, NormClip, TrimmedMean
from rapha.records.task import Task, TaskFailure
from rapha.records.wire import Offer, UpdateParcel, Work


@pytest.fixture
def study_id(hub: HubAtHand, token: str, sites: list[FakeSite], study_of) -> str:
    """A study in its first round of training, which goes on as long as two of three are left."""
    made = recruit(hub, study_of(rounds=1, at_least=2), token, sites)
    run_round(sites)
    return made


def poison(value):
    def bend(tensors):
        tensors["linear.bias"][0] = value

    return bend


def put(name, value):
    def bend(tensors):
        tensors[name] = value

    return bend


BAD = {
    "nan": (poison(np.nan), "not-finite"),
    "infinity": (poison(np.inf), "not-finite"),
    "wrong-shape": (put("linear.bias", np.zeros(2, np.float32)), "wrong-shape"),
    "wrong-dtype": (put("linear.bias", np.zeros(1, np.float64)), "wrong-dtype"),
    "an-integer-tensor": (put("linear.bias", np.zeros(1, np.int32)), "wrong-dtype"),
    "extra-tensor": (put("rows", np.zeros(8, np.float32)), "extra-tensor"),
    "missing-tensor": (lambda tensors: tensors.pop("linear.bias"), "missing-tensor"),
}


@pytest.mark.parametrize(("bend", "reason"), BAD.values(), ids=BAD)
def test_a_bad_update_costs_its_site_the_study_and_not_the_others(hub, token, sites, study_id, bend, reason):
    answer = sites[0].answer(task_of(sites[0]).task, bend)
    assert answer.status_code == 422 and answer.json()["code"] == reason
    run_round(sites[1:])
    run_round(sites[1:])
    status = hub.wait_for(study_id, token, "completed")
    north = next(dispatch for dispatch in status.dispatches if dispatch.site == "north")
    assert (north.state, north.reason) == ("failed", reason)


@pytest.mark.parametrize(
    "content", [b"", b"no weights", b"\xff" * 64, save({})[:-1]], ids=["empty", "text", "noise", "cut"]
)
def test_what_is_no_safetensors_is_refused_as_unreadable(sites, study_id, content):
    answer = sites[0].hand_in(task_of(sites[0]).task, content)
    assert answer.status_code == 422 and answer.json()["code"] == "weights-unreadable"


def test_statistics_of_less_than_nobody_are_refused(hub, token, sites, study_of):
    recruit(hub, study_of(), token, sites)
    answer = sites[0].answer(task_of(sites[0]).task, lambda tensors: tensors["features.count"].__imul__(-1))
    assert answer.status_code == 422 and "features.count is negative" in answer.text


def test_a_truncated_upload_is_not_kept_and_can_be_sent_again(hub, sites, study_id):
    task = task_of(sites[0]).task
    content = save(sites[0].tensors(task))
    cut = sites[0].upload(content[:-9], name=digest(content))
    assert cut.status_code == 409 and "send it again" in cut.text
    assert hub.hub.blobs.size_bytes(digest(content)) is None
    early = sites[0].hand_in_uploaded(task, content)
    assert early.status_code == 409 and "upload it first" in early.text
    assert sites[0].hand_in(task, content).status_code == 204


@pytest.mark.parametrize(
    "sent", ["d2VpZ2h0cw==", "d2VpZ2h0cx==", "d2Vp Z2h0cw=="], ids=["other", "second form", "space"]
)
def test_weights_that_came_along_spoilt_fail_nobody_and_can_be_sent_again(hub, sites, study_id, sent):
    task = task_of(sites[0]).task
    content = save(sites[0].tensors(task))
    spoilt = UpdateParcel.model_construct(update=sites[0].update(task, content), weights=sent)
    answer = sites[0].send("POST", f"/node/tasks/{task.id}/update", spoilt)
    assert answer.status_code == (422 if " " in sent else 409)
    assert hub.hub.blobs.size_bytes(digest(content)) is None
    assert sites[0].hand_in(task, content).status_code == 204


def test_small_weights_go_with_the_task_and_come_with_the_update(hub, sites, study_id):
    work = task_of(sites[0])
    assert digest(base64_bytes(work.weights)) == work.task.weights
    content = save(sites[0].tensors(work.task))
    assert sites[0].hand_in(work.task, content).status_code == 204
    assert read(hub.hub.blobs, digest(content)) == content
    with hub.hub.store.reading() as session:
        assert session.get(UploadRow, (digest(content), "north")) is None


def test_large_weights_go_and_come_as_blobs(hub, token, sites, study_of, monkeypatch):
    monkeypatch.setattr(assignments, "INLINE_BYTES", 16)
    for site in sites:
        site.inline_bytes = 16
    study_id = recruit(hub, study_of(rounds=1), token, sites)
    for round_ in range(2):
        for site in sites:
            work = site.wait_for_work()
            assert (work.task.round, work.weights) == (round_, None)
            site.do(work)
    for site in sites:
        site.do(site.wait_for_work())
    hub.wait_for(study_id, token, "completed")


def test_nobody_answers_with_what_another_uploaded(sites, study_id):
    north, south = sites[:2]
    task = task_of(north).task
    content = save(north.tensors(task))
    south.upload(content)
    answer = north.hand_in_uploaded(task, content)
    assert answer.status_code == 409


def test_nobody_answers_anothers_task(sites, study_id):
    north, south = sites[:2]
    task = task_of(north).task
    content = save(south.tensors(task))
    south.upload(content)
    stolen = south.hand_in_uploaded(task, content)
    absent = south.send("POST", "/node/tasks/t-none/failure", TaskFailure(task="t-none", reason="internal"))
    assert (stolen.status_code, absent.status_code) == (403, 403)
    assert stolen.json()["message"].replace(task.id, "X") == absent.json()["message"].replace("t-none", "X")


@pytest.mark.parametrize(
    "changes",
    [{"round": 7}, {"do": "prepare"}, {"site": "south"}, {"study_digest": digest(b"x")}, {"weights_in": digest(b"x")}],
    ids=lambda changes: next(iter(changes)),
)
def test_an_update_that_answers_something_else_is_not_taken(sites, study_id, changes):
    task = task_of(sites[0]).task
    assert sites[0].answer(task, **changes).status_code == 409
    assert sites[0].answer(task).status_code == 204


def test_a_node_fetches_the_weights_of_its_own_rounds_and_nothing_else(hub, token, sites, study_id):
    stranger = FakeSite(hub, "stranger").join()
    work = task_of(sites[0])
    assert isinstance(work, Work) and work.task.weights
    path = f"{API}/blobs/{work.task.weights}"
    assert hub.http.get(path, headers=sites[0].headers("GET", path)).status_code == 200
    refused = hub.http.get(path, headers=stranger.headers("GET", path))
    nowhere = f"{API}/blobs/{digest(b'nowhere')}"
    absent = hub.http.get(nowhere, headers=stranger.headers("GET", nowhere))
    assert (refused.status_code, absent.status_code) == (403, 403)
    assert hub.http.get(path, headers=bearer(token)).status_code == 403


def test_too_much_is_refused_before_it_is_read(hub, sites, study_id, token):
    big = b"x" * ((1 << 20) + 1)
    assert sites[0].upload(big).status_code == 413
    assert hub.http.post(f"{API}/studies", content=big, headers=bearer(token)).status_code == 413


def test_updates_that_come_at_once_are_judged_each_by_itself(hub, token, sites, study_id):
    parcels, given = [], [task_of(site).task for site in sites]
    for site, task, bend in zip(sites, given, (None, poison(np.nan), None), strict=True):
        tensors = site.tensors(task)
        if bend:
            bend(tensors)
        content = save(tensors)
        parcels.append((site.name, UpdateParcel(update=site.update(task, content), weights=base64_text(content))))
    north, south, west = parcels
    stolen = ("west", north[1])
    before = list(hub.hub.blobs.digests())
    outcomes = receive_updates(hub.hub.store, hub.hub.blobs, [north, stolen, south, west, north])
    assert [type(each) for each in outcomes] == [Taken, NotPermitted, TrainingFailed, Taken, Taken]
    assert {outcomes[at].to_drive for at in (0, 3, 4)} == {study_id}, "no update of the round is awaited"
    assert outcomes[2].reason == "not-finite"
    kept = {parcel.update.weights_out for _, parcel in (north, west)}
    assert set(hub.hub.blobs.digests()) - set(before) == kept
    done = [event for event in hub.events(study_id, token) if event.event == "task.done" and event.round == 1]
    assert [event.site for event in done] == ["north", "west"]


def test_updates_that_come_at_once_are_taken_in_one_transaction(hub, sites, study_id, monkeypatch):
    parcels = []
    for site in sites:
        task = task_of(site).task
        content = save(site.tensors(task))
        parcel = UpdateParcel(update=site.update(task, content), weights=base64_text(content))
        parcels.append((site.name, parcel))
    changes, changing = [], Store.changing
    monkeypatch.setattr(Store, "changing", lambda store: changes.append(store) or changing(store))
    assert receive_updates(hub.hub.store, hub.hub.blobs, parcels) == [
        Taken(p.update.task, study_id) for _, p in parcels
    ]
    assert len(changes) == 1


def open_task(hub: HubAtHand, site: str, other_than: str) -> Task | None:
    with hub.hub.store.reading() as session:
        rows = session.scalars(select(TaskRow).where(TaskRow.site == site, TaskRow.state.in_(("queued", "leased"))))
        return next((Task.from_bytes(row.task) for row in rows if row.id != other_than), None)


def test_an_upload_that_is_let_go_of_while_it_is_checked_is_not_taken(
    hub, token, sites, study_id, study_of, monkeypatch
):
    """One blob for two studies, and refused in the one while the other still reads it: an update without its weights would hang its study."""
    hub.submit(study_of(rounds=1, at_least=2), token)
    in_hand = [task_of(site).task for site in sites]
    for site, task in zip(sites, in_hand, strict=True):
        offer = site.poll(holding=[task.id])
        assert isinstance(offer, Offer) and site.approve(offer).status_code == 204
    work = in_hand[0]
    until(lambda: open_task(hub, "north", other_than=work.id) is not None)
    other = open_task(hub, "north", other_than=work.id)
    content = save(sites[0].tensors(work))
    sites[0].upload(content)
    read_whole = tasks._check_uploaded_content

    def slowly(blobs, update, study):
        read_whole(blobs, update, study)
        if update.task == work.id:
            handed = [("north", UpdateParcel(update=sites[0].update(other, content)))]
            outcomes = receive_updates(hub.hub.store, hub.hub.blobs, handed)
            let_go_of_refused(hub.hub.store, hub.hub.blobs, handed, outcomes)
            assert outcomes[0].reason == "missing-tensor"

    monkeypatch.setattr(tasks, "_check_uploaded_content", slowly)
    (outcome,) = receive_updates(
        hub.hub.store, hub.hub.blobs, [("north", UpdateParcel(update=sites[0].update(work, content)))]
    )
    assert isinstance(outcome, Conflict) and digest(content) not in set(hub.hub.blobs.digests())


@pytest.mark.parametrize(
    "problem", [Unreachable("the bucket does not answer"), PermissionError(13, "not ours")], ids=["bucket", "folder"]
)
def test_a_study_goes_on_where_a_refused_update_cannot_be_dropped(hub, sites, study_id, monkeypatch, problem):
    given = [task_of(site).task for site in sites]
    for site, task in list(zip(sites, given, strict=True))[1:]:
        assert site.answer(task).status_code == 204

    def away(*_):
        raise problem

    monkeypatch.setattr(retention, "sweep", away)
    assert sites[0].answer(given[0], poison(np.nan)).json()["code"] == "not-finite"
    monkeypatch.undo()
    until(lambda: task_of(sites[1]).task.do == "evaluate")


def test_an_update_does_not_drive_a_study_while_another_is_awaited(hub, sites, study_id):
    outcomes = []
    for site in sites:
        task = task_of(site).task
        content = save(site.tensors(task))
        parcel = UpdateParcel(update=site.update(task, content), weights=base64_text(content))
        outcomes += receive_updates(hub.hub.store, hub.hub.blobs, [(site.name, parcel)])
    assert [each.to_drive for each in outcomes] == [None, None, study_id]


def test_blobs_that_cannot_be_read_are_no_fault_of_a_hospital(hub, sites, study_id, monkeypatch):
    def spoilt(blob):
        raise Unproven("the bucket holds other bytes")

    task = task_of(sites[0]).task
    sites[0].inline_bytes = 0
    monkeypatch.setattr(hub.hub.blobs, "open", spoilt)
    assert sites[0].answer(task).status_code == 503
    assert task_of(sites[1]).weights is None, "it fetches them, and is told what is wrong"
    monkeypatch.undo()
    assert sites[0].answer(task).status_code == 204


def test_only_small_updates_are_taken_together(hub, sites, study_id, monkeypatch):
    ask, together = hub.hub.updates.ask, []

    def counted(handed):
        together.append(handed[0])
        return ask(handed)

    monkeypatch.setattr(hub.hub.updates, "ask", counted)
    sites[0].inline_bytes = 0
    for site in sites[:2]:
        assert site.answer(task_of(site).task).status_code == 204
    assert together == ["south"]


@pytest.mark.parametrize("way", [Median(), TrimmedMean(), NormClip()], ids=["median", "trimmed-mean", "norm-clip"])
def test_a_hospital_gone_wild_is_named_to_the_researcher_and_in_the_hubs_log(hub, token, sites, study_of, way):
    sites += [FakeSite(hub, name, 200).join() for name in ("east", "far")]
    study = study_of(rounds=3, at_least=5)
    training = study.training.model_copy(update={"aggregation": way})
    with capture_logs() as logged:
        study_id = recruit(hub, study.model_copy(update={"training": training}), token, sites)
        for number in range(5):
            for site in sites:
                wild = site.name == "far" and number == 2
                if wild:
                    assert site.answer(task_of(site).task, poison(1000.0)).status_code in (200, 204)
                else:
                    site.do(task_of(site))
        hub.wait_for(study_id, token, "completed")
    closed = [event for event in hub.events(study_id, token) if event.event == "round.closed"]
    assert [(event.round, event.facts["unlike_others"]) for event in closed if "unlike_others" in event.facts] == [
        (2, "far")
    ]
    told = [line for line in logged if line["event"] == "updates.unlike-others"]
    assert [(line["study"], line["round"], line["sites"]) for line in told] == [(study_id, 2, "far")]
