"""The chunks of a blob that is here: read once, remembered, for a blob never changes."""

import threading
from collections import OrderedDict

from rapha.hub.blobs import Blobs, absent
from rapha.records.chunks import CHUNK_BYTES, Chunks, chunk_digest

REMEMBERED = 32


class Chunked:
    """One for a hub. The sites of a round ask for the same blob: the first who asks waits for the reading, the others
    for the first."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs, self._lock = blobs, threading.Lock()
        self._known: OrderedDict[str, Chunks] = OrderedDict()

    def chunks_of(self, digest: str) -> Chunks:
        """Raises Conflict where there is no such blob."""
        with self._lock:
            if digest not in self._known:
                self._known[digest] = self._read(digest)
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
            return self._known[digest]

    def _read(self, digest: str) -> Chunks:
        size_bytes = self._blobs.size_bytes(digest)
        if size_bytes is None:
            raise absent(digest)
        with self._blobs.open(digest) as file:
            found = tuple(chunk_digest(data) for data in iter(lambda: file.read(CHUNK_BYTES), b""))
        return Chunks(blob=digest, size_bytes=size_bytes, digests=found)
