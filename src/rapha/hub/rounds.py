"""Carries out what progress.py decides. Every step is one transaction, or a computation that can be done again before
one: killed at any moment and started again, the hub goes on from what the store says and ends in the same bits."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import assert_never

from sqlalchemy import Select, select

from rapha.errors import Conflict
from rapha.hub import graphs, retention
from rapha.hub.blobs import Blobs
from rapha.hub.closing import Closed, Closing
from rapha.hub.delivery import account_of, make_delivery
from rapha.hub.dispatches import withdraw_tasks
from rapha.hub.held import HeldUpdates
from rapha.hub.opening import open_round
from rapha.hub.progress import (
    OPEN,
    Action,
    CloseRound,
    Complete,
    Conclude,
    End,
    OpenRound,
    Wait,
    next_step,
)
from rapha.hub.receipts import ReceiptDesk
from rapha.hub.refusals import log_refusals, refused_not_logged
from rapha.hub.released import superseded
from rapha.hub.settled import Settled, settled_of
from rapha.hub.signer import Signer
from rapha.hub.site_keys import log_changes
from rapha.hub.small_blobs import drop_small
from rapha.hub.standing import standing_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DeliveredRow, DispatchRow, RoundRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.records.lifecycle import FINAL


class Rounds:
    """Drives studies. `drive` may be called at any time, for one study by one thread at a time."""

    def __init__(self, store: Store, blobs: Blobs, signer: Signer, desk: ReceiptDesk, held: HeldUpdates) -> None:
        self._store, self._blobs, self._signer, self._desk = store, blobs, signer, desk
        self._closing = Closing(store, blobs, held)
        self._let_go: defaultdict[str, set[str]] = defaultdict(set)
        """By study: blobs to sweep once the sites have their work; those a crash leaves are swept at the next start."""

    def drive(self, study_id: str) -> datetime | None:
        """Do all that can be done now; the deadline to come back at, if there is one."""
        action: Action | None = None
        while True:
            with self._store.reading() as session:
                row = session.get_one(StudyRow, study_id)
                standing = standing_of(session, row, self._signer.clock())
                action = next_step(standing)
                settled = settled_of(session, row, standing) if isinstance(action, CloseRound) else None
            until = self._close(study_id, settled) if settled else self._carry_out(study_id, action)
            if isinstance(action, Wait) or until is not None:
                if any(site.state in ("denied", "failed") for site in standing.sites):
                    log_refusals(self._store, self._desk, study_id)
                retention.sweep(self._store, self._blobs, self._let_go.get(study_id, set()))
                self._let_go.pop(study_id, None)
                return until

    def close_with_last(self, change: Change, study_id: str) -> Closed | None:
        """Close the study's round within the change that took its last update, where it is light; once that is kept, `follow` it. None:
        the study is to be driven."""
        return self._closing.close_with_last(change, study_id)

    def follow(self, closed: Closed) -> datetime | None:
        """What follows the transaction that closed a round: the deadline of the next; None: the study is to be driven."""
        self._closing.answer(closed)
        retention.sweep(self._store, self._blobs, closed.let_go)
        return closed.opened.deadline if closed.opened else None

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

    def _carry_out(self, study_id: str, action: Action) -> datetime | None:
        """The deadline to come back at, where there is nothing more to do before it."""
        match action:
            case Wait():
                return action.until
            case OpenRound():
                with self._store.changing() as change:
                    opened = open_round(change, study_id, action, {})
                    last, before = (change.session.get(RoundRow, (study_id, action.number - back)) for back in (1, 2))
                if opened and last:
                    self._let_go[study_id] |= superseded(last.weights_in, before)
                return opened.deadline if opened else None
            case CloseRound():  # its deadline has passed: nothing more is taken, and then it is settled
                with self._store.changing() as change:
                    row = change.session.get_one(StudyRow, study_id)
                    still = next_step(standing_of(change.session, row, change.at))
                    if still == action:  # else it was paused, resumed or answered meanwhile
                        _miss_open_tasks(change, study_id, action.number)
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
        return None

    def _close(self, study_id: str, settled: Settled) -> datetime | None:
        """Close the round, with what comes of it; see `_carry_out`."""
        closed = self._closing.close(study_id, settled)
        if closed is None:
            return None
        self._let_go[study_id] |= closed.let_go
        self._closing.answer(closed)
        return closed.opened.deadline if closed.opened else None

    def _complete(self, study_id: str) -> None:
        log_changes(self._store, self._desk, self._signer)
        log_refusals(self._store, self._desk, study_id)
        with self._store.reading() as session:
            account = account_of(session, session.get_one(StudyRow, study_id))
        if account.waiting:
            return  # a refusal came in between: it is logged first
        if account.ended:
            with self._store.changing() as change:
                row = change.session.get_one(StudyRow, study_id)
                if row.state == "releasing":
                    _end(change, row, "failed", account.ended, "hub")
            self._sweep(study_id)
            return
        delivery = make_delivery(self._blobs, account, self._signer, self._desk)
        with self._store.changing() as change:
            row = change.session.get_one(StudyRow, study_id)
            if row.state != "releasing":
                return  # cancelled or paused meanwhile
            row.delivery = delivery.as_bytes()
            delivered = {file.blob for file in delivery.files}
            for digest in delivered:
                change.session.merge(DeliveredRow(digest=digest, study_id=study_id))
            drop_small(change, delivered)  # each is a file now, or an object
            _end(change, row, "completed", None, "hub")
            for site, parcel in account.releases.items():
                retention.forget_upload(change, site, parcel.release.metrics)
        self._sweep(study_id)

    def _sweep(self, study_id: str) -> None:
        with self._store.reading() as session:
            used = retention.blobs_of_study(session, study_id)
        retention.sweep(self._store, self._blobs, used)


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
