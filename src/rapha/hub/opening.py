"""A round is opened: a task for every approved site, and the state of the study that goes with the work."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select

from rapha.hub.progress import OpenRound
from rapha.hub.released import best_weights
from rapha.hub.store.changes import Change
from rapha.hub.store.tables import DispatchRow, RoundRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.hub.updates import last_counted
from rapha.records.lifecycle import FINAL
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.task import Task
from rapha.records.travel import keeps_at_sites

_APPROVED = (
    select(DispatchRow.id, DispatchRow.site)
    .where(DispatchRow.study_id == bindparam("study"), DispatchRow.state == "approved")
    .order_by(DispatchRow.site)
)
_STATE_OF = {"prepare": "preparing", "train": "training", "evaluate": "releasing"}


@dataclass(frozen=True)
class Opened:
    """A round that was opened: its deadline, what it starts from, and the tasks that are handed out already, by the tasks whose updates
    are to be answered with them."""

    deadline: datetime
    weights: str | None
    given: Mapping[TaskId, Task]


def open_round(change: Change, study_id: str, action: OpenRound, after: Mapping[str, TaskId]) -> Opened | None:
    """A task for every approved site, and the state of the study that goes with the work. None: it was ended or paused
    meanwhile. `after`: by site, the task whose update waits for it: there it is handed out at once."""
    row = change.session.get_one(StudyRow, study_id)
    if row.state in FINAL["study"] or row.state == "paused":
        return None
    if change.session.get(RoundRow, (study_id, action.number)) is not None:
        return None  # opened by another hub
    before = change.session.get(RoundRow, (study_id, action.number - 1))
    study = study_of(row.study)
    weights = before.weights_out if before else None
    if action.do == "evaluate":
        weights = next(iter(best_weights(study, before)), weights)
    deadline = change.at + timedelta(minutes=study.training.deadline_minutes)
    if row.state != _STATE_OF[action.do]:
        change.move(row, _STATE_OF[action.do], "hub")
    change.session.add(
        RoundRow(study_id=study_id, number=action.number, do=action.do, weights_in=weights, deadline=deadline)
    )
    change.tell("round.opened", "hub", study_id=study_id, round=action.number, facts={"do": action.do})
    given: dict[TaskId, Task] = {}
    for dispatch, site in change.session.execute(_APPROVED, {"study": study_id}).all():
        task = Task(
            id=TaskId(f"t-{secrets.token_hex(8)}"),
            study_id=StudyId(study_id),
            study_digest=row.digest,
            dispatch=DispatchId(dispatch),
            site=SiteId(site),
            round=action.number,
            do=action.do,
            weights=weights,
            counted=last_counted(change.session, study_id, site) if keeps_at_sites(study) else None,
        )
        task_row = _task_row(task)
        change.session.add(task_row)
        if site in after:
            change.move(task_row, "leased", f"node:{site}")
            given[after[site]] = task
        else:
            change.topics.add(f"site:{site}")
    return Opened(deadline, weights, given)


def _task_row(task: Task) -> TaskRow:
    return TaskRow(
        id=task.id,
        study_id=task.study_id,
        dispatch_id=task.dispatch,
        site=task.site,
        number=task.round,
        do=task.do,
        task=task.as_bytes(),
        state="queued",
    )
