"""Carries out what progress.py decides. Every step is one transaction, or a computation that can be done again before
one: killed at any moment and started again, the hub goes on from what the store says and ends in the same bits."""

import secrets
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from sqlalchemy import Select, bindparam, select

from rapha.errors import Conflict
from rapha.hub import graphs, retention
from rapha.hub.aggregation import Combined, Part, combined, merged_statistics
from rapha.hub.assignments import inline_weights
from rapha.hub.blobs import Blobs
from rapha.hub.delivery import account_of, make_delivery
from rapha.hub.dispatches import withdraw_tasks
from rapha.hub.held import HeldUpdates
from rapha.hub.pooling import mean_scores
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
from rapha.hub.released import best_weights, kept_for_averaging, superseded
from rapha.hub.settled import Settled, settled_of
from rapha.hub.signer import Signer
from rapha.hub.site_keys import log_changes
from rapha.hub.small_blobs import InHand, drop_small, keep_small, which_small
from rapha.hub.standing import standing_of
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import DeliveredRow, DispatchRow, RoundRow, StudyRow, TaskRow
from rapha.hub.studies import study_of
from rapha.hub.tasks import score_facts
from rapha.hub.updates import last_counted
from rapha.records.lifecycle import FINAL
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.task import Task
from rapha.records.tensors import declared_start, declared_weights
from rapha.records.travel import keeps_at_sites
from rapha.records.wire import Work

_APPROVED = (
    select(DispatchRow.id, DispatchRow.site)
    .where(DispatchRow.study_id == bindparam("study"), DispatchRow.state == "approved")
    .order_by(DispatchRow.site)
)
_STATE_OF = {"prepare": "preparing", "train": "training", "evaluate": "releasing"}


class Rounds:
    """Drives studies. `drive` may be called at any time, for one study by one thread at a time."""

    def __init__(self, store: Store, blobs: Blobs, signer: Signer, desk: ReceiptDesk, held: HeldUpdates) -> None:
        self._store, self._blobs, self._signer, self._desk, self._held = store, blobs, signer, desk, held
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
            until = self._close_round(study_id, settled) if settled else self._carry_out(study_id, action)
            if isinstance(action, Wait) or until is not None:
                if any(site.state in ("denied", "failed") for site in standing.sites):
                    log_refusals(self._store, self._desk, study_id)
                retention.sweep(self._store, self._blobs, self._let_go.get(study_id, set()))
                self._let_go.pop(study_id, None)
                return until

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
                    opened = _open_round(change, study_id, action, {})
                    last, before = (change.session.get(RoundRow, (study_id, action.number - back)) for back in (1, 2))
                if opened and last:
                    self._let_go[study_id] |= superseded(last.weights_in, before)
                return self._opened(opened, self._blobs)
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

    def _close_round(self, study_id: str, settled: Settled) -> datetime | None:
        """Make the average, then close the round with it and open the next one, together; see `_carry_out`."""
        blobs = InHand(self._blobs, settled.small)
        made = self._aggregate(settled, blobs)
        with self._store.changing() as change:
            row = change.session.get_one(StudyRow, study_id)
            round_ = change.session.get_one(RoundRow, (study_id, settled.number))
            if row.state in FINAL["study"] or round_.closed_at is not None:
                return None  # cancelled meanwhile, or closed by another hub
            if made and (lost := self._lost(change, made, blobs.made)):
                earlier = set(best_weights(settled.study, settled.before)) - {made.weights}
                if gone := earlier.intersection(lost):
                    raise Conflict(f"{gone.pop()} of an earlier round is lost: restore it from a copy of the blobs")
                return None  # another study with the same bits let go of them in between: made again
            keep_small(change, blobs.made)
            round_.closed_at = change.at
            if made:
                round_.weights_out, round_.kept = made.weights, " ".join(made.kept) or None
            facts = {"sites": " ".join(settled.updates), **score_facts(mean_scores(settled.updates))}
            if made and made.unlike:
                facts["unlike_others"] = " ".join(made.unlike)
            change.tell("round.closed", "hub", study_id=study_id, round=settled.number, facts=facts)
            if settled.do == "evaluate":
                return None
            action = next_step(standing_of(change.session, row, change.at))
            opened = None
            if isinstance(action, OpenRound):
                handed_in = {site: update.task for site, update in settled.updates.items()}
                after = {site: handed_in[site] for site in self._held.among(handed_in)}
                opened = _open_round(change, study_id, action, after)
            let_go = retention.end_round(
                change, settled.updates, superseded(settled.weights_in, settled.before) if opened else ()
            )
        self._let_go[study_id] |= let_go
        return self._opened(opened, blobs)

    def _lost(self, change: Change, made: Combined, new: Mapping[str, bytes]) -> set[str]:
        """What of it is in neither place; `new` is not yet."""
        large = {made.weights, *made.kept} - new.keys()
        large -= which_small(change.session, large)
        return {each for each in large if self._blobs.size_bytes(each) is None}

    def _opened(self, opened: "_Opened | None", blobs: Blobs) -> datetime | None:
        """It is kept that it is: those updates are answered that wait for it. `blobs`: where its weights may be read."""
        if opened is None:
            return None
        inline = inline_weights(blobs, opened.weights) if opened.given else None
        given = ((update, Work(task=task, weights=inline)) for update, task in opened.given.items())
        untold = {f"site:{work.task.site}" for update, work in given if not self._held.answer(update, work)}
        if untold:  # they wait no more: their polls may stand at another hub on this database
            with self._store.changing() as change:
                change.topics |= untold
        return opened.deadline

    def _aggregate(self, settled: Settled, blobs: Blobs) -> Combined | None:
        """What comes out of the round; None for the evaluation."""
        parts = [Part(site, update.weights_out, update.weight) for site, update in settled.updates.items()]
        study = settled.study
        if settled.do == "evaluate":
            return None
        if settled.do == "prepare":
            return Combined(merged_statistics(blobs, parts, declared_start(study)))
        # The first one starts from statistics and the study's seed.
        start = settled.weights_in if settled.number > 1 else None
        kept, way = kept_for_averaging(study, settled.before), study.training.aggregation
        made = combined(blobs, parts, declared_weights(study), way, start, kept, settled.drift, study.training.updates)
        best = [made.weights] if settled.best == settled.number else best_weights(study, settled.before)
        return replace(made, kept=(*made.kept, *best))

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


@dataclass(frozen=True)
class _Opened:
    """A round that was opened: its deadline, what it starts from, and the tasks that are handed out already, by the tasks whose updates
    are to be answered with them."""

    deadline: datetime
    weights: str | None
    given: Mapping[TaskId, Task]


def _open_round(change: Change, study_id: str, action: OpenRound, after: Mapping[str, TaskId]) -> _Opened | None:
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
    return _Opened(deadline, weights, given)


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
