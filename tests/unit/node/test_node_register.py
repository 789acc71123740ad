"""What the node remembers: states move only as the table says, each with its audit event."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rapha.errors import Conflict
from rapha.node.register import Register
from rapha.records.metrics import Count
from rapha.records.record import DispatchId, SiteId, StudyId
from rapha.records.release import RoundTrace
from rapha.records.site import Approval, Denial, Dispatch
from rapha.records.study import Study
from rapha.sdk.study_file import read_study

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[3] / "examples" / "diabetes-within-5-years" / "study.yaml"


@pytest.fixture
def study() -> Study:
    return read_study(EXAMPLE)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "node.db", lambda: NOON)


@pytest.fixture
def dispatch(study: Study) -> Dispatch:
    return Dispatch(
        id=DispatchId("d-1"), study_id=StudyId("s-1"), study_digest=study.digest, site=SiteId("a"), researcher="Ada"
    )


def approval(dispatch: Dispatch) -> Approval:
    return Approval(
        dispatch=dispatch.id,
        study_digest=dispatch.study_digest,
        site=SiteId("a"),
        policy_digest="sha256:" + "0" * 64,
        decided_by="steward:eve",
        feasible=Count(about=100),
        at=NOON,
    )


def test_an_offer_is_remembered_once_with_the_study_as_offered(
    register: Register, dispatch: Dispatch, study: Study
) -> None:
    register.add(dispatch, study)
    register.add(dispatch, study)
    entry = register.entry("d-1")
    assert entry is not None
    assert (entry.study, entry.state, entry.answer) == (study, "offered", None)
    assert [event for _, event, _, _ in register.events()] == ["dispatch.offered"]


def test_an_approval_and_a_denial_come_back_as_what_they_were(
    register: Register, dispatch: Dispatch, study: Study
) -> None:
    register.add(dispatch, study)
    register.move("d-1", "pending")
    register.move("d-1", "approved", approval(dispatch))
    entry = register.entry("d-1")
    assert entry is not None and entry.answer == approval(dispatch)
    denial = Denial(
        dispatch=dispatch.id,
        study_digest=dispatch.study_digest,
        site=SiteId("a"),
        policy_digest="sha256:" + "0" * 64,
        reason="policy-changed",
        at=NOON,
    )
    register.move("d-1", "denied", denial)
    entry = register.entry("d-1")
    assert entry is not None and entry.answer == denial


def test_a_move_that_the_table_does_not_have_is_refused_and_changes_nothing(
    register: Register, dispatch: Dispatch, study: Study
) -> None:
    register.add(dispatch, study)
    with pytest.raises(Conflict, match="offered cannot become released"):
        register.move("d-1", "released")
    assert len(register.events()) == 1
    with pytest.raises(Conflict, match="no dispatch d-2"):
        register.move("d-2", "approved")


def test_a_state_and_its_event_are_written_together_or_not_at_all(
    register: Register, dispatch: Dispatch, study: Study, tmp_path: Path
) -> None:
    register.add(dispatch, study)
    with sqlite3.connect(tmp_path / "node.db") as db:
        db.execute("CREATE TRIGGER no_events BEFORE INSERT ON event BEGIN SELECT RAISE(ABORT, 'no'); END")
    db.close()
    with pytest.raises(sqlite3.IntegrityError):
        register.move("d-1", "pending")
    entry = register.entry("d-1")
    assert entry is not None and entry.state == "offered"


def test_a_round_done_again_replaces_its_line(register: Register, dispatch: Dispatch, study: Study) -> None:
    register.add(dispatch, study)
    first, second = "sha256:" + "1" * 64, "sha256:" + "2" * 64
    register.leave_round(dispatch.id, RoundTrace(round=1, weights_in=first, weights_out=first), first)
    register.leave_round(dispatch.id, RoundTrace(round=0, weights_in=None, weights_out=first), first)
    register.leave_round(dispatch.id, RoundTrace(round=1, weights_in=first, weights_out=second), first)
    assert [(trace.round, trace.weights_out) for trace in register.traces(dispatch.id)] == [(0, first), (1, second)]
