"""Is what this hospital signed at the end of a run in the public log? The hub says where; here it is seen whether that is so, and kept.

HOME/receipts/
  DISPATCH.json            the receipt, or the refusal, with its place in the log: the form of a delivered receipt file
  DISPATCH.sigstore.json   the same under the hospital's certificate: what Sigstore's own tools read
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, cast

import structlog
from pydantic import ValidationError

from rapha import faults
from rapha.durable import sync_folder, write_synced
from rapha.errors import Conflict, NotPermitted, Unproven, Unreachable
from rapha.node.register import Register
from rapha.proof.bundle import entry_of
from rapha.proof.checkpoint import Checkpoint
from rapha.proof.given_back import Word, check_given_back
from rapha.records.bundle import Bundle
from rapha.records.certified import CertifiedBundle
from rapha.records.logged import LoggedReceipt, ReceiptPlace
from rapha.records.record import Digest, DispatchId
from rapha.records.site import Denial

GOES_ON = ("recruiting", "preparing", "training", "releasing", "paused")
"""States of a study whose receipts are still to be logged."""
LOOKS_SECONDS = 300.0
PLACE = "receipt.place"
"""The audit event: where it was found, or what the hub said instead; once, until that is another thing."""
State = Literal["logged", "waits", "never", "missing", "unasked", "spoilt"]
LOG = structlog.get_logger("rapha.node")


class Asked(Protocol):
    """The line, as far as it is needed here. Raises Unreachable, Conflict, NotPermitted."""

    def receipt_place(self, dispatch: str) -> ReceiptPlace:
        """Where in the log is what was signed at the end of a run."""


class Signed(NamedTuple):
    """What this hospital signed at the end of a run: a release's receipt, or a refusal. `digests`: of each that may have left, as the audit
    log has them; a node that died on its way out signs a second one, and the hub keeps the one that it got first."""

    dispatch: DispatchId
    word: Word
    digests: frozenset[Digest]


class Place(NamedTuple):
    """Of one run. `logged`: `entry` of the log is it. `waits`: the study goes on. `never`: it ended before a delivery, so no receipt of
    it was logged. `missing`: it is completed, or a refusal was sent, and the hub shows no such entry, or another thing. `unasked`: the agent
    has not looked yet. `spoilt`: it was found, and the proof that was kept is not as it was written. `words`: of what the hub said, or of the
    file."""

    dispatch: DispatchId
    word: Word
    state: State
    entry: int | None
    words: str


class LoggedReceipts:
    """The home's one agent looks."""

    def __init__(
        self,
        home: Path,
        register: Register,
        line: Asked,
        check_holds: Callable[[Checkpoint], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check_holds` raises where a tree is not of the log that is kept here. `now`: seconds; the first look is LOOKS_SECONDS after this."""
        self._home, self._register, self._line, self._check_holds = home, register, line, check_holds
        self._now, self._looked_at = now, now()

    def look_now_and_then(self) -> None:
        """As `look`, once in LOOKS_SECONDS; what keeps it from being done is said, and it is tried again the next time. Raises Unproven."""
        if self._now() < self._looked_at + LOOKS_SECONDS:
            return
        self._looked_at = self._now()
        try:
            self.look()
        except (Unreachable, Conflict, NotPermitted, OSError) as problem:
            LOG.warning("receipt.not-looked-for", reason=str(problem))

    def look(self) -> None:
        """Ask for each release and each signed refusal that was not found yet, and keep the proofs of what is found.

        Raises:
            Unproven: the log contradicts what is kept of it.
            Unreachable: the hub does not answer, or shows no log that what it gave back is in.
            Conflict, NotPermitted: it does not take the question, as one of before.
            OSError: a proof cannot be written down.
        """
        for signed in _all_signed(self._register):
            dispatch = signed.dispatch
            if _files(self._home, dispatch)[1].exists() or _said(self._register, dispatch)[0] == "never":
                continue
            found = self._line.receipt_place(dispatch)
            if found.logged is None:
                self._say(signed, _without(signed.word, found.study), f"the study is {found.study}")
                continue
            try:
                tree = _check_ours(signed, found.logged)
            except Unproven as problem:
                self._say(signed, "missing", str(problem))
                continue
            self._check_holds(tree)
            self._keep(dispatch, found.logged)
            self._say(signed, "logged", f"entry {entry_of(found.logged.bundle).logIndex}")

    def _say(self, signed: Signed, state: State, words: str) -> None:
        if _said(self._register, signed.dispatch) != (state, words):
            self._register.note(PLACE, signed.dispatch, of=signed.word, state=state, words=words)
            tell = LOG.error if state == "missing" else LOG.info
            tell(PLACE, dispatch=signed.dispatch, of=signed.word, state=state, words=words)

    def _keep(self, dispatch: DispatchId, logged: LoggedReceipt) -> None:
        files = _files(self._home, dispatch)
        files[0].parent.mkdir(mode=0o700, exist_ok=True)
        for path, record in zip(files, (logged.bundle, logged.certified), strict=True):
            draft = path.with_suffix(".draft")
            write_synced(draft, record.as_bytes())
            faults.point(f"node.to-rename:receipts{path.suffixes[0]}")
            draft.replace(path)
            sync_folder(path.parent)
            faults.point(f"node.renamed:receipts{path.suffixes[0]}")


def places(home: Path, register: Register) -> Iterator[Place]:
    """Of each release and each signed refusal, as the agent found it; proofs that are kept are checked again."""
    for signed in _all_signed(register):
        dispatch, word = signed.dispatch, signed.word
        state, words = _said(register, dispatch)
        try:
            logged = _kept(home, signed)
        except (OSError, ValidationError, Unproven):
            yield Place(dispatch, word, "spoilt", None, str(_files(home, dispatch)[0]))
            continue
        if logged is not None:
            yield Place(dispatch, word, "logged", int(entry_of(logged.bundle).logIndex), words)
        else:  # found before, and its proof was deleted: it is asked for again
            yield Place(dispatch, word, "unasked" if state == "logged" else state, None, words)


def _said(register: Register, dispatch: DispatchId) -> tuple[State, str]:
    state = register.said_of(PLACE, dispatch, "state") or "unasked"
    return cast(State, state), register.said_of(PLACE, dispatch, "words") or ""


def _all_signed(register: Register) -> Iterator[Signed]:
    """Releases, then refusals, oldest first."""
    for entry in register.entries("released"):
        yield Signed(entry.dispatch.id, "receipt", register.all_said_of("release.leaving", entry.dispatch.id, "digest"))
    for entry in register.entries("denied"):
        if isinstance(entry.answer, Denial) and entry.answer.refusal:
            yield Signed(entry.dispatch.id, "refusal", frozenset({entry.answer.refusal.digest}))


def _check_ours(signed: Signed, logged: LoggedReceipt) -> Checkpoint:
    """The tree that it is in. Raises Unproven: it is nothing that was signed here, or its proofs lead nowhere."""
    given = logged.bundle.dsseEnvelope
    if given.digest not in signed.digests:
        raise Unproven(f"the hub gave back another {signed.word} than the one that was signed here")
    return check_given_back(given, logged, signed.word)


def _files(home: Path, dispatch: DispatchId) -> tuple[Path, Path]:
    """The second is written last."""
    return home / "receipts" / f"{dispatch}.json", home / "receipts" / f"{dispatch}.sigstore.json"


def _kept(home: Path, signed: Signed) -> LoggedReceipt | None:
    """None where nothing is. Raises OSError, ValidationError, Unproven: what a disk made of it is not the hub's fault."""
    first, second = _files(home, signed.dispatch)
    if not second.exists():
        return None
    bundle, certified = Bundle.from_bytes(first.read_bytes()), CertifiedBundle.from_bytes(second.read_bytes())
    logged = LoggedReceipt(bundle=bundle, certified=certified)
    _check_ours(signed, logged)
    return logged


def _without(word: Word, study: str) -> State:
    """Where no entry is shown. A refusal is logged at once, whatever becomes of its study."""
    if word == "receipt" and study != "completed":
        return "waits" if study in GOES_ON else "never"
    return "missing"
