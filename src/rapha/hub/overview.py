"""What an operator asks of a hub: which studies are under way and whom they wait for, which hospitals were heard of late."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from rapha.hub.store.tables import DispatchRow, RoundRow, SeenTokenRow, SiteRow, StudyRow, TaskRow
from rapha.proof import token
from rapha.records.lifecycle import FINAL
from rapha.records.record import Record

OF_LATE = timedelta(minutes=5)
_FROM_USE = timedelta(seconds=60 + token.LEEWAY_SECONDS)
"""From when a node signs a token, good for a minute, until it is forgotten here."""
_LINE = re.compile(rb"([0-9]{1,11}) ([a-z0-9][a-z0-9-]{0,62}) [0-9a-f]{32}\n")


class StudyUnderWay(Record):
    """`waits_for`: the hospitals that have an offer or a task and have not answered. `deadline`: of the round that is open; a paused study has
    none, for its round gets its whole time again."""

    study_id: str
    study: str
    researcher: str
    state: str
    round: int | None
    deadline: datetime | None
    waits_for: tuple[str, ...]


class SiteSeen(Record):
    """`heard`: it asked for something within the last five minutes, as every agent that runs does."""

    site: str
    name: str
    heard: bool
    key: Literal["good", "revoked"]
    profile: bool


class Overview(Record):
    """`ended`: how many studies ended in which state."""

    under_way: tuple[StudyUnderWay, ...]
    ended: dict[str, int]
    sites: tuple[SiteSeen, ...]


def overview(session: Session, heard: frozenset[str]) -> Overview:
    """Where everything stands. `heard`: the sites that were heard of late."""
    over = FINAL["study"]
    counted = session.execute(
        select(StudyRow.state, func.count()).where(StudyRow.state.in_(over)).group_by(StudyRow.state)
    )
    going = session.scalars(
        select(StudyRow).where(StudyRow.state.not_in(over)).order_by(StudyRow.created_at, StudyRow.id)
    )
    return Overview(
        under_way=tuple(_under_way(session, row) for row in going),
        ended=dict(sorted(counted.tuples().all())),
        sites=tuple(
            SiteSeen(
                site=row.id,
                name=row.name,
                heard=row.id in heard,
                key="good" if row.public_key else "revoked",
                profile=row.profile is not None,
            )
            for row in session.scalars(select(SiteRow).order_by(SiteRow.id))
        ),
    )


def heard_by_file(folder: Path, now: datetime) -> frozenset[str]:
    """The sites whose tokens were used of late, as the hub that runs on this home wrote them down."""
    found: set[str] = set()
    for file in (folder / "before", folder / "now"):
        if file.exists():
            used = _LINE.findall(file.read_bytes())
            found |= {site.decode() for until, site in used if _of_late(datetime.fromtimestamp(int(until), UTC), now)}
    return frozenset(found)


def heard_by_database(session: Session, now: datetime) -> frozenset[str]:
    """The same, of all hubs on one database."""
    rows = session.execute(select(SeenTokenRow.site, func.max(SeenTokenRow.forget_at)).group_by(SeenTokenRow.site))
    return frozenset(site for site, until in rows.tuples() if _of_late(until, now))


def _of_late(forget_at: datetime, now: datetime) -> bool:
    return forget_at - _FROM_USE >= now - OF_LATE


def _under_way(session: Session, row: StudyRow) -> StudyUnderWay:
    newest = session.scalars(
        select(RoundRow).where(RoundRow.study_id == row.id).order_by(RoundRow.number.desc()).limit(1)
    ).first()
    asked = select(DispatchRow.site).where(
        DispatchRow.study_id == row.id, DispatchRow.state.in_(("offered", "pending"))
    )
    tasked = select(TaskRow.site).where(TaskRow.study_id == row.id, TaskRow.state.in_(("queued", "leased")))
    runs_out = newest is not None and newest.closed_at is None and row.state != "paused"
    return StudyUnderWay(
        study_id=row.id,
        study=row.name,
        researcher=row.researcher,
        state=row.state,
        round=newest.number if newest else None,
        deadline=newest.deadline if newest and runs_out else None,
        waits_for=tuple(sorted(set(session.scalars(tasked if newest else asked)))),
    )
