"""A hub that means the hospital harm: it answers without end, with more than was asked, with what unpacks without end, or
sends the node elsewhere. The node stops reading, and says so; nothing of it stays on the disk."""

import gzip
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.errors import Conflict, Unreachable
from rapha.node.enrolment import make_home
from rapha.node.hub_line import ANSWER_LIMIT_BYTES, HubLine
from rapha.proof import keys
from rapha.records.chunks import CHUNK_BYTES, Chunks, chunk_digest
from rapha.records.wire import Poll, Problem

BLOB = digest(b"weights")
Answer = Callable[[httpx2.Request], httpx2.Response]


class Endless:
    """A body that has no end; counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(64):  # MiB; an end after all, so that a node that believes it fails and does not hang
            self.taken += 1 << 20
            yield bytes(1 << 20)


def sent(status: int, content: bytes, **headers: str) -> httpx2.Response:
    """An answer that is still on its way: one of bytes would be read already."""
    return httpx2.Response(
        status, content=iter([content]), headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def line_to(answer: Answer) -> HubLine:
    line = HubLine("https://hub.example", "hub.example", "north", keys.generate(), utc_now)
    follows = line._client.follow_redirects  # all else of its own client is of the line that is not there
    line._client = httpx2.Client(
        base_url="https://hub.example", transport=httpx2.MockTransport(answer), follow_redirects=follows
    )
    return line


def get(line: HubLine, tmp_path: Path, limit_bytes: int = 1 << 20) -> None:
    line.download(BLOB, tmp_path / "w.safetensors", limit_bytes)


@pytest.mark.parametrize("status", [200, 409])
def test_an_answer_without_end_is_not_read_to_its_end(status: int) -> None:
    body = Endless()
    with pytest.raises(Unreachable, match="more than"):
        line_to(lambda _: httpx2.Response(status, content=body)).poll(Poll())
    assert body.taken <= ANSWER_LIMIT_BYTES + (2 << 20)


def test_an_answer_that_unpacks_without_end_is_not_unpacked() -> None:
    bomb = gzip.compress(bytes(256 << 20))
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.headers["accept-encoding"])
        return sent(200, bomb, content_encoding="gzip")

    with pytest.raises(Unreachable, match="no assignment"):
        line_to(answer).poll(Poll())
    assert asked == ["identity"]


@pytest.mark.parametrize("status", [200, 403])
def test_a_node_that_enrols_reads_no_answer_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    body = Endless()
    enrol_at(monkeypatch, lambda _: httpx2.Response(status, content=body))
    with pytest.raises(Unreachable, match="more than"):
        enrol(tmp_path)
    assert body.taken <= 2 << 20 and not (tmp_path / "home" / "node.yaml").exists()


def test_a_node_that_enrols_unpacks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be a whole refusal once unpacked is none as it is."""
    packed = gzip.compress(Problem(code="not-permitted", message="no").as_bytes())
    enrol_at(monkeypatch, lambda _: sent(403, packed, content_encoding="gzip"))
    with pytest.raises(Unreachable, match="no Rapha hub"):
        enrol(tmp_path)


def enrol_at(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Let whoever dials out now reach this hub."""
    client = httpx2.Client(base_url="https://hub.example", transport=httpx2.MockTransport(answer))
    monkeypatch.setattr("rapha.node.enrolment.httpx2.Client", lambda **_: client)


def enrol(tmp_path: Path) -> None:
    make_home(tmp_path / "home", site="north", name="North", hub_url="https://hub.example", code="a-code-of-a-steward")


def test_an_answer_that_drips_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte a minute is never silence, and would hold the only thread that asks."""
    ticks = itertools.count(0.0, 60.0)
    monkeypatch.setattr("rapha.node.hub_line.time.monotonic", lambda: next(ticks))
    drip = iter([b" "] * 1000)
    with pytest.raises(Unreachable, match="too slowly"):
        line_to(lambda _: httpx2.Response(200, content=drip)).poll(Poll())
    assert len(list(drip)) > 900


def test_the_beginning_of_a_blob_is_no_more_than_its_beginning(tmp_path: Path) -> None:
    body = Endless()
    with pytest.raises(Unreachable, match="more than"):
        get(line_to(lambda _: httpx2.Response(206, content=body)), tmp_path)
    assert body.taken <= CHUNK_BYTES + (2 << 20) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["bytes 0-1/many", "bytes 0-1/-5", "bytes 0-1/" + "9" * 5000])
def test_a_size_that_is_none_is_no_size(tmp_path: Path, size: str) -> None:
    with pytest.raises(Unreachable, match="size"):
        get(line_to(lambda _: sent(206, b"we", content_range=size)), tmp_path)


def test_weights_larger_than_the_study_declares_are_not_fetched(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        return sent(206, b"we", content_range=f"bytes 0-1/{1 << 40}")

    with pytest.raises(Conflict, match="at most 1048576"):
        get(line_to(answer), tmp_path)
    assert len(asked) == 1 and list(tmp_path.iterdir()) == []


FIRST = chunk_digest(bytes(CHUNK_BYTES))
FAR = 3 * CHUNK_BYTES


@pytest.mark.parametrize(
    "chunks",
    [
        Chunks(blob=BLOB, size_bytes=1 << 50, digests=(FIRST,) * 3),
        Chunks(blob=BLOB, size_bytes=FAR, digests=(FIRST,)),
        Chunks(blob=BLOB, size_bytes=FAR, digests=(FIRST,) * 4),
        Chunks(blob=digest(b"other"), size_bytes=FAR, digests=(FIRST,) * 3),
    ],
    ids=["grown", "too-few", "too-many", "of-another-blob"],
)
def test_chunks_that_do_not_fit_the_blob_leave_nothing_on_the_disk(tmp_path: Path, chunks: Chunks) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/chunks"):
            return sent(200, chunks.as_bytes())
        return sent(206, bytes(CHUNK_BYTES), content_range=f"bytes 0-1/{FAR}")

    with pytest.raises(Unreachable, match="do not fit"):
        get(line_to(answer), tmp_path, FAR)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.host)
        return sent(307, b"", location="https://elsewhere.example/x")

    line = line_to(answer)
    for attempt in (lambda: line.poll(Poll()), lambda: get(line, tmp_path)):
        with pytest.raises(Conflict, match="answered 307"):
            attempt()
    assert set(asked) == {"hub.example"}
