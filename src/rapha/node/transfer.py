"""Large files between node and hub, chunk by chunk: what came through stays, what is spoilt is sent again.

There is one notion of a timeout: progress. A transfer that is cut is taken up again by whoever waits for the hub, who is
patient for as long as chunks come through, however slowly. A chunk that comes spoilt `PATIENCE` times in a row ends it.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Protocol

from rapha import faults
from rapha.canonical import digest, digest_file
from rapha.errors import Conflict, Unreachable
from rapha.records.chunks import CHUNK_BYTES, RUN_CHUNKS, Chunks, Upload, chunk_digest, number_of_chunks

PATIENCE = 5
BLOCK_BYTES = 256 << 10
"""Read from the disk and put on the line at a time."""
NOTE = ".chunks"
"""Beside a fetched file: its Chunks."""


class CutShort(Unreachable):
    """The line was cut, but chunks had come through since it was last taken up."""


class Source(Protocol):
    """What bytes come from, into a buffer that is there: a raw file, or the line."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """How many came, at most what fits; 0 at the end."""


class Carrier(Protocol):
    """The line, as a transfer needs it. Each raises Unreachable where the line is cut, Conflict where it is refused."""

    def beginning(self, blob: str) -> tuple[bytes, int]:
        """The first chunk of a blob, and the size of the whole."""

    def chunks_of(self, blob: str) -> Chunks: ...

    def fetch(self, blob: str, begin: int, end: int) -> AbstractContextManager[Source]:
        """Bytes `begin` to `end` of a blob, as they come; what it is read with raises the same."""

    def begin_upload(self, chunks: Chunks) -> Upload: ...

    def send_chunks(self, blob: str, number: int, blocks: Iterator[memoryview], size_bytes: int) -> Upload:
        """Chunks side by side, from `number` on. A block is gone when the next is asked for."""

    def send_whole(self, blob: str, data: bytes) -> None: ...


class Uploading:
    """Brings a file to the hub under its digest. Whoever waits for the hub calls it again and again: it knows how far it has
    come, also where a cut line did not say. Raises Unreachable, Conflict; and what `check_may_leave` raises, which is asked before each block."""

    def __init__(self, line: Carrier, blob: str, file: Path, check_may_leave: Callable[[], None]) -> None:
        self._line, self._blob, self._file, self._check_may_leave = line, blob, file, check_may_leave
        self._furthest = 0

    def __call__(self) -> None:
        self._check_may_leave()
        if self._file.stat().st_size <= CHUNK_BYTES:
            self._line.send_whole(self._blob, self._file.read_bytes())
            return
        before = self._furthest
        try:
            self._send()
        except Unreachable as cut:
            raise (CutShort(str(cut)) if self._furthest > before else cut) from cut

    @cached_property
    def _chunks(self) -> Chunks:
        size_bytes, buffer = self._file.stat().st_size, memoryview(bytearray(CHUNK_BYTES))
        with self._file.open("rb", buffering=0) as source:
            found = tuple(
                chunk_digest(buffer[: _fill(source, buffer, size_bytes - at)])
                for at in range(0, size_bytes, CHUNK_BYTES)
            )
        return Chunks(blob=self._blob, size_bytes=size_bytes, digests=found)

    def _send(self) -> None:
        state, spoilt, furthest = self._begun(), 0, self._furthest
        with self._file.open("rb", buffering=0) as source:
            while not state.complete:
                try:
                    state = self._reached(self._send_run(source, state.next_chunk, 1 if spoilt else RUN_CHUNKS))
                except Conflict:  # one came spoilt, or was there already
                    if (spoilt := spoilt + 1) >= PATIENCE:
                        raise
                    state = self._begun()
                if self._furthest > furthest:
                    furthest, spoilt = self._furthest, 0

    def _send_run(self, source: FileIO, number: int, run: int) -> Upload:
        begin = self._chunks.span(number)[0]
        end = self._chunks.span(min(number + run, len(self._chunks.digests)) - 1)[1]
        source.seek(begin)
        return self._line.send_chunks(self._blob, number, self._let_out(_blocks(source, end - begin)), end - begin)

    def _let_out(self, blocks: Iterator[memoryview]) -> Iterator[memoryview]:
        for block in blocks:
            self._check_may_leave()
            yield block

    def _begun(self) -> Upload:
        return self._reached(self._line.begin_upload(self._chunks))

    def _reached(self, state: Upload) -> Upload:
        self._furthest = max(self._furthest, state.next_chunk)
        return state


def _blocks(source: FileIO, size_bytes: int) -> Iterator[memoryview]:
    """So many bytes from where it stands; the same buffer each time."""
    buffer = memoryview(bytearray(min(BLOCK_BYTES, size_bytes)))
    while size_bytes > 0:
        count = _fill(source, buffer, size_bytes)
        yield buffer[:count]
        size_bytes -= count


def blocks_of(data: bytes) -> Iterator[memoryview]:
    """All of it, a block at a time."""
    return (memoryview(data)[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))


def all_of(source: Source, most: int) -> bytes:
    """All that comes, and no more than so much."""
    buffer = memoryview(bytearray(most))
    return bytes(buffer[: _filled(source, buffer)])


def _fill(source: FileIO, buffer: memoryview, most: int) -> int:
    """Read until the buffer is full, or so many bytes; how many. Raises Conflict: the file ends before."""
    wanted = min(most, len(buffer))
    if _filled(source, buffer[:wanted]) < wanted:
        raise Conflict("a file became shorter while it was sent")
    return wanted


def _filled(source: Source, buffer: memoryview) -> int:
    """How much of the buffer is filled; less than all of it where no more comes."""
    at = 0
    while at < len(buffer) and (count := source.readinto(buffer[at:])):
        at += count
    return at


def download(line: Carrier, blob: str, target: Path, limit_bytes: int) -> None:
    """Bring a blob to `target`, where it appears only whole and verified. One that is there is kept; what an earlier try
    left beside it is gone on with; chunks that an earlier file of the folder has are not fetched again.

    Raises Unreachable; Conflict, also where the blob has more than `limit_bytes`: then nothing of it is fetched.
    """
    if target.is_file() and digest_file(target) == blob:
        return
    first, size_bytes = line.beginning(blob)
    if size_bytes > limit_bytes:
        raise Conflict(f"the hub names a blob of {size_bytes} bytes where the study declares at most {limit_bytes}")
    part = target.with_suffix(".part")
    if size_bytes <= len(first):
        part.write_bytes(first)
        found = digest(first)
    else:
        chunks = line.chunks_of(blob)
        if (chunks.blob, chunks.size_bytes, len(chunks.digests)) != (blob, size_bytes, number_of_chunks(size_bytes)):
            raise Unreachable("the hub sent chunks that do not fit the blob it named")
        with part.open("r+b" if part.exists() else "w+b", buffering=0) as file:
            found = _Download(line, chunks, file, _Earlier(target.parent)).run(first)
        target.with_suffix(NOTE).write_bytes(chunks.as_bytes())
    if found != blob:
        part.unlink()
        raise Unreachable("the hub sent other bytes than the blob it named")
    _show(part, target)


class Stamp(NamedTuple):
    """Which file this is, and when it was last written to: what writes to it, or gives it another name, changes it, and no
    workload can set it back."""

    device: int
    inode: int
    size_bytes: int
    changed_ns: int


def stamp_of(file: Path) -> Stamp:
    """As it is now."""
    found = file.stat()
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)


def lay(blob: str, data: bytes, target: Path) -> bool:
    """Put bytes that are at hand to `target`, as `download` would. False, and nothing is done: they are not the blob."""
    if digest(data) != blob:
        return False
    part = target.with_suffix(".part")
    part.write_bytes(data)
    _show(part, target)
    return True


def _show(part: Path, target: Path) -> None:
    faults.point("node.to-rename:weights")
    part.replace(target)
    faults.point("node.renamed:weights")


class _Download:
    """Chunk after chunk into an open file, from what is there, from earlier files, or from the line."""

    def __init__(self, line: Carrier, chunks: Chunks, file: FileIO, earlier: "_Earlier") -> None:
        self._line, self._chunks, self._file, self._earlier = line, chunks, file, earlier
        self._hash, self._next = hashlib.sha256(), 0

    def run(self, first: bytes) -> str:
        """SHA-256 of the whole, once every chunk is there and as it should be."""
        while self._next < len(self._chunks.digests) and self._add(self._file.read(CHUNK_BYTES), written=True):
            pass
        if self._next == 0:
            self._add(first)
        begun_at, spoilt = self._next, 0
        while (number := self._next) < len(self._chunks.digests):
            if self._add(self._earlier.chunk(self._chunks.digests[number])):
                continue
            try:
                self._fetch_run()
            except Unreachable as cut:
                raise (CutShort(str(cut)) if self._next > begun_at else cut) from cut
            spoilt = 0 if self._next > number else spoilt + 1
            if spoilt >= PATIENCE:
                raise Unreachable(f"chunk {number} of a blob came spoilt {spoilt} times")
        self._file.truncate(self._chunks.size_bytes)
        return "sha256:" + self._hash.hexdigest()

    def _fetch_run(self) -> None:
        """From the next chunk to the last before one that an earlier file has; ends at a spoilt one."""
        begin = self._chunks.span(self._next)[0]
        last = self._next
        while last + 1 < len(self._chunks.digests) and self._chunks.digests[last + 1] not in self._earlier:
            last += 1
        end = self._chunks.span(last)[1]
        with self._line.fetch(self._chunks.blob, begin, end) as source:
            for data in _whole_chunks(source, end - begin):
                if not self._add(data):
                    return

    def _add(self, data: bytes | memoryview, written: bool = False) -> bool:
        """Whether these are the bytes of the next chunk; then they are in the file, and it is the turn of the one after."""
        begin, end = self._chunks.span(self._next)
        if len(data) != end - begin or chunk_digest(data) != self._chunks.digests[self._next]:
            return False
        if not written:
            self._file.seek(begin)
            write_all(self._file, data)
        self._hash.update(data)
        self._next += 1
        return True


class _Earlier:
    """The chunks of the files that were fetched into this folder before: a layer that did not change is not sent again."""

    def __init__(self, folder: Path) -> None:
        self._places: dict[str, tuple[Path, int]] = {}
        for note in folder.glob(f"*{NOTE}"):
            file = note.with_suffix(".safetensors")
            if file.is_file():
                chunks = Chunks.from_bytes(note.read_bytes())
                self._places |= {each: (file, chunks.span(n)[0]) for n, each in enumerate(chunks.digests)}

    def __contains__(self, chunk: str) -> bool:
        return chunk in self._places

    def chunk(self, chunk: str) -> bytes:
        """Its bytes, to be verified; empty where no file has it."""
        if chunk not in self._places:
            return b""
        path, begin = self._places.pop(chunk)
        with path.open("rb") as file:
            file.seek(begin)
            return file.read(CHUNK_BYTES)


def write_all(file: FileIO, data: bytes | bytearray | memoryview) -> None:
    """Every byte, where a raw file may take fewer at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _whole_chunks(source: Source, size_bytes: int) -> Iterator[memoryview]:
    """So many bytes, a chunk at a time, in the same buffer each time. What comes before a cut, short of a chunk, is lost."""
    buffer = memoryview(bytearray(min(CHUNK_BYTES, size_bytes)))
    while size_bytes > 0:
        if not (count := _filled(source, buffer[:size_bytes])):
            return
        yield buffer[:count]
        size_bytes -= count


class Pace:
    """No more than so many bytes a second, of all transfers of a node together. None: as fast as it goes."""

    def __init__(
        self,
        bytes_per_second: float | None,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._rate, self._now, self._pause = bytes_per_second, now, pause
        self._lock, self._free_at = threading.Lock(), now()

    def take(self, size_bytes: int) -> None:
        """Wait until so many more may pass."""
        if self._rate is None:
            return
        with self._lock:
            at = max(self._now(), self._free_at)
            self._free_at = at + size_bytes / self._rate
        self._pause(max(0.0, at - self._now()))
