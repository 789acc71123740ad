"""Reads from the store where a study stands: the snapshot that progress.py decides on."""

from datetime import datetime

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from rapha.hub.early_stopping import rounds_to_train
from rapha.hub.progress import RoundStanding, SiteStanding, Standing, TaskStanding
from rapha.hub.store.tables import DispatchRow, RoundRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.hub.updates import updates_of
from rapha.records.metrics import ClassRows, Count
from rapha.records.record import StudyId
from rapha.records.site import Answered
from rapha.records.study import Study
from rapha.records.task import Update
from rapha.records.wire import DispatchStatus, Feasible, StudyStatus

# Statements are made once, and ask for columns alone: this is read twice in every round.
_DISPATCHES = (
    select(DispatchRow.site, DispatchRow.state, DispatchRow.reason)
    .where(DispatchRow.study_id == bindparam("study"))
    .order_by(DispatchRow.site)
)
_NEWEST = (
    select(RoundRow.number, RoundRow.do, RoundRow.deadline, RoundRow.closed_at)
    .where(RoundRow.study_id == bindparam("study"))
    .order_by(RoundRow.number.desc())
    .limit(1)
)
_TASKS = (
    select(TaskRow.site, TaskRow.state, TaskRow.reason)
    .where(TaskRow.study_id == bindparam("study"), TaskRow.number == bindparam("number"))
    .order_by(TaskRow.site)
)


def standing_of(session: Session, row: StudyRow, now: datetime) -> Standing:
    """Where the study stands, as `next_step` reads it."""
    study = study_of(row.study)
    dispatches, newest = session.execute(_DISPATCHES, {"study": row.id}), session.execute(_NEWEST, {"study": row.id})
    return Standing(
        state=row.state,
        at_least=study.sites.at_least,
        rounds=rounds_to_train(study.training.rounds, study.training.early_stopping, _trained(session, row, study)),
        sites=[SiteStanding(*each) for each in dispatches],
        newest=next((_round_standing(session, row.id, *each) for each in newest), None),
        now=now,
    )


def goes_on_after(session: Session, study_id: str, study: Study, number: int) -> bool:
    """Whether another round of training follows round `number`, of which all updates are in."""
    terms = study.training.early_stopping
    updates = [updates_of(session, study_id, each) for each in range(1, number + 1)] if terms else []
    return number < rounds_to_train(study.training.rounds, terms, updates)


def _trained(session: Session, row: StudyRow, study: Study) -> list[dict[str, Update]]:
    """The updates of each closed training round; read only where the study may stop early."""
    if study.training.early_stopping is None:
        return []
    closed = select(RoundRow.number).where(RoundRow.study_id == row.id, RoundRow.do == "train")
    closed = closed.where(RoundRow.closed_at.is_not(None)).order_by(RoundRow.number)
    return [updates_of(session, row.id, number) for number in session.scalars(closed)]


def _round_standing(
    session: Session, study_id: str, number: int, do: str, deadline: datetime, closed_at: datetime | None
) -> RoundStanding:
    tasks = session.execute(_TASKS, {"study": study_id, "number": number})
    standings = [TaskStanding(*each) for each in tasks]
    return RoundStanding(number, do, deadline, closed_at is not None, standings)  # type: ignore[arg-type]


def status_of(session: Session, row: StudyRow) -> StudyStatus:
    """Where the study stands, as its researcher sees it."""
    study = study_of(row.study)
    newest = session.scalar(select(func.max(RoundRow.number)).where(RoundRow.study_id == row.id)) or 0
    dispatches = session.scalars(select(DispatchRow).where(DispatchRow.study_id == row.id).order_by(DispatchRow.site))
    return StudyStatus(
        study_id=StudyId(row.id),
        study=row.name,
        study_digest=row.digest,
        researcher=row.researcher,
        state=row.state,
        reason=row.reason,
        round=min(newest, study.training.rounds),
        rounds=study.training.rounds,
        asks=row.asks,
        dispatches=tuple(_dispatch_status(dispatch) for dispatch in dispatches),
    )


def _dispatch_status(row: DispatchRow) -> DispatchStatus:
    feasible = Feasible.from_bytes(row.feasible).patients if row.feasible else None
    events: Count | None = None
    classes: tuple[ClassRows, ...] = ()
    if row.state == "answered" and row.answer:
        answer = Answered.from_bytes(row.answer)
        feasible, events, classes = answer.patients, answer.events, answer.classes
    return DispatchStatus.model_validate(
        {
            "site": row.site,
            "state": row.state,
            "feasible": feasible,
            "events": events,
            "classes": classes,
            "reason": row.reason,
        }
    )
