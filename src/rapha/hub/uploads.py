"""Large uploads, chunk by chunk, in order; what has come survives the line, the node and the hub.

    begin    the node says what the pieces are; it is told which is wanted next
    take     one piece, verified by its BLAKE3; written, and counted into the SHA-256 of the whole
    finish   all are here: the whole is its SHA-256, synced, and becomes a blob

A file of its own for each site and blob in `partial/`: a hub that was killed reads it back up to the last good piece.
One that nobody asked for in a week is dropped at the start.
"""

import hashlib
import os
import threading
import time
from pathlib import Path

from rapha.errors import Conflict
from rapha.hub.blobs import Block, absent, disk
from rapha.records.chunks import CHUNK_BYTES, Chunks, chunk_digest, number_of_chunks

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

    def take(self, site: str, blob: str, number: int, data: Block) -> int:
        """Add a chunk; the next one wanted. One that is here already is no error.

        Raises:
            Conflict: nobody began this upload, it is not the one wanted, or its bytes are not as announced.
            DiskFull: no space.
        """
        return self._partial(site, blob).take(number, data)

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
        self._lock = threading.Lock()
        self._hash = hashlib.sha256()
        with disk(path.parent):
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self.next = 0
        self._read_back()

    def take(self, number: int, data: Block) -> int:
        with self._lock:
            if number < self.next:
                return self.next
            begin, end = self.chunks.span(number)
            if number > self.next or number >= len(self.chunks.digests):
                raise Conflict(f"chunk {number} comes out of turn: {self.next} is wanted")
            if len(data) != end - begin or chunk_digest(data) != self.chunks.digests[number]:
                raise Conflict(f"chunk {number} is not what was announced: send it again")
            if self._file.closed:
                raise Conflict("this upload was begun anew: ask which chunk is wanted")
            rest = memoryview(data).cast("B")
            with disk(self._path.parent):
                self._file.seek(begin)
                while rest:
                    rest = rest[self._file.write(rest) :]
            self._hash.update(data)
            self.next += 1
            return self.next

    def finished(self) -> Path:
        with self._lock:
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
        with self._lock:
            self._file.close()

    def drop(self) -> None:
        self.close()
        self._path.unlink(missing_ok=True)

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
