"""Jobs of Ray's: what is asked of its Jobs API and what is believed of the answer, the command line, the token, and the line between the two ends."""

import contextlib
import json
import os
import pickle
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError

from rapha.errors import SandboxError
from rapha.node.configuration import RayPlacement
from rapha.node.sandbox.cluster_http import MAX_ANSWER_BYTES, read_token
from rapha.node.sandbox.placement import Job
from rapha.node.sandbox.ray import Ray
from rapha.node.sandbox.ray_here import entrypoint
from rapha.node.sandbox.ray_jobs import RayJobs, Seen
from rapha.node.sandbox.ray_line import (
    MODULE_THERE,
    JobFolder,
)

NAME = "rapha-0123456789ab-0123456789abcdef"
TOKEN = "a-token-of-a-test"


class Head:
    """What a head of Ray's would answer, by method and path; and what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {
            "GET /api/authentication_mode": (200, b'{"authentication_mode": "token"}'),
            "GET /api/version": (200, b'{"ray_version": "2.60.0"}'),
        }
        self.asked: list[tuple[str, str | None, bytes]] = []


@pytest.fixture
def head() -> Iterator[Head]:
    one = Head()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = f"{self.command} {self.path}"
            one.asked.append((asked, self.headers.get("Authorization"), body))
            status, answer = one.answers.get(asked, (404, b"no"))
            self.send_response(status)
            if status == 307:
                self.send_header("Location", answer.decode())
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(answer)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    one.address = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
    yield one
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    return file


@pytest.fixture
def settings(head: Head, token: Path, tmp_path: Path) -> RayPlacement:
    return RayPlacement(by="ray", shared_folder=str(tmp_path), address=head.address, token_file=str(token))  # type: ignore[attr-defined]


def test_a_cluster_that_asks_for_a_token_and_takes_ours_will_do(settings: RayPlacement, head: Head) -> None:
    RayJobs(settings).check()
    assert {authorization for _, authorization, _ in head.asked} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("mode", [b'{"authentication_mode": "disabled"}', b"{}", None])
def test_a_cluster_that_lets_anybody_in_is_refused(settings: RayPlacement, head: Head, mode: bytes | None) -> None:
    head.answers["GET /api/authentication_mode"] = (404, b"") if mode is None else (200, mode)
    with pytest.raises(SandboxError, match="asks for no token"):
        Ray(settings, Path("/nowhere")).check()


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_not_taken_is_said_without_the_token(settings: RayPlacement, head: Head, status: int) -> None:
    head.answers["GET /api/version"] = (status, b"Forbidden")
    with pytest.raises(SandboxError, match="does not take the token") as told:
        RayJobs(settings).check()
    assert TOKEN not in str(told.value)


def test_a_cluster_that_is_not_there_is_said(settings: RayPlacement) -> None:
    gone = settings.model_copy(update={"address": "http://127.0.0.1:1"})
    with pytest.raises(SandboxError, match=r"Ray at http://127.0.0.1:1 is not reached .*refused.*is the cluster up"):
        RayJobs(gone).check()


def test_what_speaks_no_http_is_no_cluster(settings: RayPlacement) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as came:
                came.recv(1000)
                came.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        other = settings.model_copy(update={"address": f"http://127.0.0.1:{server.getsockname()[1]}"})
        with pytest.raises(SandboxError, match="speaks no HTTP"):
            RayJobs(other).check()
        thread.join()


def test_the_token_follows_no_redirect(settings: RayPlacement, head: Head) -> None:
    head.answers["GET /api/version"] = (307, f"{head.address}/elsewhere".encode())  # type: ignore[attr-defined]
    with pytest.raises(SandboxError, match="answered 307"):
        RayJobs(settings).check()
    assert not any("elsewhere" in asked for asked, _, _ in head.asked)


@pytest.mark.parametrize(
    "answer",
    [
        pickle.dumps({"status": "RUNNING"}),
        b'{"status": "ASLEEP"}',
        b"[]",
        b"<html>",
        b'{"status": "RUNNING", "driver_agent_http_address": 7}',
    ],
)
def test_an_answer_is_read_as_json_of_one_shape_or_not_at_all(
    settings: RayPlacement, head: Head, answer: bytes
) -> None:
    head.answers[f"GET /api/jobs/{NAME}"] = (200, answer)
    with pytest.raises(SandboxError, match="no Ray"):
        RayJobs(settings).look(NAME)


def test_an_answer_without_end_is_not_read_for_ever(
    settings: RayPlacement, head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapha.node.sandbox.cluster_http.MAX_ANSWER_BYTES", 1000)
    head.answers["GET /api/jobs/"] = (200, b"[" + b" " * 1000 + b"]")
    with pytest.raises(SandboxError, match="answered more than"):
        RayJobs(settings).every()


@pytest.mark.parametrize(
    "answer",
    [
        b"[" + b",".join([b'{"status":"PENDING"}'] * 10_001) + b"]",
        b"[" + b",".join([b"{}"] * 100_000) + b"]",
        b"[" * 100_001,
        json.dumps([{"status": "PENDING", "submission_id": "a" * 1001}]).encode(),
        json.dumps([{"status": "PENDING", "message": "a" * 100_001}]).encode(),
    ],
    ids=["jobs", "things", "nested", "name", "message"],
)
def test_an_answer_of_too_much_takes_no_room(settings: RayPlacement, head: Head, answer: bytes) -> None:
    head.answers["GET /api/jobs/"] = (200, answer)
    with pytest.raises(SandboxError, match=r"no Ray|at once"):
        RayJobs(settings).every()


def test_parts_are_counted_before_they_are_parsed(settings: RayPlacement, head: Head) -> None:
    assert MAX_ANSWER_BYTES <= 8 * 1024 * 1024
    head.answers["GET /api/jobs/"] = (200, b"[" + b",".join([b"{}"] * 100_000) + b"]")
    with pytest.raises(SandboxError, match="at once"):
        RayJobs(settings).every()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_a_head_that_answers_a_byte_at_a_time_is_not_waited_for(settings: RayPlacement, answer: bytes) -> None:
    import socket

    over, sent = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with server.accept()[0] as came, contextlib.suppress(OSError):
                came.recv(1000)
                came.sendall(answer)
                while not over.wait(0.05):
                    came.sendall(b"a")
                    sent.append(1)

        thread = threading.Thread(target=drip)
        thread.start()
        slow = settings.model_copy(update={"address": f"http://127.0.0.1:{server.getsockname()[1]}"})
        giving_up = threading.Timer(20, over.set)  # so that a failure is none of time
        giving_up.start()
        try:
            with pytest.raises(SandboxError, match=r"is not reached .no whole answer in 1 s"):
                RayJobs(slow, 1.0).look(NAME)
            assert not over.is_set()
            thread.join(20)
            assert not thread.is_alive() and not over.is_set()
        finally:
            over.set()
            giving_up.cancel()
            thread.join()


@pytest.mark.parametrize(
    "address", ["http://h:99999", "http://a:b", "http://[", "http://a]b", "http://:80", "http://h:0"]
)
def test_an_address_that_is_none_is_refused_where_it_is_configured(settings: RayPlacement, address: str) -> None:
    with pytest.raises(ValidationError, match="HOST:PORT"):
        RayPlacement(**{**settings.model_dump(), "address": address})


@pytest.mark.parametrize("address", ["http://[", "http://a]b", "", None])
def test_a_machine_whose_address_is_none_is_none(address: str | None) -> None:
    assert Seen(status="RUNNING", driver_agent_http_address=address).host is None


LOST = [(404, b"no"), *((200, json.dumps({"status": status}).encode()) for status in ("FAILED", "STOPPED"))]


@pytest.mark.parametrize("answer", [*LOST, (200, b'{"status": "RUNNING"}'), (500, b"")])
def test_a_lost_job_is_cleared_away_once_ray_knows_it_no_more_and_a_job_that_may_live_is_not(
    settings: RayPlacement, head: Head, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes]
) -> None:
    monkeypatch.setattr("rapha.node.sandbox.ray.ENDS_SECONDS", 0.5)
    head.answers |= {f"GET /api/jobs/{NAME}": answer, "GET /api/jobs/": (200, b"[]")}
    folder = JobFolder.of(tmp_path / "jobs", NAME)
    folder.make()
    folder.say("4242")
    ray = Ray(settings, tmp_path / "jobs")
    with structlog.testing.capture_logs() as told:
        ray.end(NAME)
    assert [(line["event"], line["job"]) for line in told] == [("placement.not-ended", NAME)]
    assert ray.left("rapha-") == ([] if answer in LOST else [NAME])
    assert folder.key.exists() is False


def test_an_agent_that_begins_has_ray_forget_what_is_over_of_its_own(
    settings: RayPlacement, head: Head, tmp_path: Path
) -> None:
    told = [
        {"submission_id": f"rapha-{whose}-{status}", "status": status}
        for whose in ("ours", "other")
        for status in ("PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED")
    ]
    head.answers["GET /api/jobs/"] = (200, json.dumps(told).encode())
    Ray(settings, tmp_path / "jobs").left("rapha-ours-")
    assert sorted(asked for asked, _, _ in head.asked if asked.startswith("DELETE")) == [
        f"DELETE /api/jobs/rapha-ours-{status}" for status in ("FAILED", "STOPPED", "SUCCEEDED")
    ]


def test_what_is_asked_for_is_what_the_site_said(settings: RayPlacement, head: Head) -> None:
    head.answers["POST /api/jobs/"] = (200, b"{}")
    RayJobs(settings.model_copy(update={"processors": 3, "resource": "clinical"})).submit(NAME, "exec /bin/true", 2560)
    assert json.loads(head.asked[0][2]) == {
        "submission_id": NAME,
        "entrypoint": "exec /bin/true",
        "entrypoint_num_cpus": 3,
        "entrypoint_memory": 2560 * 1024 * 1024,
        "entrypoint_resources": {"clinical": 0.001},
    }


def test_jobs_of_others_are_not_ours_whatever_they_are_called(
    settings: RayPlacement, head: Head, tmp_path: Path
) -> None:
    told = [
        {"submission_id": "rapha-other-1", "status": "RUNNING"},
        {"submission_id": "rapha-ours-1", "status": "RUNNING", "entrypoint": "x"},
        {"submission_id": "rapha-ours-2", "status": "SUCCEEDED"},
        {"submission_id": "rapha-ours-3", "status": "PENDING"},
        {"submission_id": None, "status": "RUNNING"},
    ]
    head.answers["GET /api/jobs/"] = (200, json.dumps(told).encode())
    ray = Ray(settings, tmp_path / "jobs")
    assert ray.left("rapha-ours-") == ["rapha-ours-1"]
    for waits in ("rapha-ours-3", "rapha-other-2"):
        JobFolder.of(tmp_path / "jobs", waits).make()
    assert ray.left("rapha-ours-") == ["rapha-ours-1", "rapha-ours-3"]


@pytest.mark.parametrize("name", ["a; touch /tmp/x", "$(id)", "../../etc", "a/b", "", "a\nb", "a" * 101, "a?b"])
def test_a_job_has_a_name_and_not_a_command(settings: RayPlacement, tmp_path: Path, name: str) -> None:
    for asked in (lambda ray: ray.words(Job(name, 100), ["/bin/true"]), lambda ray: ray.end(name)):
        with pytest.raises(SandboxError, match="letters, digits"):
            asked(Ray(settings, tmp_path))


def test_the_shell_there_sees_one_command_of_quoted_words(tmp_path: Path) -> None:
    hostile = ["/bin/echo", "a b", "$(touch made)", "; touch made", "`touch made`", "'", '"', "&& touch made", "*"]
    line = entrypoint(JobFolder(tmp_path / "a folder; touch made"), hostile)
    assert line.startswith("exec /usr/bin/env -i ")
    assert shlex.split(line)[-len(hostile) :] == hostile
    before = shlex.split(line)
    told = ["exec", sys.executable, "-c", "import sys; print(sys.argv[1:])", *before[before.index(MODULE_THERE) + 1 :]]
    said = subprocess.run(["/bin/sh", "-c", shlex.join(told)], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout == f"{[str(tmp_path / 'a folder; touch made'), *hostile]}\n"
    assert list(tmp_path.iterdir()) == []


def test_neither_token_nor_key_is_on_a_command_line_or_in_an_environment(
    settings: RayPlacement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    ray = Ray(settings, tmp_path)
    assert TOKEN not in " ".join(ray.words(Job(NAME, 100), ["/bin/true"]))
    assert set(ray.environment()) == {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_token_that_others_may_read_is_not_used(token: Path, mode: int) -> None:
    assert read_token(token, "Ray") == TOKEN
    token.chmod(mode)
    with pytest.raises(SandboxError, match="chmod 600"):
        read_token(token, "Ray")


@pytest.mark.parametrize("written", ["", "  \n", "two words", "a\r\nX-Header: b", "tök", "a" * 5000])
def test_a_token_is_one_word(token: Path, written: str) -> None:
    token.write_text(written)
    with pytest.raises(SandboxError, match="no token") as told:
        read_token(token, "Ray")
    assert "Header" not in str(told.value)


def test_a_token_that_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for place in (tmp_path / "pipe", tmp_path / "missing", tmp_path):
        with pytest.raises(SandboxError, match=r"token_file|chmod 600"):
            read_token(place, "Ray")


def test_the_key_of_a_job_is_readable_to_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = JobFolder.of(tmp_path / "jobs", NAME)
        folder.make()
    finally:
        os.umask(before)
    for place in (folder.place.parent, folder.place, folder.key):
        assert place.stat().st_mode & 0o077 == 0
    folder.clear()
    assert list((tmp_path / "jobs").iterdir()) == []
