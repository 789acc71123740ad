"""How anything changes: a row's state and its audit event in one call, in one transaction."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from rapha.hub.store.audit import NOT_FOR_RESEARCHERS, event_row
from rapha.hub.store.tables import DispatchRow, StudyRow, TaskRow
from rapha.records.lifecycle import check_move

NEWS_FOR_SITES = ("dispatch.offered", "dispatch.failed", "dispatch.withdrawn", "dispatch.released")
"""After these there may be an offer, or something to stop. Tasks are opened with a topic of their own."""


@dataclass
class Change:
    """An open transaction: its session, its moment, whom to wake when it is kept, and which events it tells."""

    session: Session
    at: datetime
    topics: set[str] = field(default_factory=set)
    told: list[str] = field(default_factory=list)

    def move(
        self, row: StudyRow | DispatchRow | TaskRow, target: str, actor: str, facts: dict[str, str] | None = None
    ) -> None:
        """Give the row its next state and write the event of that move. The only place where a state is assigned.

        Raises:
            Conflict: the lifecycle has no such move.
        """
        match row:
            case StudyRow():
                step = check_move("study", row.state, target)
                self.tell(step.event, actor, study_id=row.id, facts=facts)
            case DispatchRow():
                step = check_move("dispatch", row.state, target)
                self.tell(step.event, actor, study_id=row.study_id, site=row.site, facts=facts)
            case TaskRow():
                step = check_move("task", row.state, target)
                self.tell(step.event, actor, study_id=row.study_id, site=row.site, round=row.number, facts=facts)
        row.state = target

    def tell(
        self,
        event: str,
        actor: str,
        *,
        study_id: str | None = None,
        site: str | None = None,
        round: int | None = None,
        facts: dict[str, str] | None = None,
    ) -> None:
        """Write an audit event. After the commit whoever follows the study is woken, and the site where there may be
        something for it: what it just did itself, or what was given to it, is not news."""
        self.session.add(event_row(self.at, event, actor, study_id=study_id, site=site, round=round, facts=facts or {}))
        self.told.append(f"{event}@{site or 'hub'}" + (f":{round}" if round is not None else ""))
        if study_id and event not in NOT_FOR_RESEARCHERS:
            self.topics.add(f"study:{study_id}")
        if site and event in NEWS_FOR_SITES:
            self.topics.add(f"site:{site}")
