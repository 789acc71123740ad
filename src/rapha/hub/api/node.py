"""What a hospital's node may ask of the hub. It always dials in: the hub has no way to call it."""

import time
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Response
from fastapi.concurrency import run_in_threadpool

from rapha.errors import Conflict, RaphaError
from rapha.hub import dispatches, enrolment, freezes, places, releases, site_keys, tasks
from rapha.hub.api.credentials import TheHub, node
from rapha.hub.api.errors import PROBLEMS
from rapha.hub.assignments import acknowledge_stops, task_after
from rapha.hub.held import seconds_asked_for
from rapha.hub.tasks import Taken
from rapha.hub.wired import Hub
from rapha.proof import keys
from rapha.records.key_change import Rotation
from rapha.records.logged import LoggedReceipt, ReceiptPlace
from rapha.records.receipt import Receipt
from rapha.records.record import SiteId
from rapha.records.site import Answered, Approval, Denial, SiteProfile
from rapha.records.task import TaskFailure
from rapha.records.wire import (
    Assignment,
    Enrolled,
    Enrolment,
    Feasible,
    Pending,
    Poll,
    ReleaseParcel,
    Runs,
    UpdateParcel,
    Work,
)

router = APIRouter(prefix="/node", tags=["node"], responses=PROBLEMS)
Site = Annotated[SiteId, Depends(node)]


@router.post("/enrol")
def enrol(hub: TheHub, enrolment_: Enrolment) -> Enrolled:
    """Join, with a one-time code. The same code with the same key may be sent again."""
    with hub.store.changing() as change:
        enrolment.enrol(change, enrolment_)
    public = keys.public_to_pem(hub.signer.key.public_key())
    return Enrolled(site=SiteId(enrolment_.site), hub=hub.signer.name, hub_key=public)


@router.post("/key", status_code=204)
def key(hub: TheHub, rotation: Rotation) -> None:
    """Go over to another key. The statement, signed by the old key and the new one, is what allows it: no token. The same again is the
    same as once."""
    with hub.store.reading() as session:  # what anybody may send holds up nobody
        site_keys.check_rotates(session, rotation)
    with hub.store.changing() as change:
        site_keys.rotate(change, hub.desk, rotation)
    site_keys.log_changes(hub.store, hub.desk, hub.signer)


@router.post("/key/revocation", status_code=204)
def key_revocation(hub: TheHub, revocation: Receipt) -> None:
    """The site's key is not believed any more, as it says itself: no token. It opens no door from then on. The same again is the same as once."""
    with hub.store.reading() as session:  # what anybody may send holds up nobody
        site_keys.check_revokes_itself(session, revocation)
    with hub.store.changing() as change:
        site_keys.revoke_by_itself(change, hub.desk, revocation)
    site_keys.log_changes(hub.store, hub.desk, hub.signer)


@router.put("/profile", status_code=204)
def profile(hub: TheHub, site: Site, profile_: SiteProfile) -> None:
    """Say what this site has."""
    with hub.store.changing() as change:
        dispatches.keep_profile(change, site, profile_)


@router.get("/runs")
def runs(hub: TheHub, site: Site) -> Runs:
    """The runs of which this site handed in something: an agent that begins holds its privacy ledger against them."""
    with hub.store.reading() as session:
        return dispatches.runs_of(session, site)


@router.post("/work", response_model=Assignment, responses={204: {"description": "Nothing within wait_seconds"}})
async def work(hub: TheHub, site: Site, poll: Poll) -> Response:
    """Wait for something to do, at most `wait_seconds`."""
    if poll.stopped:
        await run_in_threadpool(_acknowledge, hub, site, poll)
    until = time.monotonic() + poll.wait_seconds
    with hub.bell.listening(f"site:{site}") as listener, hub.held.standing(site) as past:
        while True:
            holding = (*poll.holding, *past)
            if found := await hub.work.ask((site, poll.model_copy(update={"holding": holding}))):
                return _found(found)
            left = until - time.monotonic()
            if left <= 0 or hub.bell.closed or not await listener.wait(left):
                return Response(status_code=204)


@router.post("/dispatches/{dispatch}/feasible", status_code=204)
def feasible(hub: TheHub, site: Site, dispatch: str, answer: Feasible) -> None:
    """The suppressed size of the cohort."""
    _check_same(dispatch, answer.dispatch)
    with hub.store.changing() as change:
        dispatches.feasible(change, site, answer)


@router.post("/dispatches/{dispatch}/pending", status_code=204)
def pending(hub: TheHub, site: Site, dispatch: str, answer: Pending) -> None:
    """A person has to decide."""
    _check_same(dispatch, answer.dispatch)
    with hub.store.changing() as change:
        dispatches.pending(change, site, answer)


@router.post("/dispatches/{dispatch}/approval", status_code=204)
def approval(hub: TheHub, site: Site, dispatch: str, answer: Approval) -> None:
    """Yes."""
    _check_same(dispatch, answer.dispatch)
    with hub.store.changing() as change:
        study = dispatches.approve(change, site, answer)
    hub.conductor.nudge(study)


@router.post("/dispatches/{dispatch}/denial", status_code=204)
def denial(hub: TheHub, site: Site, dispatch: str, answer: Denial) -> None:
    """No."""
    _check_same(dispatch, answer.dispatch)
    with hub.store.changing() as change:
        study = dispatches.deny(change, site, answer)
    hub.conductor.nudge(study)


@router.post("/dispatches/{dispatch}/answered", status_code=204)
def answered(hub: TheHub, site: Site, dispatch: str, answer: Answered) -> None:
    """How many patients there would be, where that alone was asked."""
    _check_same(dispatch, answer.dispatch)
    with hub.store.changing() as change:
        study = dispatches.answered(change, site, answer)
    hub.conductor.nudge(study)


@router.post("/dispatches/{dispatch}/freeze")
def freeze(hub: TheHub, site: Site, dispatch: str, answer: Receipt) -> LoggedReceipt:
    """What was frozen for a run, signed, before the run's first round. It is in the log when this answers, and here is where."""
    return freezes.receive_freeze(hub.store, hub.desk, site, dispatch, answer)


@router.get("/dispatches/{dispatch}/receipt")
def receipt(hub: TheHub, site: Site, dispatch: str) -> ReceiptPlace:
    """Where in the log is what the site signed at the end of a run, a release or a refusal; and if it is not there yet, how far the study is."""
    with hub.store.reading() as session:
        return places.place_of(session, hub.blobs, site, dispatch)


@router.post(
    "/tasks/{task}/update",
    response_model=Work,
    responses={204: {"description": "Taken; what follows is told to a poll"}},
)
async def update(
    hub: TheHub, site: Site, task: str, answer: UpdateParcel, prefer: Annotated[str | None, Header()] = None
) -> Response:
    """Hand in a round, with its weights where they are small; larger ones are uploaded first. An update that is not as
    declared fails the task: 422. With `Prefer: wait=SECONDS` the answer may wait that long for the site's task of the next round."""
    _check_same(task, answer.update.task)
    if not (seconds := seconds_asked_for(prefer)):
        await _taken(hub, site, answer)
        return Response(status_code=204)
    with hub.held.holding(site, answer.update.task) as held:
        taken = await _taken(hub, site, answer)
        work = await _after(hub, taken)
        if work is None and not hub.bell.closed:
            await held.wait(seconds)
    work = work or held.work or await _after(hub, taken)
    return _found(work) if work else Response(status_code=204)


async def _after(hub: Hub, taken: Taken) -> Work | None:
    """Of an update that was handed in before, the task that was to be its answer, if that is open: it may have gone to a line that was cut."""
    if not taken.before:
        return None
    work = await run_in_threadpool(task_after, hub.store, hub.blobs, taken.task)
    if work is not None:
        hub.held.told(work)
    return work


async def _taken(hub: Hub, site: SiteId, answer: UpdateParcel) -> Taken:
    if answer.weights is not None:
        outcome = await hub.updates.ask((site, answer))
    else:  # large: read by itself, so that no other waits for it
        (outcome,) = await run_in_threadpool(hub.receive, [(site, answer)])
    if isinstance(outcome, RaphaError):
        await run_in_threadpool(hub.drive_study_of, answer.update.task)
        raise outcome
    return outcome


@router.post("/tasks/{task}/failure", status_code=204)
def failure(hub: TheHub, site: Site, task: str, answer: TaskFailure) -> None:
    """It could not be done."""
    _check_same(task, answer.task)
    with hub.driven_after(task), hub.store.changing() as change:
        tasks.receive_failure(change, site, answer)


@router.post("/tasks/{task}/release", status_code=204)
def release(hub: TheHub, site: Site, task: str, answer: ReleaseParcel) -> None:
    """Hand in the release; its metrics file is uploaded first. A parcel that does not verify fails the task: 422."""
    _check_same(task, answer.task)
    with hub.driven_after(task):
        releases.receive_release(hub.store, hub.blobs, hub.desk, site, answer)


def _found(found: Assignment) -> Response:
    return Response(found.model_dump_json(), media_type="application/json")  # a record needs no second check


def _acknowledge(hub: TheHub, site: SiteId, poll: Poll) -> None:
    with hub.store.changing() as change:
        acknowledge_stops(change, site, poll)


def _check_same(path: str, body: str) -> None:
    if path != body:
        raise Conflict(f"the address says {path[:64]}, the body another: send each answer to its own address")
