"""A blob's chunks: of what the hub itself wrote they are known when it is kept, and are those of its bytes."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NoReturn

import pytest
from patience import until

from rapha.errors import Conflict
from rapha.hub.blobs import BlobFolder, put
from rapha.hub.chunked import REMEMBERED, Chunked, ChunkedDraft, KnownInChunks
from rapha.records.chunks import CHUNK_BYTES, Chunks

SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 70_000]


class ReadOnce(BlobFolder):
    """One that nobody reads again."""

    def open(self, digest: str) -> NoReturn:
        pytest.fail(f"{digest} is read again")


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_in_any_blocks_has_the_chunks_that_reading_finds(tmp_path: Path, size: int) -> None:
    data, dice, told = random.Random(size).randbytes(size), random.Random(size), list[Chunks]()
    with ChunkedDraft(BlobFolder(tmp_path).draft(), told.append) as draft:
        at = 0
        while at < size:
            count = dice.randint(1, CHUNK_BYTES + 5000)
            draft.write(data[at : at + count])
            at += count
        digest = draft.settle()
        draft.keep()
    assert told == [Chunked(BlobFolder(tmp_path)).chunks_of(digest)]


def test_a_large_one_is_not_read_again_however_many_small_ones_are_written_after_it(tmp_path: Path) -> None:
    chunked = Chunked(ReadOnce(tmp_path))
    blobs = KnownInChunks(BlobFolder(tmp_path), chunked)
    large = put(blobs, bytes(CHUNK_BYTES + 1))
    for number in range(REMEMBERED + 1):
        put(blobs, b"%d" % number)
    assert len(chunked.chunks_of(large).digests) == 2


class ReadSlowly(BlobFolder):
    """One whose blobs are opened when the test lets them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.opened, self.let_go = list[str](), threading.Event()

    def open(self, digest: str) -> BinaryIO:
        self.opened.append(digest)
        assert self.let_go.wait(20)
        return super().open(digest)


class Passed:
    """A lock that counts who came through."""

    def __init__(self) -> None:
        self._lock, self.count = threading.Lock(), 0

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self.count += 1
        self._lock.release()


def test_of_many_who_ask_for_one_the_first_reads_and_nobody_waits_for_another(tmp_path: Path) -> None:
    blobs = ReadSlowly(tmp_path)
    large = put(blobs, bytes(CHUNK_BYTES + 1))
    other = Chunks(blob=put(blobs, b"other"), size_bytes=2 * CHUNK_BYTES, digests=("0" * 64, "1" * 64))
    chunked = Chunked(blobs)
    chunked._lock = passed = Passed()  # type: ignore[assignment]
    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(chunked.chunks_of, large) for _ in range(4)]
        try:
            until(lambda: blobs.opened != [] and passed.count >= 5)
            threads.submit(chunked.know, other).result(10)
            assert threads.submit(chunked.chunks_of, other.blob).result(10) == other
        finally:
            blobs.let_go.set()
        assert len({each.result(10) for each in asked}) == 1
    assert blobs.opened == [large] and chunked._turns == {}


def test_what_was_not_kept_has_none(tmp_path: Path) -> None:
    chunked = Chunked(BlobFolder(tmp_path))
    with KnownInChunks(BlobFolder(tmp_path), chunked).draft() as draft:
        draft.write(b"given up")
        digest = draft.settle()
    with pytest.raises(Conflict, match="no blob"):
        chunked.chunks_of(digest)
    assert chunked._turns == {}


def test_who_writes_is_asked_for_the_rest_as_before(tmp_path: Path) -> None:
    blobs = KnownInChunks(BlobFolder(tmp_path), Chunked(BlobFolder(tmp_path)))
    digest = put(blobs, b"weights")
    with blobs.open(digest) as file:
        assert file.read() == b"weights"
    assert (blobs.size_bytes(digest), blobs.digests()) == (7, [digest])
    blobs.drop(digest)
    assert blobs.size_bytes(digest) is None
