"""Rules that break while work runs: a change of them, whenever in a task it is seen, and written down as one."""

from pathlib import Path

import pytest
from test_node_audit import AtHand, Hospital, let, offered
from test_node_journey import BY_RULE, private_task

from rapha.canonical import base64_text
from rapha.clock import utc_now
from rapha.errors import TrainingFailed
from rapha.node import approvals
from rapha.node.agent import reason_of
from rapha.node.journey import Journey
from rapha.policy.rules import SiteRules
from rapha.policy.rules_file import read_rules
from rapha.records.outputs import Command, Reply
from rapha.records.record import DispatchId
from rapha.records.site import Approval

BROKEN = "reseachers: any"


class Breaking:
    """Rules that a steward saves half, just before they are read for the `at`-th time."""

    def __init__(self) -> None:
        self.at, self.read = 0, 0

    def __call__(self, path: Path) -> SiteRules:
        self.read += 1
        if self.read == self.at:
            path.write_text(BROKEN)
        return read_rules(path)


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Breaking:
    made = Breaking()
    monkeypatch.setattr(approvals, "read_rules", made)
    return made


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    made = Hospital(tmp_path)
    made.journey = Journey(made.home, made.line, made.register, AtHand(), utc_now)
    return made


def last_decision(hospital: Hospital) -> tuple[object, ...]:
    kept = hospital.register.decisions(DispatchId("d-1"))[-1]
    return kept.stage, kept.outcome, kept.by, kept.reason, kept.approval, kept.policy_digest


@pytest.mark.slow
@pytest.mark.parametrize(("do", "limited"), [("train", ""), ("evaluate", "runs_per_project: 9\n")])
def test_wherever_in_a_task_they_break_the_work_ends_as_after_any_change_of_them(
    hospital: Hospital, rules: Breaking, do: str, limited: str
) -> None:
    """The steward reads what broke, the researcher that they changed; it had been `internal`, something to report."""
    text = BY_RULE + limited
    start = offered(hospital, text)
    task = private_task(hospital, 1, start).model_copy(update={"weights": base64_text(start)})
    if do == "evaluate":
        hospital.journey.work(task)
        weights = (hospital.home.outbox / "d-1" / "round-0001.safetensors").read_bytes()
        task = private_task(hospital, 4, weights, do).model_copy(update={"weights": base64_text(weights)})
    entry = hospital.register.entry("d-1")
    assert entry is not None
    given = entry.answer
    assert isinstance(given, Approval)
    failed, heard = 0, len(hospital.line.heard)
    while True:
        hospital.rules(text)
        rules.read, rules.at = 0, failed + 1
        try:
            hospital.journey.work(task)
        except Exception as error:
            assert reason_of(error) == "policy-changed" and "did you mean `researchers`" in str(error), rules.at
            refused = ("task", "refused", "rules", "policy-changed", given.digest, given.policy_digest)
            assert last_decision(hospital) == refused, rules.at
            assert len(hospital.line.heard) == heard
            failed += 1
        else:
            break
    assert failed == rules.read >= 6


def test_while_a_round_is_computed_they_may_break_too(hospital: Hospital) -> None:
    class Saving(AtHand):
        def run(self, command: Command, deadline_seconds: float) -> Reply:
            hospital.rules(BROKEN)
            return super().run(command, deadline_seconds)

    hospital.journey = Journey(hospital.home, hospital.line, hospital.register, Saving(), utc_now)
    start = offered(hospital, BY_RULE)
    with pytest.raises(TrainingFailed) as refused:
        let(hospital, start)
    assert refused.value.reason == "policy-changed"
    assert [kept.outcome for kept in hospital.register.decisions()] == ["allowed", "allowed", "refused"]
    assert hospital.register.decisions()[-1].readings == () and hospital.line.uploaded == []


def test_before_it_has_begun_too_while_it_waits_for_its_hour(hospital: Hospital, rules: Breaking) -> None:
    task = private_task(hospital, 1, offered(hospital)).task
    assert hospital.journey.may_work_now(task)
    hospital.rules(BROKEN)
    with pytest.raises(TrainingFailed, match="did you mean `researchers`") as refused:
        hospital.journey.may_work_now(task)
    assert refused.value.reason == "policy-changed"
    assert last_decision(hospital)[:4] == ("task", "refused", "rules", "policy-changed")


def test_a_task_that_nobody_said_yes_to_is_refused_for_that_first(hospital: Hospital) -> None:
    hospital.offer()
    task = private_task(hospital, 1, b"weights")
    before = hospital.register.decisions()
    hospital.rules(BROKEN)
    with pytest.raises(TrainingFailed) as refused:
        hospital.journey.work(task)
    assert refused.value.reason == "not-approved" and hospital.register.decisions() == before
