"""Of its own time a hospital tells the quarter of an hour, whatever leaves: how long its patients took to compute on is in no record."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_node_audit import AtHand, Hospital, let, offered
from test_node_journey import BY_RULE, FEW

from rapha.clock import Clock
from rapha.node.journey import Journey
from rapha.proof.envelope import unverified_payload
from rapha.records.receipt import Receipt
from rapha.records.record import Record
from rapha.records.site import Approval, Denial
from rapha.records.wire import ReleaseParcel

MOMENT = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:[0-9:.]+(?:Z|[+-]\d\d:\d\d)")
NOW = datetime(2026, 11, 28, 10, 22, 33, 456_000, UTC)
TOLD = b"2026-11-28T10:15:00"


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    made = Hospital(tmp_path)
    clock: Clock = lambda: NOW  # noqa: E731
    made.journey = Journey(made.home, made.line, made.register, AtHand(), clock)
    return made


def moments(record: Record, receipt: Receipt | None) -> list[bytes]:
    """Every moment in a record, and in what was signed with it."""
    return MOMENT.findall(record.as_bytes() + (unverified_payload(receipt) if receipt else b""))


def test_a_study_that_is_done_tells_no_moment(hospital: Hospital) -> None:
    let(hospital, offered(hospital))
    weights = (hospital.home.outbox / "d-1" / "round-0001.safetensors").read_bytes()
    let(hospital, weights, 4, "evaluate")
    told = {type(one): moments(one, getattr(one, "receipt", None)) for one in hospital.line.heard}
    assert [len(told[kind]) for kind in (Approval, ReleaseParcel)] == [1, 1]
    assert all(moment.startswith(TOLD) for found in told.values() for moment in found)


def test_a_study_that_is_refused_tells_no_moment(hospital: Hospital) -> None:
    hospital.rules(BY_RULE)
    assert hospital.offer(**FEW) == [Denial]
    (denial,) = hospital.line.heard
    found = moments(denial, denial.refusal)
    assert len(found) == 2 and all(moment.startswith(TOLD) for moment in found)
