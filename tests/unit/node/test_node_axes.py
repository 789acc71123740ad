"""A hospital holds on to the axes that it reckoned, whatever the hub hands out."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from test_node_repeats import DISPATCH, Hub
from two_peoples import study

from rapha.canonical import digest
from rapha.clock import utc_now
from rapha.errors import TrainingFailed
from rapha.node.axes import check_axes
from rapha.node.outbox import Outbox
from rapha.node.register import Register
from rapha.records.record import SiteId, StudyId, TaskId
from rapha.records.task import Task
from rapha.records.tensors import declared_weights

STUDY = study("binary", {"count": 1, "rounds": 12})
FOUND = 14
"""The round that finds the axes: 13 come before it."""
CHANCE = np.random.default_rng(5)
SENT = {
    name: CHANCE.normal(size=spec.shape).astype(np.float64 if spec.dtype == "F64" else np.float32)
    for name, spec in declared_weights(STUDY).items()
}


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox", Hub(), Register(tmp_path / "node.sqlite", utc_now))  # type: ignore[arg-type]


def leave(outbox: Outbox, number: int) -> None:
    held = outbox.hold(DISPATCH, number, [save(SENT)])
    assert held.part is not None
    held.part.replace(held.path)


def ask(outbox: Outbox, folder: Path, number: int, **changed: np.ndarray) -> None:
    given = folder / "given.safetensors"
    given.write_bytes(save(SENT | changed))
    task = Task(id=TaskId("t-1"), study_id=StudyId("s-1"), study_digest=STUDY.digest, dispatch=DISPATCH,
                site=SiteId("north"), round=number, do="train", weights=digest(b"given"))  # fmt: skip
    check_axes(outbox, STUDY, task, given)


@pytest.mark.parametrize("number", [3, 14, 15, 20])
@pytest.mark.parametrize("name", ["components.loadings", "components.mean", "components.basis"])
def test_other_axes_than_it_sent_are_refused(outbox: Outbox, tmp_path: Path, number: int, name: str) -> None:
    leave(outbox, min(number - 1, FOUND))
    ask(outbox, tmp_path, number)
    ask(outbox, tmp_path, number, **{name: SENT[name] * (1 + 1e-9)})  # a mean of what processors differ in
    for wrong in (SENT[name] * 1.01, SENT[name][::-1].copy(), SENT[name] * np.nan):
        with pytest.raises(TrainingFailed, match=name) as refused:
            ask(outbox, tmp_path, number, **{name: wrong})
        assert refused.value.reason == "study-changed"


def test_what_is_no_axis_changes_from_round_to_round(outbox: Outbox, tmp_path: Path) -> None:
    leave(outbox, FOUND)
    ask(outbox, tmp_path, 15, **{"sums.information": SENT["sums.information"] + 1})


def test_without_a_copy_of_what_left_nothing_is_reckoned(outbox: Outbox, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed) as refused:
        ask(outbox, tmp_path, 15)
    assert refused.value.reason == "kept-state-lost"


def test_the_first_round_has_no_axes_before_it(outbox: Outbox, tmp_path: Path) -> None:
    ask(outbox, tmp_path, 1)
