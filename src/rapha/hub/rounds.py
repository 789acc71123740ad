"""Carries out what progress.py decides. Every step is one transaction, or a computation that can be done again before
one: killed at any moment and started again, the hub goes on from what the store says and ends in the same bits."""

import secrets
from collections import defaultdict
from datetime import datetime, timedelta
from typing import assert_never

from sqlalchemy import Select, select

from rapha.errors import Conflict
from rapha.hub import graphs, retention
from rapha.hub.aggregation import Combined, Part, combined, merged_statistics
from rapha.hub.blobs import Blobs
from rapha.hub.delivery import Signer, account_of, make_delivery
from rapha.hub.dispatches import withdraw_tasks
from rapha.hub.pooling import mean_scores
from rapha.hub.progress import OPEN, CloseRound, Complete, Conclude, End, OpenRound, Wait, next_step
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.refusals import log_refusals, refused_not_logged
from rapha.hub.standing import standing_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DeliveredRow, DispatchRow, RoundRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.hub.tasks import score_facts
from rapha.hub.updates import updates_of
from rapha.records.lifecycle import FINAL
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.task import Task
from rapha.records.tensors import declared_start, declared_weights

_STATE_OF = {"prepare": "preparing", "train": "training", "evaluate": "releasing"}


class Rounds:
    """Drives studies. `drive` may be called at any time, for one study by one thread at a time."""

    def __init__(self, store: Store, blobs: Blobs, signer: Signer, desk: ReceiptDesk) -> None:
        self._store, self._blobs, self._signer, self._desk = store, blobs, signer, desk
        self._let_go: defaultdict[str, set[str]] = defaultdict(set)
        """By study: blobs to sweep once the sites have their work; those a crash leaves are swept at the next start."""

    def drive(self, study_id: str) -> datetime | None:
        """Do all that can be done now; the deadline to come back at, if there is one."""
        while True:
            with self._store.reading() as session:
                row = session.get_one(StudyRow, study_id)
                action = next_step(standing_of(session, row, self._signer.clock()))
            if isinstance(action, Wait):
                log_refusals(self._store, self._desk, study_id)
                retention.sweep(self._store, self._blobs, self._let_go.pop(study_id, set()))
                return action.until
            self._carry_out(study_id, action)

    def cancel(self, study_id: str, researcher: str) -> None:
        """The researcher ends it; no error where it is cancelled already. Raises Conflict where it is over otherwise."""
        with self._store.changing() as change:
            row = change.session.get_one(StudyRow, study_id)
            if row.state != "cancelled":
                _end(change, row, "cancelled", "cancelled", f"researcher:{researcher}")
        self._sweep(study_id)

    def pause(self, study_id: str, researcher: str) -> None:
        """Give out no more work of it until `resume`; what is in hand may still be handed in. Twice is the same as once.

        Raises Conflict where it is not at work.
        """
        with self._store.changing() as change:
            row = change.session.get_one(StudyRow, study_id)
            if row.state != "paused":
                state = row.state
                change.move(row, "paused", f"researcher:{researcher}")
                row.paused_from = state

    def resume(self, study_id: str, researcher: str) -> None:
        """Go on where it was paused; an open round gets its whole time again. Twice is the same as once.

        Raises Conflict where it was never paused, or is over.
        """
        with self._store.changing() as change:
            row = change.session.get_one(StudyRow, study_id)
            if row.paused_from is None or row.state in FINAL["study"]:
                raise Conflict(f"study {study_id} is {row.state}: it is not paused")
            if row.state == "paused":
                change.move(row, row.paused_from, f"researcher:{researcher}", {"state": row.paused_from})
                deadline = change.at + timedelta(minutes=study_of(row.study).training.deadline_minutes)
                open_ = select(RoundRow).where(RoundRow.study_id == study_id, RoundRow.closed_at.is_(None))
                for round_ in change.session.scalars(open_):
                    round_.deadline = deadline
                sites = select(DispatchRow.site).where(DispatchRow.study_id == study_id)
                change.topics |= {f"site:{site}" for site in change.session.scalars(sites)}

    def unfinished(self) -> list[str]:
        """The studies to drive when the hub starts: those at work, and those of which a refusal is not in the log yet."""
        with self._store.reading() as session:
            unfinished = session.scalars(select(StudyRow.id).where(StudyRow.state.not_in(FINAL["study"])))
            return list(dict.fromkeys([*unfinished, *refused_not_logged(session)]))

    def _carry_out(self, study_id: str, action: OpenRound | CloseRound | Complete | Conclude | End) -> None:
        match action:
            case OpenRound():
                with self._store.changing() as change:
                    self._let_go[study_id] |= set(_open_round(change, study_id, action))
            case CloseRound():
                self._close_round(study_id, action.number)
            case Complete():
                self._complete(study_id)
            case Conclude():
                with self._store.changing() as change:
                    row = change.session.get_one(StudyRow, study_id)
                    if row.state == "asking":  # else it was cancelled meanwhile
                        _end(change, row, "answered", None, "hub")
            case End():
                with self._store.changing() as change:
                    row = change.session.get_one(StudyRow, study_id)
                    if row.state not in FINAL["study"] and row.state != "paused":
                        _end(change, row, action.state, action.reason, "hub")
                self._sweep(study_id)
            case _ as unreachable:
                assert_never(unreachable)

    def _close_round(self, study_id: str, number: int) -> None:
        """First nothing more is taken, then the average is made, then the round is closed with it."""
        with self._store.reading() as session:
            closed = session.get_one(RoundRow, (study_id, number)).closed_at is not None
            open_ = session.scalars(_open_tasks(study_id, number)).first()
        if closed:
            return  # by another hub
        if open_ is not None:
            with self._store.changing() as change:
                _miss_open_tasks(change, study_id, number)
        made = self._aggregate(study_id, number)
        with self._store.changing() as change:
            round_ = change.session.get_one(RoundRow, (study_id, number))
            if change.session.get_one(StudyRow, study_id).state in FINAL["study"] or round_.closed_at is not None:
                return  # cancelled meanwhile, or closed by another hub
            if made and not all(self._blobs.size_bytes(each) is not None for each in (made.weights, *made.kept)):
                return  # another study with the same bits let go of them in between: made again
            round_.closed_at = change.at
            if made:
                round_.weights_out, round_.kept = made.weights, " ".join(made.kept) or None
            updates = updates_of(change.session, study_id, number)
            facts = {"sites": " ".join(updates), **score_facts(mean_scores(updates))}
            if made and made.unlike:
                facts["unlike_others"] = " ".join(made.unlike)
            change.tell("round.closed", "hub", study_id=study_id, round=number, facts=facts)
            let_go = retention.forget_updates(change, study_id, number) if round_.do != "evaluate" else set()
        self._let_go[study_id] |= let_go

    def _aggregate(self, study_id: str, number: int) -> Combined | None:
        """What comes out of the round; None for the evaluation."""
        with self._store.reading() as session:
            study = study_of(session.get_one(StudyRow, study_id).study)
            round_ = session.get_one(RoundRow, (study_id, number))
            before = session.get(RoundRow, (study_id, number - 1))
            updates = updates_of(session, study_id, number)
        parts = [Part(site, update.weights_out, update.weight) for site, update in updates.items()]
        if round_.do == "evaluate":
            return None
        if round_.do == "prepare":
            return Combined(merged_statistics(self._blobs, parts, declared_start(study)))
        start = round_.weights_in if number > 1 else None  # the first one starts from statistics and the study's seed
        kept = before.kept.split() if before and before.kept else []
        return combined(self._blobs, parts, declared_weights(study), study.training.aggregation, start, kept)

    def _complete(self, study_id: str) -> None:
        log_refusals(self._store, self._desk, study_id)
        with self._store.reading() as session:
            account = account_of(session, session.get_one(StudyRow, study_id))
        if account.waiting:
            return  # a refusal came in between: it is logged first
        delivery = make_delivery(self._blobs, account, self._signer, self._desk)
        with self._store.changing() as change:
            row = change.session.get_one(StudyRow, study_id)
            if row.state != "releasing":
                return  # cancelled or paused meanwhile
            row.delivery = delivery.as_bytes()
            for digest in {file.blob for file in delivery.files}:
                change.session.merge(DeliveredRow(digest=digest, study_id=study_id))
            _end(change, row, "completed", None, "hub")
            for site, parcel in account.releases.items():
                retention.forget_upload(change, site, parcel.release.metrics)
        self._sweep(study_id)

    def _sweep(self, study_id: str) -> None:
        with self._store.reading() as session:
            used = retention.blobs_of_study(session, study_id)
        retention.sweep(self._store, self._blobs, used)


def _open_round(change: Change, study_id: str, action: OpenRound) -> list[str]:
    """A task for every approved site, and the state of the study that goes with the work; the blobs now superseded."""
    row = change.session.get_one(StudyRow, study_id)
    if row.state in FINAL["study"] or row.state == "paused":
        return []  # meanwhile
    if change.session.get(RoundRow, (study_id, action.number)) is not None:
        return []  # opened by another hub
    before = change.session.get(RoundRow, (study_id, action.number - 1))
    weights = before.weights_out if before else None
    deadline = change.at + timedelta(minutes=study_of(row.study).training.deadline_minutes)
    if row.state != _STATE_OF[action.do]:
        change.move(row, _STATE_OF[action.do], "hub")
    change.session.add(
        RoundRow(study_id=study_id, number=action.number, do=action.do, weights_in=weights, deadline=deadline)
    )
    change.session.flush()
    approved = select(DispatchRow).where(DispatchRow.study_id == study_id, DispatchRow.state == "approved")
    for dispatch in change.session.scalars(approved.order_by(DispatchRow.site)):
        task = Task(
            id=TaskId(f"t-{secrets.token_hex(8)}"),
            study_id=StudyId(study_id),
            study_digest=row.digest,
            dispatch=DispatchId(dispatch.id),
            site=SiteId(dispatch.site),
            round=action.number,
            do=action.do,
            weights=weights,
        )
        change.session.add(_task_row(task))
        change.topics.add(f"site:{dispatch.site}")
    change.tell("round.opened", "hub", study_id=study_id, round=action.number, facts={"do": action.do})
    return _superseded(change, study_id, action.number - 1) if before else []


def _superseded(change: Change, study_id: str, number: int) -> list[str]:
    """What round `number` began with, and what the round before it kept: the next round needs neither."""
    rounds = [change.session.get(RoundRow, (study_id, each)) for each in (number, number - 1)]
    found = [rounds[0].weights_in if rounds[0] else None]
    found += rounds[1].kept.split() if rounds[1] and rounds[1].kept else []
    return [digest for digest in found if digest]


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


def _open_tasks(study_id: str, number: int) -> Select[TaskRow]:
    return select(TaskRow).where(TaskRow.study_id == study_id, TaskRow.number == number, TaskRow.state.in_(OPEN))


def _miss_open_tasks(change: Change, study_id: str, number: int) -> None:
    for task in change.session.scalars(_open_tasks(study_id, number)):
        task.reason = "deadline"
        change.move(task, "missed", "hub", {"reason": "deadline"})


def _end(change: Change, row: StudyRow, state: str, reason: str | None, actor: str) -> None:
    """The study is over: nothing of it stays open, and every node that has it is told."""
    facts = {"reason": reason} if reason else {}
    row.reason = reason
    change.move(row, state, actor, facts)
    if state != "completed":
        graphs.let_go(change, row)
    for dispatch in change.session.scalars(select(DispatchRow).where(DispatchRow.study_id == row.id)):
        withdraw_tasks(change, dispatch)
        change.topics.add(f"site:{dispatch.site}")
        if dispatch.state in ("offered", "pending", "approved"):
            change.move(dispatch, "withdrawn", "hub")
