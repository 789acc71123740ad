"""A hospital's own hold on the axes of a GWAS's components: those that it reckoned, and no others, from round to round.

Hospitals reckon axes alike from the sums of all, and the hub hands out the mean of them. A hub that handed out others would choose which columns the
regressions have, anew in every round. What this hospital sent is in its outbox, so nothing else need be kept.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rapha.egress.weights import limit_bytes, read_array, read_layout
from rapha.errors import TrainingFailed
from rapha.records.association import Gwas
from rapha.records.components import ALIKE, AXES
from rapha.records.record import DispatchId
from rapha.records.study import Study
from rapha.records.task import Task
from rapha.records.tensors import declared_weights

Sent = Callable[[DispatchId, int], Path | None]


def check_axes(sent: Sent, study: Study, task: Task, given: Path) -> None:
    """`sent`: as `Outbox.sent`; `given`: the file of the weights that the task begins with. Before the regressions it must hold the axes that this hospital sent in the
    round before, and in them those that it sent in the first.

    Raises:
        TrainingFailed: `study-changed`: they are others; `kept-state-lost`: the copy of what was sent is not there.
        EgressRefused: the file is not of the study's tensors.
    """
    if task.do != "train" or not isinstance(study.model, Gwas) or not study.model.components or task.round < 2:
        return
    copy = sent(task.dispatch, min(task.round - 1, study.model.rounds_before + 1))
    if copy is None:
        raise TrainingFailed("what left in an earlier round is not in the outbox any more", "kept-state-lost")
    own, now = _axes(copy, study), _axes(given, study)
    for name, values in own.items():
        if not (np.abs(now[name] - values) <= ALIKE * np.abs(values).max(initial=0)).all():  # NaN is not alike
            raise TrainingFailed(f"{name}: the hub gives other axes than this hospital reckoned", "study-changed")


def _axes(file: Path, study: Study) -> dict[str, NDArray[np.floating]]:
    declared = declared_weights(study)
    if file.stat().st_size > limit_bytes(declared):
        raise TrainingFailed("the starting weights are larger than the study declares", "weights-unreadable")
    data = file.read_bytes()
    placed = read_layout(data, declared)
    return {name: read_array(data, each) for name, each in placed.items() if name.startswith(AXES)}
