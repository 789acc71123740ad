"""What only the Kubernetes placement has: an API server that is away, loses an answer or lies; a Pod that is ended by its machine; what others have in the namespace."""

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from rapha.errors import SandboxError
from rapha.node.sandbox import kubernetes as placement_of_kubernetes
from rapha.node.sandbox import kubernetes_api
from rapha.node.sandbox.cluster_http import MAX_ANSWER_BYTES
from rapha.node.sandbox.kubernetes import Kubernetes
from rapha.node.sandbox.kubernetes_api import KubernetesApi
from rapha.node.sandbox.placement import Job

sys.path.insert(0, str(Path(__file__).parents[1] / "simulators"))
from patience import until
from placed_node import program
from small_kubernetes import DENIES_ALL, TOKEN, SmallKubernetes, small_kubernetes
from small_programs import DEAF, ECHO

SECONDS = 180.0
GREEDY = "print('began', flush=True); import sys; sys.stdin.read()"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[SmallKubernetes]:
    with small_kubernetes(tmp_path / "cluster") as started:
        yield started


@pytest.fixture
def placement(cluster: SmallKubernetes, tmp_path: Path) -> Kubernetes:
    return Kubernetes(cluster.settings(tmp_path), tmp_path / "north")


def api_of(placement: Kubernetes, seconds: float = SECONDS) -> KubernetesApi:
    return KubernetesApi(placement._place, seconds)


def said_by(placement: Kubernetes, name: str, code: str = ECHO) -> str:
    """Of a program that does not come to run: the words for a steward."""
    with program(placement, name, code) as process:
        out, said = process.communicate(b"", SECONDS)
    assert process.returncode == 71 and out == b""
    return placement.trouble(said.decode())


# an API server that is away


@pytest.mark.slow
def test_an_api_server_that_is_away_for_a_while_loses_no_job(placement: Kubernetes, cluster: SmallKubernetes) -> None:
    cluster.outages = 2
    with program(placement, "echo", ECHO) as process:
        until(lambda: cluster.outages == 0, seconds=SECONDS)
        cluster.outages = 1
        came, _ = process.communicate(b"here", SECONDS)
    assert came == b"here" and process.returncode == 0


@pytest.mark.slow
def test_a_job_whose_answer_was_lost_is_handed_in_once(placement: Kubernetes, cluster: SmallKubernetes) -> None:
    cluster.lose_answers = 1
    with program(placement, "echo", ECHO) as process:
        assert process.communicate(b"once", SECONDS)[0] == b"once"
    assert sum(asked.startswith("POST") for asked in cluster.seen) == 2 and len(cluster.containers) == 1


@pytest.mark.slow
def test_a_line_that_is_cut_ends_the_program_there_and_is_said(placement: Kubernetes, cluster: SmallKubernetes) -> None:
    with program(placement, "cut", GREEDY) as process:
        assert process.stdout and process.stdout.readline() == b"began\n"
        (container,) = cluster.containers.values()
        cluster.cut_lines()
        assert container.process.wait(SECONDS) == 0  # it saw the end of its input
        assert process.wait(SECONDS) == 0 and process.stderr
        assert b"the connection to the Pod was lost" in process.stderr.read()


# how a Pod may end


@pytest.mark.slow
@pytest.mark.parametrize("container", [False, True], ids=["evicted", "memory"])
def test_a_pod_that_its_machine_ended_is_told_why(
    placement: Kubernetes, cluster: SmallKubernetes, *, container: bool
) -> None:
    with program(placement, "ended", GREEDY) as process:
        assert process.stdout and process.stderr and process.stdout.readline() == b"began\n"
        cluster.end_pod("ended", "OOMKilled" if container else "Evicted", container=container)
        assert process.wait(SECONDS) == 71
        said = process.stderr.read().decode()
    assert ("OOMKilled: it took more memory" if container else "Evicted: The node was low on resource") in said


@pytest.mark.slow
def test_an_image_that_cannot_be_had_is_told_at_once_and_the_job_taken_back(
    placement: Kubernetes, cluster: SmallKubernetes
) -> None:
    cluster.image_trouble = "ImagePullBackOff"
    assert "ImagePullBackOff: Back-off pulling image" in said_by(placement, "no-image")
    assert cluster.alive() == []


# what stands around it


@pytest.mark.slow
def test_nothing_is_handed_in_where_a_pod_could_reach_anything(placement: Kubernetes, cluster: SmallKubernetes) -> None:
    placement.check()
    cluster.policies = []
    with pytest.raises(SandboxError, match=r"no NetworkPolicy there denies.*kubectl apply"):
        placement.check()
    assert "no NetworkPolicy there denies" in said_by(placement, "open")
    assert not any(asked.startswith("POST") for asked in cluster.seen)


@pytest.mark.slow
def test_a_pod_that_was_changed_on_its_way_is_not_spoken_to(
    placement: Kubernetes, cluster: SmallKubernetes, tmp_path: Path
) -> None:
    cluster.changes = lambda spec: spec.update(hostNetwork=True)
    told = tmp_path / "told"
    assert "another than was asked for (spec.hostNetwork)" in said_by(
        placement, "changed", f"open({str(told)!r}, 'w').close()"
    )
    assert not told.exists() and not any("attach" in asked for asked in cluster.seen)
    assert cluster.alive() == []


# what others have in the namespace


def others(name: str, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"of-another-{name}", **metadata}, "status": {}}


def test_a_job_of_anothers_is_neither_taken_nor_ended_whatever_it_bears(
    placement: Kubernetes, cluster: SmallKubernetes
) -> None:
    ours = {"app.kubernetes.io/managed-by": "rapha"}
    cluster.jobs["rapha-ours-1"] = others("rapha-ours-1", labels=ours)
    cluster.jobs["rapha-other-1"] = others("rapha-other-1", labels=ours)
    cluster.jobs["rapha-ours-2"] = others("rapha-ours-2")
    assert placement.left("rapha-ours-") == ["rapha-ours-1"]
    placement.end("rapha-ours-2")  # of our name, without our label
    assert "rapha-ours-2" in cluster.jobs
    with pytest.raises(SandboxError, match="did not hand in"):
        api_of(placement).submit(Job("rapha-ours-1", 100), ["/bin/true"])
    assert set(cluster.jobs) == {"rapha-ours-1", "rapha-ours-2", "rapha-other-1"} and cluster.containers == {}


@pytest.mark.slow
def test_a_pod_with_a_jobs_label_is_not_its_pod(placement: Kubernetes, cluster: SmallKubernetes) -> None:
    with program(placement, "labelled", DEAF) as process:
        assert process.stdout and process.stdout.readline() == b"deaf\n"
        job = api_of(placement).look("labelled")
        assert job is not None
        labels = {"batch.kubernetes.io/job-name": "labelled"}
        for uid, controls in ((job.metadata.uid, False), ("another", True)):
            owner = [{"uid": uid, "controller": controls}]
            metadata = {"name": f"x-{uid}", "uid": "x", "labels": labels, "ownerReferences": owner}
            cluster.pods[f"x-{uid}"] = {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}}
        (pod,) = api_of(placement).pods_of(job)
        assert not pod.metadata.name.startswith("x-")


def test_a_job_of_the_same_name_that_came_later_is_not_ended_in_its_place(
    placement: Kubernetes, cluster: SmallKubernetes
) -> None:
    cluster.jobs["again"] = others("again", labels={"app.kubernetes.io/managed-by": "rapha"})
    seen = api_of(placement).look("again")
    assert seen is not None
    cluster.jobs["again"]["metadata"]["uid"] = "another"
    with pytest.raises(SandboxError, match="precondition"):
        api_of(placement).delete(seen)
    assert "again" in cluster.jobs


def test_what_does_not_end_is_told_after_a_while(
    placement: Kubernetes, cluster: SmallKubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placement_of_kubernetes, "ENDS_SECONDS", 0.5)
    cluster.outages = 1_000
    with structlog.testing.capture_logs() as told:
        placement.end("lost")
    assert [(line["event"], line["job"]) for line in told] == [("placement.not-ended", "lost")]


# an API server that lies


@contextlib.contextmanager
def answering(cluster: SmallKubernetes, answer: bytes, *, drips: bool = False) -> Iterator[str]:
    """Under the cluster's own certificate: one answer to whatever is asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cluster.folder / "server.pem")
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                came = context.wrap_socket(server.accept()[0], server_side=True)
                with came:
                    came.recv(100_000)
                    came.sendall(answer)
                    while drips and not over.wait(0.05):
                        came.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


def http(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


MANY = b'{"metadata":{},"items":[' + b",".join([b"{}"] * 100_000) + b"]}"
LIES: dict[str, tuple[bytes, str]] = {
    "elsewhere": (http(b"", "307 .", "Location: https://127.0.0.1:1/\r\n"), "answered 307"),
    "no JSON": (http(b"<html>"), "no Kubernetes"),
    "another shape": (http(b"[]"), "no Kubernetes"),
    "items that are none": (http(b'{"items": ["a"]}'), "no Kubernetes"),
    "a page without end": (http(b'{"metadata": {"continue": "a"}, "items": []}'), "more than 10000 things"),
    "many": (http(MANY), "at once"),
    "large": (http(b" " * (MAX_ANSWER_BYTES + 1)), "answered more than 8 MiB"),
    "deep": (http(b"[" * 90_000), "no Kubernetes"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "speaks no HTTP"),
    "words that steer": (http(b'{"message": "\\u001b[2J"}', "400 ."), r"answered 400: \[2J"),
}


@pytest.mark.parametrize(("answer", "told"), LIES.values(), ids=LIES.keys())
def test_an_api_server_that_lies_is_not_believed(
    placement: Kubernetes, cluster: SmallKubernetes, tmp_path: Path, answer: bytes, told: str
) -> None:
    with answering(cluster, answer) as address:
        lying = Kubernetes(cluster.settings(tmp_path, address=address), tmp_path)
        with pytest.raises(SandboxError, match=told) as error:
            lying.check()
    assert TOKEN not in str(error.value) and "\x1b" not in str(error.value)


def test_an_answer_a_byte_at_a_time_is_not_waited_for(cluster: SmallKubernetes, tmp_path: Path) -> None:
    with answering(cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", drips=True) as address:
        slow = Kubernetes(cluster.settings(tmp_path, address=address), tmp_path)
        with pytest.raises(SandboxError, match="no whole answer in 1 s"):
            api_of(slow, 1.0).check_network()


def test_a_server_of_another_authority_is_not_shown_the_token(cluster: SmallKubernetes, tmp_path: Path) -> None:
    stranger = Kubernetes(cluster.settings(tmp_path, ca=None), tmp_path)
    with pytest.raises(SandboxError, match=r"is not reached.*certificate"):
        stranger.check()
    assert cluster.seen == []


def test_a_token_that_is_not_taken_or_that_others_may_read_is_said(
    placement: Kubernetes, cluster: SmallKubernetes
) -> None:
    cluster.token_file.write_text("another")
    with pytest.raises(SandboxError, match="does not take the token"):
        placement.check()
    cluster.token_file.chmod(0o640)
    with pytest.raises(SandboxError, match="chmod 600"):
        placement.check()


def test_a_namespace_of_the_tests_is_what_the_page_says() -> None:
    """`docs/placement.md` has the policy that is demanded, word for word."""
    page = (Path(__file__).parents[2] / "docs" / "placement.md").read_text()
    assert "policyTypes: [Ingress, Egress]" in page and DENIES_ALL["spec"]["podSelector"] == {}
    assert kubernetes_api.PAGE * kubernetes_api.MOST_PAGES == 10_000
