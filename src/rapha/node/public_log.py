"""The hub's public log as this hospital saw it: its keys and its last checkpoint, kept, so that the hub's word for it is taken once.

HOME/
  public-log.json           the keys that stand by the log, and the newest checkpoint that was seen under them
  public-log-refused.json   what contradicts it, from the moment it was seen: while it lies here nothing leaves

1  The first time, the log's name and keys are taken at the hub's word, and so are those of its authority; the hub's own key is that of the
   enrolment. That is said.
2  From then on a checkpoint counts that a kept key signed, or one that follows it by a change of keys in the log itself.
3  It counts that goes on from the one that is kept: no shorter, at the same size the same, and longer only with the proof.
4  A checkpoint that contradicts what is kept is kept beside it, both with their signatures, before anything else is done; the outbox asks
   for that file. A steward goes on, by hand, with what the hub shows then.

A hub that does not answer, or not with its log, contradicts nothing; but no freeze counts and no receipt leaves until it has.
"""

import errno
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import structlog
from pydantic import Field, ValidationError

from rapha import faults
from rapha.canonical import base64_text
from rapha.clock import Clock, stamp
from rapha.durable import sync_folder, write_synced
from rapha.errors import ConfigurationError, Conflict, DiskFull, NotPermitted, Unproven, Unreachable
from rapha.node.configuration import Home
from rapha.node.hub_line import ANSWER_LIMIT_BYTES, API
from rapha.node.register import Register
from rapha.proof import keys
from rapha.proof.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, read_checkpoint
from rapha.proof.continued import Contradicted, Kind, check_newest, check_one_log
from rapha.proof.key_change import followed
from rapha.proof.lasting import ROLE_OF_LOG
from rapha.proof.logged import check_promised
from rapha.proof.merkle import HASH_BYTES
from rapha.proof.tiles import WIDTH, Fetch
from rapha.records.key_change import KeyChanges
from rapha.records.record import Record
from rapha.records.wire import TrustedKey, TrustedKeys

KEPT, REFUSED = "public-log.json", "public-log-refused.json"
OPTION = "--i-accept-that-the-log-may-have-been-rewritten"
LOOKS_SECONDS = 300.0
KEYS_BYTES, TILE_BYTES = 4 << 20, WIDTH * HASH_BYTES
OF_THE_LOG = ("log", ROLE_OF_LOG, "authority", "time-stamper", "certificate-log")
"""Roles whose keys are taken at the hub's word, once: those that sign the log, and those that date and certify a change of keys in it."""
LOG = structlog.get_logger("rapha.node")
AT_ITS_WORD = "the public log is taken at the hub's word, this once"
R = TypeVar("R", bound=Record)
Check = Callable[[Checkpoint, Checkpoint, Fetch], None]
Note = Annotated[str, Field(max_length=MAX_CHECKPOINT_BYTES)]


class KeptLog(Record):
    """The file `public-log.json`. `checkpoint`: the note, with its signatures."""

    keys: TrustedKeys
    checkpoint: Note


class RefusedLog(Record):
    """The file `public-log-refused.json`: `shown` contradicts what is `kept`. `proof`: the hashes that do not lead from the one to the other,
    base64, where the hub's tiles gave any. `at`: by this machine's clock."""

    at: str
    hub_url: str
    kind: Kind
    words: str
    kept: KeptLog
    shown: Note
    proof: tuple[str, ...] = ()


class Public(Protocol):
    """The line, as far as it is needed here. Raises Unreachable, Conflict, NotPermitted."""

    def public(self, path: str, limit_bytes: int) -> bytes:
        """What the hub shows to anybody."""


class PublicLog:
    """See the page's first lines. Safe to use from several threads; the home's one agent writes."""

    def __init__(
        self, home: Home, line: Public, register: Register, clock: Clock, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`now`: seconds, for how often it is looked at."""
        self._home, self._line, self._register, self._clock, self._now = home, line, register, clock, now
        self._lock = threading.Lock()
        self._looked_at: float | None = None

    def check_not_refused(self) -> None:
        """Raises Unproven: the log contradicted what was kept of it, and no steward has gone on since."""
        refused = self.refused()
        if refused is not None:
            raise Unproven(_in_words(refused, self._home.folder))

    def look_now_and_then(self) -> None:
        """As `look`, once in LOOKS_SECONDS; a hub that cannot be asked is said, and asked again the next time."""
        if self._looked_at is not None and self._now() < self._looked_at + LOOKS_SECONDS:
            self.check_not_refused()
            return
        self._looked_at = self._now()
        try:
            self.look()
        except Unreachable as away:
            self.check_not_refused()
            LOG.warning("public-log.not-seen", reason=str(away))

    def look(self, *, tell: bool = True) -> KeptLog:
        """Fetch the newest checkpoint, and keep it; what is kept then. That it is the first use goes to the agent's log, unless the caller tells it.

        Raises:
            Unproven: it contradicts what was kept, now or before; or at first use does not fit the keys that the hub lists.
            Unreachable: the hub does not answer, or not with a log.
            ConfigurationError: what is kept cannot be read.
        """
        with self._lock:  # the newest of two answers is not known by when they came
            self.check_not_refused()
            kept = self.kept()
            return self._goes_on(kept, self._newest(), check_newest) if kept else self._begun(tell)

    def check_holds(self, tree: Checkpoint) -> None:
        """A tree that the hub proved something in is of the log that is kept; where it is longer, it is kept. Raises as `look`."""
        with self._lock:
            self.check_not_refused()
            self._goes_on(self.kept() or self._begun(tell=True), tree, check_one_log)

    def begin_anew(self) -> KeptLog:
        """Take the log as the hub shows it now, at its word; what was kept, and what contradicted it, stay under other names. Raises as `look`,
        and Conflict: nothing contradicts what is kept."""
        with self._lock:
            if self._stands():
                raise Conflict(
                    f"nothing contradicts what {self._home.folder} keeps of the public log: there is nothing to accept"
                )
            made = self._pinned(self._newest())
            kept_aside = self._put_aside(KEPT)
            self._write(KEPT, made)
            aside = [name for name in (kept_aside, self._put_aside(REFUSED)) if name]
            self._note("public-log.accepted-anew", made, aside=", ".join(aside))
            return made

    def kept(self) -> KeptLog | None:
        """What is kept; None before the first use. Raises ConfigurationError: it is not as it was written."""
        try:
            found = self._read(KEPT, KeptLog)
            if found is not None:  # a hub is not accused by what a disk made of its word
                check_promised(checkpoint_of(found), _with_those_of_before(found.keys))
        except Unproven:
            raise self._spoilt(KEPT) from None
        return found

    def refused(self) -> RefusedLog | None:
        """What contradicts it; None where nothing does. Raises ConfigurationError: it is not as it was written."""
        return self._read(REFUSED, RefusedLog)

    def _stands(self) -> bool:
        try:
            return self.refused() is None and (self.kept() is not None or not (self._home.folder / KEPT).exists())
        except ConfigurationError:
            return False

    def _goes_on(self, kept: KeptLog, shown: Checkpoint, check: Check) -> KeptLog:
        seen = checkpoint_of(kept)
        try:
            known = self._signed(kept, seen, shown, check) if shown.origin == seen.origin else kept.keys
            check(seen, shown, self._file)
        except Contradicted as problem:
            raise Unproven(_in_words(self._refuse(kept, shown, problem), self._home.folder)) from None
        newest = shown if shown.size > seen.size or known != kept.keys else seen
        made = KeptLog(keys=known, checkpoint=newest.as_bytes().decode())
        if made != kept:
            self._write(KEPT, made)
        if known != kept.keys:
            self._note("public-log.keys-followed", made)
            LOG.info("public-log.keys-followed", words=in_words(made))
        return made

    def _signed(self, kept: KeptLog, seen: Checkpoint, shown: Checkpoint, check: Check) -> TrustedKeys:
        """The keys, followed as far as it needs for one of the log that signed this. Raises Contradicted: none did. What a log promised before it had another key
        is good under the one that it had, as far as it is in what was seen."""
        try:
            if check is check_one_log and shown.size <= seen.size:
                check_promised(shown, _with_those_of_before(kept.keys))
            else:
                check_promised(shown, kept.keys)
            return kept.keys
        except Unproven:
            changes = self._fetched(KeyChanges, f"{API}/key-changes", ANSWER_LIMIT_BYTES)
        try:
            known = followed(kept.keys, changes)
            check_promised(shown, known)
        except Unproven as problem:
            raise Contradicted(
                f"the log {shown.origin} is signed with a key that does not follow on the one that is kept by the changes in it: {problem}",
                "other-key",
            ) from None
        return known

    def _refuse(self, kept: KeptLog, shown: Checkpoint, problem: Contradicted) -> RefusedLog:
        """On the disk before anything else is done."""
        made = RefusedLog(
            at=stamp(self._clock()),
            hub_url=self._home.configuration.hub_url,
            kind=problem.kind,
            words="".join(letter if letter.isprintable() else "?" for letter in str(problem)),
            kept=kept,
            shown=shown.as_bytes().decode(),
            proof=tuple(map(base64_text, problem.proof)),
        )
        self._write(REFUSED, made)
        self._register.note("public-log.refused", None, kind=made.kind, words=made.words, file=REFUSED)
        LOG.error("public-log.refused", kind=made.kind, words=made.words, file=REFUSED)
        return made

    def _begun(self, tell: bool) -> KeptLog:
        made = self._pinned(self._newest())
        self._write(KEPT, made)
        self._note("public-log.pinned", made)
        if tell:
            LOG.warning("public-log.pinned", words=f"{AT_ITS_WORD}: {in_words(made)}")
        return made

    def _pinned(self, shown: Checkpoint) -> KeptLog:
        """At the hub's word, but for its own key. Raises Unproven: what it lists does not fit that, or its checkpoint."""
        listed = self._fetched(TrustedKeys, f"{API}/keys", KEYS_BYTES)
        public = keys.public_from_pem(self._home.configuration.hub_key)
        own = TrustedKey(
            owner=self._home.configuration.hub,
            role="hub",
            keyid=keys.keyid(public),
            public_key=keys.public_to_pem(public),
        )
        known = TrustedKeys(keys=(own, *(key for key in listed.keys if key.role in OF_THE_LOG)))
        if not any((key.role, key.keyid) == ("hub", own.keyid) and goes_on(key) for key in listed.keys):
            known = followed(known, self._fetched(KeyChanges, f"{API}/key-changes", ANSWER_LIMIT_BYTES))
            going_on = {key.keyid for key in known.keys if key.role == "hub" and goes_on(key)}
            if not any(key.role == "hub" and key.keyid in going_on for key in listed.keys):
                raise Unproven(
                    f"{self._home.configuration.hub_url} does not list the key {own.keyid[:16]} that this node was enrolled with, nor one that "
                    "follows it: it is another hub, or its home was made anew. Ask its steward; enrol anew where that is so"
                )
        check_promised(shown, known)
        return KeptLog(keys=known, checkpoint=shown.as_bytes().decode())

    def _newest(self) -> Checkpoint:
        try:
            return read_checkpoint(self._asked("/log/checkpoint", MAX_CHECKPOINT_BYTES))
        except Unproven:
            raise Unreachable(
                f"{self._home.configuration.hub_url} answered something that is no checkpoint: is it a Rapha hub?"
            ) from None

    def _file(self, path: str) -> bytes:
        return self._asked(f"/log/{path}", TILE_BYTES)

    def _fetched(self, record: type[R], path: str, limit_bytes: int) -> R:
        try:
            return record.from_bytes(self._asked(path, limit_bytes))
        except ValidationError:
            where = f"{self._home.configuration.hub_url}{path}"
            raise Unreachable(f"{where} is of another form: is it a Rapha hub of this version?") from None

    def _asked(self, path: str, limit_bytes: int) -> bytes:
        """Whatever a hub says in place of its log, it has not shown it."""
        try:
            return self._line.public(path, limit_bytes)
        except (Conflict, NotPermitted, DiskFull) as refused:
            raise Unreachable(f"{self._home.configuration.hub_url} does not show {path}: {refused}") from refused

    def _read(self, name: str, record: type[R]) -> R | None:
        try:
            return record.from_bytes((self._home.folder / name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise self._spoilt(name) from None

    def _spoilt(self, name: str) -> ConfigurationError:
        folder = self._home.folder
        return ConfigurationError(
            f"{folder / name} is not as the node wrote it, or cannot be read: put it back from a copy. Where there is none, take the log as the "
            f"hub shows it now with `rapha node public-log {folder} {OPTION}`"
        )

    def _write(self, name: str, record: Record) -> None:
        """Whole or not at all, and on the disk when this returns. Raises DiskFull."""
        path = self._home.folder / name
        try:
            write_synced(draft := path.with_suffix(".draft"), record.as_bytes())
            faults.point(f"node.to-rename:{name}")
            draft.replace(path)
            sync_folder(path.parent)
            faults.point(f"node.renamed:{name}")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise DiskFull(
                    f"no space left in {path.parent} for {name}: free some, and start the agent again"
                ) from error
            raise

    def _put_aside(self, name: str) -> str | None:
        """Under the first name that is free; None where there is no such file."""
        path = self._home.folder / name
        if not path.exists():
            return None
        places = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(1))
        aside = next(place for place in places if not place.exists())
        path.rename(aside)
        sync_folder(path.parent)
        return aside.name

    def _note(self, event: str, made: KeptLog, **more: str) -> None:
        newest = checkpoint_of(made)
        named = ", ".join(key.keyid for key in keys_of_now(made))
        facts = {"origin": newest.origin, "keys": named, "size": str(newest.size), "root": newest.root.hex()}
        self._register.note(event, None, **facts, **more)


def checkpoint_of(kept: KeptLog) -> Checkpoint:
    """What was seen last. Raises Unproven: it is no checkpoint."""
    return read_checkpoint(kept.checkpoint.encode())


def keys_of_now(kept: KeptLog) -> tuple[TrustedKey, ...]:
    """The log's keys that go on."""
    return tuple(key for key in kept.keys.keys if key.role in ("log", ROLE_OF_LOG) and goes_on(key))


def goes_on(key: TrustedKey) -> bool:
    """Whether it has no end that is known."""
    return key.window is None or key.window.end is None


def in_words(kept: KeptLog) -> str:
    """The log, its keys and what was seen of it, to be compared with what the hub's steward reads out."""
    newest = checkpoint_of(kept)
    named = ", ".join(f"{key.role} {key.keyid}" for key in keys_of_now(kept))
    return f"{newest.origin}, {newest.size} entries, root {newest.root.hex()}; keys: {named}"


def _in_words(refused: RefusedLog, folder: Path) -> str:
    return (
        f"{refused.words}. This hospital gives the hub at {refused.hub_url} nothing more. Both checkpoints, signed, are in {folder / REFUSED}: keep it, ask "
        "the hub's steward what happened, and compare with other hospitals. A hub that was put back from an older copy looks like this too: "
        f"where its steward says that it was, stop the agent and go on with `rapha node public-log {folder} {OPTION}`; else leave it stopped"
    )


def _with_those_of_before(known: TrustedKeys) -> TrustedKeys:
    return TrustedKeys(keys=tuple(key.model_copy(update={"window": None}) for key in known.keys))
