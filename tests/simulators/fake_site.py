"""A hospital that holds no data: it enrols, decides, and hands in well-formed updates that follow from its name alone.

It speaks the real wire with a real key, so that a hub cannot tell it from a node. Tests bend what it sends.
"""

import hashlib
import secrets
from collections.abc import Callable

import numpy as np
from httpx2 import Response
from hub_at_hand import HubAtHand
from numpy.typing import NDArray
from pydantic import TypeAdapter
from safetensors.numpy import save

from rapha.canonical import base64_text, digest
from rapha.hub.app import API
from rapha.proof import keys, token
from rapha.proof.envelope import seal
from rapha.proof.freeze import signed_freeze
from rapha.proof.refusal import signed_refusal
from rapha.proof.statement import site_statement
from rapha.records.cohort import Cohort
from rapha.records.metrics import Count, Evaluation, Score, SiteMetrics
from rapha.records.receipt import Receipt
from rapha.records.record import Record, SiteId, Slug
from rapha.records.release import EgressVerdict, Numerics, PrivacyReport, Release, RoundTrace, SandboxReport
from rapha.records.site import Answered, Approval, ConceptCoverage, Denial, SiteProfile
from rapha.records.study import Study
from rapha.records.task import Task, TaskFailure, Update
from rapha.records.tensors import declared_statistics, declared_weights
from rapha.records.wire import (
    INLINE_BYTES,
    Assignment,
    Enrolment,
    Feasible,
    Offer,
    Pending,
    Poll,
    ReleaseParcel,
    Stop,
    UpdateParcel,
    Work,
)

Tensors = dict[str, NDArray[np.generic]]
_ASSIGNMENT: TypeAdapter[Assignment] = TypeAdapter(Assignment)


class FakeSite:
    """`rows` is its number of training rows; `codes` what its profile says it has. `signing_key`: another one for its receipts."""

    def __init__(self, hub: HubAtHand, name: str, rows: int = 100) -> None:
        self.hub, self.name, self.rows = hub, name, rows
        self.key = keys.generate()
        self.signing_key: keys.PrivateKey | None = None
        self.study: Study | None = None
        self.approval: Approval | None = None
        self.traces: list[RoundTrace] = []
        self.inline_bytes = INLINE_BYTES
        self.prefers: dict[str, str] = {}
        """What it says of the answer to an update: {"prefer": "wait=5"} where it wants the next task with it."""

    def join(self, codes: tuple[str, ...] = ("chol", "hdl", "diabetes")) -> "FakeSite":
        """Enrol, and say what is here."""
        enrolment = self.enrolment(self.hub.code(self.name))
        assert self.hub.http.post(f"{API}/node/enrol", content=enrolment.as_bytes(), headers=_JSON).status_code == 200
        coverage = tuple(ConceptCoverage(system="local", code=code, patients=Count(about=300)) for code in codes)
        profile = SiteProfile(
            site=Slug(self.name), name=self.name.title(), modalities=("ehr",), patients=Count(about=500),
            coverage=coverage, version="0.1.0",
        )  # fmt: skip
        assert self.send("PUT", "/node/profile", profile).status_code == 204
        return self

    def enrolment(self, code: str) -> Enrolment:
        public = keys.public_to_pem(self.key.public_key())
        return Enrolment(code=code, site=Slug(self.name), name=self.name.title(), public_key=public)

    def poll(self, **poll: object) -> Offer | Work | Stop | None:
        """What the hub wants of it now."""
        answer = self.send("POST", "/node/work", Poll.model_validate({"wait_seconds": 0, **poll}))
        assert answer.status_code in (200, 204), answer.text
        return _ASSIGNMENT.validate_json(answer.content) if answer.status_code == 200 else None

    def wait_for_work(self) -> Offer | Work | Stop:
        """The next assignment; waits as a node does."""
        answer = self.send("POST", "/node/work", Poll(wait_seconds=20))
        assert answer.status_code == 200, answer.text
        return _ASSIGNMENT.validate_json(answer.content)

    def approve(self, offer: Offer) -> Response:
        self.study = offer.study
        self.approval = Approval(
            dispatch=offer.dispatch.id, study_digest=offer.dispatch.study_digest, site=SiteId(self.name),
            policy_digest=digest(f"rules of {self.name}".encode()), decided_by="rule:all", feasible=Count(about=150),
            at=self.hub.clock(),
        )  # fmt: skip
        self.send("POST", f"/node/dispatches/{offer.dispatch.id}/feasible", self.feasible(offer))
        return self.send("POST", f"/node/dispatches/{offer.dispatch.id}/approval", self.approval)

    def feasible(self, offer: Offer) -> Feasible:
        return Feasible(dispatch=offer.dispatch.id, patients=Count(about=150))

    def say_how_many(self, offer: Offer, **changes: object) -> Response:
        """Answer a question; `changes` are to the answer."""
        answer = {
            "dispatch": offer.dispatch.id, "study_digest": offer.dispatch.study_digest, "site": self.name,
            "policy_digest": digest(b"rules"), "patients": Count(about=150), "events": Count(below=25), "at": self.hub.clock(),
        }  # fmt: skip
        path = f"/node/dispatches/{offer.dispatch.id}/answered"
        return self.send("POST", path, Answered.model_validate({**answer, **changes}))

    def wait_for_a_person(self, offer: Offer) -> Response:
        return self.send("POST", f"/node/dispatches/{offer.dispatch.id}/pending", Pending(dispatch=offer.dispatch.id))

    def deny(self, offer: Offer, reason: str = "purpose-not-allowed", refusal: Receipt | None = None) -> Response:
        """`refusal`: another one than it would sign."""
        denial = Denial.model_validate(
            {
                "dispatch": offer.dispatch.id,
                "study_digest": offer.dispatch.study_digest,
                "site": self.name,
                "policy_digest": digest(b"rules"),
                "reason": reason,
                "at": self.hub.clock(),
                "refusal": refusal or self.refusal(offer.dispatch.study_digest, reason),
            }
        )
        return self.send("POST", f"/node/dispatches/{offer.dispatch.id}/denial", denial)

    def refusal(self, study_digest: str, reason: str) -> Receipt | None:
        return signed_refusal(self.name, study_digest, reason, self.hub.clock(), self.key)

    def froze(self, **changes: str) -> Receipt:
        """What it signs that it froze for its run, the very cohort that it releases; `changes` are to that."""
        assert self.approval and self.study
        said = {
            "site": self.name, "study_digest": self.study.digest, "approval": self.approval.digest,
            "commitment": digest(f"cohort of {self.name}".encode()), "patients_root": digest(b"tree"),
        }  # fmt: skip
        return signed_freeze(**{**said, **changes}, private=self.signing_key or self.key)

    def freeze(self, freeze: Receipt, dispatch: str | None = None) -> Response:
        """Hand it in; `dispatch`: another's, where it is not this site's own."""
        assert self.approval
        return self.send("POST", f"/node/dispatches/{dispatch or self.approval.dispatch}/freeze", freeze)

    def answer(self, task: Task, bend: Callable[[Tensors], None] = lambda tensors: None, **changes: object) -> Response:
        """Upload an update and hand it in. `bend` changes its tensors, `changes` fields of the record."""
        tensors = self.tensors(task)
        bend(tensors)
        return self.hand_in(task, save(tensors), **changes)

    def hand_in(self, task: Task, content: bytes, **changes: object) -> Response:
        """Hand in these bytes as the update of a task: with it where they are small, else uploaded before."""
        update = self.update(task, content, **changes)
        if len(content) > self.inline_bytes:
            self.upload(content)
            parcel = UpdateParcel(update=update)
        else:
            parcel = UpdateParcel(update=update, weights=base64_text(content))
        answer = self.send("POST", f"/node/tasks/{task.id}/update", parcel, **self.prefers)
        if answer.status_code in (200, 204):
            trace = RoundTrace(round=task.round, weights_in=task.weights, weights_out=digest(content))
            self.traces = [*(kept for kept in self.traces if kept.round != task.round), trace]
        return answer

    def hand_in_uploaded(self, task: Task, content: bytes) -> Response:
        """Hand in what was uploaded before, by this site or by another."""
        return self.send("POST", f"/node/tasks/{task.id}/update", UpdateParcel(update=self.update(task, content)))

    def update(self, task: Task, content: bytes, **changes: object) -> Update:
        said = {
            "task": task.id, "study_digest": task.study_digest, "site": self.name, "round": task.round, "do": task.do,
            "weights_in": task.weights, "weights_out": digest(content), "weight": self.rows,
            "scores": () if task.do == "prepare" else (Score(name="loss", value=1.0 / (1 + task.round)),),
        }  # fmt: skip
        return Update.model_validate({**said, **changes})

    def fail(self, task: Task, reason: str = "training-failed") -> Response:
        refusal = self.refusal(task.study_digest, reason)
        failure = TaskFailure.model_validate({"task": task.id, "reason": reason, "refusal": refusal})
        return self.send("POST", f"/node/tasks/{task.id}/failure", failure)

    def release(self, task: Task, **changes: object) -> Response:
        """Hand in the last word. `changes` are to the release that is signed."""
        metrics = self.metrics()
        self.upload(metrics.as_bytes())
        return self.send("POST", f"/node/tasks/{task.id}/release", self.parcel(task, metrics, **changes))

    def parcel(self, task: Task, metrics: SiteMetrics, **changes: object) -> ReleaseParcel:
        release = Release.model_validate({**self.claims(task, metrics), **changes})
        files = {"model.safetensors": release.weights, f"metrics/{self.name}.json": release.metrics}
        statement = site_statement(release, files, nonce=secrets.token_hex(16), at=self.hub.clock())
        return ReleaseParcel(task=task.id, release=release, receipt=seal(statement, self.signing_key or self.key))

    def claims(self, task: Task, metrics: SiteMetrics) -> dict[str, object]:
        assert self.approval and self.study
        commitment = digest(f"cohort of {self.name}".encode())
        patients = Count(about=150)
        return {
            "study_digest": task.study_digest, "study": self.study.study, "site": self.name,
            "approval": self.approval.digest, "policy": self.approval.policy_digest,
            "decided_by": self.approval.decided_by,
            "cohort": Cohort(
                study_digest=task.study_digest, site=SiteId(self.name), commitment=commitment,
                patients_root=digest(b"tree"), patients=patients, train_rows=Count(about=self.rows),
            ),
            "architecture": self.study.model.architecture, "rounds": tuple(self.traces), "weights": task.weights,
            "metrics": metrics.digest, "code": digest(b"code"), "packages": {},
            "numerics": Numerics(torch="2", python="3", threads=1, cpu_capability="none", deterministic=True),
            "sandbox": SandboxReport(
                backend="fake", isolated=True, layers=(), self_test=digest(b"self-test"), attempts=1, held=1
            ),
            "egress": EgressVerdict(rules=("declared-tensors",), files=1),
            "privacy": PrivacyReport(ledger=digest(b"ledger")),
        }  # fmt: skip

    def metrics(self) -> SiteMetrics:
        scores = (Score(name="auroc", value=0.7, low=0.6, high=0.8),)
        held_out = Evaluation(model="federated", rows=Count(about=50), events=Count(about=20), scores=scores)
        return SiteMetrics(site=self.name, train_rows=Count(about=self.rows), set_apart={}, evaluations=(held_out,))

    def tensors(self, task: Task) -> Tensors:
        """What it trained: numbers that follow from its name and the round."""
        assert self.study
        declared = declared_statistics(self.study) if task.do == "prepare" else declared_weights(self.study)
        seed = int.from_bytes(hashlib.sha256(f"{self.name} {task.round}".encode()).digest()[:4], "big")
        dice = np.random.default_rng(seed)
        kinds = {"F32": np.float32, "F64": np.float64}
        return {name: dice.uniform(0.1, 1, spec.shape).astype(kinds[spec.dtype]) for name, spec in declared.items()}

    def upload(self, content: bytes, name: str | None = None) -> Response:
        path = f"{API}/blobs/{name or digest(content)}"
        return self.hub.http.put(path, content=content, headers=self.headers("PUT", path))

    def send(self, method: str, path: str, record: Record, **said: str) -> Response:
        """`said`: headers more."""
        path = API + path
        headers = {**_JSON, **said, **self.headers(method, path)}
        return self.hub.http.request(method, path, content=record.as_bytes(), headers=headers)

    def headers(self, method: str, path: str, audience: str = "test-hub") -> dict[str, str]:
        signed = token.issue(
            self.key, site=self.name, audience=audience, now=self.hub.clock(), method=method, path=path
        )
        return {"authorization": f"Bearer {signed}"}

    def do(self, assignment: Offer | Work | Stop) -> None:
        """What an obliging hospital does with it."""
        match assignment:
            case Offer():
                assert self.approve(assignment).status_code == 204
            case Work(task=task):
                answer = self.release(task) if task.do == "evaluate" else self.answer(task)
                assert answer.status_code == 204, answer.text
            case Stop():
                assert self.poll(stopped=[assignment.dispatch]) is None


_JSON = {"content-type": "application/json"}
