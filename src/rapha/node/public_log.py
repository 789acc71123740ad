"""The hub's public log as this hospital saw it: its keys and its last checkpoint, kept (public_log_files.py), so that the hub's word for it is
taken once.

1  The first time, the log's name and keys are taken at the hub's word, and so are those of its authority; the hub's own key is that of the
   enrolment. That is said.
2  From then on a checkpoint counts that a kept key signed, or one that follows it by a change of keys in the same log.
3  It counts that goes on from the one that is kept: at the same size the same, and longer only with the proof. None that is shorter is kept.
4  A hub is convicted by two checkpoints alone, both signed by such keys, that cannot both be true. They are kept, before anything else is done,
   and nothing leaves. A steward goes on, by hand, with what the hub shows then.
5  Whatever else is answered, or nothing, the log is not shown: no freeze counts and no receipt leaves until it is; it is said, and asked again.
"""

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Protocol, TypeVar

import structlog
from pydantic import ValidationError

from rapha.canonical import base64_text
from rapha.clock import Clock, stamp
from rapha.errors import ConfigurationError, Conflict, DiskFull, NotPermitted, Unproven, Unreachable
from rapha.node.configuration import Home
from rapha.node.hub_line import ANSWER_LIMIT_BYTES, API
from rapha.node.public_log_files import (
    ACCEPTED,
    CONTRADICTED,
    FOLLOWED,
    KEPT,
    OPTION,
    PINNED,
    REFUSED,
    KeptLog,
    LogFiles,
    RefusedLog,
    checkpoint_of,
    goes_on,
    in_words,
    printable,
    with_those_of_before,
)
from rapha.node.register import Register
from rapha.proof import keys
from rapha.proof.bundle import check_inclusion
from rapha.proof.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, read_checkpoint
from rapha.proof.continued import Contradicted, NotShown, UnknownKey, check_newest, check_one_log
from rapha.proof.envelope import unverified_payload
from rapha.proof.key_change import followed, read_key_change
from rapha.proof.lasting import ROLE_OF_LOG
from rapha.proof.logged import check_promised
from rapha.proof.merkle import HASH_BYTES
from rapha.proof.tiles import WIDTH, Fetch
from rapha.records.key_change import KeyChanges
from rapha.records.record import Record
from rapha.records.wire import TrustedKey, TrustedKeys

LOOKS_SECONDS = 300.0
KEYS_BYTES, TILE_BYTES = 4 << 20, WIDTH * HASH_BYTES
OF_THE_LOG = ("log", ROLE_OF_LOG, "authority", "time-stamper", "certificate-log")
"""Roles whose keys are taken at the hub's word, once: those that sign the log, and those that date and certify a change of keys in it."""
LOG = structlog.get_logger("rapha.node")
CHANGES = f"{API}/key-changes?of=hub"
"""Of hospitals' keys nothing is asked: there may be any number of changes. A hub of before gives all."""
AT_ITS_WORD = "the public log is taken at the hub's word, this once"
R = TypeVar("R", bound=Record)
Check = Callable[[Checkpoint, Checkpoint, Fetch], None]


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
        self._files = LogFiles(home.folder, register)
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._contradicted: RefusedLog | None = None
        """What was seen here, whether it could be written down or not."""
        self._unwritten = ""

    def check_not_refused(self) -> None:
        """Raises Unproven: the log contradicted what was kept of it, and no steward has gone on since; ConfigurationError as `refused`."""
        refused = self._contradicted or self.refused()
        if refused is not None:
            raise Unproven(self._in_words(refused))

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
            Unproven: it contradicts what was kept, now or before.
            Unreachable: the hub does not answer, or not with the log: NotShown where it answers with something else.
            ConfigurationError: what is kept cannot be read, or is gone.
        """
        with self._lock:  # the newest of two answers is not known by when they came
            self._check_open()
            kept = self.kept()
            return self._goes_on(kept, self._newest(), check_newest) if kept else self._begun(tell)

    def check_holds(self, tree: Checkpoint) -> None:
        """A tree that the hub proved something in is of the log that is kept; where it is longer, it is kept. Raises as `look`."""
        with self._lock:
            self._check_open()
            self._goes_on(self.kept() or self._begun(tell=True), tree, check_one_log)

    def begin_anew(self) -> KeptLog:
        """Take the log as the hub shows it now, at its word; what was kept, and what contradicted it, stay under other names. Raises as `look`,
        and Conflict: what the hub shows goes on from what is kept."""
        with self._lock:
            newest = self._newest()
            if self._stands(newest):
                raise Conflict(
                    f"nothing contradicts what {self._home.folder} keeps of the public log: there is nothing to accept"
                )
            made = self._pinned(newest)
            kept_aside = self._files.put_aside(KEPT)
            self._files.write(KEPT, made)
            aside = [name for name in (kept_aside, self._files.put_aside(REFUSED)) if name]
            self._files.note(ACCEPTED, made, aside=", ".join(aside))
            self._contradicted = None
            return made

    def kept(self) -> KeptLog | None:
        """What is kept; None before the first use. Raises ConfigurationError: it is not as it was written, or gone."""
        return self._files.kept()

    def refused(self) -> RefusedLog | None:
        """What contradicts it; None where nothing does. Raises ConfigurationError: it is not as it was written, or gone."""
        return self._files.refused()

    def _check_open(self) -> None:
        """As `check_not_refused`; what could not be written down before is tried again."""
        if self._contradicted and self._unwritten:
            self._write_down(self._contradicted)
        self.check_not_refused()

    def _stands(self, newest: Checkpoint) -> bool:
        """Whether nothing contradicts what is kept, and what is shown goes on from it. Raises Unreachable: a part of it cannot be had."""
        try:
            kept = self.kept()
            if self._contradicted or self.refused():
                return False
            if kept:
                self._goes_on(kept, newest, check_newest)
        except (ConfigurationError, Unproven, NotShown):
            return False
        return True

    def _goes_on(self, kept: KeptLog, shown: Checkpoint, check: Check) -> KeptLog:
        seen = checkpoint_of(kept)
        try:
            known = self._signed(kept, seen, shown) if shown.origin == seen.origin else kept.keys
            check(seen, shown, self._file)
        except UnknownKey as problem:
            raise UnknownKey(printable(f"{problem}. {self._if_put_back()}")) from None
        except Contradicted as problem:
            raise Unproven(self._in_words(self._refuse(kept, shown, problem))) from None
        except NotShown as problem:
            raise NotShown(printable(f"{problem}. {self._if_put_back()}")) from None
        if shown.size < seen.size:  # what is kept never goes back, whoever signed it
            return kept
        newest = shown if shown.size > seen.size or known != kept.keys else seen
        made = KeptLog(keys=known, checkpoint=newest.as_bytes().decode())
        if made != kept:
            self._files.write(KEPT, made)
        if known != kept.keys:
            self._files.note(FOLLOWED, made)
            LOG.info(FOLLOWED, words=in_words(made))
        return made

    def _signed(self, kept: KeptLog, seen: Checkpoint, shown: Checkpoint) -> TrustedKeys:
        """The keys, followed as far as it needs for one of the log that signed this. Raises NotShown: the changes cannot be followed; UnknownKey: none did. What a log promised before it had another key
        is good under the one that it had, as far as it is in what was seen."""
        try:
            check_promised(shown, with_those_of_before(kept.keys) if shown.size <= seen.size else kept.keys)
        except Unproven:
            pass
        else:
            return kept.keys
        wrong = f"a checkpoint of the log {shown.origin} is shown that is signed with no key that is kept, nor one that follows by the changes in that log: "
        try:
            known = self._followed(kept.keys, max(shown, seen, key=lambda one: one.size))
        except Unproven as problem:
            raise NotShown(f"{wrong}{problem}") from None
        try:
            check_promised(shown, known)
        except Unproven as problem:
            raise UnknownKey(f"{wrong}{problem}") from None
        return known

    def _followed(self, known: TrustedKeys, newest: Checkpoint) -> TrustedKeys:
        """The keys with the changes that the hub lists. Raises Unproven: one is not signed by who may say so, or is not in the log of `newest`."""
        changes = self._fetched(KeyChanges, CHANGES, ANSWER_LIMIT_BYTES)
        found = followed(known, changes)
        tiles = cache(self._file)
        for bundle in changes.changes:
            if read_key_change(unverified_payload(bundle.dsseEnvelope)).role not in ("hub", *OF_THE_LOG):
                continue
            entry = bundle.verificationMaterial.tlogEntries[0]
            check_one_log(newest, check_inclusion(entry), tiles)
            if int(entry.logIndex) >= newest.size:
                raise Unproven(f"a change of keys is entry {entry.logIndex}, and {newest.size} entries are shown")
        return found

    def _refuse(self, kept: KeptLog, shown: Checkpoint, problem: Contradicted) -> RefusedLog:
        """Known from now on, and on the disk before anything else is done."""
        made = RefusedLog(
            at=stamp(self._clock()),
            hub_url=self._home.configuration.hub_url,
            kind=problem.kind,
            words=printable(str(problem)),
            kept=kept,
            shown=shown.as_bytes().decode(),
            proof=tuple(map(base64_text, problem.proof)),
        )
        self._contradicted = made
        self._write_down(made)
        return made

    def _write_down(self, made: RefusedLog) -> None:
        """Whatever the disk says, nothing leaves."""
        try:
            self._files.write(REFUSED, made)
            self._unwritten = ""
            self._register.note(CONTRADICTED, None, kind=made.kind, words=made.words, file=REFUSED)
        except (OSError, DiskFull) as problem:
            self._unwritten = str(problem)
            LOG.error("public-log.not-written", reason=self._unwritten, kept=made.kept.checkpoint, shown=made.shown)
        LOG.error(CONTRADICTED, kind=made.kind, words=made.words, file=REFUSED)

    def _in_words(self, refused: RefusedLog) -> str:
        file = self._home.folder / REFUSED
        where = f"Both checkpoints, signed, are in {file}: keep it"
        if self._unwritten:
            where = f"Both checkpoints are in the agent's log alone, for {file} could not be written ({self._unwritten}): keep that"
        return (
            f"{refused.words}. This hospital gives the hub at {refused.hub_url} nothing more. {where}, ask the hub's steward what happened, and "
            f"compare with other hospitals. {self._if_put_back()}; else leave it stopped"
        )

    def _if_put_back(self) -> str:
        return (
            "A hub that was put back from an older copy looks like this too: where its steward says that it was, stop the agent and go on with "
            f"`rapha node public-log {self._home.folder} {OPTION}`"
        )

    def _begun(self, tell: bool) -> KeptLog:
        made = self._pinned(self._newest())
        self._files.write(KEPT, made)
        self._files.note(PINNED, made)
        if tell:
            LOG.warning(PINNED, words=f"{AT_ITS_WORD}: {in_words(made)}")
        return made

    def _pinned(self, shown: Checkpoint) -> KeptLog:
        """At the hub's word, but for its own key. Raises NotShown: what it lists does not fit that, or its checkpoint."""
        listed = self._fetched(TrustedKeys, f"{API}/keys", KEYS_BYTES)
        public = keys.public_from_pem(self._home.configuration.hub_key)
        own = TrustedKey(
            owner=self._home.configuration.hub,
            role="hub",
            keyid=keys.keyid(public),
            public_key=keys.public_to_pem(public),
        )
        known = TrustedKeys(keys=(own, *(key for key in listed.keys if key.role in OF_THE_LOG)))
        try:
            if not any((key.role, key.keyid) == ("hub", own.keyid) and goes_on(key) for key in listed.keys):
                known = self._followed(known, shown)
                going_on = {key.keyid for key in known.keys if key.role == "hub" and goes_on(key)}
                if not any(key.role == "hub" and key.keyid in going_on for key in listed.keys):
                    raise Unproven(
                        f"the key {own.keyid[:16]} that this node was enrolled with is not listed, nor one that follows it: it is another hub, or its "
                        "home was made anew. Ask its steward; enrol anew where that is so"
                    )
            check_promised(shown, known)
        except Unproven as problem:
            raise NotShown(
                printable(f"{self._home.configuration.hub_url} shows no log that can be taken at its word: {problem}")
            ) from None
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
