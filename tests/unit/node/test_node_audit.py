"""The audit on its way through a hospital: what a model that remembers becomes, and who is told what of it."""

from pathlib import Path

import numpy as np
import pytest
from ledger_bench import private_terms
from safetensors.numpy import save
from test_node_journey import BY_RULE, WITH_BUDGET, Hospital, private_task, signed_no
from typer.testing import CliRunner

from rapha.canonical import base64_text, digest
from rapha.cli.node import app
from rapha.clock import utc_now
from rapha.egress import memorisation
from rapha.errors import EgressRefused
from rapha.node.configuration import SandboxLimits
from rapha.node.heads import Heads
from rapha.node.journey import Journey
from rapha.node.sandbox.port import RunFolder
from rapha.proof.claim import NO_AUDIT_NOT_SHOWN
from rapha.proof.envelope import unverified_payload
from rapha.records.audit import ACCEPTED_MEMORY, AUDIT_PASSED, AuditVerdict
from rapha.records.outputs import WEIGHTS, Command, HeadOf, Reply
from rapha.records.record import DispatchId
from rapha.records.release import SandboxReport
from rapha.records.study import Study
from rapha.records.wire import ReleaseParcel, UpdateParcel
from rapha.training import private
from rapha.training.dataset import read_dataset
from rapha.training.learner import Learner
from rapha.training.numerics import pin
from rapha.training.statistics import feature_statistics, start_of

RULES = BY_RULE.replace("[logistic]", "[logistic, mlp]")
BY_HEART = {
    "{architecture: logistic}": "{architecture: mlp, hidden: [128, 128]}",
    "learning_rate: 0.05": "learning_rate: 0.01, local_epochs: 100",
}


class AtHand:
    """A sandbox that is none: the trainer, in this process."""

    isolated, layers = True, ("seccomp",)

    def give_up(self, run: Path) -> None: ...

    def start(self, run: RunFolder, _limits: SandboxLimits) -> "AtHand":
        study = Study.from_bytes((run.input / "study.json").read_bytes())
        self.numerics = pin()
        self.report = SandboxReport(
            backend="at hand", isolated=True, layers=self.layers, self_test=digest(b"none"), attempts=1, held=1
        )
        self.dataset = read_dataset(study, run.input / "rows.arrow")
        self.learner = Learner(study, self.dataset, run.weights, run.output)
        return self

    def run(self, command: Command, _deadline_seconds: float) -> Reply:
        self.learner.do(command)
        return Reply(ok=True)

    def close(self) -> None:
        pass


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    made = Hospital(tmp_path)
    made.sandbox = AtHand()
    made.journey = Journey(made.home, made.line, made.register, made.sandbox, utc_now)
    return made


def offered(hospital: Hospital, rules: str = RULES, **replacements: str) -> bytes:
    """A study that was said yes to; the weights it starts from."""
    hospital.rules(rules)
    hospital.offer(**replacements)
    study = hospital.register.entry("d-1").study
    names = [feature.name for feature in study.features]
    scale = {"cholesterol": 35, "hdl": 14, "age": 19}
    start = {
        "features.mean": np.array(
            [{"cholesterol": 200, "hdl": 52, "age": 52}.get(of(n), 0.5) for n in names], np.float32
        ),
        "features.scale": np.array([scale.get(of(n), 0.5) for n in names], np.float32),
    }
    if study.privacy.differential_privacy:
        start = start_of(feature_statistics(study, None))
    return save(start)


def of(name: str) -> str:
    """The concept of a feature's name."""
    return next((word for word in ("cholesterol", "hdl", "age") if word in name), name)


def let(hospital: Hospital, weights: bytes, number: int = 1, do: str = "train") -> list[object]:
    """Do a task; what of its content has left so far."""
    work = private_task(hospital, number, weights, do).model_copy(update={"weights": base64_text(weights)})
    hospital.journey.work(work)
    return [record for record in hospital.line.heard if isinstance(record, UpdateParcel | ReleaseParcel)]


def shown(hospital: Hospital) -> str:
    done = CliRunner().invoke(app, ["show", str(hospital.home.folder), "d-1"], env={"COLUMNS": "160"})
    assert done.exit_code == 0, done.output
    return done.output


def test_a_model_learned_by_heart_does_not_leave_and_the_refusal_is_signed(hospital: Hospital) -> None:
    start = offered(hospital, **BY_HEART)
    with pytest.raises(EgressRefused) as refused:
        let(hospital, start)
    assert refused.value.reason == "patients-remembered"
    assert hospital.line.uploaded == [] and not list(hospital.home.outbox.rglob("*.safetensors"))
    hospital.journey.fail(private_task(hospital, 1, start).task, "patients-remembered")
    assert (signed_no(hospital).stage, signed_no(hospital).reason) == ("gate", "patients-remembered")
    assert "refused" in shown(hospital)


def test_a_clean_model_leaves_and_its_receipt_has_one_word_of_it(hospital: Hospital) -> None:
    start = offered(hospital)
    trained = let(hospital, start)[0]
    weights = (hospital.home.outbox / "d-1" / "round-0001.safetensors").read_bytes()
    assert trained.update.weights_out == digest(weights)
    assert (hospital.home.run("d-1") / "output" / WEIGHTS).stat().st_size == 0  # cut: what is held lies there once
    release = let(hospital, weights, 4, "evaluate")[-1]
    assert AUDIT_PASSED in release.release.egress.rules
    verdicts = hospital.register.audits(DispatchId("d-1"))
    assert [(number, found.verdict) for number, found in verdicts.items()] == [(1, "passed"), (4, "passed")]
    statement = unverified_payload(release.receipt)
    assert NO_AUDIT_NOT_SHOWN.encode() not in statement and b"recognised" not in statement
    assert f"{verdicts[1].recognised:.3f}" in shown(hospital)
    left = b"".join(record.as_bytes() for record in hospital.line.heard)
    assert b"recognised" not in left and repr(verdicts[1].recognised).encode() not in left


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The patients of the hospital are too few to see by."""
    monkeypatch.setattr(memorisation, "VISIBLE", 0.01)


def leaves_unaudited(hospital: Hospital, start: bytes) -> None:
    """Round and release leave, and the receipt says that nothing was looked at."""
    let(hospital, start)
    weights = (hospital.home.outbox / "d-1" / "round-0001.safetensors").read_bytes()
    release = let(hospital, weights, 4, "evaluate")[-1]
    assert AUDIT_PASSED not in release.release.egress.rules
    assert NO_AUDIT_NOT_SHOWN.encode() in unverified_payload(release.receipt)
    assert "not-run" in shown(hospital)


def test_too_few_to_see_by_leave_with_a_receipt_that_says_so(hospital: Hospital, few: None) -> None:
    leaves_unaudited(hospital, offered(hospital))


def test_a_hospital_that_wants_no_audit_has_a_receipt_that_says_so(hospital: Hospital) -> None:
    leaves_unaudited(
        hospital, offered(hospital, f"{RULES}audit: {{unaudited_allowed: {ACCEPTED_MEMORY}}}\n", **BY_HEART)
    )


def test_one_output_that_was_not_looked_at_is_enough_to_say_so(hospital: Hospital) -> None:
    start = offered(hospital)
    let(hospital, start)
    found = AuditVerdict(verdict="not-run", members=1, held_out=1)
    hospital.register.keep_audit(DispatchId("d-1"), 2, found)
    weights = (hospital.home.outbox / "d-1" / "round-0001.safetensors").read_bytes()
    assert AUDIT_PASSED not in let(hospital, weights, 4, "evaluate")[-1].release.egress.rules


def test_rules_may_want_it_looked_at_or_not_let_out(hospital: Hospital, few: None) -> None:
    start = offered(hospital, f"{RULES}audit: {{too_few: refuse}}\n")
    with pytest.raises(EgressRefused) as refused:
        let(hospital, start)
    assert refused.value.reason == "cohort-too-small"


def test_a_limit_of_ones_own_is_kept_to(hospital: Hospital) -> None:
    start = offered(hospital, f"{RULES}audit: {{recognised: 0.9}}\n", **BY_HEART)
    assert len(let(hospital, start)) == 1


def test_a_private_round_whose_noise_is_silently_gone_does_not_leave(hospital: Hospital, monkeypatch) -> None:
    monkeypatch.setattr(private.NoiseCheck, "passed", lambda self: None)
    monkeypatch.setattr(private, "gaussian", np.zeros)
    start = offered(hospital, WITH_BUDGET, **private_terms("3"))
    with pytest.raises(EgressRefused) as refused:
        let(hospital, start)
    assert refused.value.reason == "patients-remembered"
    assert hospital.line.uploaded == [] and not list(hospital.home.outbox.rglob("*.safetensors"))


def test_a_private_round_with_its_noise_leaves(hospital: Hospital) -> None:
    start = offered(hospital, WITH_BUDGET, **private_terms("3"))
    assert len(let(hospital, start)) == 1
    verdict = hospital.register.audits(DispatchId("d-1"))[1]
    assert verdict.verdict == "passed" and verdict.epsilon_seen is not None and verdict.epsilon_seen <= verdict.epsilon


def test_a_workload_that_is_asked_for_an_audit_and_gives_none_is_refused(hospital: Hospital, monkeypatch) -> None:
    start = offered(hospital)
    monkeypatch.setattr(Learner, "_audit", lambda self, *given: None)
    with pytest.raises(EgressRefused) as refused:
        let(hospital, start)
    assert refused.value.reason == "output-malformed"


def test_what_is_not_here_is_not_shown(hospital: Hospital) -> None:
    done = CliRunner().invoke(app, ["show", str(hospital.home.folder), "d-9"])
    assert done.exit_code != 0


def test_asked_again_after_a_release_a_deleted_head_stays_away_and_a_kept_one_as_it_was(hospital: Hospital) -> None:
    start = offered(hospital, **{"learning_rate: 0.05": "learning_rate: 0.05, personal: head"})
    let(hospital, start)
    weights = (hospital.home.outbox / "d-1" / "round-0001.safetensors").read_bytes()
    let(hospital, weights, 4, "evaluate")
    head, heads = hospital.home.head("d-1"), Heads(hospital.home, hospital.register)
    of = HeadOf.from_bytes(hospital.home.head_of("d-1").read_bytes())
    assert of == HeadOf(study_digest=hospital.register.entry("d-1").study.digest, weights=digest(weights))
    head.write_bytes(b"as it was")
    let(hospital, weights, 4, "evaluate")
    assert head.read_bytes() == b"as it was"
    heads.forget(DispatchId("d-1"), "maria-lopez")
    let(hospital, weights, 4, "evaluate")
    assert not list(head.parent.iterdir())
    head.with_suffix(".part").write_bytes(b"half")
    heads.clear()
    assert not list(head.parent.iterdir())
