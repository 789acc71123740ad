"""An archive is not believed: what it answers is bounded, checked, and never repeated."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rapha.errors import ConfigurationError, DiskFull, NotPermitted, SourceError, Unreachable
from rapha.sources.pacs import DimseFile, WebFile, fetch
from rapha.sources.pacs.archive import Keep, Series, uid
from rapha.sources.pacs.multipart import parts
from rapha.sources.pacs.server_file import Days
from rapha.sources.pacs.web import Web

Answer = tuple[int, dict[str, str], bytes]
DAY = date(2015, 6, 1)
KIND = 'multipart/related; type="application/dicom"; boundary="mark"'
SERIES = Series("1.2", "1.2.3")


def body(*contents: bytes, end: bytes = b"\r\n--mark--\r\n") -> bytes:
    return b"".join(b"\r\n--mark\r\nContent-Type: application/dicom\r\n\r\n" + each for each in contents) + end


@given(
    st.lists(st.binary(max_size=60).filter(lambda each: b"--mark" not in each), min_size=1, max_size=4),
    st.integers(1, 50),
    st.booleans(),
)
def test_parts_come_out_whole_however_the_body_is_cut(contents: list[bytes], size: int, early: bool) -> None:
    whole = body(*contents)[2 if early else 0 :]
    blocks = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert list(parts(KIND, blocks, 1000)) == contents


@pytest.mark.parametrize(
    ("kind", "whole", "message"),
    [
        ("application/dicom", body(b"x"), "no list of images"),
        ("multipart/related", body(b"x"), "no list of images"),
        (KIND, body(b"x", end=b""), "ends before its end"),
        (KIND, body(b"x" * 200), "larger than"),
        (KIND, b"\r\n--mark\r\nno gap\r\n--mark--", "no list of images"),
        (KIND, b"x" * 40_000, "larger than"),
    ],
)
def test_a_body_that_is_none(kind: str, whole: bytes, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        list(parts(kind, [whole], 100))


@contextmanager
def archive(answer: Callable[[str, dict[str, str]], Answer]) -> Iterator[str]:
    """An archive over HTTP that answers as it is told: path and question in, status, headers and body out."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts_ = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts_.query).items()}
            asked["authorization"] = self.headers.get("authorization", "")
            status, headers, content = answer(parts_.path, asked)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def web(url: str, **more: Any) -> Web:
    days = {"from": "2015-06-01"}
    return Web(
        WebFile.model_validate(
            {"format": "dicomweb", "source": "s", "modalities": ["CT"], "days": days, "server": url} | more
        )
    )


def named(*uids: Any, tag: str = "00080018") -> bytes:
    return json.dumps([{tag: {"vr": "UI", "Value": [each]}} for each in uids]).encode()


def images(answer: Callable[[str, dict[str, str]], Answer], **more: Any) -> frozenset[str]:
    with archive(answer) as url, web(url, **more) as line:
        return line.images(SERIES)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        ((302, {"location": "http://127.0.0.1:1/"}, b""), SourceError, "status 302"),
        ((401, {}, b""), NotPermitted, "check `auth:`"),
        ((500, {}, b"Canary^Carla"), SourceError, "status 500"),
        ((200, {}, b"Canary^Carla"), SourceError, "no JSON"),
        ((200, {}, b"[" * 100_000), SourceError, "no JSON"),
        ((200, {}, b"{}"), SourceError, "no list"),
        ((200, {}, b"[{}]"), SourceError, "an identifier that is none"),
        ((200, {}, b'["x"]'), SourceError, "an identifier that is none"),
        ((200, {}, named("../../etc/passwd")), SourceError, "an identifier that is none"),
        ((200, {}, named("1." * 40 + "1")), SourceError, "an identifier that is none"),
        ((200, {}, named(["1.2"])), SourceError, "an identifier that is none"),
        ((200, {"warning": "299 x: more"}, named("1.2")), SourceError, "the same part again"),
    ],
)
def test_answers_that_cannot_be_meant(answer: Answer, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as told:
        images(lambda path, asked: answer)
    assert "anary" not in str(told.value)


def test_an_answer_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapha.sources.pacs.web.LONGEST_ANSWER", 1000)
    with pytest.raises(SourceError, match="longer than"):
        images(lambda path, asked: (200, {}, b" " * 100_000))


def test_more_answers_than_anyone_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapha.sources.pacs.web.MOST_ANSWERS", 20)
    with pytest.raises(SourceError, match="more than 20 answers"):
        images(lambda path, asked: (200, {}, named(*(f"1.{int(asked['offset']) + n}" for n in range(1, 9)))))


def test_pages_are_turned_until_one_is_empty() -> None:
    every = [f"1.2.{n}" for n in range(1, 18)]

    def answer(path: str, asked: dict[str, str]) -> Answer:
        assert path == "/studies/1.2/series/1.2.3/instances"
        page = every[int(asked["offset"]) :][:5]
        return (200, {}, named(*page)) if page else (204, {}, b"")

    assert images(answer) == frozenset(every)


def test_an_archive_without_pages_gives_all_at_once() -> None:
    assert images(lambda path, asked: (200, {}, named("1.2", "1.3"))) == {"1.2", "1.3"}


def test_what_is_shown_to_the_archive(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a-token\n")
    seen: list[str] = []

    def answer(path: str, asked: dict[str, str]) -> Answer:
        seen.append(asked["authorization"])
        return 204, {}, b""

    images(answer)
    images(answer, auth={"token_file": str(tmp_path / "token")})
    images(answer, auth={"user": "me", "password_file": str(tmp_path / "token")})
    assert seen == ["", "Bearer a-token", "Basic bWU6YS10b2tlbg=="]
    (tmp_path / "token").write_text("two words\r\nx: y")
    with pytest.raises(ConfigurationError, match="one word"):
        images(answer, auth={"token_file": str(tmp_path / "token")})


@pytest.mark.parametrize("said", ["", None, "1..2", ".1", "1.2.x", "1/2", "1" * 65, "1.2\n"])
def test_what_is_no_identifier(said: Any) -> None:
    with pytest.raises(SourceError):
        uid(said)


class Shelf:
    """An archive in memory. `gives` is what comes for a series, whatever was named."""

    def __init__(self, names: set[str], gives: list[tuple[str, bytes]], error: Exception | None = None) -> None:
        self._names, self._gives, self._error = names, gives, error

    def __enter__(self) -> "Shelf":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def series(self, day: date, modality: str) -> Iterator[Series]:
        yield from [SERIES, SERIES] if day == DAY else []

    def images(self, of: Series) -> frozenset[str]:
        return frozenset(self._names)

    def bring(self, of: Series, keep: Keep) -> None:
        for image, content in self._gives:
            keep(image, content)
        if self._error:
            raise self._error


def brought(folder: Path, shelf: Shelf) -> tuple[tuple[int, int, int, int], list[str]]:
    said: list[str] = []
    got = fetch(
        shelf, Days.model_validate({"from": "2015-06-01"}), ("CT",), folder / "data", date(2015, 6, 2), said.append
    )
    return tuple(got), said  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("gives", "error", "message"),
    [
        ([("1.1", b"a")], None, "1 of 2 images were not given"),
        ([("1.1", b"a"), ("1.2", b"b"), ("1.9", b"c")], None, "an image that it did not name"),
        ([("1.1", b"a"), ("../x", b"b")], None, "an identifier that is none"),
        ([("1.1", b"a"), ("1.2", b"b")], Unreachable("the line was cut"), "the line was cut"),
    ],
)
def test_a_series_comes_whole_or_not_at_all(tmp_path: Path, gives: Any, error: Any, message: str) -> None:
    got, said = brought(tmp_path, Shelf({"1.1", "1.2"}, gives, error))
    assert got == (0, 0, 0, 1)
    assert message in said[-1]
    assert list((tmp_path / "data").iterdir()) == []
    whole = Shelf({"1.1", "1.2"}, [("1.1", b"a"), ("1.2", b"b")])
    assert brought(tmp_path, whole)[0] == (1, 2, 0, 0)
    assert brought(tmp_path, whole)[0] == (0, 0, 1, 0)


def test_what_came_whole_stays_while_more_of_it_does_not_come(tmp_path: Path) -> None:
    brought(tmp_path, Shelf({"1.1"}, [("1.1", b"a")]))
    assert brought(tmp_path, Shelf({"1.1", "1.2"}, [("1.1", b"a")]))[0] == (0, 0, 0, 1)
    assert [path.read_bytes() for path in (tmp_path / "data").rglob("*.dcm")] == [b"a"]


def test_what_the_archive_no_longer_has_goes_with_the_next_change(tmp_path: Path) -> None:
    brought(tmp_path, Shelf({"1.1", "1.2"}, [("1.1", b"a"), ("1.2", b"b")]))
    brought(tmp_path, Shelf({"1.1"}, [("1.1", b"a")]))
    assert [path.read_bytes() for path in (tmp_path / "data").rglob("*.dcm")] == [b"a"]


def test_what_a_crash_left_half_is_taken_away(tmp_path: Path) -> None:
    half = tmp_path / "data" / ("0" * 32 + ".half")
    half.mkdir(parents=True)
    (half / "x.dcm").write_bytes(b"half")
    brought(tmp_path, Shelf({"1.1"}, [("1.1", b"a")]))
    assert not half.exists()


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        brought(tmp_path, Shelf({"1.1"}, [], OSError(28, "No space left on device")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "http://pacs.example/dicom-web"}, {"server": "https://u:p@pacs.example"}, {"server": "https://x/?a=b"},
        {"server": "ftp://pacs.example"}, {"days": {"from": "2015-06-02", "to": "2015-06-01"}}, {"modalities": []},
        {"modalities": ["ct"]}, {"more": 1},
    ],
)  # fmt: skip
def test_a_server_file_that_makes_no_sense(wrong: dict[str, Any]) -> None:
    right = {
        "format": "dicomweb",
        "source": "s",
        "modalities": ["CT"],
        "days": {"from": "2015-06-01"},
        "server": "https://p",
    }
    assert WebFile.model_validate(right).server == "https://p"
    with pytest.raises(ValidationError):
        WebFile.model_validate(right | wrong)


def test_titles_and_hosts_of_the_older_protocol() -> None:
    right = {
        "format": "dimse",
        "source": "s",
        "modalities": ["CT"],
        "days": {"from": "2015-06-01"},
        "host": "pacs",
        "port": 104,
        "their_title": "PACS",
    }
    assert DimseFile.model_validate(right).our_title == "RAPHA"
    for wrong in ({"their_title": "A" * 17}, {"host": "a b"}, {"port": 0}, {"move": {"port": 1, "listen": "a/b"}}):
        with pytest.raises(ValidationError):
            DimseFile.model_validate(right | wrong)
