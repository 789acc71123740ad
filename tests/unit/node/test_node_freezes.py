"""What is frozen is signed, kept and logged before the first round; one that is not in the log is trained on by nobody."""

from pathlib import Path

import pytest
import record_samples as made_up
from small_public_log import SmallPublicLog, other_key
from test_node_journey import BY_RULE, FakeLine, Hospital, private_task

from rapha.canonical import digest
from rapha.cli import node_run
from rapha.errors import Conflict, DiskFull, SandboxError, Unproven, Unreachable
from rapha.node.configuration import Home
from rapha.node.freezes import Freezes
from rapha.node.keys import load_key
from rapha.proof.envelope import open_envelope, unverified_payload
from rapha.proof.freeze import parse_freeze
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt
from rapha.records.record import DispatchId
from rapha.records.release import RoundTrace
from rapha.records.wire import Work

RUN = DispatchId("d-1")
FIRST = (RoundTrace(round=0, weights_in=None, weights_out=digest(b"statistics")),)


class LoggingLine(FakeLine):
    """Remembers what was frozen; logs it, or what the test says in its place."""

    def __init__(self, home: Home) -> None:
        super().__init__(home)
        self.frozen: list[Receipt] = []
        self.instead: Receipt | None = None

    def freeze(self, dispatch: str, receipt: Receipt) -> LoggedReceipt:
        self.frozen.append(receipt)
        return super().freeze(dispatch, self.instead or receipt)


class Started(SandboxError):
    """The first work of a run was about to begin."""


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    made = Hospital(tmp_path)
    made.line = LoggingLine(made.home)
    made.begin_again()
    made.rules(BY_RULE)
    made.offer()

    def start(*_arguments: object) -> None:
        raise Started

    monkeypatch.setattr("rapha.node.runs.Runs.start", start)
    monkeypatch.setattr("rapha.node.runs.Runs.fetch_weights", lambda *_: None)
    return made


def first_task(hospital: Hospital) -> Work:
    task = private_task(hospital, 0, b"", "prepare").task
    return Work(task=task.model_copy(update={"weights": None}))


def work(hospital: Hospital) -> None:
    hospital.journey.work(first_task(hospital))


def late_work(hospital: Hospital) -> None:
    hospital.journey.work(private_task(hospital, 1, b"start"))


def test_nothing_starts_before_it_is_logged(hospital: Hospital) -> None:
    hospital.line.error = Conflict("the hub answered 404")
    with pytest.raises(Conflict, match=r"nothing is trained on it.*brought up to date"):
        work(hospital)
    hospital.line.error = None
    with pytest.raises(Started):
        work(hospital)
    _, logged = hospital.register.freeze(RUN)
    assert logged is not None and len({one.as_bytes() for one in hospital.line.frozen}) == 1


def test_it_says_the_tree_that_the_receipt_will_and_no_count(hospital: Hospital) -> None:
    with pytest.raises(Started):
        work(hospital)
    (receipt,) = hospital.line.frozen
    payload = open_envelope(receipt, load_key(hospital.home.key).public_key())
    freeze = parse_freeze(payload).freeze
    entry = hospital.register.entry(RUN)
    assert entry and entry.cohort and entry.answer
    assert (freeze.approval, freeze.study_digest) == (entry.answer.digest, entry.study.digest)
    assert freeze.patients_root in entry.cohort and freeze.commitment.startswith("sha256:")
    assert set(freeze.as_json()) == {"site", "study_digest", "approval", "commitment", "patients_root", "nonce"}
    assert (hospital.home.outbox / RUN / "freeze.json").read_bytes() == receipt.as_bytes()


def test_it_is_signed_once_and_said_until_it_is_logged(hospital: Hospital) -> None:
    """A node that died in between begins again with what it kept."""
    hospital.line.error = Conflict("away")
    with pytest.raises(Conflict):
        work(hospital)
    hospital.line.error = None
    for _ in range(2):
        hospital.begin_again()
        with pytest.raises(Started):
            work(hospital)
    assert len(hospital.line.frozen) == 2 and hospital.line.frozen[0] == hospital.line.frozen[1]


def test_a_hub_that_is_away_for_long_gets_no_work(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapha.node.hub_line.PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("rapha.node.outbox.persist", lambda action, _seconds: action())
    hospital.line.error = Unreachable("away")
    with pytest.raises(Unreachable):
        work(hospital)
    assert hospital.register.freeze(RUN)[1] is None


def test_what_a_hub_gives_back_is_that_freeze_or_nothing_is_done(hospital: Hospital) -> None:
    hospital.line.instead = made_up.samples()["receipt"]
    with pytest.raises(Conflict, match="another freeze than the one that was signed here"):
        work(hospital)
    assert hospital.register.freeze(RUN)[1] is None


def test_a_freeze_in_another_log_is_trained_on_by_nobody_and_nothing_more_leaves(hospital: Hospital) -> None:
    """A hub that keeps one log for this hospital and another for the rest of the world."""
    hospital.line.log.fill(9)
    hospital.journey.look_at_log()
    heard = list(hospital.line.heard)
    true, hospital.line.log = hospital.line.log.files, SmallPublicLog()
    hospital.line.log.instead.update({f"/log/{path}": data for path, data in true.items() if path.endswith(".p/9")})
    with pytest.raises(Unproven, match="of 9 entries does not continue the one of 2"):
        work(hospital)
    assert hospital.register.freeze(RUN)[1] is None
    task = first_task(hospital).task
    for leaves in (
        lambda: hospital.journey.fail(task, "internal"),
        lambda: work(hospital),
        lambda: hospital.journey.introduce(0.0),
        hospital.journey.look_at_log,
        hospital.journey.look_at_log_now_and_then,
    ):
        with pytest.raises(Unproven, match="nothing more"):
            leaves()
    hospital.begin_again()
    with pytest.raises(Unproven, match="nothing more"):
        hospital.journey.fail(task, "internal")
    assert hospital.line.heard == heard and len(hospital.line.frozen) == 1


def test_an_agent_begins_where_the_log_is_not_shown_and_not_where_it_contradicts(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_run, "LOG_PATIENCE_SECONDS", 0.0)
    shows = hospital.line.public

    def hidden(path: str, _limit: int) -> bytes:
        raise Conflict(f"the hub answered 404 to {path}")

    hospital.line.public = hidden
    node_run._look_at_log(hospital.journey)
    hospital.line.public = shows
    hospital.line.log.fill(9)
    node_run._look_at_log(hospital.journey)
    hospital.line.log = SmallPublicLog()
    with pytest.raises(Unproven, match="nothing more"):
        work(hospital)
    with pytest.raises(Unproven, match="nothing more"):
        node_run._look_at_log(hospital.journey)


def test_a_freeze_under_a_key_that_is_not_the_logs_is_trained_on_by_nobody(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once: the tree that was given back stays under that key."""

    def waits(_attempt: int) -> float:
        raise AssertionError("it is waited for")

    monkeypatch.setattr("rapha.node.hub_line.back_off", waits)
    hospital.journey.look_at_log()
    hospital.line.log.signer = other_key()
    with pytest.raises(Conflict, match=r"nothing is trained on it: .* signed with no key that is kept"):
        work(hospital)
    assert hospital.register.freeze(RUN)[1] is None


def test_a_freeze_whose_keys_cannot_be_asked_for_is_waited_for(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapha.node.freezes.persist", lambda action: action())
    hospital.journey.look_at_log()
    hospital.line.log.signer = other_key()
    hospital.line.log.instead["/api/v1/key-changes?of=hub"] = Unreachable("away")
    with pytest.raises(Unreachable, match="away"):
        work(hospital)


def test_no_receipt_is_made_for_a_log_that_is_not_shown_or_contradicts_itself(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapha.node.journey.persist", lambda action, _seconds: action())
    with pytest.raises(Started):
        work(hospital)
    entry = hospital.register.entry(RUN)
    assert entry is not None
    last = private_task(hospital, entry.study.training.rounds + 1, b"start", "evaluate")
    with pytest.raises(Started):
        hospital.journey.work(last)
    hospital.line.log.instead["/log/checkpoint"] = Unreachable("away")
    with pytest.raises(Unreachable, match="away"):
        hospital.journey.work(last)
    hospital.line.log.instead["/log/checkpoint"] = SmallPublicLog().checkpoint.as_bytes()
    with pytest.raises(Unreachable, match="a copy that lags behind, or the hub was put back"):
        hospital.journey.work(last)
    lying = SmallPublicLog()
    lying.fill(hospital.line.log.edge.size, "another")
    hospital.line.log.instead["/log/checkpoint"] = lying.checkpoint.as_bytes()
    with pytest.raises(Unproven, match="two roots"):
        hospital.journey.work(last)


def test_a_run_that_a_version_before_began_has_none(hospital: Hospital) -> None:
    """Its first rounds have left: whom it used was not said before them, and is not said to have been."""
    trace = RoundTrace(round=0, weights_in=None, weights_out=digest(b"statistics"))
    hospital.register.leave_round(RUN, trace, digest(b"update"))
    with pytest.raises(Started):
        work(hospital)
    assert hospital.line.frozen == [] and hospital.register.freeze(RUN) == (None, None)


def test_it_is_named_once_it_is_logged_and_not_before(hospital: Hospital) -> None:
    freezes = Freezes(
        hospital.register, lambda *_: pytest.fail("nothing leaves"), lambda _: None, load_key(hospital.home.key)
    )
    assert freezes.named(RUN, FIRST) is None
    hospital.line.error = Conflict("away")
    with pytest.raises(Conflict):
        work(hospital)
    assert freezes.named(RUN, FIRST) is None
    hospital.line.error = None
    with pytest.raises(Started):
        work(hospital)
    (receipt,) = {one.as_bytes(): one for one in hospital.line.frozen}.values()
    assert freezes.named(RUN, FIRST) == digest(unverified_payload(receipt))


def test_a_receipt_without_the_first_round_names_none(hospital: Hospital) -> None:
    with pytest.raises(Started):
        work(hospital)
    freezes = Freezes(
        hospital.register, lambda *_: pytest.fail("nothing leaves"), lambda _: None, load_key(hospital.home.key)
    )
    later = (RoundTrace(round=1, weights_in=digest(b"start"), weights_out=digest(b"update")),)
    assert freezes.named(RUN, FIRST) and freezes.named(RUN, later) is None


def test_a_hospital_that_was_late_for_the_first_round_goes_on_without(hospital: Hospital) -> None:
    with pytest.raises(Started):
        late_work(hospital)
    assert hospital.line.frozen == [] and hospital.register.freeze(RUN) == (None, None)


def test_one_that_was_not_logged_in_time_is_asked_for_again_and_then_gone_without(hospital: Hospital) -> None:
    """The hub may have logged it, and the answer was lost; a hub that gives back something else gets no work, as always."""
    hospital.line.error = Conflict("the run has begun")
    with pytest.raises(Conflict):
        work(hospital)
    hospital.line.error, hospital.line.instead = None, made_up.samples()["receipt"]
    with pytest.raises(Conflict, match="another freeze than the one that was signed here"):
        late_work(hospital)
    hospital.line.error = Conflict("the run has begun")
    with pytest.raises(Started):
        late_work(hospital)
    assert hospital.register.freeze(RUN)[1] is None and len(hospital.line.frozen) == 3


def test_a_hub_whose_disk_is_full_is_asked_again(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapha.node.outbox.persist", lambda action, _seconds: action())
    hospital.line.error = DiskFull("no space left")
    with pytest.raises(Unreachable):
        work(hospital)
    assert hospital.register.freeze(RUN)[1] is None
