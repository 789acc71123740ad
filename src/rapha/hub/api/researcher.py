"""What a researcher may ask of the hub: their own studies, and what the sites say of themselves."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.errors import Conflict, NotPermitted
from rapha.hub import dispatches, graphs
from rapha.hub.api.credentials import ResearcherWith, TheHub
from rapha.hub.api.errors import PROBLEMS
from rapha.hub.standing import status_of
from rapha.hub.store.audit import events_of
from rapha.hub.store.tables import StudyRow
from rapha.hub.tokens import Researcher
from rapha.records.record import StudyId
from rapha.records.site import SiteProfile
from rapha.records.study import Study
from rapha.records.wire import Delivery, Event, StudyStatus, Submitted

TOGETHER_SECONDS = 0.25
"""A round tells some events at once: who follows a study is answered once for all of them, a blink later."""

router = APIRouter(tags=["researcher"], responses=PROBLEMS)
Writer = Annotated[Researcher, Depends(ResearcherWith("study:write"))]
Reader = Annotated[Researcher, Depends(ResearcherWith("study:read"))]
SitesReader = Annotated[Researcher, Depends(ResearcherWith("sites:read"))]


@router.post("/studies", status_code=201)
def submit(
    hub: TheHub,
    researcher: Writer,
    study: Study,
    idempotency_key: Annotated[str | None, Header(min_length=16, max_length=64)] = None,
) -> Submitted:
    """Hand in a study. It is routed at once; its status says where to, or why it is refused.

    Under an `Idempotency-Key` of one's own choice the same again is the same as once.
    """
    with hub.store.changing() as change:
        row = dispatches.submit(change, study, researcher.name, idempotency_key)
        graphs.keep(change, hub.blobs, row, study)
        submitted = Submitted(study_id=StudyId(row.id), study_digest=row.digest)
    hub.conductor.nudge(submitted.study_id)
    return submitted


@router.post("/feasibility", status_code=201)
def feasibility(
    hub: TheHub,
    researcher: Writer,
    study: Study,
    idempotency_key: Annotated[str | None, Header(min_length=16, max_length=64)] = None,
) -> Submitted:
    """Ask the sites how many patients a study would have, and train nothing. Its status has their answers.

    Under an `Idempotency-Key` of one's own choice the same again is the same as once.
    """
    with hub.store.changing() as change:
        row = dispatches.submit(change, study, researcher.name, idempotency_key, "feasibility")
        submitted = Submitted(study_id=StudyId(row.id), study_digest=row.digest)
    hub.conductor.nudge(submitted.study_id)
    return submitted


@router.get("/studies")
def studies(hub: TheHub, researcher: Reader) -> list[StudyStatus]:
    """One's own studies, newest first."""
    with hub.store.reading() as session:
        own = select(StudyRow).where(StudyRow.researcher == researcher.name).order_by(StudyRow.created_at.desc())
        return [status_of(session, row) for row in session.scalars(own.limit(200))]


@router.get("/studies/{study_id}")
def status(hub: TheHub, researcher: Reader, study_id: str) -> StudyStatus:
    """Where it stands."""
    with hub.store.reading() as session:
        return status_of(session, _own(session, researcher, study_id))


@router.get("/studies/{study_id}/events")
async def events(
    hub: TheHub,
    researcher: Reader,
    study_id: str,
    after: Annotated[int, Query(ge=0, lt=2**53)] = 0,
    wait_seconds: Annotated[float, Query(ge=0, le=60, allow_inf_nan=False)] = 0.0,
) -> list[Event]:
    """What happened after event number `after`; waits for something to happen, at most `wait_seconds`."""
    until = time.monotonic() + wait_seconds
    with hub.bell.listening(f"study:{study_id}") as listener:
        while True:
            found = await run_in_threadpool(_own_events, hub, researcher, study_id, after)
            left = until - time.monotonic()
            if found or left <= 0 or hub.bell.closed:
                return found
            if await listener.wait(left):
                await asyncio.sleep(min(TOGETHER_SECONDS, left))


@router.post("/studies/{study_id}/cancel", status_code=204)
def cancel(hub: TheHub, researcher: Writer, study_id: str) -> None:
    """End it: every site is told to stop. Twice is the same as once."""
    with hub.store.reading() as session:
        _own(session, researcher, study_id)
    hub.rounds.cancel(study_id, researcher.name)


@router.post("/studies/{study_id}/pause", status_code=204)
def pause(hub: TheHub, researcher: Writer, study_id: str) -> None:
    """Give out no more work of it until it is resumed. Twice is the same as once."""
    with hub.store.reading() as session:
        _own(session, researcher, study_id)
    hub.rounds.pause(study_id, researcher.name)


@router.post("/studies/{study_id}/resume", status_code=204)
def resume(hub: TheHub, researcher: Writer, study_id: str) -> None:
    """Go on where it was paused. Twice is the same as once."""
    with hub.store.reading() as session:
        _own(session, researcher, study_id)
    hub.rounds.resume(study_id, researcher.name)
    hub.conductor.nudge(study_id)


@router.get("/studies/{study_id}/delivery")
def delivery(hub: TheHub, researcher: Reader, study_id: str) -> Delivery:
    """The files of a completed study, each a blob to fetch."""
    with hub.store.reading() as session:
        row = _own(session, researcher, study_id)
        if row.delivery is None:
            raise Conflict(f"study {study_id} is {row.state}: there is a delivery once it is completed")
        return Delivery.from_bytes(row.delivery)


@router.get("/sites")
def sites(hub: TheHub, _researcher: SitesReader) -> list[SiteProfile]:
    """What the enrolled sites say of themselves: suppressed and rounded."""
    with hub.store.reading() as session:
        return dispatches.profiles(session)


def _own(session: Session, researcher: Researcher, study_id: str) -> StudyRow:
    row = session.get(StudyRow, study_id)
    if row is None or row.researcher != researcher.name:
        raise NotPermitted(f"you have no study {study_id[:64]} at this hub")
    return row


def _own_events(hub: TheHub, researcher: Researcher, study_id: str, after: int) -> list[Event]:
    with hub.store.reading() as session:
        return events_of(session, _own(session, researcher, study_id).id, after)
