"""The files in which a hospital keeps what it saw of the hub's public log, and what the register says of them.

HOME/
  public-log.json           the keys that stand by the log, and the newest checkpoint that was seen under them
  public-log-refused.json   what contradicts it, from the moment it was seen: while it lies here nothing leaves

The register says too that either was written: one that is gone is as spoilt as one that cannot be read.
"""

import errno
import itertools
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from rapha import faults
from rapha.durable import sync_folder, write_synced
from rapha.errors import ConfigurationError, DiskFull, Unproven
from rapha.node.register import Register
from rapha.proof import keys
from rapha.proof.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint, read_checkpoint
from rapha.proof.continued import Kind
from rapha.proof.lasting import ROLE_OF_LOG
from rapha.proof.logged import check_promised
from rapha.records.record import Record
from rapha.records.wire import TrustedKey, TrustedKeys

KEPT, REFUSED = "public-log.json", "public-log-refused.json"
OPTION = "--i-accept-that-the-log-may-have-been-rewritten"
PINNED, FOLLOWED, ACCEPTED = "public-log.pinned", "public-log.keys-followed", "public-log.accepted-anew"
CONTRADICTED, ASIDE = "public-log.refused", "public-log.put-aside"
R = TypeVar("R", bound=Record)
Note = Annotated[str, Field(max_length=MAX_CHECKPOINT_BYTES)]


class KeptLog(Record):
    """The file `public-log.json`. `checkpoint`: the note, with its signatures."""

    keys: TrustedKeys
    checkpoint: Note


class RefusedLog(Record):
    """The file `public-log-refused.json`: `shown` contradicts what is `kept`. `proof`: the hashes that lead to the newer one's root and not to
    the older one's, base64, where there are any. `at`: by this machine's clock."""

    at: str
    hub_url: str
    kind: Kind
    words: str
    kept: KeptLog
    shown: Note
    proof: tuple[str, ...] = ()


class LogFiles:
    """The two files of a home. One writes at a time."""

    def __init__(self, folder: Path, register: Register) -> None:
        """`folder`: the home's."""
        self.folder, self._register = folder, register

    def kept(self) -> KeptLog | None:
        """What is kept; None before the first use. Raises ConfigurationError: it is not as it was written, or gone."""
        try:
            found = self._read(KEPT, KeptLog)
            if found is not None:  # a hub is not accused by what a disk made of its word
                check_promised(checkpoint_of(found), with_those_of_before(found.keys))
        except Unproven:
            raise self._spoilt(KEPT) from None
        if found is None and self._register.newest_of(PINNED, FOLLOWED, ACCEPTED, ASIDE) not in (None, ASIDE):
            raise self._spoilt(KEPT)
        return found

    def refused(self) -> RefusedLog | None:
        """What contradicts it; None where nothing does. Raises ConfigurationError: it is not as it was written, or gone."""
        found = self._read(REFUSED, RefusedLog)
        if found is None and self._register.newest_of(CONTRADICTED, ACCEPTED, ASIDE) == CONTRADICTED:
            raise self._spoilt(REFUSED)
        return found

    def write(self, name: str, record: Record) -> None:
        """Whole or not at all, and on the disk when this returns. Raises DiskFull."""
        path = self.folder / name
        try:
            write_synced(draft := path.with_suffix(".draft"), record.as_bytes())
            faults.point(f"node.to-rename:{name}")
            draft.replace(path)
            sync_folder(path.parent)
            faults.point(f"node.renamed:{name}")
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(
                    f"no space left in {path.parent} for {name}: free some, and start the agent again"
                ) from error
            raise

    def put_aside(self, name: str) -> str | None:
        """Under the first name that is free; None where there is no such file."""
        path = self.folder / name
        if not path.exists():
            return None
        places = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(1))
        aside = next(place for place in places if not place.exists())
        path.rename(aside)
        sync_folder(path.parent)
        return aside.name

    def put_aside_unless_of(self, hub: str, public_key: str) -> tuple[str, ...]:
        """Both files, where they are of another hub or of one with another key (PEM): it has another log. Their new names. Files that cannot be read
        stay, and are said where they are used."""
        try:
            refused = self._read(REFUSED, RefusedLog)
            kept = self._read(KEPT, KeptLog) or (refused.kept if refused else None)
        except ConfigurationError:
            return ()
        if kept is None:
            return ()
        keyid = keys.keyid(keys.public_from_pem(public_key))
        if any((key.role, key.owner, key.keyid) == ("hub", hub, keyid) for key in kept.keys.keys):
            return ()
        # The register first: who dies in between has files, which count.
        self._register.note(ASIDE, None, hub=hub, key=keyid)
        return tuple(name for name in (self.put_aside(KEPT), self.put_aside(REFUSED)) if name)

    def note(self, event: str, made: KeptLog, **more: str) -> None:
        """In the register, with what is kept from now on."""
        newest = checkpoint_of(made)
        named = ", ".join(key.keyid for key in keys_of_now(made))
        facts = {"origin": newest.origin, "keys": named, "size": str(newest.size), "root": newest.root.hex()}
        self._register.note(event, None, **facts, **more)

    def _read(self, name: str, record: type[R]) -> R | None:
        try:
            return record.from_bytes((self.folder / name).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise self._spoilt(name) from None

    def _spoilt(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self.folder / name} is not as the node wrote it, or gone, or cannot be read: put it back from a copy. Where there is none, take the log as "
            f"the hub shows it now with `rapha node public-log {self.folder} {OPTION}`"
        )


def checkpoint_of(kept: KeptLog) -> Checkpoint:
    """What was seen last. Raises Unproven: it is no checkpoint."""
    return read_checkpoint(kept.checkpoint.encode())


def keys_of_now(kept: KeptLog) -> tuple[TrustedKey, ...]:
    """The log's keys that go on."""
    return tuple(key for key in kept.keys.keys if key.role in ("log", ROLE_OF_LOG) and goes_on(key))


def goes_on(key: TrustedKey) -> bool:
    """Whether it has no end that is known."""
    return key.window is None or key.window.end is None


def with_those_of_before(known: TrustedKeys) -> TrustedKeys:
    """The same, with keys that have ended as if they had not: what they signed in their time they signed."""
    return TrustedKeys(keys=tuple(key.model_copy(update={"window": None}) for key in known.keys))


def in_words(kept: KeptLog) -> str:
    """The log, its keys and what was seen of it, to be compared with what the hub's steward reads out."""
    newest = checkpoint_of(kept)
    named = ", ".join(f"{key.role} {key.keyid}" for key in keys_of_now(kept))
    return printable(f"{newest.origin}, {newest.size} entries, root {newest.root.hex()}; keys: {named}")


def printable(text: str) -> str:
    """Without letters that move a cursor or turn the line around: a log's name is its hub's choice."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
