"""Which rounds a hospital works on, and which of them leave once: others' answers to the same question would be more answers."""

from collections.abc import Callable
from typing import TypeVar

from rapha.errors import TrainingFailed
from rapha.node.register import Entry
from rapha.records.association import Gwas
from rapha.records.learning import Script
from rapha.records.study import Study
from rapha.records.task import Task

Held = TypeVar("Held")


def leaves_once(study: Study) -> bool:
    """Under differential privacy a second answer has other noise; a script's is whatever it likes; the sums of a GWAS from other weights
    are other sums of the same patients, and how many of them leave is what a steward grants."""
    return study.privacy.differential_privacy is not None or isinstance(study.model, Script | Gwas)


def left_before(copy_of: Callable[[Task], Held | None], entry: Entry, task: Task) -> Held | None:
    """`copy_of`: as `Outbox.left_before`. Of a round of training that leaves once, the bits that left before, to be sent again; None where it is to be worked on.

    Raises:
        TrainingFailed: `not-approved`: the study has no such round, or it is released and this round never left;
            `round-already-left`: from other weights.
    """
    if not 1 <= task.round <= entry.study.training.rounds:
        raise TrainingFailed("more rounds than the study was approved for", "not-approved")
    if not leaves_once(entry.study):
        return None
    held = copy_of(task)
    if held is None and entry.state == "released":
        raise TrainingFailed("a new round of a study whose receipt is signed", "not-approved")
    return held
