"""What the sites handed in, read back."""

from sqlalchemy import Select, bindparam, func, select
from sqlalchemy.orm import Session

from rapha.hub.store.tables import TaskRow
from rapha.records.task import Update

_TAKEN = (
    select(TaskRow.site, TaskRow.result)
    .where(TaskRow.study_id == bindparam("study"), TaskRow.number == bindparam("number"))
    .where(TaskRow.state == "done", TaskRow.do != "evaluate")
    .order_by(TaskRow.site)
)


def updates_of(session: Session, study_id: str, number: int) -> dict[str, Update]:
    """The updates that were taken in a round, by site, in order of their names."""
    rows = session.execute(_TAKEN, {"study": study_id, "number": number})
    return {site: Update.from_bytes(result or b"") for site, result in rows}


def done_tasks(study_id: str) -> Select[TaskRow]:
    """The tasks of a study that are done."""
    return select(TaskRow).where(TaskRow.study_id == study_id, TaskRow.state == "done")


def last_counted(session: Session, study_id: str, site: str) -> int | None:
    """The last round of training into which an update of this site went."""
    return session.scalar(
        select(func.max(TaskRow.number)).where(
            TaskRow.study_id == study_id, TaskRow.site == site, TaskRow.state == "done", TaskRow.do == "train"
        )
    )


def rows_ever(session: Session, study_id: str) -> dict[str, int]:
    """The training rows, as they left, of every site of which an update was taken in any round."""
    rows = session.scalars(done_tasks(study_id).where(TaskRow.do != "evaluate").order_by(TaskRow.number))
    return {row.site: Update.from_bytes(row.result or b"").weight for row in rows}
