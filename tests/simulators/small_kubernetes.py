"""An API server of Kubernetes that is none, over real TLS: Jobs and NetworkPolicies are held against the published schema, and a Job's Pod is a real process.

No real one was to be had. What it does not have: etcd, a scheduler, a container runtime, a CNI, an admission chain. See `small_kubelet.py`.
"""

import asyncio
import contextlib
import copy
import datetime
import ipaddress
import json
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes_rules import faults, job_faults
from small_kubelet import PROTOCOL, Container

from rapha.node.configuration import KubernetesPlacement

NAMESPACE, TOKEN = "rapha-sandboxes", "a-token-of-a-service-account"
IMAGE = "registry.example/rapha@sha256:" + "0" * 64
DENIES_ALL = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all", "namespace": NAMESPACE},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
LEFT_OUT_WHEN_FALSE = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "tty")
Answer = tuple[int, Any]


class SmallKubernetes:
    """`outages`: how many questions it will answer with 503. `image_trouble`: why no image can be had. `changes`: what admission does to a Pod. `seen`: what was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.token_file, self.ca = folder, folder / "token", folder / "ca.pem"
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.containers: dict[str, Container] = {}
        self.policies: list[dict[str, Any]] = [DENIES_ALL]
        self.outages, self.image_trouble = 0, ""
        self.changes: Callable[[dict[str, Any]], None] = lambda _: None
        self.seen: list[str] = []
        self.lose_answers = 0
        self.address = ""
        self.loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    def settings(self, shared: Path, **more: object) -> KubernetesPlacement:
        named: dict[str, object] = {
            "shared_folder": str(shared),
            "volume_claim": "rapha-runs",
            "address": self.address,
            "token_file": str(self.token_file),
            "ca": str(self.ca),
            "namespace": NAMESPACE,
            "image": IMAGE,
            "user": 1000,
            "seccomp_profile": "profiles/rapha.json",
        }
        return KubernetesPlacement(by="kubernetes", **(named | more))  # type: ignore[arg-type]

    def alive(self) -> list[str]:
        """The names of jobs that wait or run."""
        return sorted(name for name, job in self.jobs.items() if not job["status"].get("conditions"))

    def end_pod(self, job: str, reason: str, *, container: bool = False) -> None:
        """As its machine does: evict it, or kill it for its memory."""
        pod = self._pod_of(job)
        pod["status"]["told"] = ("container" if container else "pod", reason)
        self.containers[pod["metadata"]["name"]].kill()

    def cut_lines(self) -> None:
        """Every connection that is open, as when it is replaced."""

        def cut() -> None:
            for writer in self._writers:
                writer.transport.abort()

        self.loop.call_soon_threadsafe(cut)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it done beside what is answered."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self, server: asyncio.Server) -> None:
        """Who runs has been killed: each is waited for, so that nothing stays open."""
        server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in list(self._writers):
            writer.transport.abort()

    # what is answered

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with contextlib.suppress(EOFError, OSError, asyncio.LimitOverrunError):
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            head = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
            body = await reader.readexactly(int(head.get("content-length", 0)))
            self.seen.append(f"{method} {target}")
            await self._answer(method, target, head, body, reader, writer)
        self._writers.discard(writer)
        writer.close()

    async def _answer(
        self,
        method: str,
        target: str,
        head: dict[str, str],
        body: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        status, answer = 401, {"message": "Unauthorized"}
        if self.outages > 0:
            self.outages -= 1
            status, answer = 503, {"message": "the server is currently unable to handle the request"}
        elif head.get("authorization") == f"Bearer {TOKEN}":
            at = urlsplit(target)
            asked = {key: values[0] for key, values in parse_qs(at.query).items()}
            if at.path.endswith("/attach"):
                container = self.containers.get(at.path.split("/")[-2])
                if container is not None and PROTOCOL in head.get("sec-websocket-protocol", ""):
                    await container.attach(reader, writer, head)
                    return
            status, answer = self._route(method, at.path.strip("/").split("/"), asked, json.loads(body or b"{}"))
        if method == "POST" and self.lose_answers > 0:
            self.lose_answers -= 1
            return
        said = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 {status} .\r\nContent-Length: {len(said)}\r\nConnection: close\r\n\r\n".encode() + said)
        await writer.drain()

    def _route(self, method: str, path: list[str], asked: dict[str, str], body: dict[str, Any]) -> Answer:
        match method, path:
            case "GET", ["apis", "networking.k8s.io", "v1", "namespaces", _, "networkpolicies"]:
                assert not any(faults("io.k8s.api.networking.v1.NetworkPolicy", one) for one in self.policies)
                return 200, {"metadata": {}, "items": self.policies}
            case "GET", ["apis", "batch", "v1", "namespaces", _, "jobs"]:
                return 200, _chosen(self.jobs, asked)
            case "POST", ["apis", "batch", "v1", "namespaces", _, "jobs"]:
                return self._create(body)
            case "GET", ["apis", "batch", "v1", "namespaces", _, "jobs", name] if name in self.jobs:
                return 200, self.jobs[name]
            case "DELETE", ["apis", "batch", "v1", "namespaces", _, "jobs", name] if name in self.jobs:
                return self._delete(self.jobs[name], body)
            case "GET", ["api", "v1", "namespaces", _, "pods"]:
                return 200, _chosen(self.pods, asked)
        return 404, {"message": f"{'/'.join(path)} not found"}

    def _create(self, job: dict[str, Any]) -> Answer:
        if wrong := job_faults(job):
            return 422, {"message": "; ".join(wrong)}
        name = job["metadata"]["name"]
        if name in self.jobs:
            return 409, {"message": f'jobs.batch "{name}" already exists'}
        stored = copy.deepcopy(job)
        stored["metadata"] |= {"uid": str(uuid.uuid4()), "namespace": NAMESPACE}
        stored["status"] = {}
        self.jobs[name] = stored
        self.start(self._run(stored))
        return 201, stored

    def _delete(self, job: dict[str, Any], options: dict[str, Any]) -> Answer:
        if options.get("preconditions", {}).get("uid", job["metadata"]["uid"]) != job["metadata"]["uid"]:
            return 409, {"message": "the UID in the precondition does not match"}
        name = job["metadata"]["name"]
        if options.get("propagationPolicy") != "Foreground":
            del self.jobs[name]  # its Pod is an orphan
            return 200, {}
        job["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        pod = next((one for one in self.pods.values() if _is_of(one, job)), None)
        running = self.containers.get(pod["metadata"]["name"]) if pod else None
        if running is not None and running.process.poll() is None:
            running.kill()  # it is gone when its process is
        elif pod is None or running is None or "ended" in pod["status"]:
            self._forget(job)
        return 200, job

    def _forget(self, job: dict[str, Any]) -> None:
        for name in [name for name, pod in self.pods.items() if _is_of(pod, job)]:
            del self.pods[name]
        self.jobs.pop(job["metadata"]["name"], None)

    def _pod_of(self, job: str) -> dict[str, Any]:
        return next(pod for pod in self.pods.values() if _is_of(pod, self.jobs[job]))

    # what the controller, the scheduler and the kubelet do

    async def _run(self, job: dict[str, Any]) -> None:
        pod = self._pod(job)
        name, spec, status = pod["metadata"]["name"], pod["spec"], pod["status"]
        self.pods[name] = pod
        if spec.get("nodeSelector"):
            said = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector"
            status["conditions"] = [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": said}
            ]
            return
        if self.image_trouble:
            waiting = {"reason": self.image_trouble, "message": "Back-off pulling image: not found"}
            status["containerStatuses"] = [{"state": {"waiting": waiting}}]
            return
        if "deletionTimestamp" in job["metadata"]:
            return
        container = self.containers[name] = Container(spec["containers"][0])
        status |= {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}
        code = await container.ended()
        what, reason = status.pop("told", ("", "Error" if code else "Completed"))
        status |= {"phase": "Failed" if code else "Succeeded", "ended": True}
        ended = {"exitCode": code, "reason": "Error" if what == "pod" else reason}
        status["containerStatuses"] = [{"state": {"terminated": ended}}]
        if what == "pod":
            status |= {"reason": reason, "message": "The node was low on resource: memory."}
        job["status"]["conditions"] = [{"type": "Failed" if code else "Complete", "status": "True"}]
        if "deletionTimestamp" in job["metadata"]:
            self._forget(job)

    def _pod(self, job: dict[str, Any]) -> dict[str, Any]:
        name, template = job["metadata"]["name"], copy.deepcopy(job["spec"]["template"])
        spec = template["spec"] | {"serviceAccountName": "default", "schedulerName": "default-scheduler"}
        spec["containers"][0]["terminationMessagePath"] = "/dev/termination-log"
        for held in (spec, spec["containers"][0]):
            for key in LEFT_OUT_WHEN_FALSE:
                if held.get(key) is False:
                    del held[key]
        self.changes(spec)
        labels = template["metadata"]["labels"] | {"batch.kubernetes.io/job-name": name}
        owner = {"uid": job["metadata"]["uid"], "controller": True, "kind": "Job", "name": name}
        metadata = {"name": f"{name}-{uuid.uuid4().hex[:5]}", "uid": str(uuid.uuid4()), "labels": labels}
        return {"metadata": metadata | {"ownerReferences": [owner]}, "spec": spec, "status": {"phase": "Pending"}}


def _is_of(pod: dict[str, Any], job: dict[str, Any]) -> bool:
    return any(owner["uid"] == job["metadata"]["uid"] for owner in pod["metadata"]["ownerReferences"])


def _chosen(things: dict[str, dict[str, Any]], asked: dict[str, str]) -> dict[str, Any]:
    wanted = dict(one.split("=") for one in asked.get("labelSelector", "").split(",") if one)
    items = [one for one in things.values() if wanted.items() <= one["metadata"].get("labels", {}).items()]
    return {"metadata": {}, "items": items}


@contextlib.contextmanager
def small_kubernetes(folder: Path) -> Iterator[SmallKubernetes]:
    """It answers at `address`; at the end no process of a Pod's is alive."""
    import ssl

    folder.mkdir(parents=True)
    cluster = SmallKubernetes(folder)
    cluster.token_file.write_text(TOKEN)
    cluster.token_file.chmod(0o600)
    (folder / "server.pem").write_bytes(_certificate(cluster.ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    thread = threading.Thread(target=cluster.loop.run_forever)
    thread.start()
    opened = asyncio.start_server(cluster.serve, "127.0.0.1", 0, ssl=context)
    server = asyncio.run_coroutine_threadsafe(opened, cluster.loop).result(60)
    cluster.address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield cluster
    finally:
        for container in list(cluster.containers.values()):
            container.kill()
        asyncio.run_coroutine_threadsafe(cluster.close(server), cluster.loop).result(60)
        cluster.loop.call_soon_threadsafe(cluster.loop.stop)
        thread.join()
        cluster.loop.close()


def _certificate(ca: Path) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    made = made.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
    )
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    ca.write_bytes(pem)
    pkcs8, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return pem + key.private_bytes(serialization.Encoding.PEM, pkcs8, nothing)
