"""The privacy ledger on this node's disk: every run, for ever. Only added to, each entry chained to the one before.

Survives a crash: an entry is there whole or not at all (WAL, synchronous=FULL), and every step asked for twice is written
once. One process writes: the first that does holds `ledger.lock` until it ends.
"""

import fcntl
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from rapha import faults
from rapha.canonical import digest
from rapha.clock import Clock, coarse
from rapha.errors import ConfigurationError, Conflict, DiskFull, TrainingFailed
from rapha.policy import ledger as rules_of_the_ledger
from rapha.policy.rules import SiteRules
from rapha.records.ledger import START, LedgerEntry, Spend
from rapha.records.record import Digest, DispatchId
from rapha.records.release import ReasonCode
from rapha.records.site import Dispatch
from rapha.records.study import Study

DATASET = "timeline"
"""A node has one data set: all patients of its timeline."""

_TABLE = "CREATE TABLE IF NOT EXISTS entry (number INTEGER PRIMARY KEY, entry BLOB NOT NULL, digest TEXT NOT NULL)"


def project_of(dispatch: Dispatch, study: Study) -> str:
    """Who asks, for what: the researcher and the codes of the purpose."""
    return f"{dispatch.researcher} | {' '.join(study.purpose.data_use)}"


class Ledger:
    """See the page's first lines."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._one_at_a_time = threading.RLock()
        self._unlock: Callable[[], object] | None = None
        self._set_aside: dict[DispatchId, tuple[int, Digest]] = {}
        """The entries that say so, by number and digest: a run asks at each of its rounds, and the ledger is long."""
        try:
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", _TABLE):
                self._db.execute(statement)
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{path} is damaged, or is no ledger: put it back from a copy") from error
        weakref.finalize(self, self._db.close)

    def reserve(self, dispatch: Dispatch, study: Study, rules: SiteRules) -> None:
        """Set aside all that the study may spend, before any of its data is touched. Twice is once.

        Raises:
            TrainingFailed: it would pass the site's limit (`budget-exhausted`), or there is none
                (`budget-not-offered`).
            Conflict: another process writes this ledger.
        """
        if self._still_set_aside(dispatch.id):
            return
        with self._writing() as entries:
            last = rules_of_the_ledger.standing(entries, dispatch.id)
            if last is not None and last.kind != "refunded":
                self._set_aside[dispatch.id] = (last.number, last.digest)
                return
            if reason := rules_of_the_ledger.refusal(entries, DATASET, study, rules):
                raise TrainingFailed("the privacy ledger refuses this study", reason)
            before = rules_of_the_ledger.runs_before(entries, project_of(dispatch, study), dispatch.id)
            if rules.runs_per_project is not None and before >= rules.runs_per_project:
                raise TrainingFailed("the rules allow no further run of this project", "too-many-runs")
            self._append(
                entries,
                LedgerEntry(
                    number=len(entries) + 1,
                    previous=_head(entries),
                    at=coarse(self._clock()),  # its digest is in receipts, and the rest of it might be guessed
                    kind="reserved",
                    dataset=DATASET,
                    project=project_of(dispatch, study),
                    dispatch=dispatch.id,
                    study=study.study,
                    study_digest=study.digest,
                    private=study.privacy.differential_privacy is not None,
                    spend=Spend.of_study(study),
                ),
            )
            self._set_aside[dispatch.id] = (entries[-1].number, entries[-1].digest)

    def refusal(self, study: Study, rules: SiteRules) -> ReasonCode | None:
        """Whether `reserve` would refuse now, and why."""
        return rules_of_the_ledger.refusal(self.entries(), DATASET, study, rules)

    def runs_before(self, dispatch: Dispatch, study: Study) -> int:
        """How many runs of the same project came before this one."""
        return rules_of_the_ledger.runs_before(self.entries(), project_of(dispatch, study), dispatch.id)

    def settle(self, dispatch: Dispatch) -> None:
        """What was set aside is spent: the release has left. Twice is once."""
        self._end(dispatch, "settled", None)

    def refund(self, dispatch: Dispatch, reason: ReasonCode) -> None:
        """Give back what was set aside for a run that read no row of a patient. Twice is once.

        Raises:
            Conflict: the run is settled: what was spent is spent.
        """
        self._end(dispatch, "refunded", reason)

    def entries(self) -> list[LedgerEntry]:
        """All of it, oldest first.

        Raises:
            ConfigurationError: an entry is not one, or not the one that was written.
        """
        found = []
        with self._one_at_a_time:
            rows = self._db.execute("SELECT number, entry, digest FROM entry ORDER BY number").fetchall()
        for number, data, written in rows:
            try:
                entry = LedgerEntry.from_bytes(data.encode() if isinstance(data, str) else data)
            except ValidationError:
                raise ConfigurationError(f"{self._path}: entry {number} cannot be read: it was changed") from None
            if entry.digest != written:
                raise ConfigurationError(f"{self._path}: entry {number} is not what was written: it was changed")
            found.append(entry)
        if (wrong := rules_of_the_ledger.broken(found)) is not None:
            raise ConfigurationError(f"{self._path}: entry {wrong} does not follow from the one before: it was changed")
        return found

    @property
    def head(self) -> Digest:
        """The digest of the last entry; it stands for all of them. Raises as `entries`."""
        return _head(self.entries())

    def close(self) -> None:
        """Let another process write."""
        self._set_aside.clear()
        if self._unlock:
            self._unlock()
            self._unlock = None

    def _end(self, dispatch: Dispatch, kind: Literal["settled", "refunded"], reason: ReasonCode | None) -> None:
        with self._writing() as entries:
            self._set_aside.pop(dispatch.id, None)
            last = rules_of_the_ledger.standing(entries, dispatch.id)
            if last is None or last.kind == kind:
                return
            if last.kind != "reserved":
                raise Conflict(f"the run {dispatch.id} is {last.kind} in the ledger: it cannot become {kind}")
            changed = {
                "number": len(entries) + 1,
                "previous": _head(entries),
                "at": self._clock(),
                "kind": kind,
                "reason": reason,
            }
            self._append(entries, last.model_copy(update=changed))

    def _still_set_aside(self, dispatch: DispatchId) -> bool:
        """Whether the entry that says so is here as it was written: the file may have been put back from a copy meanwhile."""
        with self._one_at_a_time:
            number, written = self._set_aside.get(dispatch, (0, ""))
            row = self._db.execute("SELECT entry FROM entry WHERE number = ?", (number,)).fetchone()
        return row is not None and digest(row[0].encode() if isinstance(row[0], str) else row[0]) == written

    def _append(self, entries: list[LedgerEntry], entry: LedgerEntry) -> None:
        row = (entry.number, entry.as_bytes(), entry.digest)
        self._db.execute("INSERT INTO entry (number, entry, digest) VALUES (?, ?, ?)", row)
        entries.append(entry)

    @contextmanager
    def _writing(self) -> Iterator[list[LedgerEntry]]:
        """All entries, in a transaction that adds to them: whole, or not at all."""
        with self._one_at_a_time:
            self._claim()
            try:
                self._db.execute("BEGIN IMMEDIATE")
                entries = self.entries()
                before = len(entries)
                yield entries
                added = entries[before].kind if len(entries) > before else None
                if added:
                    faults.point(f"node.to-commit:ledger.{added}")
                self._db.execute("COMMIT")
                if added:
                    faults.point(f"node.committed:ledger.{added}")
            except sqlite3.OperationalError as error:
                if "full" in str(error):
                    raise DiskFull(f"no space left in {self._path.parent}: free some, nothing was lost") from error
                raise
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def _claim(self) -> None:
        if self._unlock is not None:
            return
        file = self._path.with_suffix(".lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise Conflict(f"another agent writes {self._path}: stop it first") from None
        self._unlock = weakref.finalize(self, file.close)


def _head(entries: list[LedgerEntry]) -> Digest:
    return entries[-1].digest if entries else START
