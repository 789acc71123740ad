"""One suite for every place that keeps blobs."""

import errno
import os

import pytest

from rapha.canonical import digest
from rapha.errors import Conflict, DiskFull
from rapha.hub.blobs import BlobFolder, BlobMemory, put, read

DATA = b"weights" * 1000


@pytest.fixture(params=["folder", "memory"])
def blobs(request, tmp_path):
    return BlobFolder(tmp_path / "blobs") if request.param == "folder" else BlobMemory()


def test_what_is_kept_is_found_under_its_digest(blobs):
    assert put(blobs, DATA) == digest(DATA)
    assert (read(blobs, digest(DATA)), blobs.size_bytes(digest(DATA))) == (DATA, len(DATA))
    assert blobs.digests() == [digest(DATA)]


def test_twice_is_once(blobs):
    put(blobs, DATA)
    put(blobs, DATA)
    assert blobs.digests() == [digest(DATA)]


def test_nothing_is_there(blobs):
    assert blobs.size_bytes(digest(DATA)) is None
    with pytest.raises(Conflict, match="upload it first"):
        blobs.open(digest(DATA))
    blobs.drop(digest(DATA))


def test_dropped_is_gone(blobs):
    put(blobs, DATA)
    blobs.drop(digest(DATA))
    assert blobs.digests() == []


def test_a_draft_shows_nothing_until_it_is_kept(blobs):
    with blobs.draft() as draft:
        draft.write(DATA)
        draft.settle(digest(DATA))
        assert blobs.digests() == []
        draft.keep()
        assert blobs.digests() == [digest(DATA)]


def test_a_draft_that_is_left_leaves_no_blob(blobs):
    with blobs.draft() as draft:
        draft.write(DATA)
    with pytest.raises(ZeroDivisionError), blobs.draft() as draft:
        draft.write(DATA)
        raise ZeroDivisionError
    assert blobs.digests() == []


def test_other_bytes_than_announced_are_a_conflict(blobs):
    with pytest.raises(Conflict, match="send it again"), blobs.draft() as draft:
        draft.write(DATA)
        draft.settle(digest(b"other"))
    assert blobs.digests() == []


def test_a_reader_can_seek(blobs):
    put(blobs, DATA)
    with blobs.open(digest(DATA)) as file:
        file.seek(7)
        assert file.read(7) == b"weights"


def test_a_folder_clears_the_drafts_of_a_crash(tmp_path):
    draft = BlobFolder(tmp_path / "blobs").draft()
    draft.write(DATA)
    assert BlobFolder(tmp_path / "blobs").digests() == []
    assert list((tmp_path / "blobs" / "drafts").iterdir()) == []
    draft.__exit__()


def test_a_full_disk_is_said_as_such(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "no space")

    blobs = BlobFolder(tmp_path / "blobs")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="make room there"):
        put(blobs, DATA)
    monkeypatch.undo()
    assert put(blobs, DATA) == digest(DATA)
