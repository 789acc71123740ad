"""A blob's chunks: of what the hub itself wrote they are known when it is kept, and are those of its bytes."""

import random
from pathlib import Path
from typing import NoReturn

import pytest

from rapha.errors import Conflict
from rapha.hub.blobs import BlobFolder, put
from rapha.hub.chunked import Chunked, KnownInChunks
from rapha.records.chunks import CHUNK_BYTES

SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 2 * CHUNK_BYTES + 70_000]


class ReadOnce(BlobFolder):
    """One that nobody reads again."""

    def open(self, digest: str) -> NoReturn:
        pytest.fail(f"{digest} is read again")


@pytest.mark.parametrize("size", SIZES)
def test_what_is_written_in_any_blocks_has_the_chunks_that_reading_finds(tmp_path: Path, size: int) -> None:
    data, dice = random.Random(size).randbytes(size), random.Random(size)
    chunked = Chunked(ReadOnce(tmp_path))
    with KnownInChunks(BlobFolder(tmp_path), chunked).draft() as draft:
        at = 0
        while at < size:
            count = dice.randint(1, CHUNK_BYTES + 5000)
            draft.write(data[at : at + count])
            at += count
        digest = draft.settle()
        draft.keep()
    assert chunked.chunks_of(digest) == Chunked(BlobFolder(tmp_path)).chunks_of(digest)


def test_what_was_not_kept_has_none(tmp_path: Path) -> None:
    chunked = Chunked(BlobFolder(tmp_path))
    with KnownInChunks(BlobFolder(tmp_path), chunked).draft() as draft:
        draft.write(b"given up")
        digest = draft.settle()
    with pytest.raises(Conflict, match="no blob"):
        chunked.chunks_of(digest)


def test_who_writes_is_asked_for_the_rest_as_before(tmp_path: Path) -> None:
    blobs = KnownInChunks(BlobFolder(tmp_path), Chunked(BlobFolder(tmp_path)))
    digest = put(blobs, b"weights")
    with blobs.open(digest) as file:
        assert file.read() == b"weights"
    assert (blobs.size_bytes(digest), blobs.digests()) == (7, [digest])
    blobs.drop(digest)
    assert blobs.size_bytes(digest) is None
