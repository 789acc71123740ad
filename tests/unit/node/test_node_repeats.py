"""A round of a GWAS leaves a hospital once: the same bits again, never other sums of the same patients."""

from pathlib import Path

import pytest
from gwas_town import gwas_study

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.errors import TrainingFailed
from rapha.node.outbox import Outbox
from rapha.node.register import Entry, Register
from rapha.node.repeats import left_before
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.site import Dispatch
from rapha.records.study import Study
from rapha.records.task import Task, Update

STUDY = gwas_study("binary")
DISPATCH = DispatchId("d-1")
SENT = b"sums of round 3"


class Hub:
    """Takes what is handed in."""

    def hand_in(self, _parcel: object) -> None:
        return None


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    register = Register(tmp_path / "node.sqlite", utc_now)
    dispatch = Dispatch(id=DISPATCH, study_id=StudyId("s-1"), study_digest=STUDY.digest, site=SiteId("north"),
                        researcher="anna@example.org")  # fmt: skip
    register.add(dispatch, STUDY)
    return Outbox(tmp_path / "outbox", Hub(), register, lambda: None)  # type: ignore[arg-type]


def entry(state: str = "approved", study: Study = STUDY) -> Entry:
    return Entry(None, study, state, None, None)  # type: ignore[arg-type]


def task(number: int, weights: bytes) -> Task:
    return Task(id=TaskId("t-1"), study_id=StudyId("s-1"), study_digest=STUDY.digest, dispatch=DISPATCH,
                site=SiteId("north"), round=number, do="train", weights=digest(weights))  # fmt: skip


def leave(outbox: Outbox, number: int, weights: bytes) -> None:
    held = outbox.hold(DISPATCH, number, [SENT])
    update = Update(task=TaskId("t-1"), study_digest=STUDY.digest, site=SiteId("north"), round=number, do="train",
                    weights_in=digest(weights), weights_out=held.digest, weight=400)  # fmt: skip
    outbox.update(DISPATCH, update, held)


def test_the_same_round_from_the_same_weights_is_what_left_before(outbox: Outbox) -> None:
    assert left_before(outbox.left_before, entry(), task(3, b"of all")) is None
    leave(outbox, 3, b"of all")
    for state in ("approved", "released"):
        held = left_before(outbox.left_before, entry(state), task(3, b"of all"))
        assert held is not None and held.path.read_bytes() == SENT


@pytest.mark.parametrize("lost", [False, True])
def test_a_gwas_round_is_not_answered_again_from_other_weights(outbox: Outbox, tmp_path: Path, lost: bool) -> None:
    leave(outbox, 3, b"of all")
    if lost:
        (tmp_path / "outbox" / DISPATCH / "round-0003.safetensors").unlink()
    with pytest.raises(TrainingFailed) as refused:
        left_before(outbox.left_before, entry(), task(3, b"of its choice"))
    assert refused.value.reason == "round-already-left"


def test_what_was_sent_is_found_where_it_is_whole(outbox: Outbox, tmp_path: Path) -> None:
    assert outbox.sent(DISPATCH, 3) is None
    leave(outbox, 3, b"of all")
    copy = outbox.sent(DISPATCH, 3)
    assert copy is not None and copy.read_bytes() == SENT
    copy.write_bytes(b"other bytes")
    assert outbox.sent(DISPATCH, 3) is None


def test_a_copy_that_is_lost_is_made_again_from_the_same_weights(outbox: Outbox, tmp_path: Path) -> None:
    leave(outbox, 3, b"of all")
    (tmp_path / "outbox" / DISPATCH / "round-0003.safetensors").unlink()
    assert left_before(outbox.left_before, entry(), task(3, b"of all")) is None


def test_a_round_that_was_killed_before_it_was_said_to_leave_is_done_again(outbox: Outbox) -> None:
    outbox.hold(DISPATCH, 3, [SENT])
    assert left_before(outbox.left_before, entry(), task(3, b"of all")) is None


@pytest.mark.parametrize("number", [0, 9, 100_000])
@pytest.mark.parametrize("kind", ["gwas", "learnt"])
def test_no_study_has_more_rounds_than_it_was_approved_for(outbox: Outbox, number: int, kind: str) -> None:
    import record_samples

    study = STUDY if kind == "gwas" else record_samples.example("diabetes-within-5-years")
    number = number if number != 9 else study.training.rounds + 1
    with pytest.raises(TrainingFailed) as refused:
        left_before(outbox.left_before, entry(study=study), task(number, b"any"))
    assert refused.value.reason == "not-approved"


def test_no_new_round_of_a_gwas_after_its_receipt(outbox: Outbox) -> None:
    with pytest.raises(TrainingFailed, match="receipt") as refused:
        left_before(outbox.left_before, entry("released"), task(4, b"of its choice"))
    assert refused.value.reason == "not-approved"
