"""A hospital holds on to the axes that it reckoned, whatever the hub hands out."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from two_peoples import study

from rapha.canonical import digest
from rapha.errors import TrainingFailed
from rapha.node.axes import check_axes
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
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


def ask(folder: Path, number: int, left: int | None, **changed: np.ndarray) -> None:
    """`left`: the round whose copy is in the outbox."""
    given, sent = folder / "given.safetensors", folder / "sent.safetensors"
    given.write_bytes(save(SENT | changed))
    sent.write_bytes(save(SENT))
    task = Task(id=TaskId("t-1"), study_id=StudyId("s-1"), study_digest=STUDY.digest, dispatch=DispatchId("d-1"),
                site=SiteId("north"), round=number, do="train", weights=digest(b"given"))  # fmt: skip
    check_axes(lambda _dispatch, asked: sent if asked == left else None, STUDY, task, given)


@pytest.mark.parametrize("number", [3, 14, 15, 20])
@pytest.mark.parametrize("name", ["components.loadings", "components.mean", "components.basis"])
def test_other_axes_than_it_sent_are_refused(tmp_path: Path, number: int, name: str) -> None:
    left = min(number - 1, FOUND)
    ask(tmp_path, number, left)
    ask(tmp_path, number, left, **{name: SENT[name] * (1 + 1e-9)})  # a mean of what processors differ in
    for wrong in (SENT[name] * 1.01, SENT[name][::-1].copy(), SENT[name] * np.nan):
        with pytest.raises(TrainingFailed, match=name) as refused:
            ask(tmp_path, number, left, **{name: wrong})
        assert refused.value.reason == "study-changed"


def test_what_is_no_axis_changes_from_round_to_round(tmp_path: Path) -> None:
    ask(tmp_path, 15, FOUND, **{"sums.information": SENT["sums.information"] + 1})


def test_without_a_copy_of_what_left_nothing_is_reckoned(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed) as refused:
        ask(tmp_path, 15, None)
    assert refused.value.reason == "kept-state-lost"


def test_the_first_round_has_no_axes_before_it(tmp_path: Path) -> None:
    ask(tmp_path, 1, None)
