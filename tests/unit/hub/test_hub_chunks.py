"""Large blobs through the hub's doors: chunk by chunk up, range by range down."""

import asyncio
import secrets

import pytest
from test_hub_life import recruit, run_round, task_of

from rapha.canonical import digest
from rapha.errors import Unreachable
from rapha.hub.app import API
from rapha.records.chunks import Chunks, Upload, chunk_digest

CONTENT = secrets.token_bytes(300_000)
BLOB = digest(CONTENT)
CHUNKS = Chunks(blob=BLOB, size_bytes=len(CONTENT), digests=(chunk_digest(CONTENT),))


def send(site, number, data, blob=BLOB):
    path = f"{API}/blobs/{blob}/chunks/{number}"
    return site.hub.http.put(path, content=data, headers=site.headers("PUT", path))


def fetch(site, path, **headers):
    path = f"{API}/blobs/{path}"
    return site.hub.http.get(path, headers={**site.headers("GET", path), **headers})


def test_a_blob_in_chunks_is_the_blob_and_again_is_the_same_as_once(hub, sites):
    begun = sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    assert Upload.from_bytes(begun.content) == Upload(next_chunk=0)
    assert Upload.from_bytes(send(sites[0], 0, CONTENT).content) == Upload(next_chunk=1, complete=True)
    assert hub.hub.blobs.size_bytes(BLOB) == len(CONTENT)
    again = sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    assert Upload.from_bytes(again.content) == Upload(next_chunk=1, complete=True)
    assert not list(hub.configuration.uploads.iterdir())


def test_the_lock_of_an_upload_is_waited_for_beside_the_event_loop(hub, sites, monkeypatch):
    receive, looped = hub.hub.uploads.receive, []

    def spied(*asked):
        looped.append(asyncio._get_running_loop())
        return receive(*asked)

    monkeypatch.setattr(hub.hub.uploads, "receive", spied)
    sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    assert send(sites[0], 0, CONTENT).status_code == 200
    assert looped == [None]


def test_what_one_site_brought_does_not_count_for_another(sites):
    sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    send(sites[0], 0, CONTENT)
    other = sites[1].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    assert Upload.from_bytes(other.content) == Upload(next_chunk=0)
    assert send(sites[2], 0, CONTENT).status_code == 409


def test_a_spoilt_chunk_is_refused_and_the_right_one_taken(hub, sites):
    sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    for wrong in (CONTENT[:-1], CONTENT[:-1] + b"?", b"", CONTENT + b"?"):
        assert send(sites[0], 0, wrong).status_code == 409
    assert hub.hub.blobs.size_bytes(BLOB) is None
    assert send(sites[0], 0, CONTENT).status_code == 200


def test_too_much_is_refused_before_it_is_kept(sites):
    large = CHUNKS.model_copy(update={"size_bytes": (1 << 20) + 1})
    assert sites[0].send("POST", f"/blobs/{BLOB}/upload", large).status_code == 409
    sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    assert send(sites[0], 0, bytes((32 << 20) + 1)).status_code == 413
    other = CHUNKS.model_copy(update={"blob": digest(b"another")})
    assert sites[0].send("POST", f"/blobs/{BLOB}/upload", other).status_code == 409


@pytest.mark.parametrize("lost", ["the commit", "the file"])
def test_an_upload_that_could_not_be_kept_is_sent_again(hub, sites, monkeypatch, lost):
    def no_commit(**row):
        raise Unreachable("the database does not answer")

    sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    if lost == "the commit":
        monkeypatch.setattr("rapha.hub.api.blobs.UploadRow", no_commit)
    else:
        next(hub.configuration.uploads.iterdir()).unlink()
    assert send(sites[0], 0, CONTENT).status_code in (409, 503)
    monkeypatch.undo()
    begun = sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    assert Upload.from_bytes(begun.content) == Upload(next_chunk=0)
    assert Upload.from_bytes(send(sites[0], 0, CONTENT).content) == Upload(next_chunk=1, complete=True)


def test_a_site_has_a_few_uploads_under_way_and_no_more(hub, sites):
    for number in range(9):
        plan = CHUNKS.model_copy(update={"blob": digest(bytes([number]))})
        assert sites[0].send("POST", f"/blobs/{plan.blob}/upload", plan).status_code == 200
    assert len(list(hub.configuration.uploads.iterdir())) == 4


@pytest.mark.parametrize(
    ("asked", "status", "begin", "end"),
    [
        ("bytes=0-9", 206, 0, 10), ("bytes=10-", 206, 10, None), ("bytes=3-3", 206, 3, 4), ("bytes=5-999999", 206, 5, None),
        ("bytes=0-", 200, 0, None), ("bytes=9-5", 200, 0, None), ("bytes=999999-", 200, 0, None), ("lines=1-2", 200, 0, None),
        ("bytes=0-1,4-5", 200, 0, None), ("bytes=-5", 200, 0, None),
    ],
)  # fmt: skip
def test_a_range_is_what_was_asked_for_or_the_whole(hub, token, sites, study_of, asked, status, begin, end):
    recruit(hub, study_of(rounds=1, at_least=3), token, sites)
    run_round(sites)
    weights = task_of(sites[0]).task.weights
    whole = fetch(sites[0], weights).content
    assert digest(whole) == weights
    answer = fetch(sites[0], weights, range=asked)
    assert (answer.status_code, answer.content) == (status, whole[begin:end])
    if status == 206:
        last = (end or len(whole)) - 1
        assert answer.headers["content-range"] == f"bytes {begin}-{last}/{len(whole)}"
    found = Chunks.from_bytes(fetch(sites[0], f"{weights}/chunks").content)
    assert found == Chunks(blob=weights, size_bytes=len(whole), digests=(chunk_digest(whole),))


def test_nobody_learns_the_chunks_of_what_is_not_theirs(hub, token, sites, study_of):
    sites[0].send("POST", f"/blobs/{BLOB}/upload", CHUNKS)
    send(sites[0], 0, CONTENT)
    assert fetch(sites[1], f"{BLOB}/chunks").status_code == 403
