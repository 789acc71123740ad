"""Small blobs lie in the database, with what they belong to: an update of a few bytes is on the disk with the transaction that takes it,
what came of a round with the one that closes it, and neither is a file of its own, nor an object in a bucket.

    keep_small, drop_small    within the transaction that needs them, or needs them no more
    BothPlaces                a blob by its digest, wherever it lies: whoever reads one does not ask
    InHand                    the blobs of one round: its small ones, read together, and what is made of them
"""

import hashlib
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Self, cast

from sqlalchemy import BindParameter, Table, bindparam, delete, select, text
from sqlalchemy.orm import Session

from rapha.canonical import digest as digest_of_bytes
from rapha.errors import Unproven
from rapha.hub.blobs import Blobs, Block, Draft, agreed
from rapha.hub.store.changes import Change
from rapha.hub.store.database import Store
from rapha.hub.store.tables import SmallBlobRow
from rapha.records.wire import INLINE_BYTES

SMALL_BYTES = INLINE_BYTES
"""Of the largest one: what travels within a request may lie within a row."""
ASKED_AT_ONCE = 500

_THESE: BindParameter[list[str]] = bindparam("digests", expanding=True)
_TABLE = cast("Table", SmallBlobRow.__table__)
_CONTENT = select(_TABLE.c.digest, _TABLE.c.content).where(_TABLE.c.digest.in_(_THESE))
_WHICH = select(_TABLE.c.digest).where(_TABLE.c.digest.in_(_THESE))
_DROP = delete(_TABLE).where(_TABLE.c.digest.in_(_THESE)).returning(_TABLE.c.digest)
_KEEP = text("INSERT INTO small_blobs (digest, content) VALUES (:digest, :content) ON CONFLICT (digest) DO NOTHING")
"""In the words that SQLite and PostgreSQL share."""


def some_at_a_time(digests: Iterable[str]) -> Iterator[list[str]]:
    """As many as one question asks for."""
    all_ = list(digests)
    return (all_[at : at + ASKED_AT_ONCE] for at in range(0, len(all_), ASKED_AT_ONCE))


def keep_small(change: Change, contents: Mapping[str, bytes]) -> None:
    """Keep these, by the digests that they were found to have; those that are here already stay. Each has SMALL_BYTES at most."""
    if contents:
        rows = [{"digest": digest, "content": content} for digest, content in contents.items()]
        change.session.execute(_KEEP, rows)


def which_small(session: Session, digests: Collection[str]) -> set[str]:
    """Those that lie in the database."""
    return {found for some in some_at_a_time(digests) for found in session.scalars(_WHICH, {"digests": some})}


def small_of(session: Session, digests: Collection[str]) -> dict[str, bytes]:
    """Those of them that lie in the database, by digest. Raises Unproven: there are other bytes under one."""
    found: dict[str, bytes] = {}
    for some in some_at_a_time(digests):
        for digest, content in session.execute(_CONTENT, {"digests": some}):
            if digest_of_bytes(content) != digest:
                raise Unproven(
                    f"the database holds other bytes than {digest} under that digest: restore it from a copy"
                )
            found[digest] = content
    return found


def drop_small(change: Change, digests: Collection[str]) -> set[str]:
    """Forget these; those that were there."""
    return {dropped for some in some_at_a_time(digests) for dropped in change.session.scalars(_DROP, {"digests": some})}


class BothPlaces:
    """See `Blobs`, of which what is written here, and dropped, is what lies in the place of the large ones. Small ones come and go in the
    transactions of their rounds. Whoever is reading or changing may ask: it is looked through connections of its own."""

    def __init__(self, store: Store, large: Blobs) -> None:
        self._store, self._large = store, large

    def draft(self) -> Draft:
        return self._large.draft()

    def settled(self, file: Path, digest: str) -> Draft:
        return self._large.settled(file, digest)

    def size_bytes(self, digest: str) -> int | None:
        content = self._small(digest)
        return self._large.size_bytes(digest) if content is None else len(content)

    def open(self, digest: str) -> BinaryIO:
        content = self._small(digest)
        return self._large.open(digest) if content is None else io.BytesIO(content)

    def drop(self, digest: str) -> None:
        self._large.drop(digest)

    def digests(self) -> list[str]:
        with self._store.glancing() as session:
            small = set(session.scalars(select(SmallBlobRow.digest)))
        return [*small, *(each for each in self._large.digests() if each not in small)]

    def _small(self, digest: str) -> bytes | None:
        with self._store.glancing() as session:
            return small_of(session, [digest]).get(digest)


class InHand:
    """See `Blobs`. `small`: those of the round that lie in the database, as they were read with it. Of what is written here, what is
    small is in `made` once it is kept: whoever closes the round keeps it with that; what is large lies in its place."""

    def __init__(self, blobs: Blobs, small: Mapping[str, bytes]) -> None:
        self._blobs, self._small = blobs, small
        self.made: dict[str, bytes] = {}

    def draft(self) -> "GrowingDraft":
        return GrowingDraft(self._blobs, self.made)

    def settled(self, file: Path, digest: str) -> Draft:
        return self._blobs.settled(file, digest)

    def size_bytes(self, digest: str) -> int | None:
        content = self._content(digest)
        return self._blobs.size_bytes(digest) if content is None else len(content)

    def open(self, digest: str) -> BinaryIO:
        content = self._content(digest)
        return self._blobs.open(digest) if content is None else io.BytesIO(content)

    def drop(self, digest: str) -> None:
        self._blobs.drop(digest)

    def digests(self) -> list[str]:
        return self._blobs.digests()

    def _content(self, digest: str) -> bytes | None:
        return self._small.get(digest, self.made.get(digest))


class GrowingDraft:
    """A draft in memory for as long as it is small, then one in the place of the large ones."""

    def __init__(self, blobs: Blobs, made: dict[str, bytes]) -> None:
        self._blobs, self._made = blobs, made
        self._data = bytearray()
        self._opened = ExitStack()
        self._large: Draft | None = None

    def write(self, block: Block) -> None:
        part = memoryview(block).cast("B")
        if self._large is None and len(self._data) + len(part) > SMALL_BYTES:
            self._large = self._opened.enter_context(self._blobs.draft())
            self._large.write(self._data)
            self._data = bytearray()
        if self._large is None:
            self._data += part
        else:
            self._large.write(part)

    def settle(self, expected: str | None = None) -> str:
        return self._large.settle(expected) if self._large else agreed(hashlib.sha256(self._data).hexdigest(), expected)

    def keep(self) -> None:
        if self._large:
            self._large.keep()
        else:
            self._made[self.settle()] = bytes(self._data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._opened.close()
