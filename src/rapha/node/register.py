"""What this node was asked, decided and did: one SQLite file, every change beside its audit event, in one transaction.

Survives a crash: a transaction is there whole or not at all (WAL, synchronous=FULL).
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from rapha import faults
from rapha.clock import Clock, stamp
from rapha.errors import ConfigurationError, Conflict, DiskFull
from rapha.records.audit import AuditVerdict
from rapha.records.decision import DecisionRecord
from rapha.records.lifecycle import check_move
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt
from rapha.records.record import Digest, DispatchId
from rapha.records.release import RoundTrace
from rapha.records.site import Answered, Approval, Denial, Dispatch, StewardSignature
from rapha.records.study import Study

_SCHEMA = """
CREATE TABLE IF NOT EXISTS dispatch (
  id TEXT PRIMARY KEY, dispatch TEXT NOT NULL, study BLOB NOT NULL, state TEXT NOT NULL,
  answer TEXT, cohort TEXT);
CREATE TABLE IF NOT EXISTS trace (
  dispatch TEXT NOT NULL REFERENCES dispatch(id), round INTEGER NOT NULL, weights_in TEXT, weights_out TEXT NOT NULL,
  PRIMARY KEY (dispatch, round));
CREATE TABLE IF NOT EXISTS audit (
  dispatch TEXT NOT NULL REFERENCES dispatch(id), round INTEGER NOT NULL, verdict TEXT NOT NULL,
  PRIMARY KEY (dispatch, round));
CREATE TABLE IF NOT EXISTS question (
  dispatch TEXT PRIMARY KEY REFERENCES dispatch(id), at TEXT NOT NULL, researcher TEXT NOT NULL, asked TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS signature (
  dispatch TEXT NOT NULL REFERENCES dispatch(id), steward TEXT NOT NULL, signature TEXT NOT NULL,
  PRIMARY KEY (dispatch, steward));
CREATE TABLE IF NOT EXISTS freeze (
  dispatch TEXT PRIMARY KEY REFERENCES dispatch(id), receipt TEXT NOT NULL, logged TEXT);
CREATE TABLE IF NOT EXISTS decision (
  number INTEGER PRIMARY KEY AUTOINCREMENT, dispatch TEXT NOT NULL, digest TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS event (
  number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, event TEXT NOT NULL, dispatch TEXT, facts TEXT NOT NULL);
"""


Answer = Approval | Denial | Answered


@lru_cache(maxsize=64)
def _decision(stored: str) -> DecisionRecord:
    """As `_study`. Raises pydantic.ValidationError."""
    return DecisionRecord.from_bytes(stored.encode())


@lru_cache(maxsize=16)
def _study(stored: bytes) -> Study:
    """The same bytes are the same record: one that is at work is read once, not at each of its rounds."""
    return Study.from_bytes(stored)


@lru_cache(maxsize=64)
def _answer(text: str) -> Answer:
    """As `_study`: what is bound to an approval asks for its digest at each round."""
    record: type[Answer] = Denial if '"reason"' in text else Answered if '"events"' in text else Approval
    return record.from_bytes(text.encode())


class _Connection(sqlite3.Connection):
    """Knows which events the open transaction tells."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.told: list[str] = []


class Entry(NamedTuple):
    """One dispatch as the node remembers it. `study` is what was offered, byte for byte, not what the hub says now."""

    dispatch: Dispatch
    study: Study
    state: str
    answer: Answer | None
    cohort: str | None


class Register:
    """One connection, one transaction at a time; the agent and the steward's commands share the file, not an object."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._one_at_a_time = threading.RLock()
        self._db = _open(path)
        weakref.finalize(self, self._db.close)
        with self._transaction() as db:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)

    def add(self, dispatch: Dispatch, study: Study) -> None:
        """Remember an offer. The same offer again changes nothing."""
        with self._transaction() as db:
            known = db.execute("SELECT 1 FROM dispatch WHERE id = ?", (dispatch.id,)).fetchone()
            if not known:
                row = (dispatch.id, dispatch.as_bytes().decode(), study.as_bytes(), "offered")
                db.execute("INSERT INTO dispatch (id, dispatch, study, state) VALUES (?, ?, ?, ?)", row)
                self._event(db, "dispatch.offered", dispatch.id, {"study": study.study})

    def entry(self, dispatch: DispatchId | str) -> Entry | None:
        """What is known of a dispatch, or None."""
        return next(self._entries("WHERE id = ?", (dispatch,)), None)

    def entries(self, state: str) -> list[Entry]:
        """Every dispatch in that state, oldest first."""
        return list(self._entries("WHERE state = ? ORDER BY rowid", (state,)))

    def frozen(self) -> list[Entry]:
        """Every dispatch whose rows were frozen here, oldest first."""
        return list(self._entries("WHERE cohort IS NOT NULL ORDER BY rowid", ()))

    def unsent(self) -> list[Entry]:
        """Every approval, denial and count of which it is not known that the hub has it, oldest first."""
        told = "SELECT dispatch FROM event WHERE event IN (?, ?, ?, ?) AND dispatch IS NOT NULL"
        where = f"WHERE answer IS NOT NULL AND state IN ('approved', 'denied', 'answered') AND id NOT IN ({told}) ORDER BY rowid"
        return list(self._entries(where, ("approval.sent", "denial.sent", "answered.sent", "answer.not-taken")))

    def move(self, dispatch: DispatchId | str, target: str, answer: Answer | None = None, **facts: str) -> None:
        """Change the state, with its audit event.

        Raises:
            Conflict: the table of lifecycle.py has no such move, or the dispatch is unknown.
        """
        with self._transaction() as db:
            self._move(db, dispatch, target, answer, facts)

    def keep_answer(self, answer: Answered, researcher: str, asked: str) -> None:
        """Keep what is answered to a question before it leaves, and that it was asked; `asked` names the question itself.

        Raises:
            Conflict: the dispatch is unknown, or was answered already.
        """
        with self._transaction() as db:
            row = (answer.dispatch, stamp(self._clock()), researcher, asked)
            db.execute("INSERT INTO question (dispatch, at, researcher, asked) VALUES (?, ?, ?, ?)", row)
            facts = {"researcher": researcher, "patients": str(answer.patients), "events": str(answer.events)}
            self._move(db, answer.dispatch, "answered", answer, facts)

    def questions(self, researcher: str, since: datetime) -> tuple[int, int]:
        """How many questions of this researcher were answered since then; and how many in all of everybody's, each once."""
        with self._transaction() as db:
            query = "SELECT count(*) FROM question WHERE researcher = ? AND at >= ?"
            lately = db.execute(query, (researcher, stamp(since))).fetchone()[0]
            return lately, db.execute("SELECT count(DISTINCT asked) FROM question").fetchone()[0]

    def answer_to(self, asked: str) -> Answered | None:
        """What this question was answered when it was asked first, or None where it never was."""
        query = "SELECT answer FROM question JOIN dispatch ON id = question.dispatch WHERE asked = ? ORDER BY question.rowid"
        with self._transaction() as db:
            row = db.execute(query, (asked,)).fetchone()
        return Answered.from_bytes(row[0].encode()) if row else None

    def keep_signature(self, dispatch: DispatchId, signature: StewardSignature) -> None:
        """Keep a steward's yes; one steward has one, the newest."""
        with self._transaction() as db:
            row = (dispatch, signature.steward, signature.as_bytes().decode())
            db.execute("INSERT OR REPLACE INTO signature VALUES (?, ?, ?)", row)
            self._event(db, "signature.kept", dispatch, {"steward": signature.steward})

    def signatures(self, dispatch: DispatchId) -> tuple[StewardSignature, ...]:
        """Who has signed, in order of their names. Whether it counts is another question."""
        query = "SELECT signature FROM signature WHERE dispatch = ? ORDER BY steward"
        with self._transaction() as db:
            rows = db.execute(query, (dispatch,)).fetchall()
        return tuple(StewardSignature.from_bytes(row[0].encode()) for row in rows)

    def keep_decision(self, record: DecisionRecord) -> Digest:
        """Keep a decision; its digest, or that of the last one of its dispatch where nothing differs but the moment."""
        with self._transaction() as db:
            last = self._decisions(db, "WHERE dispatch = ? ORDER BY number DESC LIMIT 1", (record.dispatch,))
            if last and last[0].says_the_same(record):
                return last[0].digest
            row = (record.dispatch, record.digest, record.as_bytes().decode())
            db.execute("INSERT INTO decision (dispatch, digest, record) VALUES (?, ?, ?)", row)
            told = {"outcome": record.outcome, "by": record.by, "reason": record.reason or "", "record": record.digest}
            self._event(db, f"decision.{record.stage}", record.dispatch, {key: v for key, v in told.items() if v})
            return record.digest

    def decisions(self, dispatch: str | None = None) -> list[DecisionRecord]:
        """Every decision, or those of one dispatch, oldest first.

        Raises:
            ConfigurationError: one is not what was written.
        """
        where = "WHERE dispatch = ? ORDER BY number" if dispatch else "ORDER BY number"
        with self._transaction() as db:
            return self._decisions(db, where, (dispatch,) if dispatch else ())

    def _decisions(self, db: _Connection, where: str, values: tuple[str, ...]) -> list[DecisionRecord]:
        rows = db.execute(f"SELECT number, digest, record FROM decision {where}", values).fetchall()
        found = []
        for number, digest, text in rows:
            try:
                record = _decision(text)
            except ValidationError:
                raise ConfigurationError(f"{self._path}: decision {number} cannot be read: it was changed") from None
            if record.digest != digest:
                raise ConfigurationError(f"{self._path}: decision {number} is not what was written: it was changed")
            found.append(record)
        return found

    def keep_cohort(self, dispatch: DispatchId, cohort: str) -> None:
        """Keep the frozen cohort's private facts (salt, digest, counts), as JSON."""
        with self._transaction() as db:
            db.execute("UPDATE dispatch SET cohort = ? WHERE id = ?", (cohort, dispatch))
            self._event(db, "cohort.frozen", dispatch, {})

    def keep_freeze(self, dispatch: DispatchId, receipt: Receipt) -> None:
        """Keep what was signed of a frozen cohort, before it leaves. Raises sqlite3.IntegrityError: one was kept before."""
        with self._transaction() as db:
            db.execute("INSERT INTO freeze (dispatch, receipt) VALUES (?, ?)", (dispatch, receipt.as_bytes().decode()))
            self._event(db, "freeze.signed", dispatch, {})

    def keep_logged_freeze(self, dispatch: DispatchId, logged: LoggedReceipt) -> None:
        """Keep where the public log has it."""
        with self._transaction() as db:
            db.execute("UPDATE freeze SET logged = ? WHERE dispatch = ?", (logged.as_bytes().decode(), dispatch))
            index = logged.bundle.verificationMaterial.tlogEntries[0].logIndex
            self._event(db, "freeze.logged", dispatch, {"entry": index})

    def freeze(self, dispatch: DispatchId) -> tuple[Receipt | None, LoggedReceipt | None]:
        """What was signed of a frozen cohort, and where the public log has it; None as far as there is none."""
        with self._transaction() as db:
            row = db.execute("SELECT receipt, logged FROM freeze WHERE dispatch = ?", (dispatch,)).fetchone()
        if row is None:
            return None, None
        return Receipt.from_bytes(row[0].encode()), LoggedReceipt.from_bytes(row[1].encode()) if row[1] else None

    def leave_round(
        self, dispatch: DispatchId, trace: RoundTrace, update: Digest, audited: AuditVerdict | None = None
    ) -> None:
        """Before a round's update may leave, in one transaction: which weights went in and came out, what their audit found,
        and that it leaves. A round done again replaces its lines."""
        with self._transaction() as db:
            if audited is not None:
                self._audit(db, dispatch, trace.round, audited)
            row = (dispatch, trace.round, trace.weights_in, trace.weights_out)
            db.execute("INSERT OR REPLACE INTO trace VALUES (?, ?, ?, ?)", row)
            self._event(db, "round.done", dispatch, {"round": str(trace.round)})
            self._event(db, "update.leaving", dispatch, {"digest": update, "weights": trace.weights_out})

    def traces(self, dispatch: DispatchId) -> tuple[RoundTrace, ...]:
        """The rounds of a dispatch, in order."""
        query = "SELECT round, weights_in, weights_out FROM trace WHERE dispatch = ? ORDER BY round"
        with self._transaction() as db:
            rows = db.execute(query, (dispatch,)).fetchall()
        return tuple(RoundTrace(round=r[0], weights_in=r[1], weights_out=r[2]) for r in rows)

    def keep_audit(self, dispatch: DispatchId, number: int, verdict: AuditVerdict) -> None:
        """Remember what the audit of a round found; a round done again replaces its line."""
        with self._transaction() as db:
            self._audit(db, dispatch, number, verdict)

    def audits(self, dispatch: DispatchId | str) -> dict[int, AuditVerdict]:
        """What the audits of a dispatch found, by round."""
        with self._transaction() as db:
            rows = db.execute(
                "SELECT round, verdict FROM audit WHERE dispatch = ? ORDER BY round", (dispatch,)
            ).fetchall()
        return {number: AuditVerdict.from_bytes(verdict.encode()) for number, verdict in rows}

    def note(self, event: str, dispatch: DispatchId | None = None, **facts: str) -> None:
        """An audit event that changes no state."""
        with self._transaction() as db:
            self._event(db, event, dispatch, facts)

    def note_sent(self, event: str, dispatch: DispatchId, **facts: str) -> None:
        """The same, of what the hub has: kept when the agent dies, and not waited for until it is on the disk. A power cut may
        take it, as one a moment before may: what has left without its `sent` may have left."""
        with self._transaction(waited_for=False) as db:
            self._event(db, event, dispatch, facts)

    def events(self, limit: int = 200) -> list[tuple[str, str, str | None, dict[str, str]]]:
        """The last `limit` audit events, oldest first: time, event, dispatch, facts."""
        query = "SELECT at, event, dispatch, facts FROM event ORDER BY number DESC LIMIT ?"
        with self._transaction() as db:
            rows = db.execute(query, (limit,)).fetchall()
        return [(at, event, dispatch, json.loads(facts)) for at, event, dispatch, facts in reversed(rows)]

    def newest_of(self, *names: str) -> str | None:
        """The name of the newest audit event among these; None where there is none."""
        marks = ", ".join("?" * len(names))
        with self._transaction() as db:
            found = db.execute(
                f"SELECT event FROM event WHERE event IN ({marks}) ORDER BY number DESC LIMIT 1", names
            ).fetchone()
        return str(found[0]) if found else None

    def said_of(self, event: str, dispatch: DispatchId, fact: str) -> str | None:
        """What the newest event of that name said of a dispatch; None where there is none."""
        with self._transaction() as db:
            asked = "SELECT facts FROM event WHERE event = ? AND dispatch = ? ORDER BY number DESC LIMIT 1"
            found = db.execute(asked, (event, dispatch)).fetchone()
        return json.loads(found[0]).get(fact) if found else None

    def all_said_of(self, event: str, dispatch: DispatchId, fact: str) -> frozenset[str]:
        """What all events of that name said of a dispatch."""
        with self._transaction() as db:
            found = db.execute("SELECT facts FROM event WHERE event = ? AND dispatch = ?", (event, dispatch)).fetchall()
        return frozenset(said for (facts,) in found if (said := json.loads(facts).get(fact)))

    def _entries(self, where: str, values: tuple[str, ...]) -> Iterator[Entry]:
        with self._transaction() as db:
            rows = db.execute(f"SELECT dispatch, study, state, answer, cohort FROM dispatch {where}", values)
            found = rows.fetchall()
        for dispatch, study, state, answer, cohort in found:
            yield Entry(
                Dispatch.from_bytes(dispatch.encode()),
                _study(study),
                state,
                _answer(answer) if answer else None,
                cohort,
            )

    def _move(self, db: _Connection, dispatch: str, target: str, answer: Answer | None, facts: dict[str, str]) -> None:
        row = db.execute("SELECT state FROM dispatch WHERE id = ?", (dispatch,)).fetchone()
        if row is None:
            raise Conflict(f"no dispatch {dispatch} here; `rapha node pending` lists those that wait")
        step = check_move("dispatch", row[0], target)
        db.execute("UPDATE dispatch SET state = ? WHERE id = ?", (target, dispatch))
        if answer is not None:
            db.execute("UPDATE dispatch SET answer = ? WHERE id = ?", (answer.as_bytes().decode(), dispatch))
        self._event(db, step.event, dispatch, facts)

    def _audit(self, db: _Connection, dispatch: DispatchId, number: int, verdict: AuditVerdict) -> None:
        row = (dispatch, number, verdict.as_bytes().decode())
        db.execute("INSERT OR REPLACE INTO audit VALUES (?, ?, ?)", row)
        self._event(db, f"audit.{verdict.verdict}", dispatch, {"after": str(number)})

    def _event(self, db: _Connection, event: str, dispatch: str | None, facts: dict[str, str]) -> None:
        row = (stamp(self._clock()), event, dispatch, json.dumps(facts, sort_keys=True))
        db.execute("INSERT INTO event (at, event, dispatch, facts) VALUES (?, ?, ?, ?)", row)
        db.told.append(f"{event}:{facts['round']}" if "round" in facts else event)

    @contextmanager
    def _transaction(self, waited_for: bool = True) -> Iterator[_Connection]:
        with self._one_at_a_time:
            db = self._db
            db.told.clear()
            try:
                db.execute(f"PRAGMA synchronous={'FULL' if waited_for else 'NORMAL'}")
                db.execute("BEGIN IMMEDIATE")
                yield db
                if db.told:
                    faults.point(f"node.to-commit:{'+'.join(db.told)}")
                db.execute("COMMIT")
                if db.told:
                    faults.point(f"node.committed:{'+'.join(db.told)}")
            except sqlite3.OperationalError as error:
                if "full" in str(error):
                    raise DiskFull(f"no space left in {self._path.parent}: free some, nothing was lost") from error
                raise
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")


def _open(path: Path) -> _Connection:
    """Kept open for as long as the register lives: closing the last connection would write the log back each time."""
    try:
        db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False, factory=_Connection)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
    except sqlite3.OperationalError as error:
        if "full" in str(error):
            raise DiskFull(f"no space left in {path.parent}: free some, nothing was lost") from error
        raise ConfigurationError(f"{path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(f"{path} is damaged, or is no register: put it back from a copy") from error
    return db
