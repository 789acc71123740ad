"""One suite for every place that keeps blobs."""

import errno
import os
from pathlib import Path

import pytest
from small_bucket import small_bucket

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.errors import ConfigurationError, Conflict, DiskFull, Unproven, Unreachable
from rapha.hub.blobs import BlobFolder, BlobMemory, put, read
from rapha.hub.bucket import PART_BYTES, BlobBucket, BucketKey, open_bucket
from rapha.hub.notify import Bell
from rapha.hub.small_blobs import BothPlaces
from rapha.hub.store.database import open_store

DATA = b"weights" * 1000


KEY = BucketKey(access_key_id="a", secret_access_key="b")


@pytest.fixture(scope="module")
def server():
    with small_bucket() as server:
        yield server


@pytest.fixture
def bucket(server):
    return open_bucket(server.bucket(), KEY)


@pytest.fixture(params=["folder", "memory", "both places", pytest.param("bucket", marks=pytest.mark.slow)])
def blobs(request, tmp_path):
    match request.param:
        case "folder":
            yield BlobFolder(tmp_path / "blobs")
        case "memory":
            yield BlobMemory()
        case "both places":
            store = open_store(tmp_path / "hub.db", Bell(), utc_now)
            yield BothPlaces(store, BlobFolder(tmp_path / "blobs"))
            store.close()
        case _:
            yield BlobBucket(request.getfixturevalue("bucket"), tmp_path / "copies")


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


def test_a_whole_file_becomes_a_blob_and_is_gone_from_its_place(blobs, tmp_path):
    file = tmp_path / "whole"
    file.write_bytes(DATA)
    with blobs.settled(file, digest(DATA)) as draft:
        assert blobs.digests() == []
        draft.keep()
    assert read(blobs, digest(DATA)) == DATA
    assert not file.exists()


def test_what_was_opened_can_be_read_to_its_end_though_it_is_dropped(blobs):
    put(blobs, DATA)
    with blobs.open(digest(DATA)) as file:
        blobs.drop(digest(DATA))
        assert file.read() == DATA


@pytest.mark.slow
def test_a_blob_of_many_parts_shows_whole_or_not_at_all(bucket, tmp_path):
    blobs = BlobBucket(bucket, tmp_path / "copies")
    data = bytes(range(256)) * (PART_BYTES * 5 // 2 // 256) + b"rest"
    with blobs.draft() as draft:
        for begin in range(0, len(data), 1 << 20):
            draft.write(data[begin : begin + (1 << 20)])
        draft.settle(digest(data))
        assert blobs.digests() == [] and blobs.size_bytes(digest(data)) is None
        draft.keep()
    assert blobs.size_bytes(digest(data)) == len(data)
    with blobs.open(digest(data)) as file:
        file.seek(PART_BYTES + 3)
        assert file.read(5000) == data[PART_BYTES + 3 : PART_BYTES + 5003]
    assert read(BlobBucket(bucket, tmp_path / "of-another-hub"), digest(data)) == data


@pytest.mark.slow
def test_what_another_hub_dropped_is_gone_here_too(bucket, tmp_path):
    here, there = BlobBucket(bucket, tmp_path / "here"), BlobBucket(bucket, tmp_path / "there")
    put(here, DATA)
    assert read(there, digest(DATA)) == DATA
    here.drop(digest(DATA))
    with pytest.raises(Conflict, match="upload it first"):
        there.open(digest(DATA))
    assert list((tmp_path / "there").iterdir()) == []


@pytest.mark.slow
def test_what_else_lies_in_the_bucket_is_no_blob(server, tmp_path):
    import obstore

    bucket = open_bucket(server.bucket(), KEY)
    blobs = BlobBucket(bucket, tmp_path / "copies")
    put(blobs, DATA)
    obstore.put(bucket, "backup/" + "a" * 64, b"of somebody else")
    obstore.put(bucket, "readme.txt", b"of somebody else")
    assert blobs.digests() == [digest(DATA)]


@pytest.mark.slow
@pytest.mark.parametrize("at", ["open", "touch"])
def test_a_copy_that_goes_while_it_is_opened_is_fetched_again(server, tmp_path, monkeypatch, at):
    blobs = BlobBucket(open_bucket(server.bucket(), KEY), tmp_path / "copies")
    put(blobs, DATA)
    assert read(blobs, digest(DATA)) == DATA
    (copy,) = (tmp_path / "copies").iterdir()

    def dropped(self, *said):
        monkeypatch.undo()
        copy.unlink()
        return getattr(self, at)(*said)

    monkeypatch.setattr(Path, at, dropped)
    assert read(blobs, digest(DATA)) == DATA


@pytest.mark.slow
def test_a_bucket_that_changed_a_blob_is_found_out(bucket, tmp_path):
    import obstore

    blobs = BlobBucket(bucket, tmp_path / "copies")
    put(blobs, DATA)
    obstore.put(bucket, digest(DATA).removeprefix("sha256:"), DATA[:-1] + b"!")
    with pytest.raises(Unproven, match="holds other bytes"):
        blobs.open(digest(DATA))
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_said_as_such(server, tmp_path):
    missing = server.bucket().replace("blobs-", "missing-")
    with pytest.raises(ConfigurationError, match="no such bucket"):
        BlobBucket(open_bucket(missing, KEY), tmp_path / "copies")
    with small_bucket() as stopped:
        blobs = BlobBucket(open_bucket(stopped.bucket(), KEY), tmp_path / "copies")
    with pytest.raises(Unreachable, match="try again"):
        put(blobs, DATA)


@pytest.mark.parametrize("url", ["s3://", "http://bucket", "s3://bucket?secret_access_key=x"])
def test_what_is_no_bucket_is_refused(url):
    pytest.importorskip("obstore")
    with pytest.raises(ConfigurationError, match="expected s3://"):
        open_bucket(url, None)


def test_what_else_lies_in_the_folder_is_no_blob(tmp_path):
    blobs = BlobFolder(tmp_path / "blobs")
    put(blobs, DATA)
    for other in ("hub.json", "a" * 63, "A" * 64, "a" * 64 + ".part"):
        (tmp_path / "blobs" / other).write_bytes(b"of somebody else")
    assert blobs.digests() == [digest(DATA)]


def test_a_whole_file_of_another_disk_becomes_a_blob_too(tmp_path, monkeypatch):
    def other_disk(file, target):
        if file.name == "whole":
            raise OSError(errno.EXDEV, "another file system")
        return rename(file, target)

    rename = Path.replace
    monkeypatch.setattr(Path, "replace", other_disk)
    (file := tmp_path / "whole").write_bytes(DATA)
    blobs = BlobFolder(tmp_path / "blobs")
    with blobs.settled(file, digest(DATA)) as draft:
        draft.keep()
    assert read(blobs, digest(DATA)) == DATA
    assert not file.exists() and list((tmp_path / "blobs" / "drafts").iterdir()) == []


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
