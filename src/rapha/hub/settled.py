"""A round that waits for nobody any more: all that its average is made of, read in one snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session

from rapha.hub.progress import OPEN, Standing
from rapha.hub.released import best_so_far, kept_by
from rapha.hub.small_blobs import small_of
from rapha.hub.standing import goes_on_after
from rapha.hub.store.tables import RoundRow, StudyRow
from rapha.hub.studies import study_of
from rapha.hub.updates import rows_ever, updates_of
from rapha.hub.variates import Drift, drift_of
from rapha.records.study import Study
from rapha.records.task import Update
from rapha.records.tensors import declared_weights
from rapha.records.variates import declared_variates

HEADER_BYTES = 256
"""Of a file of weights, for one tensor, with room to spare."""


@dataclass(frozen=True)
class Settled:
    """A round of which no task is open any more: nothing of this changes. `small`: what of its weights lies in the database."""

    number: int
    do: str
    study: Study
    weights_in: str | None
    before: RoundRow | None
    updates: dict[str, Update]
    drift: Drift | None
    best: int | None
    small: Mapping[str, bytes]

    def is_light(self, at_most_bytes: int, made_at_most_bytes: int) -> bool:
        """Whether all that is read of it lies in the database, and is no more than that; and whether what is made of it is no more than
        the other, so that it lies there too."""
        made = {**declared_weights(self.study), **declared_variates(self.study)}
        small = (
            self.do == "prepare" or sum(spec.size_bytes + HEADER_BYTES for spec in made.values()) <= made_at_most_bytes
        )
        return small and self.read <= self.small.keys() and sum(map(len, self.small.values())) <= at_most_bytes

    @property
    def read(self) -> set[str]:
        """The digests of all weights that its average is made of, and of those that it may keep."""
        return _read(self.updates, self.weights_in, self.before)


def settled_of(session: Session, row: StudyRow, standing: Standing) -> Settled | None:
    """The newest round; None where a task of it is open."""
    newest = standing.newest
    if newest is None or any(task.state in OPEN for task in newest.tasks):
        return None
    number, study = newest.number, study_of(row.study)
    round_ = session.get_one(RoundRow, (row.id, number))
    before = session.get(RoundRow, (row.id, number - 1))
    updates = updates_of(session, row.id, number)
    drift, best, training = None, None, round_.do == "train"
    if training and declared_variates(study) and goes_on_after(session, row.id, study, number):
        drift = drift_of(study, updates, rows_ever(session, row.id))
    if training:
        best = best_so_far(session, row.id, study, number)
    small = small_of(session, _read(updates, round_.weights_in, before))
    return Settled(number, round_.do, study, round_.weights_in, before, updates, drift, best, small)


def _read(updates: Mapping[str, Update], weights_in: str | None, before: RoundRow | None) -> set[str]:
    named = {update.weights_out for update in updates.values()} | {weights_in} | set(kept_by(before))
    return {digest for digest in named if digest}
