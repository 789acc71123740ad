"""What a hospital keeps of its own between rounds: of the right round, on the disk before the update leaves, never sent."""

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save
from test_node_audit import RULES, AtHand, let, offered
from test_node_journey import Hospital, private_task

from rapha.canonical import base64_text
from rapha.clock import utc_now
from rapha.egress.compression import arrived
from rapha.errors import TrainingFailed, Unreachable
from rapha.node.journey import Journey
from rapha.node.kept import Kept, lay_beside
from rapha.records.record import DispatchId, SiteId, StudyId, TaskId
from rapha.records.task import Task
from rapha.records.travel import declared_update
from rapha.records.variates import declared_variates

SGD = {"learning_rate: 0.05": "learning_rate: 0.05, optimizer: sgd, aggregation: scaffold"}
NOTHING = "sha256:" + "0" * 64


def task(number: int, counted: int | None) -> Task:
    return Task(
        id=TaskId("t-1"), study_id=StudyId("s-1"), study_digest=NOTHING, dispatch=DispatchId("d-1"),
        site=SiteId("north"), round=number, do="train", weights=NOTHING, counted=counted,
    )  # fmt: skip


@pytest.fixture
def hospital(tmp_path: Path) -> Hospital:
    made = Hospital(tmp_path)
    made.sandbox = AtHand()
    made.journey = Journey(made.home, made.line, made.register, made.sandbox, utc_now)
    return made


def test_a_round_starts_from_what_was_kept_when_an_update_last_counted(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept")
    for number in (2, 3, 4):
        kept.keep(number, b"after %d" % number)
        assert kept.before(task(number + 1, number)) == b"after %d" % number
    kept.keep(5, b"left, and came too late")
    assert kept.before(task(6, 4)) == b"after 4"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["round-0004.safetensors"]


@pytest.mark.parametrize("counted", [None, 1])
def test_before_the_second_round_there_is_nothing_to_keep(tmp_path: Path, counted: int | None) -> None:
    kept = Kept(tmp_path / "kept")
    kept.keep(2, b"left, and came too late")
    assert kept.before(task(3, counted)) is None and not list((tmp_path / "kept").iterdir())


def test_what_should_be_there_and_is_not_is_no_fresh_start(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="round 2") as lost:
        Kept(tmp_path / "kept").before(task(3, 2))
    assert lost.value.reason == "kept-state-lost"


def next_task(hospital: Hospital, number: int, weights: bytes, counted: int | None) -> None:
    work = private_task(hospital, number, weights)
    one = work.task.model_copy(update={"counted": counted})
    hospital.journey.work(work.model_copy(update={"task": one, "weights": base64_text(weights)}))


def given_after(hospital: Hospital, left: bytes, fill: float) -> bytes:
    """What a hub might make of this update: its weights, and variates that are all alike."""
    study = hospital.register.entry("d-1").study
    variates = {name: np.full(spec.shape, fill, np.float32) for name, spec in declared_variates(study).items()}
    return save({**load(left), **variates})


def left(hospital: Hospital, number: int) -> bytes:
    return (hospital.home.outbox / "d-1" / f"round-{number:04d}.safetensors").read_bytes()


def kept(hospital: Hospital, what: str = "variates") -> dict[str, bytes]:
    folder = hospital.home.run("d-1") / "kept" / what
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*"))}


def test_variates_stay_here_are_used_and_a_task_done_again_gives_the_same_bits(hospital: Hospital) -> None:
    start = offered(hospital, RULES, **SGD)
    assert let(hospital, start)
    assert not kept(hospital)
    second = given_after(hospital, left(hospital, 1), 0.25)
    next_task(hospital, 2, second, 1)
    (own,) = kept(hospital).values()
    assert own not in (left(hospital, 1), left(hospital, 2))
    third = given_after(hospital, left(hospital, 2), 0.5)
    next_task(hospital, 3, third, 2)
    corrected = left(hospital, 3)
    next_task(hospital, 3, third, 2)  # the hub did not hear it, or the node was killed
    assert left(hospital, 3) == corrected
    next_task(hospital, 3, third, 1)  # as if the second round's had not counted: nothing of its own, another way down
    assert left(hospital, 3) != corrected
    study = hospital.register.entry("d-1").study
    assert all(set(load(left(hospital, n))) == set(load(left(hospital, 1))) for n in (1, 2, 3))
    assert set(load(own)) == set(declared_variates(study))


def test_it_is_on_the_disk_before_the_update_leaves(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    let(hospital, offered(hospital, RULES, **SGD))
    there: list[list[str]] = []

    def heard(_path: str, _record: object) -> None:
        there.append(list(kept(hospital)))
        raise Unreachable("for good")

    monkeypatch.setattr(hospital.line, "post", heard)
    monkeypatch.setattr("rapha.node.outbox.persist", lambda send, _seconds: send())
    with pytest.raises(Unreachable):
        next_task(hospital, 2, given_after(hospital, left(hospital, 1), 0.25), 1)
    assert there == [["round-0002.safetensors"]]


def test_they_go_with_the_run(hospital: Hospital) -> None:
    let(hospital, offered(hospital, RULES, **SGD))
    next_task(hospital, 2, given_after(hospital, left(hospital, 1), 0.25), 1)
    hospital.journey.stop(DispatchId("d-1"), "cancelled")
    assert not kept(hospital)


INT8 = {"rounds: 3, learning_rate: 0.05": "rounds: 5, learning_rate: 0.05, updates: int8"}


def test_what_rounding_left_over_stays_is_added_once_and_is_forgotten_where_a_round_was_missed(
    hospital: Hospital,
) -> None:
    let(hospital, offered(hospital, RULES, **INT8))
    first = left(hospital, 1)
    next_task(hospital, 2, first, 1)
    assert set(kept(hospital, "left-over")) == {"round-0002.safetensors"} and not kept(hospital)
    study = hospital.register.entry("d-1").study
    assert set(load(left(hospital, 2))) == set(declared_update(study, 2))
    third = arrived(first, left(hospital, 2), study)
    next_task(hospital, 3, third, 2)
    with_rest = left(hospital, 3)
    next_task(hospital, 3, third, 2)
    assert left(hospital, 3) == with_rest
    next_task(hospital, 3, third, 1)  # the second round's update did not count: its rest is of a change that nobody has
    assert left(hospital, 3) != with_rest
    next_task(hospital, 5, third, 3)
    assert set(kept(hospital, "left-over")) == {"round-0005.safetensors"}


def test_the_sandbox_never_sees_what_was_left_over(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    let(hospital, offered(hospital, RULES, **INT8))
    next_task(hospital, 2, left(hospital, 1), 1)
    (rest,) = kept(hospital, "left-over").values()
    study = hospital.register.entry("d-1").study
    next_task(hospital, 3, arrived(left(hospital, 1), left(hospital, 2), study), 2)
    run = hospital.home.run("d-1")
    seen = [path.read_bytes() for place in ("input", "weights", "output") for path in (run / place).iterdir()]
    assert len(seen) >= 4 and rest not in seen


def test_a_file_that_a_sandbox_may_have_mapped_is_replaced_and_never_written_in_place(tmp_path: Path) -> None:
    name = lay_beside(tmp_path, b"variates")
    with (tmp_path / str(name)).open("rb") as mapped:
        assert lay_beside(tmp_path, b"variates") == name
        assert os.fstat(mapped.fileno()).st_ino != (tmp_path / str(name)).stat().st_ino
    assert [path.name for path in tmp_path.iterdir()] == [name]
