"""The chunks of a blob that is here: known since it was written here, or read once; remembered, for a blob never changes.

One of a single chunk is not remembered: its size tells that there is one, so nobody asks for it.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Self

from rapha.hub.blobs import Blobs, Block, Draft, absent
from rapha.records.chunks import CHUNK_BYTES, Chunks, chunk_digest, chunk_hash

REMEMBERED = 32


class Chunked:
    """One for a hub. The sites of a round ask for the same blob: the first who asks waits for the reading, the others
    for the first, and nobody for the reading of another blob."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs, self._lock = blobs, threading.Lock()
        self._known: OrderedDict[str, Chunks] = OrderedDict()
        self._turns: dict[str, threading.Lock] = {}

    def chunks_of(self, digest: str) -> Chunks:
        """Raises Conflict where there is no such blob."""
        with self._lock:
            if (known := self._known.get(digest)) is not None:
                return known
            turn = self._turns.setdefault(digest, threading.Lock())
        with turn:
            try:
                with self._lock:
                    known = self._known.get(digest)
                if known is None:
                    self.know(known := self._read(digest))
                return known
            finally:
                with self._lock:
                    self._turns.pop(digest, None)

    def know(self, chunks: Chunks) -> None:
        """These are the chunks of a blob that was written or read just now."""
        if len(chunks.digests) < 2:
            return
        with self._lock:
            self._known[chunks.blob] = chunks
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _read(self, digest: str) -> Chunks:
        size_bytes = self._blobs.size_bytes(digest)
        if size_bytes is None:
            raise absent(digest)
        with self._blobs.open(digest) as file:
            found = tuple(chunk_digest(data) for data in iter(lambda: file.read(CHUNK_BYTES), b""))
        return Chunks(blob=digest, size_bytes=size_bytes, digests=found)


class KnownInChunks:
    """See `Blobs`. The chunks of what is written here are known once it is kept: nobody waits while it is read again for them."""

    def __init__(self, blobs: Blobs, chunked: Chunked) -> None:
        self._blobs, self._chunked = blobs, chunked

    def draft(self) -> "ChunkedDraft":
        return ChunkedDraft(self._blobs.draft(), self._chunked.know)

    def size_bytes(self, digest: str) -> int | None:
        return self._blobs.size_bytes(digest)

    def open(self, digest: str) -> BinaryIO:
        return self._blobs.open(digest)

    def settled(self, file: Path, digest: str) -> Draft:
        return self._blobs.settled(file, digest)

    def drop(self, digest: str) -> None:
        self._blobs.drop(digest)

    def digests(self) -> list[str]:
        return self._blobs.digests()


class ChunkedDraft:
    """A draft of which every chunk is hashed as it is written. `known`: told its chunks once it is kept."""

    def __init__(self, draft: Draft, known: Callable[[Chunks], None]) -> None:
        self._draft, self._known = draft, known
        self._digests: list[str] = []
        self._hash, self._size_bytes, self._blob = chunk_hash(), 0, ""

    def write(self, block: Block) -> None:
        self._draft.write(block)
        rest = memoryview(block).cast("B")
        while rest:
            piece = rest[: CHUNK_BYTES - self._size_bytes % CHUNK_BYTES]
            self._hash.update(piece)
            self._size_bytes += len(piece)
            rest = rest[len(piece) :]
            if self._size_bytes % CHUNK_BYTES == 0:
                self._digests.append(self._hash.hexdigest())
                self._hash = chunk_hash()

    def settle(self, expected: str | None = None) -> str:
        self._blob = self._draft.settle(expected)
        return self._blob

    def keep(self) -> None:
        self._draft.keep()
        last = [self._hash.hexdigest()] if self._size_bytes % CHUNK_BYTES else []
        self._known(Chunks(blob=self._blob, size_bytes=self._size_bytes, digests=(*self._digests, *last)))

    def __enter__(self) -> Self:
        self._draft.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._draft.__exit__(*error)
