"""A hospital's decision, at the journey itself: what leaves before a yes, after it, and when the hub is away."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ledger_bench import private_terms
from made_up_people import deal_people, write_study
from small_public_log import HUB_PEM, SmallPublicLog

from rapha.canonical import base64_text, digest
from rapha.clock import utc_now
from rapha.errors import CohortRefused, ConfigurationError, Conflict, TrainingFailed, Unreachable
from rapha.node import journey as journey_module
from rapha.node.configuration import Home, NodeConfiguration, write_configuration
from rapha.node.journey import Journey
from rapha.node.keys import load_key, make_secrets
from rapha.node.ledger import Ledger
from rapha.node.register import Register
from rapha.proof.envelope import open_envelope
from rapha.proof.refusal import parse_refusal
from rapha.records.logged import LoggedReceipt
from rapha.records.receipt import Receipt
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.refusal import Refusal
from rapha.records.release import RoundTrace
from rapha.records.site import Approval, Denial, Dispatch
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.records.wire import Feasible, Offer, Pending, Work
from rapha.sdk.study_file import read_study
from rapha.sources.tables import ingest

RULES = """
modalities: [ehr]
purposes: [DUO:0000006]
researchers: any
architectures: [logistic]
minimum_cohort: 25
sandbox: required
approve: {by: steward}
"""
BY_RULE = RULES.replace(
    "{by: steward}",
    "[{rule: any, researchers: any, purposes: [DUO:0000006], architectures: [logistic], modalities: [ehr]}]",
)
NOBODY = {"age: {at_least: 18}": "age: {at_least: 129}"}
FEW = {"age: {at_least: 18}": "age: {at_least: 84}"}


class FakeLine:
    """Remembers the records that reached the hub; away, it takes none; or it answers that nothing more is taken."""

    def __init__(self, home: Home) -> None:
        self.heard: list[Any] = []
        self._home = home
        self.uploaded: list[str] = []
        self.error: Exception | None = None
        self.log = SmallPublicLog()
        self.public = self.log.public
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def upload(self, blob: str, _file: Path, _check: object) -> None:
        self.uploaded.append(blob)

    def post(self, _path: str, record: Any) -> None:
        if self.error:
            raise self.error
        self.heard.append(record)

    def hand_in(self, parcel: Any) -> None:
        self.post("", parcel)

    def freeze(self, _dispatch: str, receipt: Receipt) -> LoggedReceipt:
        if self.error:
            raise self.error
        return self.log.logged_freeze(receipt, load_key(self._home.key).public_key())


class Isolating:
    """A backend that is never started here."""

    isolated = True
    layers: tuple[str, ...] = ()

    def give_up(self, run: Path) -> None:
        pass


class Hospital:
    """A journey with its home, and the hub as far as it hears."""

    def __init__(self, folder: Path) -> None:
        configuration = NodeConfiguration(
            site="north", name="North", hub_url="http://localhost:1", hub="hub", hub_key=HUB_PEM
        )
        write_configuration(folder / "node.yaml", configuration)
        (folder / "secret").write_bytes(b"the same patients held out, always")
        make_secrets(folder)
        deal_people(folder / "data", seed=3)
        self.home = Home(folder)
        self.line = FakeLine(self.home)
        self.rules(RULES)
        mapping = folder / "data" / "hospital.mapping.yaml"
        ingest(mapping, folder / "data", self.home.timeline, self.home.secret)
        self.begin_again()

    def begin_again(self) -> None:
        """As after a restart: all that is known is on the disk."""
        self.register = Register(self.home.database, utc_now)
        self.journey = Journey(self.home, self.line, self.register, Isolating(), utc_now)

    def rules(self, text: str) -> None:
        self.home.rules.write_text(text)

    def offer(self, **replacements: str) -> list[type]:
        """Consider a study; the kinds of what left."""
        study = read_study(write_study(self.home.folder / "study.yaml", **replacements))
        self.journey.consider(Offer(dispatch=dispatch_of(study), study=study))
        return [type(record) for record in self.line.heard]


def dispatch_of(study: Study) -> Dispatch:
    return Dispatch(
        id=DispatchId("d-1"), study_id=StudyId("s-1"), study_digest=study.digest, site=SiteId("north"), researcher="Ada"
    )


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    monkeypatch.setattr(journey_module, "PERSON_WAITS_SECONDS", 0.0)
    return Hospital(tmp_path)


@pytest.mark.parametrize("cohort", [{}, NOBODY, FEW])
def test_before_a_person_said_yes_nothing_of_the_patients_leaves(hospital: Hospital, cohort: dict[str, str]) -> None:
    assert hospital.offer(**cohort) == [Pending]


def test_a_rule_that_says_yes_lets_the_count_out(hospital: Hospital) -> None:
    hospital.rules(BY_RULE)
    assert hospital.offer() == [Feasible, Approval]


def test_nobody_and_too_few_leave_as_the_same_word(hospital: Hospital, tmp_path: Path) -> None:
    hospital.rules(BY_RULE)
    assert hospital.offer(**NOBODY) == [Denial]
    (tmp_path / "other").mkdir()
    other = Hospital(tmp_path / "other")
    other.rules(BY_RULE)
    assert other.offer(**FEW) == [Denial]
    assert hospital.line.heard[0].reason == other.line.heard[0].reason == "cohort-too-small"
    assert {signed_no(one).reason for one in (hospital, other)} == {"cohort-not-answerable"}


def signed_no(hospital: Hospital) -> Refusal:
    """What the hospital signed of its last answer, by its own key."""
    receipt = hospital.line.heard[-1].refusal
    return parse_refusal(open_envelope(receipt, load_key(hospital.home.key).public_key())).refusal


def test_a_stewards_no_is_signed_and_said_again_in_the_same_bytes(hospital: Hospital) -> None:
    hospital.offer()
    denial = hospital.journey.refuse("d-1")
    refusal = signed_no(hospital)
    assert (refusal.site, refusal.stage, refusal.reason) == ("north", "steward", "steward-denied")
    assert refusal.study_digest == denial.study_digest
    hospital.offer()
    assert hospital.line.heard[-1] == denial


def test_what_the_gate_stopped_is_signed_and_what_broke_is_not(hospital: Hospital) -> None:
    hospital.rules(BY_RULE)
    hospital.offer()
    task = private_task(hospital, 1, b"weights").task
    hospital.journey.fail(task, "not-finite")
    assert (signed_no(hospital).stage, signed_no(hospital).study_digest) == ("gate", task.study_digest)
    hospital.journey.fail(task, "internal")
    assert hospital.line.heard[-1].refusal is None


def test_the_count_leaves_with_the_stewards_yes(hospital: Hospital) -> None:
    hospital.offer()
    approval = hospital.journey.sign("d-1", "maria-lopez")
    assert hospital.line.heard[1:] == [approval]
    assert approval.feasible.about is not None


def test_a_yes_to_a_cohort_that_is_too_small_is_a_no_with_that_reason(hospital: Hospital) -> None:
    hospital.offer(**FEW)
    with pytest.raises(CohortRefused):
        hospital.journey.sign("d-1", "maria-lopez")
    assert [record.reason for record in hospital.line.heard[1:]] == ["cohort-too-small"]


@pytest.mark.parametrize("name", ["Maria Lopez", "", "../x", "a" * 64])
def test_a_steward_has_a_short_name(hospital: Hospital, name: str) -> None:
    hospital.offer()
    with pytest.raises(ConfigurationError, match="no name for a steward"):
        hospital.journey.sign("d-1", name)
    assert [entry.dispatch.id for entry in hospital.register.entries("pending")] == ["d-1"]


@pytest.mark.parametrize("yes", [True, False])
def test_an_answer_that_the_hub_did_not_hear_is_said_again(hospital: Hospital, yes: bool) -> None:
    hospital.offer()
    hospital.line.error = Unreachable("away")
    with pytest.raises(Unreachable):
        hospital.journey.sign("d-1", "maria") if yes else hospital.journey.refuse("d-1")
    hospital.journey.answer_again()
    assert len(hospital.line.heard) == 1
    hospital.line.error = None
    hospital.journey.answer_again()
    hospital.journey.answer_again()
    assert [type(record) for record in hospital.line.heard[1:]] == [Approval if yes else Denial]


def test_an_answer_that_is_not_taken_any_more_is_not_said_for_ever(hospital: Hospital) -> None:
    hospital.offer()
    hospital.line.error = Unreachable("away")
    with pytest.raises(Unreachable):
        hospital.journey.refuse("d-1")
    hospital.line.error = Conflict("a dispatch that is withdrawn cannot become denied")
    hospital.journey.answer_again()
    assert hospital.register.unsent() == []


@pytest.mark.parametrize(("released", "kept"), [(True, True), (False, False)])
def test_rows_stay_only_where_a_receipt_binds_them(hospital: Hospital, released: bool, kept: bool) -> None:
    hospital.offer()
    hospital.journey.sign("d-1", "maria")
    rows = hospital.home.run("d-1") / "input" / "rows.arrow"
    rows.parent.mkdir(parents=True)
    rows.write_bytes(b"rows")
    if released:
        hospital.register.move("d-1", "released")
    hospital.journey.stop(DispatchId("d-1"), "cancelled")
    assert rows.exists() == kept


WITH_BUDGET = BY_RULE.replace("sandbox:", "privacy: {lifetime_epsilon: 4, lifetime_delta: 0.001}\nsandbox:")


def private_task(hospital: Hospital, number: int, weights: bytes, do: str = "train") -> Work:
    entry = hospital.register.entry("d-1")
    assert entry
    task = Task(
        id=TaskId("t-1"),
        study_id=StudyId("s-1"),
        study_digest=entry.study.digest,
        dispatch=DispatchId("d-1"),
        site=SiteId("north"),
        round=number,
        do=do,
        weights=digest(weights),
    )
    return Work(task=task)


def test_a_study_past_the_budget_is_denied_and_one_without_a_budget_too(hospital: Hospital) -> None:
    hospital.rules(BY_RULE)
    assert hospital.offer(**private_terms("3")) == [Denial]
    assert hospital.line.heard[0].reason == "budget-not-offered"


def test_a_study_that_asks_for_more_than_is_left_is_denied(hospital: Hospital) -> None:
    hospital.rules(WITH_BUDGET)
    assert hospital.offer(**private_terms("5")) == [Denial]
    assert hospital.line.heard[0].reason == "budget-exhausted"


def test_a_private_round_leaves_once_with_the_same_bits_and_never_from_other_weights(hospital: Hospital) -> None:
    hospital.rules(WITH_BUDGET)
    assert hospital.offer(**private_terms("3")) == [Feasible, Approval]
    kept = b"what left in round 1"
    folder = hospital.home.outbox / "d-1"
    folder.mkdir(parents=True)
    (folder / "round-0001.safetensors").write_bytes(kept)
    trace = RoundTrace(round=1, weights_in=digest(b"start"), weights_out=digest(kept))
    hospital.register.leave_round(DispatchId("d-1"), trace, digest(b"update"))
    hospital.journey.work(private_task(hospital, 1, b"start"))  # no sandbox: the backend here cannot start one
    parcel = hospital.line.heard[-1]
    assert parcel.weights == base64_text(kept)
    update = parcel.update
    assert (update.weights_out, update.scores) == (digest(kept), ())
    with pytest.raises(TrainingFailed) as refused:
        hospital.journey.work(private_task(hospital, 1, b"other"))
    assert refused.value.reason == "round-already-left"
    with pytest.raises(TrainingFailed) as refused:
        hospital.journey.work(private_task(hospital, 4, b"start"))
    assert refused.value.reason == "not-approved"
    entries = Ledger(hospital.home.ledger, utc_now).entries()
    assert [(entry.kind, entry.spend.epsilon) for entry in entries] == [("reserved", 3.0)]


def test_a_cohort_that_does_not_come_about_is_refunded_with_its_reason(hospital: Hospital) -> None:
    hospital.rules(WITH_BUDGET)
    hospital.offer(**private_terms("3"))
    emptied = hospital.home.folder / "data" / "people.csv"
    emptied.write_text(emptied.read_text().splitlines()[0] + "\n")
    shutil.rmtree(hospital.home.timeline)
    ingest(
        hospital.home.folder / "data" / "hospital.mapping.yaml",
        emptied.parent,
        hospital.home.timeline,
        hospital.home.secret,
    )
    with pytest.raises(CohortRefused):
        hospital.journey.work(private_task(hospital, 1, b"start"))
    entries = Ledger(hospital.home.ledger, utc_now).entries()
    assert [entry.kind for entry in entries] == ["reserved", "refunded"]
    assert entries[1].reason is not None
