"""The log of everything that changed: who, what, when. Researchers read the part that is theirs."""

import json
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from rapha.canonical import canonical_bytes
from rapha.hub.store.tables import AuditRow
from rapha.records.wire import Event

NOT_FOR_RESEARCHERS = (
    "task.leased",
    "task.returned",
    "task.withdrawn",
    "refusal.stamped",
    "refusal.logged",
    "freeze.stamped",
    "freeze.logged",
    "key-change.logged",
)
"""The hub's own bookkeeping: true, and of no use to who waits for a result."""


def event_row(
    at: datetime,
    event: str,
    actor: str,
    *,
    study_id: str | None,
    site: str | None,
    round: int | None,
    facts: dict[str, str],
) -> AuditRow:
    """One line of the log. `facts` are short words and rounded figures, never a text from a hospital."""
    return AuditRow(
        at=at, event=event, actor=actor, study_id=study_id, site=site, round=round, facts=canonical_bytes(facts)
    )


def events_of(session: Session, study_id: str, after: int, at_most: int = 500) -> list[Event]:
    """The events of a study with a number above `after`, oldest first, as its researcher may see them."""
    found = session.scalars(
        select(AuditRow)
        .where(AuditRow.study_id == study_id, AuditRow.number > after, AuditRow.event.not_in(NOT_FOR_RESEARCHERS))
        .order_by(AuditRow.number)
        .limit(at_most)
    )
    return [_as_event(row) for row in found]


def _as_event(row: AuditRow) -> Event:
    return Event.model_validate(
        {
            "number": row.number,
            "at": row.at,
            "event": row.event,
            "site": row.site,
            "round": row.round,
            "facts": _facts(row),
        }
    )


def _facts(row: AuditRow) -> dict[str, str]:
    facts: dict[str, str] = json.loads(row.facts)
    return facts
