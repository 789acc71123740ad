"""Large uploads, chunk by chunk, in order; what has come survives the line, the node and the hub.

    begin    the node says what the pieces are; it is told which is wanted next
    receive  pieces side by side, as they come: each counts once it is whole and verified by its BLAKE3; then it is in the
             file, and in the SHA-256 of the whole
    finish   all are here: the whole is its SHA-256, synced, and becomes a blob

A file of its own for each site and blob in `partial/`: a hub that was killed reads it back up to the last good piece.
One that nobody asked for in a week is dropped at the start.
"""

import hashlib
import os
import threading
import time
from pathlib import Path

from rapha.durable import take_to_disk_early
from rapha.errors import Conflict
from rapha.hub.blobs import Block, absent, disk
from rapha.records.chunks import CHUNK_BYTES, Chunks, chunk_digest, chunk_hash, number_of_chunks

KEPT_SECONDS = 7 * 24 * 3600.0
AT_ONCE_PER_SITE = 4


class Uploads:
    """`folder` is best on the disk of the blobs: a finished upload is then renamed, not copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], Partial] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in folder.iterdir():
            if time.time() - file.stat().st_mtime > KEPT_SECONDS:
                file.unlink()

    def begin(self, site: str, chunks: Chunks, limit_bytes: int) -> int:
        """The first chunk that is wanted: 0, or further where an earlier try got somewhere.

        Raises:
            Conflict: these are not the chunks of one blob of that size, or it is too large.
        """
        if len(chunks.digests) != number_of_chunks(chunks.size_bytes) or not chunks.digests:
            raise Conflict(f"a blob of {chunks.size_bytes} bytes has another number of chunks than was said")
        if chunks.size_bytes > limit_bytes:
            raise Conflict(f"a blob has at most {limit_bytes} bytes here")
        with self._lock:
            known = self._open.get((site, chunks.blob))
            if known is None or known.chunks != chunks:
                if known is not None:
                    known.close()  # who still holds it may not write into the file that is begun anew
                known = Partial(self._folder / f"{site}.{chunks.blob.removeprefix('sha256:')}", chunks)
                self._open[site, chunks.blob] = known
                self._make_room(site)
        return known.next

    def _make_room(self, site: str) -> None:
        """A site has a few under way and no more: its oldest goes."""
        own = [key for key in self._open if key[0] == site]
        for key in own[:-AT_ONCE_PER_SITE]:
            self._open.pop(key).drop()

    def receive(self, site: str, blob: str, number: int) -> "Receiving":
        """Take chunks from `number` on. Those that are here already are no error. Who received before receives no more.

        Raises:
            Conflict: nobody began this upload, or this is not the chunk wanted.
        """
        return self._partial(site, blob).receive(number)

    def is_whole(self, site: str, blob: str) -> bool:
        """Whether every chunk is here."""
        partial = self._partial(site, blob)
        return partial.next == len(partial.chunks.digests)

    def finished(self, site: str, blob: str) -> Path:
        """The whole file, synced. Raises Conflict where it is not whole, is gone, or is another blob than was said."""
        return self._partial(site, blob).finished()

    def forget(self, site: str, blob: str) -> None:
        """It has become a blob, or will never be one."""
        with self._lock:
            if partial := self._open.pop((site, blob), None):
                partial.drop()

    def close(self) -> None:
        """The hub is stopping; what has come stays."""
        with self._lock:
            for partial in self._open.values():
                partial.close()
            self._open.clear()

    def _partial(self, site: str, blob: str) -> "Partial":
        partial = self._open.get((site, blob))
        if partial is None:
            raise absent(blob)
        return partial


class Partial:
    """One file that grows."""

    def __init__(self, path: Path, chunks: Chunks) -> None:
        self.chunks, self._path = chunks, path
        self.lock = threading.Lock()
        self._hash = hashlib.sha256()
        with disk(path.parent):
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self.next = 0
        self._receiving: Receiving | None = None
        self._read_back()

    def receive(self, number: int) -> "Receiving":
        with self.lock:
            if number > self.next or number >= len(self.chunks.digests):
                raise Conflict(f"chunk {number} comes out of turn: {self.next} is wanted")
            self._receiving = Receiving(self, number)
            return self._receiving

    def check_still(self, receiving: "Receiving") -> None:
        """Raises Conflict, where another one is received by now."""
        if self._file.closed or receiving is not self._receiving:
            raise Conflict("this upload was begun anew: ask which chunk is wanted")

    def write(self, at: int, block: Block) -> None:
        """Put it there. Raises DiskFull."""
        rest = memoryview(block).cast("B")
        with disk(self._path.parent):
            self._file.seek(at)
            while rest:
                rest = rest[self._file.write(rest) :]

    def finished(self) -> Path:
        with self.lock:
            if self.next < len(self.chunks.digests):
                raise Conflict(f"the upload is not whole: chunk {self.next} is wanted")
            if (found := "sha256:" + self._hash.hexdigest()) != self.chunks.blob:
                raise Conflict(
                    f"the upload is not what it was announced to be: expected {self.chunks.blob}, got {found}"
                )
            if not self._path.exists():
                raise Conflict("what came of the upload is here no more: begin it again")
            with disk(self._path.parent):
                os.fsync(self._file.fileno())
            return self._path

    def close(self) -> None:
        with self.lock:
            self._file.close()

    def drop(self) -> None:
        self.close()
        self._path.unlink(missing_ok=True)

    def hash_so_far(self) -> "hashlib._Hash":
        """SHA-256 up to the next chunk, to go on with."""
        return self._hash.copy()

    def took(self, sha256: "hashlib._Hash") -> None:
        """The next chunk is in the file, and in this."""
        begin, end = self.chunks.span(self.next)
        self._hash, self.next = sha256, self.next + 1
        take_to_disk_early(self._file.fileno(), begin, end - begin)

    def _read_back(self) -> None:
        """Go on behind the last good chunk of an earlier life; what lies beyond it is cut off."""
        for number, expected in enumerate(self.chunks.digests):
            begin, end = self.chunks.span(number)
            data = self._file.read(CHUNK_BYTES)
            if len(data) < end - begin or chunk_digest(data[: end - begin]) != expected:
                break
            self._hash.update(data[: end - begin])
            self.next = number + 1
        self._file.truncate(
            self.chunks.span(self.next)[0] if self.next < len(self.chunks.digests) else self.chunks.size_bytes
        )


class Receiving:
    """Chunks of one request, block by block. Memory: none; what is not whole yet lies behind the last good chunk."""

    def __init__(self, partial: Partial, number: int) -> None:
        self._partial, self._first, self._number, self._filled = partial, number, number, 0
        self._begin_chunk()

    def write(self, block: Block) -> None:
        """The bytes that come next.

        Raises:
            Conflict: a chunk is not what was announced, there are more bytes than announced, or the upload was begun anew.
            DiskFull: no space.
        """
        rest = memoryview(block).cast("B")
        with self._partial.lock:
            self._partial.check_still(self)
            while rest:
                if self._number >= len(self._partial.chunks.digests):
                    raise Conflict(f"more came than the {self._number} chunks that were announced")
                begin, end = self._partial.chunks.span(self._number)
                piece = rest[: end - begin - self._filled]
                self._add(piece, begin + self._filled)
                rest, self._filled = rest[len(piece) :], self._filled + len(piece)
                if begin + self._filled == end:
                    self._end_chunk()

    def ended(self) -> int:
        """No more comes; the chunk that is wanted next. Raises Conflict, where one has come in part, or none."""
        if self._filled or self._number == self._first:
            raise Conflict(f"chunk {self._number} is not what was announced: send it again")
        return self._partial.next

    def _add(self, piece: memoryview, at: int) -> None:
        if self._number == self._partial.next:
            self._partial.write(at, piece)
            self._blake3.update(piece)
            self._sha256.update(piece)

    def _end_chunk(self) -> None:
        if self._number == self._partial.next:
            if self._blake3.hexdigest() != self._partial.chunks.digests[self._number]:
                raise Conflict(f"chunk {self._number} is not what was announced: send it again")
            self._partial.took(self._sha256)
        self._number += 1
        self._begin_chunk()

    def _begin_chunk(self) -> None:
        self._filled, self._blake3, self._sha256 = 0, chunk_hash(), self._partial.hash_so_far()
