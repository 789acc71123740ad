"""One of each record, made up. Their golden bytes lie under records/."""

from datetime import UTC, datetime
from functools import cache

from study_samples import example

from rapha.canonical import digest
from rapha.node.patients import root_of
from rapha.policy import stewards
from rapha.proof import keys
from rapha.proof.envelope import seal
from rapha.records.cohort import Cohort
from rapha.records.decision import DecisionRecord, Facts, Reading
from rapha.records.feature import AggregateFeature
from rapha.records.ledger import LedgerEntry, Spend
from rapha.records.metrics import (
    CalibrationBin,
    Count,
    Evaluation,
    PooledScore,
    RocPoint,
    RoundScores,
    Score,
    SiteMetrics,
    StudyMetrics,
)
from rapha.records.receipt import Aggregation, Receipt, RoundMembers, Step, Verdict
from rapha.records.record import DispatchId, Record, SiteId, StudyId, TaskId
from rapha.records.release import EgressVerdict, Numerics, PrivacyReport, Refusal, Release, RoundTrace, SandboxReport
from rapha.records.site import (
    Answered,
    Approval,
    ConceptCoverage,
    Denial,
    Dispatch,
    Group,
    Share,
    SiteProfile,
)
from rapha.records.study import Study
from rapha.records.task import Task, TaskFailure, Update
from rapha.records.transcript import Transcript
from rapha.records.wire import (
    DeliveredFile,
    Delivery,
    DispatchStatus,
    Enrolled,
    Enrolment,
    Event,
    Feasible,
    Offer,
    Pending,
    Poll,
    Problem,
    ReleaseParcel,
    Stop,
    StudyStatus,
    Submitted,
    TrustedKey,
    TrustedKeys,
    UpdateParcel,
    Work,
)

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STUDY, DISPATCH, TASK = StudyId("st-1"), DispatchId("di-1"), TaskId("ta-1")
PATIENTS_SECRET = bytes.fromhex(digest(b"test only: the hospital's secret")[7:])
SITES = {"north": SiteId("north"), "south": SiteId("south")}
ROUNDS = 3


def private_key(owner: str) -> keys.PrivateKey:
    """TEST ONLY: a key that anybody can make again. Never enrol one of these."""
    from cryptography.hazmat.primitives.asymmetric import ec

    secret = int(digest(b"test only " + owner.encode())[7:], 16) % (keys.GROUP_ORDER - 1) + 1
    return ec.derive_private_key(secret, ec.SECP256R1())


def trusted(owner: str, role: str = "node") -> TrustedKey:
    public = private_key(owner).public_key()
    return TrustedKey.model_validate(
        {"owner": owner, "role": role, "keyid": keys.keyid(public), "public_key": keys.public_to_pem(public)}
    )


def blob(name: str) -> str:
    """The digest of a blob that nobody needs to hold."""
    return digest(name.encode())


def metrics(site: str) -> SiteMetrics:
    held_out = Evaluation(
        model="federated",
        rows=Count(about=400),
        events=Count(about=50),
        scores=(Score(name="auroc", value=0.731, low=0.66, high=0.8), Score(name="brier", value=0.1)),
        roc=(RocPoint(false_positive_rate=0.05, true_positive_rate=0.21),),
        calibration=(CalibrationBin(predicted=0.12, observed=0.1, rows=Count(about=80)),),
    )
    return SiteMetrics(
        site=site, train_rows=Count(about=1200), set_apart={"competing": Count(below=25)}, evaluations=(held_out,)
    )


def rounds_of(site: str) -> tuple[RoundTrace, ...]:
    """Round 0 gathers statistics, 1 to ROUNDS train."""
    return tuple(
        RoundTrace(
            round=n, weights_in=blob(f"weights {n - 1}") if n else None, weights_out=blob(f"update {n} of {site}")
        )
        for n in range(ROUNDS + 1)
    )


def approval(study: Study, site: str) -> Approval:
    return Approval(
        dispatch=DISPATCH, study_digest=study.digest, site=SITES[site], policy_digest=blob(f"policy of {site}"),
        decided_by="steward:example-person", feasible=Count(about=1700), at=AT,
    )  # fmt: skip


def patients(site: str) -> dict[int, bytes]:
    """Subject key -> SHA-256 of their rows: ten made-up people."""
    return {number: bytes.fromhex(blob(f"rows of {number} in {site}")[7:]) for number in range(10)}


@cache
def patients_root(site: str) -> str:
    study = example("diabetes-within-5-years")
    return root_of(PATIENTS_SECRET, approval(study, site).digest, patients(site))


def release(study: Study, site: str, weights: str) -> Release:
    return Release(
        study_digest=study.digest,
        study=study.study,
        site=SITES[site],
        approval=approval(study, site).digest,
        policy=blob(f"policy of {site}"),
        decided_by="steward:example-person",
        cohort=Cohort(
            study_digest=study.digest, site=SITES[site], commitment=blob(f"cohort of {site}"),
            patients_root=patients_root(site), patients=Count(about=1700), train_rows=Count(about=1200),
        ),
        architecture=study.model.architecture,
        mode=study.mode,
        rounds=rounds_of(site),
        weights=weights,
        metrics=metrics(site).digest,
        code=blob("code"),
        packages={"python": "3.11.2", "torch": "2.13.0+cpu"},
        numerics=Numerics(
            torch="2.13.0+cpu", python="3.11.2", threads=1, cpu_capability="AVX2", deterministic=True
        ),
        sandbox=SandboxReport(
            backend="bubblewrap", isolated=True, layers=("network", "files", "memory"), self_test=blob("self-test"),
            attempts=9, held=9,
        ),
        egress=EgressVerdict(rules=("declared-tensors", "finite", "closed-metrics"), files=2),
        privacy=PrivacyReport(ledger=blob(f"ledger of {site}")),
        transcript=transcript(site) if site == "north" else None,
    )  # fmt: skip


def transcript(site: str) -> Transcript:
    """That of north; south has none, as no receipt had before there were transcripts."""
    return Transcript(
        root=blob(f"transcript of {site}"), waypoints=40, every_steps=64, key=blob(f"transcript key of {site}"),
        flags={"ATEN_CPU_CAPABILITY": "avx2", "machine": "x86_64"},
    )  # fmt: skip


def aggregation(study: Study, sites: tuple[str, ...], weights: str, pooled: str) -> Aggregation:
    rounds = tuple(
        RoundMembers(
            round=n,
            updates={site: blob(f"update {n} of {site}") for site in sites},
            weights_of_sites=dict.fromkeys(sites, 1200),
            weights_out=blob(f"weights {n}") if n < ROUNDS else weights,
        )
        for n in range(ROUNDS + 1)
    )
    return Aggregation(
        study_digest=study.digest,
        study=study.study,
        hub="example-hub",
        method="fedavg",
        approvals={site: approval(study, site).digest for site in sites},
        denials={"west": "purpose-not-allowed"},
        rounds=rounds,
        weights=weights,
        metrics=pooled,
        code=blob("code"),
        packages={"numpy": "2.4.1", "python": "3.11.2"},
    )


def samples() -> dict[str, Record]:
    """File name without ending -> record: the nouns of a study, then what is said on the wire."""
    study = example("diabetes-within-5-years")
    privacy = {"ledger-entry": _ledger_entry(study), "study-private": private(study)}
    privacy["study-exported"] = _exported(study)
    privacy |= {f"study-script-{mode.lower()}": scripted(study, mode) for mode in "BC"}
    return {**_nouns(study), **_on_the_wire(study), **privacy, **_of_devices()}


def _exported(study: Study) -> Study:
    """With a model of the researcher's own."""
    model = {
        "architecture": "exported",
        "graph": digest(b"a graph"),
        "size_bytes": 7,
        "parameters": {"layers.0.weight": [1, 10], "layers.0.bias": [1]},
        "running": {"norm.running_mean": [10]},
    }
    return Study.model_validate({**study.as_json(), "model": model})


def scripted(study: Study, mode: str) -> Study:
    """With a script of the researcher's own, in mode B or C."""
    model = {
        "architecture": "script",
        "mode": mode,
        "script": digest(b"a script"),
        "size_bytes": 8,
        "tensors": {"line": [10]},
        **({"shards": 16} if mode == "B" else {"predicts": True}),
    }
    asked = (private(study) if mode == "B" else study).as_json()
    training = {"rounds": 3} if mode == "B" else asked["training"]
    return Study.model_validate({**asked, "model": model, "training": training})


def _of_devices() -> dict[str, Record]:
    import device_samples as device  # which needs this page first

    return {
        "consent": device.consent(),
        "withdrawal": device.withdrawal(),
        "device-envelope": device.envelope(),
        "advert": device.advert(),
        "device-task": device.task(),
        "device-answer": device.answer(),
    }


def _ledger_entry(study: Study) -> LedgerEntry:
    return LedgerEntry(
        number=7, previous=blob("entry 6"), at=AT, kind="refunded", dataset="timeline", project="Ada | DUO:0000006",
        dispatch=DISPATCH, study=study.study, study_digest=study.digest, private=True, spend=Spend.of(3, 1e-5),
        reason="cohort-too-small",
    )  # fmt: skip


def private(study: Study) -> Study:
    """The same, with differential privacy."""
    short = [f.of if isinstance(f, AggregateFeature) else f.name for f in study.features]
    terms = {"epsilon": 3, "delta": 1e-5, "ranges": {name: [0, 300] for name in short}}
    return Study.model_validate(study.as_json() | {"privacy": {"differential_privacy": terms}})


def _task(study: Study) -> Task:
    return Task(
        id=TASK, study_id=STUDY, study_digest=study.digest, dispatch=DISPATCH, site=SITES["north"], round=2, do="train",
        weights=blob("weights 1"),
    )  # fmt: skip


def _coverage() -> ConceptCoverage:
    return ConceptCoverage(
        system="local", code="hdl", patients=Count(about=6100), years=((1987, 150), (1988, 210)),
        units=(Share(of="mg/dL", share=0.95), Share(of="", share=0.05)), values=(Share(of="number", share=1.0),),
        precision=(Share(of="second", share=1.0),), known=(Share(of="later", share=1.0),),
    )  # fmt: skip


def _dispatch(study: Study) -> Dispatch:
    return Dispatch(
        id=DISPATCH, study_id=STUDY, study_digest=study.digest, site=SITES["north"], researcher="example-researcher"
    )


def _signed_by_two(study: Study) -> Approval:
    """As `approval`, by two stewards; the keys are those of other samples."""
    given = approval(study, "north").model_copy(update={"decision": _decision(study).digest})
    names = {"example-person": "north", "other-person": "south"}
    yes = stewards.SignedYes.of_approval(given)
    signed = tuple(stewards.sign(yes, name, private_key(key), AT) for name, key in names.items())
    return given.model_copy(update={"signatures": signed, "decided_by": stewards.decided_by(tuple(names))})


def _decision(study: Study) -> DecisionRecord:
    facts = Facts.of(study, "example-researcher", isolated=True, layers=("seccomp",), runs_before=2, at=AT)
    return DecisionRecord(
        dispatch=DISPATCH, study_digest=study.digest, policy_digest=blob("policy of north"), stage="offer", facts=facts,
        readings=(
            Reading(line="modalities", holds=True), Reading(line="purposes", holds=False, reason="purpose-not-allowed"),
        ),
        outcome="refused", by="rules:purposes", reason="purpose-not-allowed", at=AT, nonce="0123456789abcdef" * 2,
    )  # fmt: skip


def _receipt() -> Receipt:
    return seal(b'{"only":"a sample"}', private_key("north"))


def _nouns(study: Study) -> dict[str, Record]:
    site, weights = SITES["north"], blob("final weights")
    let_out = release(study, "north", weights)
    return {
        "study-diabetes-within-5-years": study,
        "study-time-to-death": example("time-to-death"),
        "site-profile": SiteProfile(
            site="north", name="North General", modalities=("ehr",), data_use=("DUO:0000006",), patients=Count(about=8800),
            sexes=(Group(group="female", patients=Count(about=4500)), Group(group="male", patients=Count(about=4300))),
            ages=(Group(group="40-49", patients=Count(about=2100)),),
            observed=(Group(group="5 to 10 years", patients=Count(about=6000)),),
            first_year=1987, last_year=2018, coverage=(_coverage(),), version="0.1.0",
        ),
        "dispatch": _dispatch(study),
        "dispatch-feasibility": _dispatch(study).model_copy(update={"asks": "feasibility"}),
        "answered": Answered(
            dispatch=DISPATCH, study_digest=study.digest, site=site, policy_digest=blob("policy of north"),
            patients=Count(about=1705), events=Count(below=25), at=AT,
        ),
        "approval": approval(study, "north"),
        "approval-two-stewards": _signed_by_two(study),
        "decision": _decision(study),
        "denial": Denial(
            dispatch=DISPATCH, study_digest=study.digest, site=site, policy_digest=blob("policy of north"),
            reason="purpose-not-allowed", at=AT,
        ),
        "cohort": let_out.cohort,
        "task": _task(study),
        "task-failure": TaskFailure(task=TASK, reason="not-finite"),
        "update": _update(study),
        "site-metrics": metrics("north"),
        "study-metrics": StudyMetrics(
            study=study.study, study_digest=study.digest, sites=(metrics("north"),),
            pooled=(PooledScore(name="auroc", value=0.73, low=0.69, high=0.77, method="inverse-variance", sites=2),),
            history=(
                RoundScores(
                    round=1, mean=(Score(name="loss", value=0.3),), sites={"north": (Score(name="loss", value=0.3),)}
                ),
            ),
        ),
        "release": let_out,
        "refusal": Refusal(study_digest=study.digest, site=site, reason="extra-tensor"),
        "aggregation": aggregation(study, ("north", "south"), weights, blob("pooled metrics")),
        "receipt": _receipt(),
        "verdict": Verdict(
            subject="receipts/north.json", ok=False, tier="T0", not_shown=("That the training was done as stated.",),
            steps=(Step(number=1, check="The envelope is well formed", passed=False, detail="it is not"),),
        ),
    }  # fmt: skip


def _update(study: Study) -> Update:
    return Update(
        task=TASK, study_digest=study.digest, site=SITES["north"], round=2, do="train", weights_in=blob("weights 1"),
        weights_out=blob("update 2 of north"), weight=1200, scores=(Score(name="loss", value=0.213),),
    )  # fmt: skip


def _on_the_wire(study: Study) -> dict[str, Record]:
    site, weights = SITES["north"], blob("final weights")
    return {
        "enrolment": Enrolment(
            code="ABCD-EFGH-2345", site="north", name="North General", public_key=trusted("north").public_key
        ),
        "enrolled": Enrolled(site=site, hub="example-hub", hub_key=trusted("example-hub").public_key),
        "poll": Poll(holding=(TASK,), wait_seconds=25),
        "offer": Offer(dispatch=_dispatch(study), study=study),
        "work": Work(task=_task(study), weights="d2VpZ2h0cw=="),
        "update-parcel": UpdateParcel(update=_update(study), weights="d2VpZ2h0cw=="),
        "stop": Stop(dispatch=DISPATCH, study_id=STUDY, state="cancelled"),
        "feasible": Feasible(dispatch=DISPATCH, patients=Count(below=25)),
        "pending": Pending(dispatch=DISPATCH),
        "release-parcel": ReleaseParcel(task=TASK, release=release(study, "north", weights), receipt=_receipt()),
        "submitted": Submitted(study_id=STUDY, study_digest=study.digest),
        "study-status": StudyStatus(
            study_id=STUDY, study=study.study, study_digest=study.digest, researcher="example-researcher",
            state="training", round=2, rounds=20,
            dispatches=(DispatchStatus(site=site, state="approved", feasible=Count(about=1700)),),
        ),
        "event": Event(number=7, at=AT, event="task.done", site="north", round=2, facts={"loss": "0.213"}),
        "delivery": Delivery(
            study_id=STUDY, study=study, files=(DeliveredFile(path="model.safetensors", blob=weights, size_bytes=4096),)
        ),
        "trusted-keys": TrustedKeys(keys=(trusted("example-hub", "hub"), trusted("north"))),
        "problem": Problem(code="conflict", message="the study is completed", hint="fetch it"),
    }  # fmt: skip
