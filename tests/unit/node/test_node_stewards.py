"""Two stewards at a real node: each signs, nothing leaves before the second, and what was edited on disk does not hold."""

import json
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_node_journey import FEW, RULES, Hospital, private_task

from rapha.errors import CohortRefused, ConfigurationError, NotPermitted, TrainingFailed
from rapha.node import journey as journey_module
from rapha.node.steward_keys import make_key, open_key, public_line
from rapha.proof import keys
from rapha.records.decision import DecisionRecord
from rapha.records.record import DispatchId
from rapha.records.site import Approval
from rapha.records.wire import Pending

NAMES = {"maria-lopez": "María López", "jan-de-vries": "Jan de Vries", "ada-l": "Ada"}


@cache
def key_of(steward: str) -> keys.PrivateKey:
    return keys.generate()


def two_stewards(needed: int = 2) -> str:
    lines = [
        f'    - {{steward: {s}, name: "{n}", key: {public_line(key_of(s).public_key())}}}' for s, n in NAMES.items()
    ]
    return RULES + f"stewards:\n  needed: {needed}\n  who:\n" + "\n".join(lines) + "\n"


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hospital:
    monkeypatch.setattr(journey_module, "PERSON_WAITS_SECONDS", 0.0)
    made = Hospital(tmp_path)
    made.rules(two_stewards())
    assert made.offer() == [Pending]
    return made


def sign(hospital: Hospital, steward: str, private: str = "") -> Approval | None:
    return hospital.journey.sign("d-1", steward, key_of(private or steward))


def refused(hospital: Hospital) -> str:
    """Why a task under the approval may not touch data."""
    with pytest.raises(TrainingFailed) as caught:
        hospital.journey.work(private_task(hospital, 1, b"weights"))
    return str(caught.value.reason)


def approval_on_disk(hospital: Hospital) -> dict[str, Any]:
    with sqlite3.connect(hospital.home.database) as db:
        return dict(json.loads(db.execute("SELECT answer FROM dispatch").fetchone()[0]))


def write_on_disk(hospital: Hospital, **changed: Any) -> None:
    written = {**approval_on_disk(hospital), **changed}
    with sqlite3.connect(hospital.home.database) as db:
        db.execute("UPDATE dispatch SET answer = ?, state = 'approved'", (json.dumps(written),))


def test_nothing_leaves_before_the_second_has_signed(hospital: Hospital) -> None:
    assert sign(hospital, "maria-lopez") is None
    assert len(hospital.line.heard) == 1 and hospital.register.entries("pending")
    approval = sign(hospital, "jan-de-vries")
    assert approval is not None and approval.decided_by == "stewards:jan-de-vries+maria-lopez"
    assert hospital.line.heard[1:] == [approval] and [s.steward for s in approval.signatures] == [
        "jan-de-vries",
        "maria-lopez",
    ]


def test_the_same_steward_twice_is_one(hospital: Hospital) -> None:
    assert sign(hospital, "maria-lopez") is None
    assert sign(hospital, "maria-lopez") is None
    assert len(hospital.line.heard) == 1


def test_nobody_signs_for_somebody_else_without_a_key_or_for_themselves(hospital: Hospital) -> None:
    for attempt, told in (
        (lambda: hospital.journey.sign("d-1", "maria-lopez"), "signs with a key"),
        (lambda: sign(hospital, "jan-de-vries", "maria-lopez"), "signs with the key that the rules have"),
        (lambda: sign(hospital, "eve"), "name no steward eve"),
        (lambda: sign(hospital, "ada-l"), "nobody approves their own study"),
    ):
        with pytest.raises(NotPermitted, match=told):
            attempt()
    assert hospital.register.signatures(DispatchId("d-1")) == ()


def test_a_signature_under_other_rules_counts_no_more(hospital: Hospital) -> None:
    assert sign(hospital, "maria-lopez") is None
    hospital.rules(
        two_stewards()
        .replace("minimum_cohort: 25", "minimum_cohort: 26")
        .replace("minimum_cohort: 26", "minimum_cohort: 24")
    )
    assert sign(hospital, "jan-de-vries") is None
    assert sign(hospital, "maria-lopez") is not None


def test_a_cohort_that_is_too_small_is_a_no_after_both_have_signed(hospital: Hospital, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    few = Hospital(tmp_path / "few")
    few.rules(two_stewards())
    few.offer(**FEW)
    assert sign(few, "maria-lopez") is None
    with pytest.raises(CohortRefused):
        sign(few, "jan-de-vries")
    assert few.line.heard[-1].reason == "cohort-too-small" and few.line.heard[-1].decision


def test_a_signature_written_into_the_register_by_hand_does_not_count(hospital: Hospital) -> None:
    assert sign(hospital, "maria-lopez") is None
    own = hospital.register.signatures(DispatchId("d-1"))[0]
    hospital.register.keep_signature(DispatchId("d-1"), own.model_copy(update={"steward": "jan-de-vries"}))
    counting, missing = hospital.journey._approvals.signers(
        hospital.register.entries("pending")[0], hospital.register.signatures(DispatchId("d-1"))
    )
    assert [one.steward for one in counting] == ["maria-lopez"] and missing == 1


def test_an_approval_that_was_edited_on_disk_opens_nothing(hospital: Hospital) -> None:
    sign(hospital, "maria-lopez")
    given = sign(hospital, "jan-de-vries")
    assert given is not None
    one = given.as_json()["signatures"][0]
    for changed in (
        {"signatures": [one]},
        {"signatures": [one, one]},
        {"signatures": [one, {**one, "steward": "maria-lopez"}]},
        {"decided_by": "steward:jan-de-vries", "signatures": []},
        {"decided_by": "rule:routine"},
        {"dispatch": "d-2"},
        {"site": "south"},
    ):
        write_on_disk(hospital, **changed)
        assert refused(hospital) == "not-approved", changed
        write_on_disk(hospital, **given.as_json())
    write_on_disk(hospital, study_digest="sha256:" + "0" * 64)
    assert refused(hospital) == "study-changed"


def test_an_approval_written_by_hand_where_nobody_signed_opens_nothing(hospital: Hospital) -> None:
    entry = hospital.register.entries("pending")[0]
    forged = {
        "dispatch": "d-1", "study_digest": entry.study.digest, "site": "north", "policy_digest": hospital.journey._approvals.rules().digest,
        "decided_by": "steward:maria-lopez", "feasible": {"about": 100}, "at": "2026-11-28T12:00:00Z",
    }  # fmt: skip
    with sqlite3.connect(hospital.home.database) as db:
        db.execute("UPDATE dispatch SET answer = ?, state = 'approved'", (json.dumps(forged),))
    assert refused(hospital) == "not-approved"


def test_every_yes_and_no_is_written_down_and_bound_to_the_answer(hospital: Hospital) -> None:
    sign(hospital, "maria-lopez")
    approval = sign(hospital, "jan-de-vries")
    records = hospital.register.decisions("d-1")
    assert [(r.stage, r.outcome, r.by) for r in records] == [
        ("offer", "needs-person", "rules"),
        ("signature", "allowed", "stewards:jan-de-vries+maria-lopez"),
    ]
    assert approval is not None and approval.decision == records[-1].digest
    assert records[0].facts.researcher == "Ada" and all(line.holds for line in records[0].readings)
    hospital.rules(two_stewards().replace("[DUO:0000006]", "[DUO:0000011]"))
    assert [refused(hospital), refused(hospital)] == ["policy-changed"] * 2
    after = hospital.register.decisions("d-1")[2:]
    assert [(r.stage, r.outcome, r.reason) for r in after] == [("task", "refused", "policy-changed")], "said once"
    assert after[0].approval == approval.digest
    assert [line.line for line in after[0].readings if not line.holds] == ["purposes"]


def test_a_denial_names_its_record_and_two_are_never_alike(hospital: Hospital) -> None:
    denial = hospital.journey.refuse("d-1")
    record = hospital.register.decisions()[-1]
    assert denial.decision == record.digest and (record.by, record.reason) == ("steward", "steward-denied")
    assert len({r.nonce for r in hospital.register.decisions()}) == 2


def test_a_record_that_was_changed_on_disk_is_told(hospital: Hospital) -> None:
    for changed in ("needs-person", "refused"), ('"by":"rules"', '"by":1'):
        with sqlite3.connect(hospital.home.database) as db:
            text = db.execute("SELECT record FROM decision").fetchone()[0]
            db.execute("UPDATE decision SET record = ?", (text.replace(*changed),))
        with pytest.raises(ConfigurationError, match="it was changed"):
            hospital.register.decisions()
        with sqlite3.connect(hospital.home.database) as db:
            db.execute("UPDATE decision SET record = ?", (text,))
    assert DecisionRecord.from_bytes(text.encode()).digest == hospital.register.decisions()[0].digest


def test_a_key_is_locked_never_overwritten_and_read_by_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "steward.pem"
    line = make_key(path, "correct horse")
    assert public_line(open_key(path, "correct horse").public_key()) == line
    assert b"ENCRYPTED" in path.read_bytes() and path.stat().st_mode & 0o077 == 0
    with pytest.raises(ConfigurationError, match="never overwritten"):
        make_key(path, "correct horse")
    with pytest.raises(ConfigurationError, match="passphrase is wrong"):
        open_key(path, "wrong horse")
    with pytest.raises(ConfigurationError, match="at least 8"):
        make_key(tmp_path / "other.pem", "short")
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="others can read"):
        open_key(path, "correct horse")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        open_key(tmp_path / "absent.pem", "correct horse")
