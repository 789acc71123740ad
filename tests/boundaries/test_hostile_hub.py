"""A hub that means the hospital harm: it answers without end, with more than was asked, with what unpacks without end, or
sends the node elsewhere. The node stops reading, and says so; nothing of it stays on the disk."""

import gzip
import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hostile_hub import Answers, Heard, Said, hostile_hub

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.errors import Conflict, Unreachable
from rapha.node.enrolment import make_home
from rapha.node.hub_line import ANSWER_LIMIT_BYTES, HubLine
from rapha.proof import keys
from rapha.records.chunks import CHUNK_BYTES, Chunks, chunk_digest
from rapha.records.wire import Poll, Problem

BLOB = digest(b"weights")
ON_THE_WAY = 48 << 20
"""What the buffers of two sockets may hold, at the most, of an answer that nobody reads on."""


class Endless:
    """A body that has no end; counts what was taken of it."""

    def __init__(self) -> None:
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(96):  # MiB; an end after all, so that a node that believes it fails and does not hang
            self.taken += 1 << 20
            yield bytes(1 << 20)


@pytest.fixture
def hubs() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def line_to(answers: Answers, hubs: ExitStack) -> HubLine:
    url = hubs.enter_context(hostile_hub(answers))
    line = HubLine(url, "hub.example", "north", keys.generate(), utc_now)
    hubs.callback(line.close)
    return line


def get(line: HubLine, tmp_path: Path, limit_bytes: int = 1 << 20) -> None:
    line.download(BLOB, tmp_path / "w.safetensors", limit_bytes)


@pytest.mark.parametrize("status", [200, 409])
def test_an_answer_without_end_is_not_read_to_its_end(hubs: ExitStack, status: int) -> None:
    body = Endless()
    with pytest.raises(Unreachable, match="more than"):
        line_to(lambda _: Said(status, body), hubs).poll(Poll())
    assert body.taken <= ANSWER_LIMIT_BYTES + ON_THE_WAY


def test_an_answer_that_says_it_has_no_end_is_not_waited_for(hubs: ExitStack) -> None:
    with pytest.raises(Unreachable, match="more than"):
        line_to(lambda _: Said(raw=[b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"]), hubs).poll(Poll())


def test_an_answer_that_unpacks_without_end_is_not_unpacked(hubs: ExitStack) -> None:
    bomb = gzip.compress(bytes(256 << 20))
    asked: list[str] = []

    def answer(heard: Heard) -> Said:
        asked.append(heard.headers["accept-encoding"])
        return Said(200, bomb, {"content-encoding": "gzip"})

    with pytest.raises(Unreachable, match="no assignment"):
        line_to(answer, hubs).poll(Poll())
    assert asked == ["identity"]


@pytest.mark.parametrize("status", [200, 403])
def test_a_node_that_enrols_reads_no_answer_without_end(hubs: ExitStack, tmp_path: Path, status: int) -> None:
    body = Endless()
    with pytest.raises(Unreachable, match="more than"):
        enrol(tmp_path, lambda _: Said(status, body), hubs)
    assert body.taken <= ON_THE_WAY and not (tmp_path / "home" / "node.yaml").exists()


def test_a_node_that_enrols_unpacks_nothing(hubs: ExitStack, tmp_path: Path) -> None:
    """What would be a whole refusal once unpacked is none as it is."""
    packed = gzip.compress(Problem(code="not-permitted", message="no").as_bytes())
    with pytest.raises(Unreachable, match="no Rapha hub"):
        enrol(tmp_path, lambda _: Said(403, packed, {"content-encoding": "gzip"}), hubs)


def test_a_node_that_enrols_goes_nowhere_else(hubs: ExitStack, tmp_path: Path) -> None:
    elsewhere = hubs.enter_context(hostile_hub(lambda _: pytest.fail("the node went elsewhere")))
    with pytest.raises(Unreachable, match="no Rapha hub"):
        enrol(tmp_path, lambda _: Said(307, b"", {"location": elsewhere}), hubs)


def enrol(tmp_path: Path, answers: Answers, hubs: ExitStack) -> None:
    url = hubs.enter_context(hostile_hub(answers))
    make_home(tmp_path / "home", site="north", name="North", hub_url=url, code="a-code-of-a-steward")


def drip(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        threading.Event().wait(0.02)


HEAD = b"HTTP/1.1 200 OK\r\n"
NEVER_DONE = {
    "body": lambda: Said(200, drip(itertools.repeat(b" ", 99))),
    "head": lambda: Said(raw=drip(itertools.chain([HEAD + b"X: "], itertools.repeat(b"x", 99)))),
    "first-line": lambda: Said(raw=drip(itertools.repeat(b"H", 99))),
    "continue": lambda: Said(raw=drip(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n", 99))),
}


@pytest.mark.parametrize("where", NEVER_DONE)
def test_an_answer_that_drips_ends(hubs: ExitStack, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A byte a minute is never silence, and would hold the only thread that asks."""
    monkeypatch.setattr("rapha.node.hub_line.ANSWER_SECONDS", 0.3)
    with pytest.raises(Unreachable, match="too slowly"):
        line_to(lambda _: NEVER_DONE[where](), hubs).poll(Poll())


@pytest.mark.parametrize(
    "raw",
    [b"", b"no HTTP at all\r\n\r\n", HEAD + b"X: " + b"x" * 70_000, HEAD + b"X: y\r\n" * 200,
     HEAD + b"content-length: 10\r\n\r\nabc", HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"],
    ids=["nothing", "no-http", "long-header", "many-headers", "cut-short", "no-chunks"],
)  # fmt: skip
def test_what_is_no_answer_is_a_hub_out_of_reach(hubs: ExitStack, raw: bytes) -> None:
    with pytest.raises(Unreachable, match="does not answer, or not to the end"):
        line_to(lambda _: Said(raw=[raw]), hubs).poll(Poll())


def test_the_beginning_of_a_blob_is_no_more_than_its_beginning(hubs: ExitStack, tmp_path: Path) -> None:
    body = Endless()
    with pytest.raises(Unreachable, match="more than"):
        get(line_to(lambda _: Said(206, body), hubs), tmp_path)
    assert body.taken <= CHUNK_BYTES + ON_THE_WAY and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", ["bytes 0-1/many", "bytes 0-1/-5", "bytes 0-1/" + "9" * 5000])
def test_a_size_that_is_none_is_no_size(hubs: ExitStack, tmp_path: Path, size: str) -> None:
    with pytest.raises(Unreachable, match="size"):
        get(line_to(lambda _: Said(206, b"we", {"content-range": size}), hubs), tmp_path)


def test_weights_larger_than_the_study_declares_are_not_fetched(hubs: ExitStack, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(heard: Heard) -> Said:
        asked.append(heard.path)
        return Said(206, b"we", {"content-range": f"bytes 0-1/{1 << 40}"})

    with pytest.raises(Conflict, match="at most 1048576"):
        get(line_to(answer, hubs), tmp_path)
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
def test_chunks_that_do_not_fit_the_blob_leave_nothing_on_the_disk(
    hubs: ExitStack, tmp_path: Path, chunks: Chunks
) -> None:
    def answer(heard: Heard) -> Said:
        if heard.path.endswith("/chunks"):
            return Said(200, chunks.as_bytes())
        return Said(206, bytes(CHUNK_BYTES), {"content-range": f"bytes 0-1/{FAR}"})

    with pytest.raises(Unreachable, match="do not fit"):
        get(line_to(answer, hubs), tmp_path, FAR)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_is_not_followed(hubs: ExitStack, tmp_path: Path) -> None:
    gone: list[str] = []
    elsewhere = hubs.enter_context(hostile_hub(lambda heard: gone.append(heard.path) or Said()))
    line = line_to(lambda _: Said(307, b"", {"location": elsewhere}), hubs)
    for attempt in (lambda: line.poll(Poll()), lambda: get(line, tmp_path)):
        with pytest.raises(Conflict, match="answered 307"):
            attempt()
    assert gone == []
